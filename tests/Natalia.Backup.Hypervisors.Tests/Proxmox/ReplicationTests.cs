using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Jobs;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class ReplicationTests
{
    private static readonly ReplicationRequest s_toSecond = new() { TargetVMHost = "pve2" };

    [Fact]
    public async Task A_replication_is_made_once_and_changed_only_where_it_differs()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        ReplicationState made = await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond,
            default);
        Assert.Equal(("100-0", "pve1", "pve2", "*/5", 5, CheckOutcome.NotEvidenced),
            (made.ReplicationId, made.SourceVMHost, made.TargetVMHost, made.Expression, made.IntervalMinutes!.Value,
                made.Health));
        // The server counts the next run of one that never ran from 1970.
        Assert.Null(made.NextSyncUtc);
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "PUT");
        ReplicationState slower = await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance,
            s_toSecond with { IntervalMinutes = 15, RateLimitMegabytes = 12.5 }, default);
        Assert.Equal("*/15", slower.Expression);
        Assert.Equal("12.5", fixture.Cluster.ReplicationJobs["100-0"]["rate"]);
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        Assert.False(fixture.Cluster.ReplicationJobs["100-0"].ContainsKey("rate"));
    }

    [Fact]
    public async Task A_change_by_somebody_else_in_between_is_read_again()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        int tries = 0;
        fixture.Server.Intercept = r =>
        {
            if (r.Method == "PUT" && ++tries == 1) fixture.Cluster.ReplicationJobs["100-0"]["digest"] = "d2";
            return null;
        };
        Assert.Equal("*/15",
            (await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance,
                s_toSecond with { IntervalMinutes = 15 }, default)).Expression);
        Assert.Equal(2, tries);
    }

    [Theory]
    [InlineData("pve9", "ReplicationTarget", "no node 'pve9'")]
    [InlineData("pve1", "ReplicationTarget", "runs on 'pve1' itself")]
    [InlineData("pve3", "ReplicationStorage", "not on node 'pve3'")]
    public async Task A_target_that_cannot_work_is_named(string target, string check, string why)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.ReplicationPreconditionFailed,
            () => hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance,
                new ReplicationRequest { TargetVMHost = target }, default));
        Assert.Contains(check, error.Message);
        Assert.Contains(why, error.Message);
        Assert.Empty(fixture.Cluster.ReplicationJobs);
    }

    [Fact]
    public async Task A_disk_that_cannot_be_replicated_is_named_unless_it_is_excluded_or_shared()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi2"] = "thin:vm-100-disk-2,size=1G");
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        Assert.Contains("kind 'lvmthin'",
            (await ThrowsAsync(ErrorIds.ReplicationPreconditionFailed,
                () => hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default))).Message);
        fixture.Cluster.Guest(100).Config["scsi2"] += ",replicate=0";
        fixture.Cluster.Guest(100).Config["scsi3"] = "nas:vm-100-disk-3,size=1G";
        Assert.All(await hypervisor.Find<ReplicationService>()!.TestAsync("100", "pve2", default),
            c => Assert.Equal(CheckOutcome.Passed, c.Result));
        fixture.Cluster.OfflineNodes.Add("pve2");
        Assert.Contains(await hypervisor.Find<ReplicationService>()!.TestAsync("100", "pve2", default),
            c => c.Result == CheckOutcome.Failed && c.Detail!.Contains("offline"));
    }

    [Theory]
    [InlineData(4, 0, null, CheckOutcome.Passed)]
    [InlineData(14, 1, "command failed", CheckOutcome.Warning)]
    [InlineData(16, 0, null, CheckOutcome.Failed)]
    [InlineData(300, 7, "No common base snapshot on volume(s)", CheckOutcome.Failed)]
    [InlineData(-1, 3, "could not activate storage", CheckOutcome.Failed)]
    [InlineData(-1, 0, null, CheckOutcome.NotEvidenced)]
    public async Task Health_goes_by_age(int minutes, int failures, string? error, CheckOutcome health)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        Dictionary<string, object> state = fixture.Cluster.ReplicationStates["100-0"];
        state["last_sync"] = minutes < 0 ? 0 : fixture.Clock.GetUtcNow().AddMinutes(-minutes).ToUnixTimeSeconds();
        (state["fail_count"], state["duration"]) = (failures, 3.5);
        if (error is not null) state["error"] = error;
        ReplicationState listed = Assert.Single(await hypervisor.Find<IReplication>()!.GetReplicationsAsync(appliance,
            default));
        Assert.Equal(health, listed.Health);
        Assert.Equal(minutes < 0 ? null : TimeSpan.FromMinutes(minutes), listed.Lag);
        Assert.Equal(error is null && health is CheckOutcome.Passed, listed.Detail is null);
        if (error is not null) Assert.Contains(error, listed.Detail);
    }

    [Fact]
    public async Task The_state_is_read_where_the_vm_is_now()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        fixture.Cluster.ReplicationStates["100-0"]["last_sync"] =
            fixture.Clock.GetUtcNow().AddMinutes(-1).ToUnixTimeSeconds();
        fixture.Cluster.Guest(100).Node = "pve3";
        ReplicationState listed = Assert.Single(await hypervisor.Find<IReplication>()!.GetReplicationsAsync(null,
            default));
        Assert.Equal(("pve3", CheckOutcome.Passed), (listed.SourceVMHost, listed.Health));
    }

    [Fact]
    public async Task A_silent_source_node_is_not_evidence_and_hides_no_other()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guests.Add(ProxmoxFixture.Appliance(101, "natalia-02", "pve2")));
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        ApplianceDescription second = (await hypervisor.FindAppliancesAsync(l => l.NativeId == "101",
            default)).Single();
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(second,
            new ReplicationRequest { TargetVMHost = "pve1" }, default);
        fixture.Cluster.ReplicationStates["101-0"]["last_sync"] = fixture.Clock.GetUtcNow().ToUnixTimeSeconds();
        fixture.Cluster.OfflineNodes.Add("pve1");
        IReadOnlyList<ReplicationState> all = await hypervisor.Find<IReplication>()!.GetReplicationsAsync(null,
            default);
        Assert.Equal([CheckOutcome.NotEvidenced, CheckOutcome.Passed], all.Select(r => r.Health));
    }

    [Fact]
    public async Task A_removal_is_a_mark_and_a_new_one_waits_for_it()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default);
        await hypervisor.Find<IReplication>()!.RemoveReplicationAsync("100-0", true, default);
        ReplicationState going = Assert.Single(await hypervisor.Find<IReplication>()!.GetReplicationsAsync(appliance,
            default));
        Assert.Equal((true, CheckOutcome.Skipped), (going.IsBeingRemoved, going.Health));
        Assert.Equal("local", fixture.Cluster.ReplicationJobs["100-0"]["remove_job"]);
        Assert.Contains("being removed",
            (await ThrowsAsync(ErrorIds.ReplicationPreconditionFailed,
                () => hypervisor.Find<IReplication>()!.SetReplicationAsync(appliance, s_toSecond, default))).Message);
        await ThrowsAsync(ErrorIds.ReplicationNotFound,
            () => hypervisor.Find<IReplication>()!.RemoveReplicationAsync("100-7", false, default));
    }
}
