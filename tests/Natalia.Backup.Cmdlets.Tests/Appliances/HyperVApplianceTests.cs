using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>What a user is shown of a VM of a simulated Hyper-V host, and what is checked of it beforehand.</summary>
public sealed class HyperVApplianceTests : IDisposable
{
    private readonly HyperVRoom _room = new(RepositoryFixture.Disk(300 * 512, 1), RepositoryFixture.Disk(500 * 512, 2));

    public void Dispose() => _room.Dispose();

    [Fact]
    public void An_appliance_tells_its_generation_services_replication_and_merging()
    {
        (_room.Machine.ReplicationMode, _room.Machine.ReplicationState) = (1, 3);
        _room.Machine.IsMergingOff = true;
        var appliance = (Appliance)_room.Run("Get-NataliaAppliance -Name natalia-01").Output.Single().BaseObject;
        Assert.Equal((2, "primary, replicating (ok)", MergeState.SwitchedOff),
            (appliance.Generation, appliance.Replication?.ToString(), appliance.MergeState));
        Assert.Contains(new IntegrationService("VSS", true), appliance.IntegrationServices);
        Assert.Contains(new IntegrationService("Guest Service Interface", false), appliance.IntegrationServices);
    }

    [Fact]
    public void The_network_that_is_kept_for_restore_tests_is_checked_beforehand()
    {
        _room.Run("Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1");
        Assert.Empty(NetworkChecks());
        _room.Run("Set-NataliaAppliance natalia-01 -IsolatedNetwork Nowhere");
        Assert.Equal([CheckOutcome.Passed, CheckOutcome.Passed], NetworkChecks().Select(c => c.Result));
        _room.Run("Set-NataliaAppliance natalia-01 -IsolatedNetwork LAN");
        _room.Host.ExternalSwitches.Add(_room.Machine.Adapters[0].SwitchId!);
        Assert.Equal([CheckOutcome.Passed, CheckOutcome.Failed], NetworkChecks().Select(c => c.Result));
        Assert.Equal("False", _room.Run("Test-NataliaPrerequisite natalia-01 -Quiet").Text.Single());
        // What is said now counts.
        Assert.Equal("Nowhere", NetworkChecks("-IsolatedNetwork Nowhere")[0].Target);

        // The bench that is named is asked, not the appliance's own hypervisor.
        _room.Run("param($h) $null = Add-Fake $h -Name bench; Set-NataliaAppliance natalia-01 -TestBench bench",
            _room.Hypervisor);
        Assert.Equal([("bench", CheckOutcome.Passed), ("bench", CheckOutcome.Failed)],
            NetworkChecks("-Hypervisor hv").Select(c => (c.Hypervisor, c.Result)));
    }

    [Fact]
    public void A_replication_is_set_listed_and_ended_by_its_cmdlets()
    {
        _room.Host.ReplicaServers.Add("hv2");
        Assert.Empty(_room.Run("Get-NataliaReplication").Output);
        Assert.Empty(_room.Run("Set-NataliaReplication natalia-01 -TargetVMHost hv2 -WhatIf").Output);
        Assert.Null(_room.Machine.ReplicaHost);
        Assert.Equal([ErrorIds.ReplicationPreconditionFailed],
            _room.Session.Run("Set-NataliaReplication natalia-01 -TargetVMHost hv3").ErrorIds);

        var set = (ReplicationState)_room.Run("Set-NataliaReplication natalia-01 -TargetVMHost hv2").Output.Single()
            .BaseObject;
        Assert.Equal(("natalia-01", "hv1", "hv2", 5, CheckOutcome.Passed),
            (set.ApplianceName, set.SourceVMHost, set.TargetVMHost, set.IntervalMinutes, set.Health));
        Assert.Equal(("hv2", 300), (_room.Machine.ReplicaHost, _room.Machine.ReplicationInterval));
        _room.Run("Get-NataliaAppliance -Name natalia-01 | Set-NataliaReplication -TargetVMHost hv2 "
            + "-IntervalMinutes 15");
        Assert.Equal(900, _room.Machine.ReplicationInterval);

        var listed = (ReplicationState)_room.Run("Get-NataliaReplication natalia-01").Output.Single().BaseObject;
        Assert.Equal((set.ReplicationId, 15), (listed.ReplicationId, listed.IntervalMinutes));
        // Hyper-V removes no copy: only who says that it stays may end it.
        Assert.Equal([ErrorIds.ReplicationPreconditionFailed],
            _room.Session.Run("Get-NataliaReplication | Remove-NataliaReplication -Confirm:$false").ErrorIds);
        Assert.Empty(_room.Run("Get-NataliaReplication | Remove-NataliaReplication -KeepReplica -WhatIf").Output);
        Assert.Equal("hv2", _room.Machine.ReplicaHost);
        Assert.Empty(_room.Run("Get-NataliaReplication | Remove-NataliaReplication -KeepReplica -Confirm:$false")
            .Output);
        Assert.Null(_room.Machine.ReplicaHost);
        Assert.Empty(_room.Run("Get-NataliaReplication natalia-01").Output);
        Assert.Equal([ErrorIds.ReplicationNotFound], _room.Session.Run(
            "Remove-NataliaReplication $args[0] -KeepReplica -Confirm:$false", set.ReplicationId).ErrorIds);
    }

    [Fact]
    public void A_replication_that_is_piped_is_ended_where_it_was_listed()
    {
        _room.Host.ReplicaServers.Add("hv2");
        var set = (ReplicationState)_room.Run("Set-NataliaReplication natalia-01 -TargetVMHost hv2").Output.Single()
            .BaseObject;
        Assert.Equal("hv", set.Hypervisor);
        _room.Run("param($h) $null = Add-Fake $h -Name other", _room.Hypervisor);
        Assert.Equal(["hv", "other"], _room.Run("(Get-NataliaReplication).Hypervisor | Sort-Object").Text);

        Assert.Equal([ErrorIds.HypervisorAmbiguous], _room.Session.Run(
            "Remove-NataliaReplication $args[0] -KeepReplica -Confirm:$false", set.ReplicationId).ErrorIds);
        Assert.Equal("hv2", _room.Machine.ReplicaHost);
        _room.Run("Get-NataliaReplication -Hypervisor other | Remove-NataliaReplication -KeepReplica -Confirm:$false");
        Assert.Null(_room.Machine.ReplicaHost);
    }

    private List<CheckResult> NetworkChecks(string more = "") =>
        [.. _room.Run($"Test-NataliaPrerequisite natalia-01 -Detailed {more}").Output.Select(o => o.BaseObject)
            .Cast<CheckResult>().Where(c => c.Name is "IsolatedNetwork" or "NoWayOut")];
}
