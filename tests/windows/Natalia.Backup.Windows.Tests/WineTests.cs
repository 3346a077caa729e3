using System.Text.RegularExpressions;
using Natalia.Backup.Testing;
using Xunit.Abstractions;

namespace Natalia.Backup.Windows.Tests;

/// <summary>
/// The build for Windows, on Wine, a stand-in for Windows: its paths, files and time zones are looked at by code that
/// Windows alone runs. What Wine's answer says nothing about is marked with <see cref="WineCannotTellAttribute"/>, test
/// by test. The netstandard2.0 assemblies, which Windows PowerShell 5.1 loads, run here with their branches for
/// Windows, though on .NET and not on the .NET Framework.
/// </summary>
[Trait("Category", "Wine")]
public sealed partial class WineTests(WineStage stage, ITestOutputHelper output) : IClassFixture<WineStage>
{
    private const string Net = "out", NetStandard = "out-netstandard";
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(10);

    [WineTheory]
    [InlineData(Net)]
    [InlineData(NetStandard)]
    public void The_quick_start_runs_to_its_end(string build)
    {
        string script = WineStage.ForWindows(Path.Combine(BuildLayout.RepositoryRoot, "examples", "QuickStart.ps1"));
        WineStage.Result run = stage.RunScript(build, s_limit,
            "$PSVersionTable.Platform; "
            + "(Get-Command Invoke-NataliaBackup).ImplementingType.Assembly.GetCustomAttributes($true).FrameworkName; "
            + $"& '{script}' -SizeMB 64");

        Assert.True(run.ExitCode == 0, run.Screen + run.Text);
        Assert.Contains("Win32NT", run.Text, StringComparison.Ordinal);
        Assert.Contains(build == Net ? ".NETCoreApp,Version=v8.0" : ".NETStandard,Version=v2.0", run.Text,
            StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(run.Text, "exported, the same byte for byte"));
        Assert.Contains("Done.", run.Text, StringComparison.Ordinal);
    }

    /// <summary>The module is the same for every system, and the runtime is the runner's.</summary>
    [WineFact]
    public void A_runner_that_is_published_with_its_runtime_holds_the_module_and_nothing_beside_it()
    {
        string published = Path.Combine(stage.Folder, Net, "natalia", "Modules", "Natalia.Backup");
        Assert.Equal(Files(BuildLayout.ModuleRoot), Files(published));
        Assert.Equal(Files(BuildLayout.ModuleRoot), Files(Path.Combine(stage.Folder, Net, "Natalia.Backup")));

        static string[] Files(string folder) => [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(folder, f)).Order(StringComparer.Ordinal)];
    }

    /// <summary>Not the tests of what is the same everywhere: crashes at every operation, and whole repositories in
    /// memory.</summary>
    [WineFact]
    public void The_engine_s_tests_pass() =>
        Passes(200, stage.RunTests("parts", Net, s_limit, "Natalia.Backup.Engine.Tests",
            ".Engine.Tests.Files.", ".Engine.Tests.Storage.", ".Engine.Tests.Disks.", ".Engine.Tests.Retention."));

    [WineFact]
    public void The_tests_of_folders_of_VMs_pass() =>
        Passes(30, stage.RunTests("parts", Net, s_limit, "Natalia.Backup.Hypervisors.Tests",
            ".Hypervisors.Tests.Folder."));

    /// <summary>Not those of the code's own order, which is the same everywhere.</summary>
    [WineFact]
    public void The_cmdlets_tests_pass() =>
        Passes(80, stage.RunTests("parts", Net, s_limit, "Natalia.Backup.Cmdlets.Tests", ".Arguments.", ".Errors.",
            ".Pipeline.", ".Points.", ".Profiles.", ".Runs.", ".Schedules.WindowsAccounts", ".Sessions.", ".Text."));

    [WineTheory]
    [InlineData(Net)]
    [InlineData(NetStandard)]
    public void The_module_s_tests_pass(string build) =>
        Passes(60, stage.RunTests("module", build, s_limit, "Natalia.Backup.Module.Tests", ".RepositoryTests",
            ".RestorePointTests", ".BackupTests", ".AuditTests", ".CmdletContractTests", ".StoredRetentionTests"));

    private void Passes(int atLeast, WineStage.Result run)
    {
        Match counts = Counts().Match(run.Text);
        // What began matters only where it did not come to an end: the last one did not.
        string text = counts.Success ? Began().Replace(run.Text, "") : run.Text;
        Assert.True(run.ExitCode == 0 && counts.Success, $"exit code {run.ExitCode}: {text}{run.Screen}");
        // What was proved, and what was not.
        output.WriteLine(text);
        Assert.Contains("# Microsoft Windows", run.Text, StringComparison.Ordinal);
        Assert.Equal("0", counts.Groups["failed"].Value);
        Assert.InRange(int.Parse(counts.Groups["passed"].Value, System.Globalization.CultureInfo.InvariantCulture),
            atLeast, int.MaxValue);
    }

    [GeneratedRegex(@"^# begins .*\n", RegexOptions.Multiline)]
    private static partial Regex Began();

    [GeneratedRegex(@"^(?<passed>\d+) passed, (?<failed>\d+) failed, \d+ skipped$", RegexOptions.Multiline)]
    private static partial Regex Counts();
}
