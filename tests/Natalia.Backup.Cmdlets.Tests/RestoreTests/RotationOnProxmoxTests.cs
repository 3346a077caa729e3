using System.Management.Automation;
using System.Net;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

/// <summary>Whose turn it is among appliances of a simulated cluster's storage.</summary>
public sealed class RotationOnProxmoxTests
{
    [Fact]
    public async Task Where_no_test_is_recorded_nobody_has_a_turn_and_that_is_told()
    {
        var cluster = new SimulatedCluster(new JumpingClock(speed: 100)) { TimeZone = "Etc/UTC" };
        SampleCluster.AddStorages(cluster);
        foreach (int vmid in new[] { 100, 101 })
        {
            cluster.Guests.Add(SampleCluster.Appliance(vmid, $"natalia-{vmid}", "pve1"));
            cluster.Storage("pbs").Points.Add(new SimulatedPoint
            {
                Volid = $"pbs:backup/vm/{vmid}/2026-06-10T01:00:00Z",
                Vmid = vmid,
                Time = new DateTimeOffset(2026, 6, 10, 1, 0, 0, TimeSpan.Zero),
                Size = 1 << 30,
            });
        }
        await using SimulatorServer server = await SimulatorServer.StartAsync(cluster.Nodes,
            OperationTable.VirtualEnvironment, cluster.Answer);
        cluster.AuthorityFingerprint = server.AuthorityFingerprint;
        using var session = new EngineSession();
        Assert.Empty(session.Run("$null = Connect-NataliaHypervisor -Proxmox $args[0] -Credential $args[1] "
            + "-ServerCertificateThumbprint $args[2] -Name pve; $null = Connect-NataliaRepository -ProxmoxStorage pbs",
            cluster.Nodes.Select(n => $"127.0.0.1:{server.Ports[n]}").ToArray(),
            new PSCredential("backup@pve!natalia", new NetworkCredential("",
                "11111111-2222-3333-4444-555555555555").SecurePassword),
            cluster.Nodes.Select(server.Thumbprint).ToArray()).ErrorIds);

        EngineSession.Result all = session.Run("Test-NataliaRestore -Rotate -IsolatedNetwork vmbr9 -WhatIf");
        Assert.Equal(["CapabilityMissing"], all.ErrorIds);
        Assert.Contains("leaves out 2 appliances of 'pbs'", all.Errors[0].Exception.Message, StringComparison.Ordinal);
        // Of one alone nobody needs to know when it was tested.
        Assert.Empty(session.Run("Test-NataliaRestore natalia-100 -Rotate -IsolatedNetwork vmbr9 -WhatIf").ErrorIds);
        Assert.Empty(server.Violations);
    }
}
