using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.HyperVSimulator;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>Hyper-V Replica on the simulated host: our model of its documentation.</summary>
public sealed class HyperVReplicationTests : IDisposable
{
    private readonly HyperVFixture _host = new();

    public HyperVReplicationTests() => _host.Host.ReplicaServers.Add("hv2");

    public void Dispose() => _host.Dispose();

    [Fact]
    public async Task A_vm_is_replicated_every_five_minutes_and_the_same_call_twice_changes_nothing()
    {
        using IHypervisor hypervisor = _host.Connect();
        IReplication replication = hypervisor.Require<IReplication>("replication");
        ReplicationState set = await replication.SetReplicationAsync(_host.Vm, Request(), default);
        Assert.Equal(("hv1", "hv2", 5, CheckOutcome.Passed),
            (set.SourceVMHost, set.TargetVMHost, set.IntervalMinutes, set.Health));
        _host.Host.Log.Clear();
        await replication.SetReplicationAsync(_host.Vm, Request(), default);
        Assert.DoesNotContain(_host.Host.Log, c => c is "CreateReplicationRelationship" or "ModifyReplicationSettings");
        Assert.Equal(15, (await replication.SetReplicationAsync(_host.Vm, Request() with { IntervalMinutes = 15 },
            default)).IntervalMinutes);

        Assert.Equal(_host.Machine.Id, Assert.Single(await replication.GetReplicationsAsync(null, default))
            .ReplicationId);
        NataliaException kept = await Assert.ThrowsAsync<NataliaException>(
            () => replication.RemoveReplicationAsync(_host.Machine.Id, false, default));
        Assert.Equal(ErrorIds.ReplicationPreconditionFailed, kept.ErrorId);
        await replication.RemoveReplicationAsync(_host.Machine.Id, true, default);
        Assert.Empty(await replication.GetReplicationsAsync(_host.Vm, default));
        Assert.Equal(ErrorIds.ReplicationNotFound, (await Assert.ThrowsAsync<NataliaException>(
            () => replication.RemoveReplicationAsync(_host.Machine.Id, true, default))).ErrorId);
    }

    [Theory]
    [InlineData("hv3", 5, null, "cannot be replicated to 'hv3'")]
    [InlineData("hv2", 7, null, "Hyper-V Replica has 5 and 15")]
    [InlineData("hv2", 5, 10.0, "rate limit")]
    public async Task What_cannot_be_is_named_before_anything_is_made(string target, int minutes, double? limit,
        string why)
    {
        using IHypervisor hypervisor = _host.Connect();
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => hypervisor
            .Require<IReplication>("replication").SetReplicationAsync(_host.Vm, new ReplicationRequest
            {
                TargetVMHost = target,
                IntervalMinutes = minutes,
                RateLimitMegabytes = limit,
            }, default));
        Assert.Equal(ErrorIds.ReplicationPreconditionFailed, error.ErrorId);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.Null(_host.Machine.ReplicaHost);
    }

    [Theory]
    [InlineData(3, 1, 4, CheckOutcome.Passed)]
    [InlineData(3, 1, 16, CheckOutcome.Failed)]
    [InlineData(3, 2, 4, CheckOutcome.Warning)]
    [InlineData(3, 3, 4, CheckOutcome.Failed)]
    [InlineData(7, 1, 4, CheckOutcome.Failed)]
    [InlineData(10, 1, 4, CheckOutcome.Warning)]
    public async Task Health_is_what_the_host_says_and_the_age_of_the_copy(int state, int health, int minutes,
        CheckOutcome verdict)
    {
        using IHypervisor hypervisor = _host.Connect();
        IReplication replication = hypervisor.Require<IReplication>("replication");
        await replication.SetReplicationAsync(_host.Vm, Request(), default);
        (_host.Machine.ReplicationState, _host.Machine.ReplicationHealth) = ((ushort)state, (ushort)health);
        _host.Machine.LastReplication = _host.Clock.GetUtcNow().UtcDateTime.AddMinutes(-minutes);
        ReplicationState seen = Assert.Single(await replication.GetReplicationsAsync(_host.Vm, default));
        Assert.Equal((verdict, TimeSpan.FromMinutes(minutes)), (seen.Health, seen.Lag));
    }

    [Fact]
    public async Task A_first_copy_that_did_not_begin_is_told_and_begun_by_the_next_call()
    {
        using IHypervisor hypervisor = _host.Connect();
        IReplication replication = hypervisor.Require<IReplication>("replication");
        _host.Host.Faults["StartReplication"] = new SimFault { Message = "The network is gone.", Times = 1 };
        Assert.Contains("The network is gone.", (await Assert.ThrowsAsync<NataliaException>(
            () => replication.SetReplicationAsync(_host.Vm, Request(), default))).Message, StringComparison.Ordinal);
        ReplicationState seen = Assert.Single(await replication.GetReplicationsAsync(_host.Vm, default));
        Assert.Equal(CheckOutcome.Warning, seen.Health);
        Assert.Contains("has not begun", seen.Detail, StringComparison.Ordinal);

        _host.Host.Log.Clear();
        Assert.Equal(CheckOutcome.Passed,
            (await replication.SetReplicationAsync(_host.Vm, Request(), default)).Health);
        Assert.DoesNotContain("CreateReplicationRelationship", _host.Host.Log);
        Assert.Contains("StartReplication", _host.Host.Log);
    }

    private static ReplicationRequest Request() => new() { TargetVMHost = "hv2" };
}
