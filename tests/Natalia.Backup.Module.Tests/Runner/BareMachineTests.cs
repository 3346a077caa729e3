using System.Text.RegularExpressions;
using Natalia.Backup.Module.Tests.Commands;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>
/// The day on which only the repository and its password are left, as docs/troubleshooting.md walks through it: another
/// process, without a profile, a home, a variable or a hypervisor.
/// </summary>
public sealed class BareMachineTests : IDisposable
{
    private const string Password = "correct horse battery staple";

    private static readonly byte[] s_system = [.. Enumerable.Range(0, 1 << 18).Select(i => (byte)(i * 7))];

    private readonly TemporaryFolder _left = new();
    private readonly byte[] _disk;

    public BareMachineTests()
    {
        using var lost = new FolderFixture();
        lost.Run("$null = New-NataliaRepository -Path $args[0] -Name nas -Password $args[1]; Get-NataliaAppliance "
            + "-Name * | Set-NataliaAppliance -Repository nas; $null = Get-NataliaAppliance | Invoke-NataliaBackup",
            _left["repository"], FolderFixture.Password(Password)).ThrowIfFailed();
        lost.Change("natalia-paris", 70_000);
        lost.BackUp();
        _disk = File.ReadAllBytes(lost.Disk("natalia-paris"));
    }

    public void Dispose() => _left.Dispose();

    [Fact]
    public async Task The_newest_point_is_restored_as_the_document_says()
    {
        RunnerProcess.Result run = await RunAsync(Walk("")
            + "\n\"$((Get-NataliaAppliance | Where-Object Hypervisor -eq restored).ApplianceId -eq $lost) goes on\"");

        Assert.True(run.ExitCode == 0, $"{run.Output}\n{run.Error}");
        Assert.Contains("True goes on", run.Output, StringComparison.Ordinal);
        Assert.Equal(_disk, await File.ReadAllBytesAsync(Directory.GetFiles(_left["restored"], "*.raw").Single()));
        Assert.Contains("voice", await File.ReadAllTextAsync(Directory.GetFiles(_left["restored"], "*.json").Single()),
            StringComparison.Ordinal);
        string vm = Path.GetDirectoryName(Directory.EnumerateFiles(_left["restored/vms"], "vm.json",
            SearchOption.AllDirectories).Single())!;
        Assert.Contains("natalia-paris", await File.ReadAllTextAsync(Path.Combine(vm, "vm.json")),
            StringComparison.Ordinal);
        List<byte[]> images = [.. Directory.GetFiles(vm, "*.raw").Select(File.ReadAllBytes)];
        Assert.Equal(2, images.Count);
        Assert.Contains(images, i => i.AsSpan().SequenceEqual(_disk));
        Assert.Contains(images, i => i.AsSpan().SequenceEqual(s_system));
    }

    [Fact]
    public async Task It_is_restored_although_the_file_that_opens_the_repository_is_gone()
    {
        File.Delete(Path.Combine(_left["repository"], "natalia.json"));
        RunnerProcess.Result without = await RunAsync(Walk(""));
        Assert.NotEqual(0, without.ExitCode);
        Assert.Contains("-RebuildSettings", without.Output + without.Error, StringComparison.Ordinal);
        RunnerProcess.Result run = await RunAsync(Walk(" -RebuildSettings"));
        Assert.True(run.ExitCode == 0, $"{run.Output}\n{run.Error}");
        Assert.Equal(_disk, await File.ReadAllBytesAsync(Directory.GetFiles(_left["restored"], "*.raw").Single()));
    }

    /// <summary>The block of the document, with the places and the password of the test.</summary>
    private string Walk(string more)
    {
        string page = File.ReadAllText(Path.Combine(BuildLayout.RepositoryRoot, "docs", "troubleshooting.md"));
        string section = page[page.IndexOf("## Only the repository", StringComparison.Ordinal)..]
            .ReplaceLineEndings("\n");
        string code = Regex.Match(section, "```powershell\n(.*?)```", RegexOptions.Singleline).Groups[1].Value;
        File.WriteAllBytes(_left["system.raw"], s_system);
        string walk = Put(code, @"N:\nas\backup\natalia -Name rescue", $"'{_left["repository"]}' -Name rescue{more}");
        walk = Put(walk, "(Get-Secret natalia-nas)", $"(ConvertTo-SecureString '{Password}' -AsPlainText -Force)");
        walk = Put(walk, @"D:\restore\vms", $"'{_left["restored/vms"]}'");
        walk = Put(walk, @"D:\images\natalia-system.raw", $"'{_left["system.raw"]}'");
        walk = Put(walk, @"D:\restore", $"'{_left["restored"]}'");
        return "$ErrorActionPreference = 'Stop'\n" + walk;

        static string Put(string text, string old, string with)
        {
            Assert.Contains(old, text, StringComparison.Ordinal);
            return text.Replace(old, with, StringComparison.Ordinal);
        }
    }

    private async Task<RunnerProcess.Result> RunAsync(string script)
    {
        string file = _left["walk.ps1"];
        await File.WriteAllTextAsync(file, script);
        // Windows starts nothing without its own variables.
        if (OperatingSystem.IsWindows()) return await RunnerProcess.RunAsync(file);
        string[] runtime = Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root
            ? [$"DOTNET_ROOT={root}"]
            : [];
        return await RunnerProcess.RunProgramAsync("env", ["-i", "PATH=/usr/bin:/bin", .. runtime, BuildLayout.Runner,
            file]);
    }
}
