using System.Text.Json;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// The runbook of a quarter as a timer starts it, to its good end: a real appliance is restored into a real VM of its
/// own kind of hypervisor and passes, and what was attained is written down.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class QuarterlyRunbookTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    [ApplianceFact]
    public async Task The_quarterly_runbook_tests_measures_and_reports()
    {
        string vms = module.NewFolder(), work = module.NewFolder();
        TestAppliance appliance = TestAppliance.Make(Path.Combine(vms, "natalia-nice"));
        string profile = Path.Combine(work, "profile.json"), reports = Path.Combine(work, "reports");
        module.Run("""
            $vms, $store, $profile, $system, $count = $args
            $null = Connect-NataliaHypervisor -Qemu $vms -Name lab
            $null = New-NataliaRepository -Name local -Path $store -Unencrypted
            Set-NataliaAppliance natalia-nice -Repository local -TestBench lab -SystemImage $system -Strategy SixHourly
            $null = Invoke-NataliaBackup natalia-nice -CdrBaseline $count
            $null = Export-NataliaProfile $profile
            """, vms, Path.Combine(work, "repository"), profile, appliance.SystemImage, appliance.CdrCount)
            .ThrowIfFailed();
        string[] before = Directory.GetFileSystemEntries(vms);

        RunnerProcess.Result run = await RunnerProcess.RunAsync(
            Path.Combine(BuildLayout.ModuleRoot, "examples", "runbooks", "QuarterlyRestoreTest.ps1"), "-ProfilePath",
            profile, "-ReportFolder", reports);

        Assert.True(run.ExitCode == 0, $"{run.Output}\n{run.Error}");
        Assert.Equal("Every restore test passed.", run.Lines[^1]);
        Assert.Contains(run.Lines, l => l.StartsWith("Passed natalia-nice: restore 0", StringComparison.Ordinal));
        Assert.Contains(run.Lines, l => l.StartsWith("Met natalia-nice Rto: attained", StringComparison.Ordinal));
        Assert.Contains(run.Lines, l => l.StartsWith("Met natalia-nice RestoreTestAge:", StringComparison.Ordinal));
        using JsonDocument tests = JsonDocument.Parse(File.ReadAllText(
            Directory.GetFiles(reports, "restore-tests-*.json").Single()));
        JsonElement test = tests.RootElement.EnumerateArray().Single();
        Assert.Equal(("natalia-nice", "Passed"),
            (test.GetProperty("ApplianceName").GetString(), test.GetProperty("Result").GetString()));
        Assert.Equal(["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount", "Destroyed"],
            test.GetProperty("Checks").EnumerateArray().Select(c => c.GetProperty("Name").GetString()));
        string report = File.ReadAllText(Directory.GetFiles(reports, "recovery-*.html").Single());
        Assert.Contains(test.GetProperty("RestoreTestId").GetString()!, report, StringComparison.Ordinal);
        Assert.Equal(before.Order(), Directory.GetFileSystemEntries(vms).Order());
    }
}
