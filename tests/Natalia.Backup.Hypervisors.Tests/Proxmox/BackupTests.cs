using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class BackupTests
{
    [Fact]
    public async Task A_backup_makes_a_point_and_says_what_it_reached()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        var progress = new List<OperationProgress>();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest { RunId = "run1" },
            new Collect(progress), default);
        Assert.Equal((BackupType.Full, Consistency.FileSystem, 232L << 30),
            (result.Point.Type, result.Point.Consistency, result.Point.SizeBytes));
        Assert.Equal(["scsi0", "scsi1"], result.Disks.Select(d => d.DiskId));
        Assert.All(result.Disks, d => Assert.Equal("created new", d.ChangeTracking));
        Assert.InRange(result.Point.Duration!.Value, TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(4));
        Assert.Contains(progress, p => p.DoneBytes > 0 && p.TotalBytes == 232L << 30);
        Assert.Empty(result.Warnings);

        NativeBackupResult second = await repository.BackupAsync(appliance,
            new NativeBackupRequest { RequestedType = RequestedBackupType.Incremental }, null, default);
        Assert.Equal((BackupType.Incremental, 3L << 30, null),
            (second.Point.Type, second.Point.ReadBytes, second.Point.Reason));

        // The list knows it later, too, from the notes.
        RestorePoint listed =
            (await repository.GetRestorePointsAsync(new RestorePointFilter { ApplianceId = appliance.ApplianceId },
            default))[1];
        Assert.Equal((result.Point.RestorePointId, Consistency.FileSystem, BackupType.Full, "natalia-01"),
            (listed.RestorePointId, listed.Consistency, listed.Type, listed.Note));
    }

    [Fact]
    public async Task A_backup_by_hand_prunes_nothing()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            // The storage would let every run prune that says nothing of it.
            c.Storage("pbs").PruneBackups = "keep-last=1";
            for (int i = 1; i <= 5; i++)
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-i)));
        });
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal(6, fixture.Cluster.Storage("pbs").Points.Count);
        SimulatorRequest request = fixture.Server.Requests.Single(r => r.Path.EndsWith("/vzdump"));
        Assert.Equal(("snapshot", "zstd", "keep-all=1", null),
            (request["mode"], request["compress"], request["prune-backups"], request["remove"]));
    }

    [Fact]
    public async Task A_yes_without_a_task_means_that_nothing_ran()
    {
        // The overview keeps naming the old node.
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => (c.Guest(100).Node, c.Guest(100).ListedNode) = ("pve2", "pve1"));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Intercept = r => r.Path == "/nodes/pve1/qemu/100/config"
            ? SimulatorReply.Ok(new
            {
                name = "natalia-01",
                scsi0 = "tank:vm-100-disk-0,size=1G",
                scsi1 = "tank:vm-100-disk-1,size=1G",
                boot = "order=scsi0",
                digest = "d"
            })
            : null;
        ApplianceDescription appliance = (await hypervisor.GetAppliancesAsync(default)).Single();
        INativeRepository repository = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs", "pbs",
            default);
        NataliaException error = await ThrowsAsync(ErrorIds.NothingWasBackedUp,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Contains("'OK'", error.Message);
        Assert.Empty(fixture.Cluster.Storage("pbs").Points);
    }

    [Fact]
    public async Task A_migration_between_the_question_and_the_start_is_followed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Cluster.OnBackupStart = () =>
        {
            fixture.Cluster.OnBackupStart = null;
            fixture.Cluster.Guest(100).Node = "pve3";
        };
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal("pve3", fixture.Cluster.Tasks.Single(t => t.Type == "vzdump").Node);
        Assert.NotNull(result.Point.NativeId);
    }

    [Fact]
    public async Task A_vm_that_keeps_moving_is_an_error()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        fixture.Cluster.Guest(100).ListedNode = "pve3";
        await ThrowsAsync(ErrorIds.ApplianceMoved,
            () => hypervisor.Find<ISnapshots>()!.GetSnapshotsAsync(appliance, default));
    }

    [Fact]
    public async Task A_held_vm_is_waited_for_with_a_limit_and_never_unlocked()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Lock = "migrate");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        Task<NativeBackupResult> run = repository.BackupAsync(appliance,
            new NativeBackupRequest { LockTimeout = TimeSpan.FromMinutes(5) }, null, default);
        NataliaException error = await ThrowsAsync(ErrorIds.ApplianceLocked, () => run);
        Assert.Contains("'migrate'", error.Message);
        Assert.True(fixture.Clock.Waited >= TimeSpan.FromMinutes(5));
        Assert.Equal("migrate", fixture.Cluster.Guest(100).Lock);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Arguments.ContainsKey("skiplock"));
    }

    [Fact]
    public async Task A_vm_that_is_let_go_is_backed_up()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Lock = "snapshot");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        int asked = 0;
        fixture.Server.Intercept = r =>
        {
            if (r.Path == "/cluster/resources" && ++asked == 6) fixture.Cluster.Guest(100).Lock = null;
            return null;
        };
        await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Single(fixture.Cluster.Storage("pbs").Points);
    }

    [Fact]
    public async Task A_lock_that_the_task_meets_is_waited_for_too()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Cluster.OnBackupStart = () =>
        {
            fixture.Cluster.OnBackupStart = null;
            fixture.Cluster.Guest(100).Lock = "snapshot";
            SimulatedTask other = fixture.Cluster.NewTask("pve1", "qmsnapshot", "100", "root@pam");
            other.Steps.Add((TimeSpan.FromSeconds(20), null, () => fixture.Cluster.Guest(100).Lock = null));
        };
        await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal(2, fixture.Cluster.Tasks.Count(t => t.Type == "vzdump"));
        Assert.Single(fixture.Cluster.Storage("pbs").Points);
    }

    [Theory]
    [InlineData(false, null, false, "not running")]
    [InlineData(false, null, true, "not running")]
    [InlineData(true, "got timeout", false, "got timeout")]
    [InlineData(true, "got timeout", true, "got timeout")]
    public async Task A_freeze_that_failed_is_crash_consistency_although_the_task_ends_ok(bool answers, string? error,
        bool oldWords, string reason)
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => (c.Guest(100).AgentAnswers, c.Guest(100).FreezeError, c.HasOldFreezeWords) = (answers, error,
                    oldWords));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal(Consistency.Crash, result.Point.Consistency);
        Assert.Contains(reason, result.Point.Reason);
    }

    [Fact]
    public async Task A_switched_off_vm_is_taken_as_it_lies()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Running = false);
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal(Consistency.Crash, result.Point.Consistency);
        Assert.Contains("switched off", result.Point.Reason);
    }

    [Fact]
    public async Task Warnings_are_success_and_are_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.BackupWarnings = 2);
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Contains("2 warnings", Assert.Single(result.Warnings));
        Assert.Contains("EFI disk", result.Warnings[0]);
    }

    [Fact]
    public async Task A_failure_has_the_end_of_the_log_in_it()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupFailure = "backup write data failed: No space left on device");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.TaskFailed,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Contains("No space left on device", error.Message);
        Assert.Empty(fixture.Cluster.Storage("pbs").Points);
    }

    [Fact]
    public async Task A_point_that_is_there_although_the_step_failed_is_named()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => (c.BackupFailure, c.FailureLeavesPoint) = ("prune 'vm/100': permission check failed", true));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.TaskFailed,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Contains(fixture.Cluster.Storage("pbs").Points.Single().Volid, error.Message);
    }

    [Fact]
    public async Task A_task_without_a_record_is_lost_and_not_failed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        int polls = 0;
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/status") && r.Path.Contains("/tasks/") && ++polls == 5)
                fixture.Cluster.Tasks.Single().IsLost = true;
            return null;
        };
        await ThrowsAsync(ErrorIds.TaskLost,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
    }

    [Fact]
    public async Task A_log_that_was_cut_is_lost_too()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.BackupFailure = "x");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Server.Intercept = r =>
        {
            if (fixture.Cluster.Tasks.FirstOrDefault() is { ExitStatus: "job errors" } task)
                task.ExitStatus = "unexpected status";
            return null;
        };
        await ThrowsAsync(ErrorIds.TaskLost,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
    }

    [Fact]
    public async Task A_deadline_leaves_the_task_alone_and_is_no_failure()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(10));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        await ThrowsAsync(ErrorIds.TaskNotFinished,
            () => repository.BackupAsync(appliance, new NativeBackupRequest { Timeout = TimeSpan.FromHours(1) }, null,
                default));
        Assert.Null(fixture.Cluster.Tasks.Single().End);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "DELETE");
        // One question a second at first, then slower.
        Assert.Equal(TimeSpan.FromSeconds(1), fixture.Clock.Waits[0]);
        Assert.Equal(TimeSpan.FromSeconds(10), fixture.Clock.Waits.Max());
    }

    [Fact]
    public async Task A_cancelled_backup_is_stopped_on_the_node()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(10));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (fixture.Cluster.Tasks.Count == 1 && r.Path.EndsWith("/log")
                && fixture.Clock.Waited > TimeSpan.FromMinutes(1))
                stop.Cancel();
            return null;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, stop.Token));
        Assert.Equal("interrupted by signal", fixture.Cluster.Tasks.Single().ExitStatus);
        Assert.Null(fixture.Cluster.Guest(100).Lock);
    }

    [Fact]
    public async Task A_backup_of_whose_start_nothing_is_known_may_run_and_that_is_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        bool isAsked = false;
        fixture.Server.Intercept = r =>
        {
            isAsked |= r.Path.EndsWith("/vzdump");
            return isAsked ? throw new IOException("broken") : null;
        };
        NataliaException error = await ThrowsAsync(ErrorIds.RequestOutcomeUnknown,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Contains("whether it was carried out is not known", error.Message);
        Assert.Contains("Looking for it failed: ", error.Message);
        Assert.Contains("A backup of VM 100 may run on node 'pve1'", error.Message);
    }

    [Fact]
    public async Task A_backup_that_began_unseen_is_found_and_stopped_also_when_the_caller_has_stopped()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(10));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (!r.Path.EndsWith("/vzdump")) return null;
            Assert.Equal(200, fixture.Cluster.Answer(r).Status);
            stop.Cancel();
            throw new IOException("broken");
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, stop.Token));
        Assert.Equal("interrupted by signal", fixture.Cluster.Tasks.Single().ExitStatus);
    }

    [Fact]
    public async Task The_point_of_an_earlier_task_is_never_taken_for_the_new_one()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        SimulatedTask earlier = fixture.Cluster.Tasks.Single();
        bool isBroken = false;
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/vzdump"))
            {
                isBroken = true;
                throw new IOException("broken");
            }
            // As where the node's clock is ahead, so that the earlier task seems to have begun now.
            return isBroken && r.Path.EndsWith("/tasks")
                ? SimulatorReply.Ok(new[] { new { upid = Later(earlier.Upid, fixture.Clock.GetUtcNow()) } })
                : isBroken && r.Path.Contains("/tasks/") ? OfEarlier(r) : null;
        };
        NataliaException error = await ThrowsAsync(ErrorIds.RequestOutcomeUnknown,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Contains("is an earlier one", error.Message);

        SimulatorReply OfEarlier(SimulatorRequest r) => r.Path.EndsWith("/log")
            ? r["start"] is null or "0"
                ? SimulatorReply.Ok(earlier.Log.Select((t, i) => new { n = i + 1, t }))
                : SimulatorReply.Ok(new[] { new { n = 1, t = "no content" } })
            : SimulatorReply.Ok(new { status = "stopped", exitstatus = "OK" });

        static string Later(string upid, DateTimeOffset now) =>
            string.Join(':', upid.Split(':').Select((p, i) => i == 4 ? now.ToUnixTimeSeconds().ToString("X8") : p));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stop_that_was_refused_or_did_nothing_says_that_the_backup_may_run_on(bool refused)
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(10));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/log") && r.Path.Contains("/tasks/")) stop.Cancel();
            return r.Method != "DELETE" ? null
                : refused ? SimulatorReply.Fail(500, "no quorum") : SimulatorReply.Ok(null);
        };
        NataliaException error = await ThrowsAsync(ErrorIds.TaskNotFinished,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, stop.Token));
        Assert.Contains("could not be stopped, and may run on at node 'pve1'", error.Message);
        Assert.Contains(refused ? "no quorum" : "does not end", error.Message);
        Assert.Null(fixture.Cluster.Tasks.Single().End);
    }

    [Fact]
    public async Task A_point_that_was_made_before_the_stop_took_effect_is_noted_and_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/log") && fixture.Clock.Waited > TimeSpan.FromMinutes(1)) stop.Cancel();
            // It ends by itself when it is to be stopped.
            if (r.Method == "DELETE") fixture.Clock.Advance(TimeSpan.FromHours(1));
            return null;
        };
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null,
            stop.Token);
        Assert.True(stop.IsCancellationRequested);
        Assert.Equal((fixture.Cluster.Storage("pbs").Points.Single().Volid, Consistency.FileSystem),
            (result.Point.NativeId, result.Point.Consistency));
        Assert.Contains("consistency=FileSystem", fixture.Cluster.Storage("pbs").Points.Single().Notes);
    }

    [Fact]
    public async Task A_node_that_is_silent_for_a_while_is_waited_for()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        int silent = 12;
        fixture.Server.Intercept =
            r => r.Path.Contains("/tasks/") && fixture.Clock.Waited > TimeSpan.FromSeconds(30) && silent-- > 0
            ? new SimulatorReply(595, null, "Connection refused", RawBody: "")
            : null;
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.NotNull(result.Point.NativeId);
    }

    [Fact]
    public async Task A_node_that_stays_silent_makes_the_task_lost()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(20));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Server.Intercept = r => r.Path.Contains("/tasks/")
            ? new SimulatorReply(595, null, "Connection refused", RawBody: "")
            : null;
        await ThrowsAsync(ErrorIds.TaskLost,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.True(fixture.Clock.Waited < TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task A_long_log_is_read_whole()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Server.Intercept = r =>
        {
            // Before the line that names the archive come more lines than a page has.
            if (fixture.Cluster.Tasks.FirstOrDefault() is { Log.Count: 1 } task) for (int i = 0; i < 1200; i++)
                task.Log.Add($"INFO: line {i}");
            return null;
        };
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal(2, result.Disks.Count);
    }

    [Fact]
    public async Task A_data_disk_that_no_backup_takes_is_refused()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi1"] += ",backup=0");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        await ThrowsAsync(ErrorIds.DiskExcluded,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Empty(fixture.Cluster.Tasks);
    }

    [Fact]
    public async Task A_system_disk_that_is_excluded_for_good_is_a_warning()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi0"] += ",backup=0");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Contains("'scsi0'", Assert.Single(result.Warnings));
    }

    [Fact]
    public async Task A_file_storage_takes_points_too()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("nas");
        NativeBackupResult result = await repository.BackupAsync(appliance,
            new NativeBackupRequest { RequestedType = RequestedBackupType.Incremental }, null, default);
        // The file's name is in the node's local time; the point's time is not.
        Assert.StartsWith("nas:backup/vzdump-qemu-100-2026_11_23-15_", result.Point.NativeId);
        Assert.Equal(12, result.Point.TimeUtc.Hour);
        Assert.Equal(BackupType.Full, result.Point.Type);
        Assert.Contains("no dirty bitmap", result.Point.Reason);
        Assert.Null(result.Point.IsEncrypted);
    }

    private sealed class Collect(List<OperationProgress> into) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => into.Add(value);
    }
}
