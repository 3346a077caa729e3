using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// From the cmdlet into the guest: a point in the cluster's own storage is restored, isolated, booted, asked, and
/// destroyed. The cluster and its guest are our simulator.
/// </summary>
public sealed class RestoreTestTests
{
    [Fact]
    public async Task A_point_of_the_cluster_is_tested_in_the_cluster_and_the_test_is_kept_as_evidence()
    {
        await using ProxmoxFixture scenario = await ProxmoxFixture.StartAsync();
        List<string> ran = [];
        scenario.Cluster.ProgramsOfAll = line =>
        {
            lock (ran) ran.Add(line);
            return new SimulatedProcess(0, line.Contains("cdr count", StringComparison.Ordinal) ? "20000" : "fine");
        };
        scenario.ConnectWithEvidence();
        scenario.Do("Set-NataliaAppliance natalia-01 -Repository pbs -IsolatedNetwork vmbr9 -Tolerance 0.4");
        Assert.Equal("vmbr9 0.4", scenario.Do("Get-NataliaAppliance natalia-01 | ForEach-Object { "
            + "\"$($_.RestoreTest.IsolatedNetwork) $($_.RestoreTest.Tolerance)\" }").Text.Single());

        Assert.Equal("Passed", scenario.Do("$test = Invoke-NataliaBackup natalia-01 -CdrBaseline 20000 | "
            + "Test-NataliaRestore; $test.Result").Text.Single());
        Assert.Equal(["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount", "Destroyed"],
            scenario.Do("$test.Checks.Name").Text);
        Assert.Equal([100], scenario.Cluster.Guests.Select(g => g.Vmid));
        string day = scenario.Do("(Get-NataliaRestorePoint -Repository pbs).CdrBaseline.BusinessDay").Text.Single();
        Assert.Contains($"/usr/bin/env natalia-cli cdr count --day {day} --zone UTC", ran);

        Assert.Equal("True Passed 7 pbs", scenario.Do("Get-NataliaRestoreTest natalia-01 | ForEach-Object { "
            + "\"$($_.RestoreTestId -eq $test.RestoreTestId) $($_.Result) $($_.Checks.Count) $($_.Repository)\" }")
            .Text.Single());
        scenario.Cluster.ProgramsOfAll = line => new SimulatedProcess(
            line.Contains("audit verify", StringComparison.Ordinal) ? 1 : 0, "20000");
        ScriptResult failed = scenario.Try("Test-NataliaRestore natalia-01 -RestorePointId $test.RestorePointId");
        Assert.Equal("Failed", failed.Value("Result")!.ToString());
        Assert.StartsWith("RestoreTestFailed,", Assert.Single(failed.ErrorIds), StringComparison.Ordinal);
        Assert.Equal([100], scenario.Cluster.Guests.Select(g => g.Vmid));
    }
}
