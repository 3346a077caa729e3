using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class PointTests
{
    private static readonly RestorePointFilter s_all = new();
    private const string VerifyTask = "UPID:pbs:000003E9:00001B5F:0000ABCD:6743C1C0:verify:store:root@pam:";

    [Fact]
    public async Task Points_say_what_is_known_and_null_for_the_rest()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            DateTimeOffset now = c.Clock.GetUtcNow();
            SimulatedPoint verified = ProxmoxFixture.Point("pbs", 100, now.AddDays(-1), "before the update");
            (verified.VerifyState, verified.VerifyUpid, verified.Encrypted, verified.Protected) = ("ok", VerifyTask,
                "ab:cd:ef", true);
            SimulatedPoint unknown = ProxmoxFixture.Point("pbs", 100, now.AddDays(-2));
            unknown.Size = 1;
            SimulatedPoint approximate = ProxmoxFixture.Point("pbs", 100, now.AddDays(-3));
            (approximate.Size, approximate.ApproximateSize, approximate.VerifyState, approximate.Encrypted) = (null,
                5L << 30, "failed", "1");
            SimulatedPoint container = new()
            {
                Volid = "pbs:backup/ct/200/2026-11-20T00:00:00Z",
                Vmid = 200,
                Time = now,
                Subtype = "lxc",
            };
            c.Storage("pbs").Points.AddRange([approximate, verified, container, unknown]);
        });
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        IReadOnlyList<RestorePoint> points = await repository.GetRestorePointsAsync(s_all, default);
        Assert.Equal(3, points.Count);
        Assert.Equal(
            (true, true, VerificationState.Good, DateTimeOffset.FromUnixTimeSeconds(0x6743C1C0).UtcDateTime,
                "before the update"),
            (points[0].IsProtected, points[0].IsEncrypted!.Value, points[0].Verification, points[0].VerifiedUtc!.Value,
                points[0].Note));
        Assert.Equal([true, false, true], points.Select(p => p.IsFinished));
        Assert.Equal((null, VerificationState.Unknown, null, false),
            (points[1].SizeBytes, points[1].Verification, points[1].VerifiedUtc, points[1].IsEncrypted!.Value));
        Assert.Equal((5L << 30, VerificationState.Failed, true),
            (points[2].SizeBytes!.Value, points[2].Verification, points[2].IsEncrypted!.Value));
        Assert.All(points,
            p => Assert.Equal((appliance.ApplianceId, "Proxmox", "natalia-01"),
                (p.ApplianceId, p.RepositoryKind, p.ApplianceName)));
    }

    [Fact]
    public async Task Points_are_filtered_by_appliance_and_time_also_when_the_vm_is_gone()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            for (int i = 0; i < 5; i++)
                c.Storage("pbs").Points.AddRange([ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-i)),
                    ProxmoxFixture.Point("pbs", 555, c.Clock.GetUtcNow().AddDays(-i))]);
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync();
        DateTime now = fixture.Clock.GetUtcNow().UtcDateTime;
        Assert.Equal(3, (await repository.GetRestorePointsAsync(new RestorePointFilter
        {
            ApplianceId = appliance.ApplianceId,
            AfterUtc = now.AddDays(-3).AddHours(-1),
            BeforeUtc = now.AddHours(-2),
        }, default)).Count);
        string gone = (await repository.GetRestorePointsAsync(s_all,
            default)).First(p => p.ApplianceName == "VM 555").ApplianceId;
        Assert.Equal(5,
            (await repository.GetRestorePointsAsync(new RestorePointFilter { ApplianceId = gone }, default)).Count);
    }

    public static TheoryData<string, string> MissingRights => new()
    {
        { "Datastore.Audit;VM.Audit", "Datastore.AllocateSpace" },
        { "Datastore.AllocateSpace;Datastore.Audit;VM.Audit", "VM.Backup" },
    };

    [Theory]
    [MemberData(nameof(MissingRights))]
    public async Task A_list_that_rights_would_empty_is_an_error(string rights, string missing)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow()));
            c.Rights = new() { ["/"] = rights.Split(';').ToDictionary(r => r, _ => true) };
        });
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.PermissionDenied,
            () => repository.GetRestorePointsAsync(s_all, default));
        Assert.Contains(missing, error.Message);
        await ThrowsAsync(ErrorIds.PermissionDenied,
            () => repository.GetRestorePointsAsync(new RestorePointFilter { ApplianceId = appliance.ApplianceId },
                default));
    }

    [Fact]
    public async Task An_empty_list_of_what_may_be_seen_is_an_error_while_others_are_hidden()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guests.Add(ProxmoxFixture.Appliance(101, "natalia-02", "pve2"));
            c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow()));
            c.Rights = new()
            {
                ["/"] = new() { ["Datastore.AllocateSpace"] = true, ["Datastore.Audit"] = true, ["VM.Audit"] = true },
                ["/vms/101"] = new() { ["VM.Backup"] = true, ["VM.Audit"] = true },
            };
        });
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        Assert.Equal("/vms/100",
            (await ThrowsAsync(ErrorIds.PermissionDenied,
                () => repository.GetRestorePointsAsync(s_all, default))).Target);
        string visible = (await (await fixture.ConnectAsync()).FindAppliancesAsync(l => l.NativeId == "101",
            default)).Single().ApplianceId;
        Assert.Empty(await repository.GetRestorePointsAsync(new RestorePointFilter { ApplianceId = visible }, default));
    }

    [Fact]
    public async Task With_all_rights_an_empty_storage_is_an_empty_list()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        Assert.Empty(await repository.GetRestorePointsAsync(s_all, default));
    }

    [Fact]
    public async Task A_storage_is_told_apart_from_one_that_may_not_be_seen()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        Assert.Contains("It has: local, nas, pbs",
            (await ThrowsAsync(ErrorIds.StorageNotFound,
                () => hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("typo", "x", default))).Message);
        await ThrowsAsync(ErrorIds.StorageNotSuitable,
            () => hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("tank", "x", default));
        fixture.Cluster.Rights = new() { ["/"] = new() { ["VM.Audit"] = true } };
        await ThrowsAsync(ErrorIds.PermissionDenied,
            () => hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs", "x", default));
    }

    [Fact]
    public async Task Local_storages_are_read_on_every_node()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Storage("local").Points.AddRange(c.Nodes
            .Select((n, i) => new SimulatedPoint
            {
                Volid = $"local:backup/vzdump-qemu-100-2026_11_0{i + 1}-00_00_00.vma.zst",
                Vmid = 100,
                Time = c.Clock.GetUtcNow().AddDays(-i),
                Node = n,
                Size = 5 << 20,
            })));
        (_, _, INativeRepository repository) = await fixture.OpenAsync("local");
        Assert.Equal(3, (await repository.GetRestorePointsAsync(s_all, default)).Count);
    }

    [Fact]
    public async Task A_storage_that_no_node_reaches_is_an_error()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Cluster.Storage("pbs").InactiveNodes.UnionWith(fixture.Cluster.Nodes);
        await ThrowsAsync(ErrorIds.StoreUnavailable, () => repository.GetRestorePointsAsync(s_all, default));
    }

    [Fact]
    public async Task Points_are_protected_and_removed_with_care()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            for (int i = 0; i < 3; i++)
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-i)));
        });
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        IReadOnlyList<RestorePoint> points = await repository.GetRestorePointsAsync(s_all, default);
        Assert.True((await repository.SetProtectionAsync(points[2], true, "test", default)).IsProtected);
        Assert.Equal(ErrorIds.RestorePointProtected,
            (await repository.FindRemovalRefusalAsync(points[2], default))?.ErrorId);
        Assert.Equal(ErrorIds.RestorePointIsNewest,
            (await repository.FindRemovalRefusalAsync(points[0], default))?.ErrorId);
        Assert.Null(await repository.FindRemovalRefusalAsync(points[1], default));
        await ThrowsAsync(ErrorIds.RestorePointProtected,
            () => repository.RemoveRestorePointAsync(points[2], "test", default));
        Assert.False((await repository.SetProtectionAsync(points[2], false, "test", default)).IsProtected);
        await repository.RemoveRestorePointAsync(points[2], "test", default);
        await ThrowsAsync(ErrorIds.RestorePointNotFound,
            () => repository.RemoveRestorePointAsync(points[2], "test", default));
        await ThrowsAsync(ErrorIds.RestorePointIsNewest,
            () => repository.RemoveRestorePointAsync(points[0], "test", default));
        // When the newest is damaged, the one before is the newest good one.
        fixture.Cluster.Storage("pbs").Points.Single(p => p.Volid == points[0].NativeId).VerifyState = "failed";
        await ThrowsAsync(ErrorIds.RestorePointIsNewest,
            () => repository.RemoveRestorePointAsync(points[1], "test", default));
        await repository.RemoveRestorePointAsync(points[0], "test", default);
        Assert.Equal(points[1].NativeId, Assert.Single(fixture.Cluster.Storage("pbs").Points).Volid);
    }

    [Fact]
    public async Task What_a_backup_server_is_still_writing_is_no_point_to_be_left_with()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            for (int i = 1; i <= 2; i++)
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-i)));
            c.StartScheduledBackup(c.Guest(100), c.Storage("pbs"));
            c.Clock.Advance(TimeSpan.FromMinutes(1));
        });
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        IReadOnlyList<RestorePoint> points = await repository.GetRestorePointsAsync(s_all, default);
        Assert.Equal([false, true, true], points.Select(p => p.IsFinished));
        Assert.Equal(["unfinished"],
            (await repository.VerifyAsync(points[0], TimeSpan.FromDays(30), null, default))
                .Where(c => c is { Name: "Verification", Result: CheckOutcome.NotEvidenced }).Select(c => c.Actual));
        Assert.Equal([false, true, true],
            (await repository.DescribeForRetentionAsync(points, default)).Select(p => p.IsFinished));
        await ThrowsAsync(ErrorIds.RestorePointIsNewest,
            () => repository.RemoveRestorePointAsync(points[1], "test", default));
        Assert.Null(await repository.FindRemovalRefusalAsync(points[2], default));
        IReadOnlyList<NativePruneRow> plan = await repository.PlanPruneAsync(points[0].ApplianceId,
            new RetentionLimits(Last: 1), default);
        Assert.Equal([NativePruneMark.Keep, NativePruneMark.Keep, NativePruneMark.Remove], plan.Select(r => r.Mark));

        fixture.Clock.Advance(TimeSpan.FromMinutes(3));
        Assert.All(await repository.GetRestorePointsAsync(s_all, default), p => Assert.True(p.IsFinished));
        Assert.Null(await repository.FindRemovalRefusalAsync(points[1], default));
    }

    [Fact]
    public async Task A_file_of_unknown_size_is_finished()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Storage("nas").Points.Add(new()
        {
            Volid = "nas:backup/vzdump-qemu-100-2026_11_20-00_00_00.vma.zst",
            Vmid = 100,
            Time = c.Clock.GetUtcNow().AddDays(-3),
        }));
        (_, _, INativeRepository repository) = await fixture.OpenAsync("nas");
        Assert.True(Assert.Single(await repository.GetRestorePointsAsync(s_all, default)).IsFinished);
    }

    [Fact]
    public async Task A_removal_that_is_reported_but_did_not_happen_is_an_error()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Storage("pbs").Points.AddRange([ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow()),
                    ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-1))]));
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Server.Intercept = r => r.Method == "DELETE" ? SimulatorReply.Ok(null) : null;
        RestorePoint old = (await repository.GetRestorePointsAsync(s_all, default))[1];
        Assert.Contains("still there",
            (await ThrowsAsync(ErrorIds.ServerError,
                () => repository.RemoveRestorePointAsync(old, "test", default))).Message);
    }

    [Theory]
    [InlineData(null, 0, CheckOutcome.NotEvidenced, null)]
    [InlineData("failed", 1, CheckOutcome.Failed, null)]
    [InlineData("ok", 1, CheckOutcome.Passed, CheckOutcome.Passed)]
    [InlineData("ok", 40, CheckOutcome.Passed, CheckOutcome.Warning)]
    public async Task Verification_is_told_with_its_age(string? state, int days, CheckOutcome verification,
        CheckOutcome? age)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedPoint point = ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow());
            (point.VerifyState, point.VerifyUpid) = (state, $"UPID:pbs:000003E9:00001B5F:0000ABCD:"
                + $"{c.Clock.GetUtcNow().AddDays(-days).ToUnixTimeSeconds():X8}:verify:store:root@pam:");
            c.Storage("pbs").Points.Add(point);
        });
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        RestorePoint listed = (await repository.GetRestorePointsAsync(s_all, default)).Single();
        IReadOnlyList<CheckResult> checks = await repository.VerifyAsync(listed, TimeSpan.FromDays(30), null, default);
        Assert.Equal(verification, checks.Single(c => c.Name == "Verification").Result);
        Assert.Equal(age, checks.SingleOrDefault(c => c.Name == "VerificationAge")?.Result);
        Assert.Equal(CheckOutcome.Passed, checks.Single(c => c.Name == "SameAppliance").Result);
    }

    [Fact]
    public async Task A_point_that_is_older_than_its_vm_is_of_another_one()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guest(100).Config["meta"] = $"ctime={c.Clock.GetUtcNow().AddDays(-1).ToUnixTimeSeconds()}";
            c.Guest(100).Running = false;
            c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddDays(-10)));
        });
        (ProxmoxHypervisor hypervisor, _, INativeRepository repository) = await fixture.OpenAsync();
        RestorePoint point = (await repository.GetRestorePointsAsync(s_all, default)).Single();
        Assert.Equal(CheckOutcome.Warning,
            (await repository.VerifyAsync(point, TimeSpan.FromDays(30), null,
                default)).Single(c => c.Name == "SameAppliance").Result);
        await ThrowsAsync(ErrorIds.ApplianceMismatch,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { OverExisting = true }, null, default));
    }

    [Fact]
    public async Task The_servers_dry_run_is_shown_and_removes_nothing()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            DateTimeOffset start = new(2026, 3, 2, 0, 0, 0, TimeSpan.Zero);
            for (int i = 0; i < 10; i++)
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, start.AddHours(6 * i)));
            c.Storage("pbs").Points[0].Protected = true;
            c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 101, start));
        });
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        var limits = new RetentionLimits(Daily: 7, Weekly: 4, Monthly: 3);
        IReadOnlyList<NativePruneRow> plan = await repository.PlanPruneAsync(appliance.ApplianceId, limits, default);
        Assert.Equal((3, 6, 1),
            (plan.Count(r => r.Mark == NativePruneMark.Keep), plan.Count(r => r.Mark == NativePruneMark.Remove),
                plan.Count(r => r.Mark == NativePruneMark.Protected)));
        Assert.Equal(11, fixture.Cluster.Storage("pbs").Points.Count);
        // Limits that are 0 are left out: a backup server refuses them.
        Assert.Equal("keep-daily=7,keep-weekly=4,keep-monthly=3",
            fixture.Server.Requests.Last(r =>
                r.Path.EndsWith("/prunebackups", StringComparison.Ordinal))["prune-backups"]);
    }

    [Fact]
    public async Task A_storage_that_may_not_remove_says_what_to_do_instead()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            for (int i = 0; i < 2; i++)
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow().AddHours(-i)));
            c.Storage("pbs").RemovalError = "proxmox-backup-client failed: Error: permission check failed - missing "
                + "Datastore.Modify|Datastore.Prune";
        });
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        RestorePoint old = (await repository.GetRestorePointsAsync(s_all, default))[1];
        NataliaException error = await ThrowsAsync(ErrorIds.TaskFailed,
            () => repository.RemoveRestorePointAsync(old, "test", default));
        Assert.Contains("prune job of the backup server", error.Message);
    }

    [Fact]
    public async Task The_configuration_of_a_point_is_read()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c =>
                c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow())));
        (_, _, INativeRepository repository) = await fixture.OpenAsync();
        ApplianceDescription archived =
            await repository.GetConfigurationAsync((await repository.GetRestorePointsAsync(s_all, default)).Single(),
            default);
        Assert.Equal((4, 8L << 30, "natalia-100"),
            (archived.ProcessorCount!.Value, archived.MemoryBytes!.Value, archived.Name));
        Assert.Equal(DiskRole.Data, archived.Disks.Single(d => d.DiskId == "scsi1").Role);
    }
}
