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
        _fixture.Do("$global:ConfirmPreference = 'None'; Set-NataliaAppliance natalia-01 -Repository pbs; "
            + "$null = Invoke-NataliaBackup natalia-01");
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
        }
        if (Names(code, "Get-NataliaSchedule")) _fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs");

        _fixture.Do(code);
    }

    private static bool Names(string code, params string[] cmdlets) =>
        cmdlets.Any(c => code.Contains(c, StringComparison.Ordinal));
}
