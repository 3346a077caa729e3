using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class SnapshotTests
{
    [Fact]
    public async Task A_snapshot_is_made_listed_and_removed()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guest(100).Snapshots.Add(new SimulatedSnapshot("before-update", c.Clock.GetUtcNow().AddDays(-1),
                    false)));
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        ApplianceSnapshot made = await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
            new SnapshotRequest { Note = "before maintenance" }, default);
        Assert.Equal((Consistency.FileSystem, null, true, "before maintenance"),
            (made.Consistency, made.Reason, made.IsOwn, made.Note));
        Assert.Matches("^natalia-[0-9T]{18}$", made.SnapshotId);
        IReadOnlyList<ApplianceSnapshot> listed = await hypervisor.Find<ISnapshots>()!.GetSnapshotsAsync(appliance,
            default);
        Assert.Equal([(made.SnapshotId, true, Consistency.FileSystem), ("before-update", false, Consistency.Unknown)],
            listed.Select(s => (s.SnapshotId, s.IsOwn, s.Consistency)));
        await ThrowsAsync(ErrorIds.SnapshotNotOwn,
            () => hypervisor.Find<ISnapshots>()!.RemoveSnapshotAsync(appliance, "before-update", default));
        await hypervisor.Find<ISnapshots>()!.RemoveSnapshotAsync(appliance, made.SnapshotId, default);
        await ThrowsAsync(ErrorIds.SnapshotNotFound,
            () => hypervisor.Find<ISnapshots>()!.RemoveSnapshotAsync(appliance, made.SnapshotId, default));
        Assert.Equal("before-update", fixture.Cluster.Guest(100).Snapshots.Single().Name);
    }

    [Theory]
    [InlineData("no agent", "not enabled")]
    [InlineData("forbidden", "disabled in VM options")]
    [InlineData("silent", "not running")]
    [InlineData("fails", "got timeout")]
    [InlineData("fails in old words", "freeze problems")]
    [InlineData("thaws late", "did not thaw")]
    [InlineData("log is gone", "could not be read")]
    [InlineData("stopped", "switched off")]
    [InlineData("memory", "memory")]
    public async Task What_was_not_frozen_is_crash_consistency(string trouble, string reason)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedGuest guest = c.Guest(100);
            if (trouble == "no agent") guest.Config.Remove("agent");
            if (trouble == "forbidden") guest.Config["agent"] = "1,freeze-fs=0";
            c.HasOldFreezeWords = trouble.EndsWith("old words");
            if (trouble.StartsWith("fails"))
                guest.FreezeError = "VM 100 qmp command 'guest-fsfreeze-freeze' failed - got timeout";
            if (trouble == "thaws late") guest.ThawError = "got timeout";
            guest.AgentAnswers = trouble != "silent";
            guest.Running = trouble != "stopped";
        });
        if (trouble == "log is gone")
            fixture.Server.Intercept = r => r.Path.EndsWith("/log")
                ? SimulatorReply.Ok(new[] { new { n = 1, t = "unable to open file - No such file or directory" } }, 1)
                : null;
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        ApplianceSnapshot made = await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
            new SnapshotRequest { IncludeMemory = trouble == "memory" }, default);
        Assert.Equal(Consistency.Crash, made.Consistency);
        Assert.Contains(reason, made.Reason);
        Assert.Equal(Consistency.Crash,
            (await hypervisor.Find<ISnapshots>()!.GetSnapshotsAsync(appliance, default)).Single().Consistency);
    }

    [Fact]
    public async Task A_vm_that_is_off_has_no_memory_to_keep_and_that_is_said()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Running = false);
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        ApplianceSnapshot made = await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
            new SnapshotRequest { IncludeMemory = true }, default);
        Assert.False(made.IncludesMemory);
        Assert.Contains("no memory", made.Reason);
    }

    [Fact]
    public async Task A_held_vm_is_waited_for()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Lock = "backup");
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.ApplianceLocked,
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
                new SnapshotRequest { Timeout = TimeSpan.FromMinutes(2) }, default));
        Assert.Contains("'backup'", error.Message);
        Assert.Empty(fixture.Cluster.Tasks);
    }

    [Fact]
    public async Task What_is_waited_for_is_told_and_marks_in_notes_do_not_wait_for_a_backup()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(3));
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync();
        fixture.Cluster.StartScheduledBackup(fixture.Cluster.Guest(100), fixture.Cluster.Storage("nas"));
        TimeSpan before = fixture.Clock.Waited;
        NataliaException held = await ThrowsAsync(
            ErrorIds.ApplianceLocked, () => repository.SetApplianceSettingsAsync(appliance, new ApplianceSettings
            {
                ApplianceId = appliance.ApplianceId,
                Name = appliance.Name,
                HypervisorKind = "Proxmox",
            }, default));
        Assert.InRange(fixture.Clock.Waited - before, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        Assert.Contains("held by 'backup' (task vzdump of root@pam on node 'pve1', since 2026-11-23", held.Message);

        var told = new List<string>();
        await ThrowsAsync(
            ErrorIds.ApplianceLocked,
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest
            {
                Timeout = TimeSpan.FromMinutes(2),
                Progress = new Told(told),
            }, default));
        Assert.All(told, t => Assert.Equal("Waiting for VM 100, which is held by 'backup'", t));
        Assert.NotEmpty(told);
        told.Clear();
        await ThrowsAsync(ErrorIds.ApplianceLocked,
            () => repository.BackupAsync(appliance, new NativeBackupRequest { LockTimeout = TimeSpan.FromMinutes(2) },
                new Told(told), default));
        Assert.NotEmpty(told);
    }

    private sealed class Told(List<string> into) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => into.Add(value.Activity);
    }

    [Fact]
    public async Task A_cancelled_snapshot_leaves_nothing_behind()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/log")) stop.Cancel();
            return null;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), stop.Token));
        Assert.Empty(fixture.Cluster.Guest(100).Snapshots);
        Assert.Null(fixture.Cluster.Guest(100).Lock);
        Assert.Contains(fixture.Cluster.Tasks, t => t.Type == "qmdelsnapshot");
    }

    [Fact]
    public async Task A_snapshot_whose_start_was_not_confirmed_is_found_and_finished()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        fixture.Server.Intercept = r =>
        {
            if (r.Method != "POST" || !r.Path.EndsWith("/snapshot")) return null;
            Assert.Equal(200, fixture.Cluster.Answer(r).Status);
            throw new IOException("broken");
        };
        ApplianceSnapshot made = await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
            new SnapshotRequest(), default);
        Assert.Equal(Consistency.FileSystem, made.Consistency);
        Assert.Equal(made.SnapshotId, fixture.Cluster.Guest(100).Snapshots.Single().Name);
    }

    [Fact]
    public async Task A_snapshot_of_which_nothing_is_known_is_named()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        fixture.Server.Intercept = r => r.Method == "POST" && r.Path.EndsWith("/snapshot")
            ? throw new IOException("broken")
            : null;
        NataliaException error = await ThrowsAsync(ErrorIds.RequestOutcomeUnknown,
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), default));
        Assert.Matches("The snapshot 'natalia-[0-9T]{18}' may be there", error.Message);
    }

    [Theory]
    [InlineData("the description is refused")]
    [InlineData("stopped at the description")]
    [InlineData("stopped at the last look")]
    [InlineData("nothing can be removed")]
    public async Task A_snapshot_that_is_not_finished_does_not_stay(string trouble)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            bool describes = r.Method == "PUT" && r.Path.Contains("/snapshot/"),
                looks = r.Method == "GET" && r.Path.EndsWith("/snapshot");
            if (trouble.StartsWith("stopped") && (trouble.EndsWith("look") ? looks : describes)) stop.Cancel();
            if (trouble.StartsWith("nothing") && r.Method == "DELETE")
                return SimulatorReply.Fail(500, "storage 'tank' is not online");
            return describes && !trouble.StartsWith("stopped") ? SimulatorReply.Fail(500, "disk full") : null;
        };
        Task<ApplianceSnapshot> Make() =>
            hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), stop.Token);
        if (trouble.StartsWith("stopped"))
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(Make);
        }
        else
        {
            NataliaException error = await ThrowsAsync(ErrorIds.ServerError, Make);
            Assert.Contains("disk full", error.Message);
            if (trouble.StartsWith("nothing"))
            {
                string name = fixture.Cluster.Guest(100).Snapshots.Single().Name;
                Assert.Contains($"The snapshot '{name}' may be there", error.Message);
                Assert.Contains("storage 'tank' is not online", error.Message);
                return;
            }
        }
        Assert.Empty(fixture.Cluster.Guest(100).Snapshots);
    }

    [Fact]
    public async Task A_snapshot_follows_its_vm_to_another_node()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        ApplianceSnapshot made = await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
            new SnapshotRequest(), default);
        fixture.Cluster.Guest(100).Node = "pve2";
        await hypervisor.Find<ISnapshots>()!.RemoveSnapshotAsync(appliance, made.SnapshotId, default);
        Assert.Empty(fixture.Cluster.Guest(100).Snapshots);
    }
}
