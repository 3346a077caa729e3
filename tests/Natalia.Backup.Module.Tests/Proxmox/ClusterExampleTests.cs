using System.Text.RegularExpressions;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing.Examples;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// Examples of help and about topics that are about a Proxmox VE cluster, each typed into a session of its own with one
/// connected, as the examples take for granted. The cluster is our simulator.
/// </summary>
public sealed class ClusterExampleTests : IAsyncLifetime
{
    private ProxmoxFixture _fixture = null!;

    public async Task InitializeAsync()
    {
        _fixture = await ProxmoxFixture.StartAsync();
        _fixture.ConnectWithEvidence();
        _fixture.Do("$global:ConfirmPreference = 'None'; Set-NataliaAppliance natalia-01 -Repository pbs");
    }

    public async Task DisposeAsync() => await _fixture.DisposeAsync();

    public static IEnumerable<object[]> Examples =>
        ExampleCorpus.Of(ExampleRunner.Cluster).Select(e => new object[] { e.Id });

    [Fact]
    public void There_are_some() => Assert.InRange(Examples.Count(), 20, 100);

    [Theory]
    [MemberData(nameof(Examples))]
    public void An_example_runs_on_a_cluster_as_it_describes(string id)
    {
        string code = ExampleCorpus.Get(id).Code;
        // What an example looks at or takes away is there.
        if (Names(code, "Get-NataliaRestorePoint")) _fixture.Do("$null = Invoke-NataliaBackup natalia-01");
        if (Names(code, "Get-NataliaReplication", "Remove-NataliaReplication"))
        {
            _fixture.Do("Set-NataliaReplication natalia-01 -TargetVMHost pve2");
            foreach (Dictionary<string, object> state in _fixture.Cluster.ReplicationStates.Values)
                state["last_sync"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        }
        if (Names(code, "Get-NataliaSnapshot", "Remove-NataliaSnapshot"))
        {
            string made = _fixture.Do("(Invoke-NataliaSnapshot natalia-01).SnapshotId").Text.Single();
            code = code.Replace("natalia-20261123T120000000", made, StringComparison.Ordinal);
            // One that somebody forgot.
            List<SimulatedSnapshot> all = _fixture.Cluster.Guest(100).Snapshots;
            all[0] = all[0] with { Time = all[0].Time.AddDays(-2) };
        }
        if (Names(code, "Get-NataliaSchedule")) _fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs");

        if (Names(code, "-OverExisting"))
        {
            string point = _fixture.Do("(Invoke-NataliaBackup natalia-01).RestorePointId").Text.Single();
            code = code.Replace("3fa9c1", $"'{point}'", StringComparison.Ordinal);
            // It was changed since, and is switched off.
            _fixture.Cluster.Guest(100).Config["cores"] = "16";
            _fixture.Cluster.Guest(100).Running = false;
        }

        ScriptResult result = _fixture.Do(code);

        Assert.Empty(result.Warnings);
        LookAtEffects(code, result);
    }

    /// <summary>What the commands of an example show, or leave on the cluster.</summary>
    private void LookAtEffects(string code, ScriptResult result)
    {
        SimulatedCluster cluster = _fixture.Cluster;
        // What only looks, and filters nothing away, shows something.
        if (Regex.IsMatch(code, @"^(Get|Test|Register|Set|Restore)-(?![\s\S]*(Where-Object|Remove-))"))
            Assert.NotEmpty(result.Output);
        if (Names(code, "Set-NataliaReplication"))
            Assert.Equal("pve2", cluster.ReplicationJobs.Values.Single()["target"]);
        if (Names(code, "Remove-NataliaReplication"))
            Assert.Equal(Names(code, "-KeepReplica") ? "local" : "full",
                cluster.ReplicationJobs.Values.Single()["remove_job"]);
        if (Names(code, "Unregister-NataliaSchedule")) Assert.Empty(cluster.Jobs);
        else if (Names(code, "Register-NataliaSchedule")) Assert.Single(cluster.Jobs);
        if (Names(code, "Remove-NataliaSnapshot"))
            Assert.Equal(Names(code, "-WhatIf") ? 1 : 0, cluster.Guest(100).Snapshots.Count);
        else if (Names(code, "Invoke-NataliaSnapshot")) Assert.Single(cluster.Guest(100).Snapshots);
        if (Names(code, "-OverExisting"))
        {
            SimulatedGuest back = Assert.Single(cluster.Guests);
            Assert.True(back.Running);
            Assert.Equal("4", back.Config["cores"]);
        }
        else if (Names(code, "Restore-NataliaAppliance")) Assert.Equal(2, cluster.Guests.Count);
    }

    private static bool Names(string code, params string[] cmdlets) =>
        cmdlets.Any(c => code.Contains(c, StringComparison.Ordinal));
}
