using System.Text.RegularExpressions;
using Natalia.Backup.Module.Tests.Commands;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>
/// A machine on which only a repository and its password are left: the lines of docs/troubleshooting.md are typed there
/// into another process, without a profile, a home, a variable or a hypervisor, in an empty folder.
/// </summary>
internal sealed class BareMachine : IDisposable
{
    private const string Password = "correct horse battery staple";

    private static readonly byte[] s_system = [.. Enumerable.Range(0, 1 << 18).Select(i => (byte)(i * 7))];

    private readonly TemporaryFolder _left = new();
    private readonly byte[] _disk;

    /// <summary>Makes a repository and points of two appliances, and loses everything but the repository.</summary>
    /// <param name="make">The script that makes the repository 'nas': it gets the password, the folder of what is left,
    /// and the other arguments.</param>
    /// <param name="arguments">The other arguments.</param>
    internal BareMachine(string make, params object[] arguments)
    {
        using var lost = new FolderFixture();
        lost.Run($"$null = {make}; Get-NataliaAppliance -Name * | Set-NataliaAppliance -Repository nas; "
            + "$null = Get-NataliaAppliance | Invoke-NataliaBackup",
            [FolderFixture.Password(Password), _left.Path, .. arguments]).ThrowIfFailed();
        lost.Change("natalia-paris", 70_000);
        lost.BackUp();
        _disk = File.ReadAllBytes(lost.Disk("natalia-paris"));
        File.WriteAllBytes(_left["system.raw"], s_system);
        Directory.CreateDirectory(_left["here"]);
    }

    internal string this[string name] => _left[name];

    /// <summary>What the password is given as where nobody can be asked.</summary>
    internal static string PasswordArgument => $"-Password {Secret(Password)}";

    /// <summary>A secret, as a text of PowerShell.</summary>
    internal static string Secret(string text) => $"(ConvertTo-SecureString '{text}' -AsPlainText -Force)";

    /// <summary>The lines of the document, with this machine's places in them.</summary>
    /// <param name="open">What is typed in place of the line that opens a folder; null for that line with the folder of
    /// this machine.</param>
    /// <param name="more">What is typed behind that line.</param>
    internal string Walk(string? open = null, string more = "")
    {
        string code = Blocks()[0];
        string line = Regex.Match(code, "(?m)^Connect-NataliaRepository .*$").Value;
        string walk = Put(code, line, (open ?? Put(line, @"N:\nas\backup\natalia", $"'{_left["repository"]}'"))
            + $" {PasswordArgument}{more}");
        walk = Put(walk, @"D:\restore\vms", $"'{_left["restored/vms"]}'");
        walk = Put(walk, @"D:\images\natalia-system.raw", $"'{_left["system.raw"]}'");
        walk = Put(walk, @"D:\restore", $"'{_left["restored"]}'");
        return walk
            + "\n\"$((Get-NataliaAppliance | Where-Object Hypervisor -eq restored).ApplianceId -eq $lost) goes on\"";
    }

    /// <summary>The line of the document that opens a bucket, with another one's name, address and key.</summary>
    internal static string OpenBucket(string bucket, Uri endpoint, string key, string secret)
    {
        string line = Put(Blocks()[1].Trim(), "natalia-offsite", bucket);
        line = Put(line, "https://s3.example.net", endpoint.AbsoluteUri);
        return Put(line, "(Get-Credential)", $"([pscredential]::new('{key}', {Secret(secret)}))");
    }

    /// <summary>Runs a script in a process of its own that stops at the first error.</summary>
    internal async Task<RunnerProcess.Result> RunAsync(string script)
    {
        string file = _left["walk.ps1"];
        await File.WriteAllTextAsync(file, "$ErrorActionPreference = 'Stop'\n" + script);
        // Windows starts nothing without its own variables.
        if (OperatingSystem.IsWindows()) return await RunnerProcess.RunAsync(file);
        string[] runtime = Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root
            ? [$"DOTNET_ROOT={root}"]
            : [];
        return await RunnerProcess.RunProgramAsync("env", ["-i", "-C", _left["here"], "PATH=/usr/bin:/bin", .. runtime,
            BuildLayout.Runner, file]);
    }

    /// <summary>Fails unless the run ended well and all that was lost is there again.</summary>
    internal void EverythingIsBack(RunnerProcess.Result run)
    {
        Assert.True(run.ExitCode == 0, $"{run.Output}\n{run.Error}");
        Assert.Contains("True goes on", run.Output, StringComparison.Ordinal);
        Assert.Equal(_disk, File.ReadAllBytes(Directory.GetFiles(_left["restored"], "*.raw").Single()));
        Assert.Contains("voice", File.ReadAllText(Directory.GetFiles(_left["restored"], "*.json").Single()),
            StringComparison.Ordinal);
        string vm = Path.GetDirectoryName(Directory.EnumerateFiles(_left["restored/vms"], "vm.json",
            SearchOption.AllDirectories).Single())!;
        Assert.Contains("natalia-paris", File.ReadAllText(Path.Combine(vm, "vm.json")), StringComparison.Ordinal);
        List<byte[]> images = [.. Directory.GetFiles(vm, "*.raw").Select(File.ReadAllBytes)];
        Assert.Equal(2, images.Count);
        Assert.Contains(images, i => i.AsSpan().SequenceEqual(_disk));
        Assert.Contains(images, i => i.AsSpan().SequenceEqual(s_system));
    }

    public void Dispose() => _left.Dispose();

    /// <summary>The blocks of the document's section.</summary>
    private static List<string> Blocks()
    {
        string page = File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "docs", "troubleshooting.md"));
        string section = page[page.IndexOf("## Only the repository", StringComparison.Ordinal)..]
            .ReplaceLineEndings("\n");
        return [.. Regex.Matches(section, "```powershell\n(.*?)```", RegexOptions.Singleline)
            .Select(m => m.Groups[1].Value)];
    }

    private static string Put(string text, string old, string with)
    {
        Assert.Contains(old, text, StringComparison.Ordinal);
        return text.Replace(old, with, StringComparison.Ordinal);
    }
}
