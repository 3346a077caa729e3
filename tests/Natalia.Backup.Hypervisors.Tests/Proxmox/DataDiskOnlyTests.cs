using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class DataDiskOnlyTests
{
    private static readonly NativeBackupRequest s_dataOnly = new() { DataDiskOnly = true, RunId = "run1" };

    [Fact]
    public async Task Only_the_data_disk_is_taken_and_the_configuration_is_as_before()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["description"] = "Owner: ops\n");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        var before = new Dictionary<string, string>(fixture.Cluster.Guest(100).Config);
        NativeBackupResult result = await repository.BackupAsync(appliance, s_dataOnly, null, default);
        Assert.Equal(["scsi1"], fixture.Cluster.Storage("pbs-data").Points.Single().IncludedDisks);
        Assert.True(result.Point.IsDataDiskOnly);
        Assert.False(result.Disks.Single(d => d.DiskId == "scsi0").IsIncluded);
        Assert.Equal(before.OrderBy(c => c.Key), fixture.Cluster.Guest(100).Config.OrderBy(c => c.Key));
        Assert.True(
            (await repository.GetRestorePointsAsync(new RestorePointFilter(), default)).Single().IsDataDiskOnly);
        // Switch and mark come in one request, with the digest.
        SimulatorRequest switched = fixture.Server.Requests.First(r => r.Method == "PUT" && r.Path.EndsWith("/config"));
        Assert.EndsWith(",backup=0", switched["scsi0"]);
        Assert.Contains("left-out=scsi0 run=run1", switched["description"]);
        Assert.NotNull(switched["digest"]);
    }

    [Fact]
    public async Task A_permanent_switch_needs_no_change()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi0"] += ",backup=0");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        await repository.BackupAsync(appliance, s_dataOnly, null, default);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "PUT" && r.Path.EndsWith("/config"));
        Assert.EndsWith(",backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_disks_come_back_when_the_run_fails_or_is_cancelled(bool cancel)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.BackupFailure = "no");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        using var stop = new CancellationTokenSource();
        if (cancel) fixture.Cluster.OnBackupStart = stop.Cancel;
        await Assert.ThrowsAnyAsync<Exception>(() => repository.BackupAsync(appliance, s_dataOnly, null, stop.Token));
        Assert.DoesNotContain("backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
        Assert.False(fixture.Cluster.Guest(100).Config.ContainsKey("description"));
    }

    [Fact]
    public async Task What_a_dead_run_left_is_repaired_by_the_next_run_and_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guest(100).Config["scsi0"] += ",backup=0";
            c.Guest(100).Config["description"] = $"Owner: ops\n[natalia-backup left-out=scsi0 run=dead1 "
                + $"since={c.Clock.GetUtcNow().AddHours(-3).ToUnixTimeSeconds()}]\n";
        });
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Contains("dead1", Assert.Single(result.Warnings));
        Assert.Equal(["scsi0", "scsi1"], fixture.Cluster.Storage("pbs").Points.Single().IncludedDisks);
        Assert.Equal("Owner: ops", fixture.Cluster.Guest(100).Config["description"].TrimEnd('\n'));
    }

    [Fact]
    public async Task A_live_runs_mark_makes_the_vm_busy()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guest(100).Config["description"] = $"[natalia-backup left-out=scsi0 run=live1 "
                    + $"since={c.Clock.GetUtcNow().AddMinutes(-2).ToUnixTimeSeconds()}]\n");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        NataliaException error = await ThrowsAsync(ErrorIds.ApplianceLocked,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains("live1", error.Message);
    }

    [Fact]
    public async Task A_long_runs_mark_is_not_repaired_while_its_task_runs()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guest(100).Config["description"] = $"[natalia-backup left-out=scsi0 run=live1 "
                    + $"since={c.Clock.GetUtcNow().AddHours(-2).ToUnixTimeSeconds()}]\n");
        fixture.Cluster.NewTask("pve1", "vzdump", "100", "backup@pve").Steps.Add((TimeSpan.FromDays(1), null, null));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        await ThrowsAsync(ErrorIds.ApplianceLocked, () => repository.BackupAsync(appliance, s_dataOnly, null, default));
    }

    [Fact]
    public async Task Whole_and_partial_points_do_not_share_a_storage()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        NataliaException error = await ThrowsAsync(ErrorIds.StorageMixesKinds,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains("namespace", error.RecommendedAction);
        Assert.DoesNotContain("backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
    }

    [Theory]
    [InlineData("checksum mismatch (file change by other user?)")]
    [InlineData("checksum missmatch (file change by other user?)")]
    [InlineData("detected modified configuration - file changed by other user? Try again.")]
    public async Task A_change_by_somebody_else_in_between_is_read_again_in_both_directions(string refusal)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.DigestRefusal = refusal);
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        int changes = 0;
        fixture.Server.Intercept = r =>
        {
            // Once while the disk is switched off, and once while it is put back.
            if (r.Method == "PUT" && r.Path.EndsWith("/config") && changes == fixture.Cluster.Tasks.Count)
            {
                changes++;
                fixture.Cluster.Guest(100).Config["scsi0"] += changes == 1 ? ",cache=writeback" : ",aio=threads";
                fixture.Cluster.Guest(100).Revision++;
            }
            return null;
        };
        await repository.BackupAsync(appliance, s_dataOnly, null, default);
        Assert.Equal(2, changes);
        Assert.EndsWith(",cache=writeback,aio=threads", fixture.Cluster.Guest(100).Config["scsi0"]);
        Assert.DoesNotContain("backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
        Assert.False(fixture.Cluster.Guest(100).Config.ContainsKey("description"));
    }

    [Fact]
    public async Task A_disk_is_put_back_when_whether_it_was_left_out_is_not_known()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        bool broken = false;
        fixture.Server.Intercept = r =>
        {
            if (broken || r.Method != "PUT" || !r.Path.EndsWith("/config")) return null;
            broken = true;
            Assert.Equal(200, fixture.Cluster.Answer(r).Status);
            throw new IOException();
        };
        await ThrowsAsync(ErrorIds.RequestOutcomeUnknown,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.DoesNotContain("backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
        Assert.False(fixture.Cluster.Guest(100).Config.ContainsKey("description"));
    }

    [Fact]
    public async Task A_cluster_that_is_away_for_minutes_gets_its_disk_back_all_the_same()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        DateTimeOffset? since = null;
        fixture.Server.Intercept = r =>
        {
            if (r.Method != "PUT" || !r.Path.EndsWith("/config") || fixture.Cluster.Tasks.Count == 0) return null;
            since ??= fixture.Clock.GetUtcNow();
            return fixture.Clock.GetUtcNow() - since > TimeSpan.FromMinutes(5)
                ? null
                : SimulatorReply.Fail(500, "cluster not ready - no quorum?");
        };
        await repository.BackupAsync(appliance, s_dataOnly, null, default);
        Assert.DoesNotContain("backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
    }

    [Fact]
    public async Task What_could_not_be_put_back_is_put_back_by_the_next_run()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        fixture.Server.Intercept = r =>
            r.Method == "PUT" && r.Path.EndsWith("/config") && fixture.Cluster.Tasks.Count > 0
            ? SimulatorReply.Fail(500, fixture.Cluster.DigestRefusal)
            : null;
        NataliaException error = await ThrowsAsync(ErrorIds.DiskExcluded,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains("every backup leaves them out", error.Message);
        Assert.Contains("backup=0", fixture.Cluster.Guest(100).Config["scsi0"]);
        fixture.Server.Intercept = null;
        fixture.Clock.Advance(TimeSpan.FromHours(1));
        INativeRepository whole = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs", "pbs",
            default);
        NativeBackupResult next = await whole.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Contains(next.Warnings, w => w.Contains("run1") && w.Contains("included again"));
        Assert.Equal(["scsi0", "scsi1"], fixture.Cluster.Storage("pbs").Points.Single().IncludedDisks);
    }

    [Fact]
    public async Task A_scheduled_run_that_slipped_in_is_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        fixture.Server.Intercept = r =>
        {
            if (r.Method == "PUT" && r.Path.EndsWith("/config") && r["scsi0"]?.Contains("backup=0") != true
                && fixture.Cluster.Tasks.Count == 1)
            {
                fixture.Cluster.StartScheduledBackup(fixture.Cluster.Guest(100), fixture.Cluster.Storage("pbs"));
                fixture.Cluster.Guest(100).Lock = null;
            }
            return null;
        };
        NativeBackupResult result = await repository.BackupAsync(appliance, s_dataOnly, null, default);
        Assert.Contains("may lack those disks", Assert.Single(result.Warnings));
    }

    [Fact]
    public async Task While_a_backup_runs_that_may_still_come_to_the_vm_no_disk_is_left_out()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        // It began with other VMs, and bears no number.
        SimulatedTask nightly = fixture.Cluster.NewTask("pve1", "vzdump", "", "root@pam");
        nightly.Steps.Add((TimeSpan.FromHours(5), null, null));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        NataliaException error = await ThrowsAsync(ErrorIds.ApplianceLocked,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains(nightly.Upid, error.Message);
        Assert.Contains("Nothing was backed up", error.Message);
        Assert.True(fixture.Clock.Waited >= s_dataOnly.LockTimeout);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "PUT");

        // One of another VM alone stands in nobody's way, and this one ends.
        fixture.Cluster.NewTask("pve1", "vzdump", "101", "root@pam").Steps.Add((TimeSpan.FromHours(50), null, null));
        fixture.Clock.Advance(nightly.Start + TimeSpan.FromMinutes(290) - fixture.Clock.GetUtcNow());
        Assert.Empty((await repository.BackupAsync(appliance, s_dataOnly, null, default)).Warnings);
        Assert.True(fixture.Cluster.Tasks.Last(t => t.Id == "100").Start >= nightly.End);
    }

    [Fact]
    public async Task A_disk_that_came_while_another_backup_was_waited_for_is_left_out_too()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        SimulatedGuest guest = fixture.Cluster.Guest(100);
        void Attach()
        {
            guest.Config["scsi2"] = "tank:vm-100-disk-2,size=10G";
            guest.Revision++;
        }
        fixture.Cluster.NewTask("pve1", "vzdump", "", "root@pam").Steps.Add((TimeSpan.FromMinutes(10), null, Attach));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        NativeBackupResult result = await repository.BackupAsync(appliance, s_dataOnly with { DataDiskId = "scsi1" },
            null, default);
        Assert.Equal(["scsi1"], fixture.Cluster.Storage("pbs-data").Points.Single().IncludedDisks);
        Assert.Empty(result.Warnings);
        Assert.DoesNotContain("backup=0", guest.Config["scsi0"] + guest.Config["scsi2"]);
    }

    [Fact]
    public async Task A_run_that_began_while_another_backup_was_waited_for_makes_the_vm_busy()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        SimulatedGuest guest = fixture.Cluster.Guest(100);
        void Begin()
        {
            guest.Config["scsi0"] += ",backup=0";
            guest.Config["description"] = "[natalia-backup left-out=scsi0 run=live1 "
                + $"since={fixture.Clock.GetUtcNow().ToUnixTimeSeconds()}]\n";
            guest.Revision++;
        }
        fixture.Cluster.NewTask("pve1", "vzdump", "", "root@pam").Steps.Add((TimeSpan.FromMinutes(10), null, Begin));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        NataliaException error = await ThrowsAsync(ErrorIds.ApplianceLocked,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains("live1", error.Message);
        Assert.Empty(fixture.Cluster.Storage("pbs-data").Points);
        Assert.EndsWith(",backup=0", guest.Config["scsi0"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_backup_that_slipped_in_is_told_also_when_the_run_fails_or_is_stopped(bool cancel)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.BackupFailure = "no space left");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        using var stop = new CancellationTokenSource();
        SimulatedTask? other = null;
        fixture.Cluster.OnBackupStart = () =>
        {
            // It begins before the run's own, and ends at once.
            other = fixture.Cluster.NewTask("pve1", "vzdump", "", "root@pam");
            (other.End, other.ExitStatus) = (fixture.Clock.GetUtcNow(), "OK");
            if (cancel) stop.Cancel();
        };
        NataliaException error = await Assert.ThrowsAnyAsync<NataliaException>(
            () => repository.BackupAsync(appliance, s_dataOnly, null, stop.Token));
        Assert.Contains(cancel ? "was stopped" : "no space left", error.Message);
        Assert.Contains(other!.Upid, error.Message);
        Assert.Contains("may lack those disks", error.Message);
    }

    [Fact]
    public async Task Who_may_not_see_the_backups_of_others_is_told_that_nobody_knows()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Rights = new()
        {
            ["/"] = new[] { "VM.Audit", "VM.Backup", "VM.Config.Disk", "VM.Config.Options", "Datastore.Audit",
                "Datastore.AllocateSpace", "Datastore.Allocate" }.ToDictionary(r => r, _ => true),
        });
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        NativeBackupResult result = await repository.BackupAsync(appliance, s_dataOnly, null, default);
        Assert.Contains("Missing: Sys.Audit on /nodes/pve1", Assert.Single(result.Warnings));
    }

    [Fact]
    public async Task A_disk_that_was_switched_off_before_a_whole_run_read_it_is_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Cluster.OnBackupStart = () => fixture.Cluster.Guest(100).Config["scsi0"] += ",backup=0";
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Contains("'scsi0'", Assert.Single(result.Warnings));
        Assert.Contains("is not in the point", result.Warnings[0]);
    }

    [Fact]
    public async Task A_disk_that_cannot_be_put_back_is_an_error_that_says_so()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        fixture.Server.Intercept = r =>
            r.Method == "PUT" && r.Path.EndsWith("/config") && fixture.Cluster.Tasks.Count > 0
            ? SimulatorReply.Fail(403, "Permission check failed (/vms/100, VM.Config.Disk)")
            : null;
        NataliaException error = await ThrowsAsync(ErrorIds.DiskExcluded,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains("scsi0", error.Message);
        Assert.Contains(fixture.Cluster.Storage("pbs-data").Points.Single().Volid, error.Message);
    }

    [Fact]
    public async Task A_backup_that_fails_says_why_also_when_the_disks_cannot_be_put_back()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.BackupFailure = "no space left");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        fixture.Server.Intercept = r =>
            r.Method == "PUT" && r.Path.EndsWith("/config") && fixture.Cluster.Tasks.Count > 0
            ? SimulatorReply.Fail(403, "Permission check failed (/vms/100, VM.Config.Disk)")
            : null;
        NataliaException error = await ThrowsAsync(ErrorIds.DiskExcluded,
            () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        Assert.Contains("every backup leaves them out", error.Message);
        Assert.Contains("No point was made", error.Message);
        Assert.Contains("no space left", error.Message);
    }

    [Fact]
    public async Task Which_disk_holds_the_data_must_be_clear()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi2"] = "tank:vm-100-disk-2,size=10G");
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        await ThrowsAsync(ErrorIds.DiskAmbiguous, () => repository.BackupAsync(appliance, s_dataOnly, null, default));
        NativeBackupResult result = await repository.BackupAsync(appliance, s_dataOnly with { DataDiskId = "scsi2" },
            null, default);
        Assert.Equal(["scsi2"], result.Disks.Where(d => d.IsIncluded).Select(d => d.DiskId));
    }

    [Fact]
    public async Task A_partial_run_costs_the_other_disk_its_bitmap_and_the_next_whole_run_says_so()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, INativeRepository whole) =
            await fixture.OpenAsync();
        INativeRepository partial = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs-data",
            "pbs-data", default);
        await whole.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        await partial.BackupAsync(appliance, s_dataOnly, null, default);
        NativeBackupResult next = await whole.BackupAsync(appliance,
            new NativeBackupRequest { RequestedType = RequestedBackupType.Incremental }, null, default);
        Assert.Equal(BackupType.Full, next.Point.Type);
        Assert.Contains("scsi0: created new", next.Point.Reason);
        Assert.Equal((32L << 30) + 1610612736, next.Point.ReadBytes);
    }
}
