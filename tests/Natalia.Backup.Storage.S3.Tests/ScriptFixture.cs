using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>Folders of VMs, and scripts that the runner carries out in processes of their own.</summary>
public sealed class ScriptFixture : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-s3-");

    /// <summary>
    /// What every script begins with: keys in the environment of the process, never on its command line.
    /// </summary>
    private const string Head = """
        $ErrorActionPreference = 'Stop'
        $secure = [Net.NetworkCredential]::new('', $env:NATALIA_TEST_SECRET).SecurePassword
        $key = [pscredential]::new($env:NATALIA_TEST_KEY, $secure)

        """;

    public ScriptFixture()
    {
        Environment.SetEnvironmentVariable("NATALIA_TEST_KEY", CephServer.AccessKey);
        Environment.SetEnvironmentVariable("NATALIA_TEST_SECRET", CephServer.SecretKey);
    }

    public string Path(string name) => System.IO.Path.Combine(_folder.FullName, name);

    /// <summary>A folder with one VM that has one disk of random bytes; its path.</summary>
    public string AddAppliance(string name, int bytes, int seed)
    {
        string vm = Path($"{name}-vms/{name}");
        Directory.CreateDirectory(vm);
        byte[] disk = new byte[bytes];
        new Random(seed).NextBytes(disk);
        File.WriteAllBytes(System.IO.Path.Combine(vm, "data.raw"), disk);
        return Path($"{name}-vms");
    }

    public RunnerProcess Start(string script, params string[] arguments) =>
        RunnerProcess.Start([Write(script), .. arguments]);

    public Task<RunnerProcess.Result> RunAsync(string script, params string[] arguments) =>
        RunnerProcess.RunAsync([Write(script), .. arguments]);

    private string Write(string script)
    {
        string path = Path($"{Guid.NewGuid():n}.ps1");
        int end = script.StartsWith("param(", StringComparison.Ordinal) ? script.IndexOf('\n') + 1 : 0;
        File.WriteAllText(path, script[..end] + Head + script[end..]);
        return path;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
