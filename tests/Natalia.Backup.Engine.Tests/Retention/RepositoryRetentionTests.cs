using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Retention;

/// <summary>What a repository keeps of retention: policies, protection, the reasons of removals.</summary>
public sealed class RepositoryRetentionTests
{
    private static readonly string s_appliance = RepositoryFixture.Appliance.ApplianceId;
    private static readonly RetentionPolicy s_gfs = new()
    {
        Last = 4,
        Daily = 7,
        Weekly = 4,
        Monthly = 3,
        Hourly = 1,
        Yearly = 9,
        TimeZoneId = "Europe/Paris",
    };

    [Fact]
    public async Task A_policy_is_kept_with_the_repository()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
        {
            Assert.Empty(await repository.GetRetentionPoliciesAsync(default));
            await repository.SetRetentionPolicyAsync(null, null, new RetentionPolicy { Last = 1 }, default);
            await repository.SetRetentionPolicyAsync(s_appliance, "natalia-paris", new RetentionPolicy { Last = 2 },
                default);
            await repository.SetRetentionPolicyAsync(s_appliance, "natalia-paris", s_gfs, default);
        }
        using Repository again = await fixture.OpenAsync();
        IReadOnlyList<StoredRetentionPolicy> policies = await again.GetRetentionPoliciesAsync(default);
        Assert.Equal(2, policies.Count);
        Assert.Equal(s_gfs, StoredRetentionPolicy.For(policies, s_appliance)!.Policy);
        Assert.Equal(new RetentionPolicy { Last = 1 },
            StoredRetentionPolicy.For(policies, new string('0', 32))!.Policy);

        await again.SetRetentionPolicyAsync(s_appliance, "natalia-paris", null, default);
        Assert.Equal(new RetentionPolicy { Last = 1 },
            StoredRetentionPolicy.For(await again.GetRetentionPoliciesAsync(default), s_appliance)!.Policy);
        await again.SetRetentionPolicyAsync(null, null, null, default);
        Assert.Empty(await again.GetRetentionPoliciesAsync(default));
    }

    [Fact]
    public async Task A_policy_that_cannot_be_meant_is_not_stored()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        Assert.Equal(ErrorIds.RetentionPolicyKeepsNothing,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.SetRetentionPolicyAsync(null, null, new RetentionPolicy(), default))).ErrorId);
        Assert.Equal(ErrorIds.TimeZoneNotFound,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.SetRetentionPolicyAsync(null, null, s_gfs with { TimeZoneId = "Mars/Olympus" },
                    default))).ErrorId);
        Assert.Empty(await repository.GetRetentionPoliciesAsync(default));
    }

    [Fact]
    public async Task A_damaged_policy_does_not_bring_an_older_one_back()
    {
        var store = new MemoryStore();
        using var fixture = new RepositoryFixture(store);
        using Repository repository = await fixture.CreateAsync();
        await repository.SetRetentionPolicyAsync(s_appliance, "natalia-paris", new RetentionPolicy { Last = 1 },
            default);
        await repository.SetRetentionPolicyAsync(s_appliance, "natalia-paris", s_gfs, default);
        string newest = (await store.ListAllAsync(Layout.Log(s_appliance),
            default)).Last(o => o.Name.Contains(AuditEvents.RetentionSet, StringComparison.Ordinal)).Name;
        await repository.SetApplianceSettingsAsync(new ApplianceSettings
        {
            ApplianceId = s_appliance,
            Name = "natalia-paris",
            HypervisorKind = "Folder",
        }, default);
        store.Tamper(newest, bytes => { bytes[bytes.Length / 2] ^= 1; return bytes; });

        StoredRetentionPolicy stored = Assert.Single(await repository.GetRetentionPoliciesAsync(default));
        Assert.NotNull(stored.Damage);
        Assert.True(stored.Policy.KeepsEverything);
        await repository.SetRetentionPolicyAsync(s_appliance, "natalia-paris", s_gfs, default);
        Assert.Null(Assert.Single(await repository.GetRetentionPoliciesAsync(default)).Damage);
    }

    [Theory]
    [InlineData("""{"policy":{"daily":7,"timeZone":"UTC","decennial":1}}""", "newer version")]
    [InlineData("""{"policy":{"daily":0,"timeZone":"UTC"}}""", "no limit")]
    [InlineData("""{"policy":{"daily":"7","timeZone":"UTC"}}""", "no limit")]
    [InlineData("""{"policy":{"daily":7}}""", "timeZone")]
    [InlineData("""{"policy":{"timeZone":"UTC"}}""", "no rule")]
    [InlineData("{}", "no policy")]
    public void A_rule_that_this_version_does_not_know_is_not_left_out(string data, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => RetentionPolicyData.Read(data, out _)).Message,
            StringComparison.Ordinal);

    /// <summary>Whoever protected the point asked that it stays. Rot must not lift that, nor wait for somebody to check
    /// the log.</summary>
    [Theory]
    [InlineData("changed")]
    [InlineData("cut")]
    [InlineData("empty")]
    public async Task A_point_whose_protection_cannot_be_read_any_more_is_not_removed(string how)
    {
        using var fixture = new RepositoryFixture();
        RestorePoint[] points;
        using (Repository repository = await fixture.CreateAsync())
        {
            points = await MakeAsync(repository, 4);
            await repository.SetProtectionAsync(points[1], true, "before the upgrade", default);
        }
        string name = (await fixture.Store.ListAllAsync("appliances/", default)).Single(o =>
            o.Name.Contains(".point-protected.", StringComparison.Ordinal)).Name;
        byte[] whole = await fixture.Store.ReadAllAsync(name, default), rotten = how == "empty" ? [] : how == "cut"
            ? whole.AsSpan(0, whole.Length / 2).ToArray() : (byte[])whole.Clone();
        if (how == "changed") rotten[whole.Length / 2] ^= 1;
        await fixture.Store.DeleteAsync(name, default);
        await fixture.Store.PutAsync(name, new ObjectContent(rotten), PutOptions.Metadata, default);

        using Repository again = await fixture.OpenAsync();
        Assert.Equal([false, false, true, false], (await RepositoryFixture.PointsAsync(again))
            .Select(p => p.IsProtected));
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() =>
            again.RemoveRestorePointAsync(points[1], "retention", default));
        Assert.Equal(ErrorIds.RestorePointProtected, refused.ErrorId);
        Assert.Contains(name, refused.Message, StringComparison.Ordinal);
        Assert.Equal(refused.Message, (await again.FindRemovalRefusalAsync(points[1], default))?.Message);
        // The others go as ever.
        await again.RemoveRestorePointAsync(points[0], "retention", default);

        // It is lifted as any protection is; and what is put back counts as it did.
        await again.SetProtectionAsync(points[1], false, "no longer wanted", default);
        await again.RemoveRestorePointAsync(points[1], "retention", default);
        Assert.Equal(2, (await RepositoryFixture.PointsAsync(again)).Count);
    }

    [Fact]
    public async Task A_protected_point_cannot_be_removed_until_that_is_lifted()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        RestorePoint[] points = await MakeAsync(repository, 2);
        Assert.True((await repository.SetProtectionAsync(points[0], true, "before the upgrade", default)).IsProtected);
        Assert.True(
            (await RepositoryFixture.PointsAsync(repository)).Single(
                p => p.RestorePointId == points[0].RestorePointId).IsProtected);
        Assert.Equal(ErrorIds.RestorePointProtected,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(points[0], "x", default))).ErrorId);

        Assert.False(
            (await repository.SetProtectionAsync(points[0], false, "the upgrade is accepted", default)).IsProtected);
        await repository.RemoveRestorePointAsync(points[0], "no longer wanted", default);
        Assert.Equal(points[1].RestorePointId,
            Assert.Single(await RepositoryFixture.PointsAsync(repository)).RestorePointId);
        Assert.Equal(ErrorIds.RestorePointNotFound,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.SetProtectionAsync(points[0], true, "too late", default))).ErrorId);

        Assert.Equal(["point-protected: before the upgrade", "point-unprotected: the upgrade is accepted",
            "point-removed: no longer wanted"],
            (await RecordsAsync(fixture.Store))
                .Where(r => r.RestorePointId == points[0].RestorePointId && r.Event != AuditEvents.PointMade)
                .Select(r => $"{r.Event}: {r.Reason}"));
    }

    [Fact]
    public async Task Policies_and_protection_do_not_wait_for_a_backup_that_runs()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        RestorePoint point = (await MakeAsync(repository, 1))[0];
        // Another machine's backup holds the lease.
        await using Lease lease = await Lease.AcquireAsync(fixture.Store, repository.RepositoryId, s_appliance, null,
            TimeProvider.System, null, default);
        await repository.SetRetentionPolicyAsync(s_appliance, "natalia-paris", s_gfs, default);
        Assert.True((await repository.SetProtectionAsync(point, true, "now", default)).IsProtected);
        Assert.Equal(ErrorIds.LeaseHeld,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(point, "x", default))).ErrorId);
    }

    [Fact]
    public async Task No_protection_is_promised_where_a_removal_begins_while_it_is_recorded()
    {
        using var fixture = new RepositoryFixture();
        RestorePoint point;
        using (Repository repository = await fixture.CreateAsync()) point = (await MakeAsync(repository, 2))[0];
        // Another machine's backup holds the lease, and its retention follows.
        Lease backup = await Lease.AcquireAsync(fixture.Store, point.RepositoryId, s_appliance, null,
            TimeProvider.System, LeasePurposes.Backup, default);
        var looked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var removing = new HookStore(new FaultStore(fixture.Store));
        removing.Before = async what =>
        {
            if (!what.StartsWith("put ", StringComparison.Ordinal) || !what.Contains(AuditEvents.PointRemoved)) return;
            looked.TrySetResult();
            await goOn.Task;
        };
        using Repository other = await fixture.OpenAsync(removing);
        Task? removal = null;
        using var protecting = new HookStore(new FaultStore(fixture.Store));
        protecting.Before = async what =>
        {
            if (!what.StartsWith("put ", StringComparison.Ordinal) || !what.Contains(AuditEvents.PointProtected))
                return;
            protecting.Before = _ => Task.CompletedTask;
            await backup.DisposeAsync();
            removal = other.RemoveRestorePointAsync(point, "retention", default);
            await looked.Task;
        };
        using Repository admin = await fixture.OpenAsync(protecting);
        NataliaException unsure = await Assert.ThrowsAsync<NataliaException>(() =>
            admin.SetProtectionAsync(point, true, "evidence", default));
        Assert.Equal((ErrorIds.LeaseHeld, point.RestorePointId), (unsure.ErrorId, unsure.Target));
        goOn.SetResult();
        await removal!;
        Assert.Equal(ErrorIds.RestorePointNotFound,
            (await Assert.ThrowsAsync<NataliaException>(
                () => admin.SetProtectionAsync(point, true, "evidence", default))).ErrorId);
    }

    [Fact]
    public async Task One_point_that_cannot_be_removed_does_not_keep_the_others()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        RestorePoint[] points = await MakeAsync(repository, 4);
        await repository.SetProtectionAsync(points[1], true, "kept", default);
        var told = new List<string>();
        await repository.RemoveRestorePointsAsync(s_appliance,
            [.. points.Select((p, i) => new PointRemoval(p, $"reason {i}"))],
            (p, why) => told.Add($"{Array.IndexOf(points, p)} {why?.ErrorId}"), default);

        Assert.Equal(["0 ", "1 RestorePointProtected", "2 ", "3 RestorePointIsNewest"], told);
        Assert.Equal([points[3].RestorePointId, points[1].RestorePointId],
            (await RepositoryFixture.PointsAsync(repository)).Select(p => p.RestorePointId));
        Assert.Equal(["reason 0", "reason 2"],
            (await RecordsAsync(fixture.Store)).Where(r => r.Event == AuditEvents.PointRemoved).Select(r => r.Reason));
    }

    [Fact]
    public async Task A_point_that_a_restore_reads_is_not_removed()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        using Repository another = await fixture.OpenAsync();
        RestorePoint[] points = await MakeAsync(repository, 2);
        using var target = new GatedTarget();
        Task export = (await repository.OpenPointAsync(points[0], default)).ExportDiskAsync(null, target, null,
            default);
        await target.Begun;

        Assert.Equal([false, true],
            (await another.DescribeForRetentionAsync([points[1], points[0]], default)).Select(p => p.IsInUse));
        Assert.Equal(ErrorIds.RestorePointInUse,
            (await Assert.ThrowsAsync<NataliaException>(
                () => another.RemoveRestorePointAsync(points[0], "x", default))).ErrorId);
        target.Open();
        await export;
        await another.RemoveRestorePointAsync(points[0], "x", default);
    }

    [Fact]
    public async Task The_newest_undamaged_point_is_not_removed_either()
    {
        var store = new MemoryStore();
        using var fixture = new RepositoryFixture(store);
        using Repository repository = await fixture.CreateAsync();
        RestorePoint[] points = await MakeAsync(repository, 3);
        string newestPack = (await store.ListAllAsync(Layout.Packs(s_appliance, PackArea.Meta), default))
            .Select(o => o.Name)
            .Order(StringComparer.Ordinal).Last();
        store.Tamper(newestPack, bytes => { bytes[bytes.Length / 2] ^= 1; return bytes; });
        using Repository fresh = await fixture.OpenAsync();
        Assert.Equal(CheckOutcome.Failed, (await fresh.VerifyRestorePointAsync(points[2], null, default)).Result);

        Assert.Equal([true, true, false],
            (await fresh.DescribeForRetentionAsync(points, default)).Select(p => p.IsGood));
        Assert.Equal(ErrorIds.RestorePointIsNewest,
            (await Assert.ThrowsAsync<NataliaException>(
                () => fresh.RemoveRestorePointAsync(points[1], "x", default))).ErrorId);
        await fresh.RemoveRestorePointAsync(points[0], "x", default);
    }

    [Fact]
    public async Task A_policy_applied_to_a_repository_leaves_what_its_plan_keeps()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = new byte[64 * 1024];
        for (int i = 0; i < 12; i++)
        {
            disk[i] = 1;
            await RepositoryFixture.BackupAsync(repository, disk,
                time: Plans.Utc("2026-03-01T00:00:00Z").AddHours(9 * i));
        }
        var policy = new RetentionPolicy { Last = 1, Daily = 2, Weekly = 2 };
        for (int run = 0; run < 2; run++)
        {
            IReadOnlyList<RestorePoint> points = await RepositoryFixture.PointsAsync(repository);
            IReadOnlyList<RetentionPlanRow> plan =
                RetentionPlanner.Plan(await repository.DescribeForRetentionAsync(points,
                default),
                policy, DateTime.UtcNow);
            PointRemoval[] removals = [.. plan.Where(r => r.Action == RetentionAction.Remove)
                .Select(r => new PointRemoval(points.Single(p => p.RestorePointId == r.RestorePointId), r.Reason))];
            Assert.Equal(run == 0 ? 8 : 0, removals.Length);
            await repository.RemoveRestorePointsAsync(s_appliance, removals, (_, why) => Assert.Null(why), default);
        }
        IReadOnlyList<RestorePoint> left = await RepositoryFixture.PointsAsync(repository);
        Assert.Equal(["03-05 03", "03-04 18", "03-03 15", "03-01 18"],
            left.Select(p => p.TimeUtc.ToString("MM-dd HH")));
        foreach (RestorePoint point in left)
            Assert.Equal(CheckOutcome.Passed, (await repository.VerifyRestorePointAsync(point, null, default)).Result);
    }

    [Fact]
    public async Task A_point_stays_when_the_one_because_of_which_it_was_to_go_has_gone()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync(), other = await fixture.OpenAsync();
        foreach (int hours in new[] { 0, 3, 6, 30, 54 })
            await RepositoryFixture.BackupAsync(repository, RepositoryFixture.Disk(64 * 1024, hours),
                time: Plans.Utc("2026-03-01T00:00:00Z").AddHours(hours));
        RestorePoint[] points = [.. (await RepositoryFixture.PointsAsync(repository)).OrderBy(p => p.TimeUtc)];
        IReadOnlyList<RetentionPlanRow> plan = RetentionPlanner.Plan(
            await repository.DescribeForRetentionAsync(points, default), new RetentionPolicy { Daily = 3 },
            Plans.Utc("2026-03-09T00:00:00Z"));
        IReadOnlyCollection<string> holders = PointRemoval.HoldersOf(plan);
        Assert.Equal(points.Skip(2).Select(p => p.RestorePointId).Order(), holders.Order());
        PointRemoval[] removals = [.. points.Take(2).Select(p => new PointRemoval(p, "a plan") { Because = holders })];

        await other.RemoveRestorePointAsync(points[2], "somebody else", default);
        var refusals = new List<NataliaException?>();
        await repository.RemoveRestorePointsAsync(s_appliance, removals, (_, why) => refusals.Add(why), default);
        Assert.Equal([ErrorIds.RetentionPlanOutdated, ErrorIds.RetentionPlanOutdated],
            refusals.Select(r => r!.ErrorId));
        Assert.All(refusals, r => Assert.Contains(points[2].RestorePointId, r!.Message, StringComparison.Ordinal));
        Assert.Equal(4, (await RepositoryFixture.PointsAsync(repository)).Count);

        // Planned anew, the younger of the two stands for the day.
        points = [.. (await RepositoryFixture.PointsAsync(repository)).OrderBy(p => p.TimeUtc)];
        plan = RetentionPlanner.Plan(await repository.DescribeForRetentionAsync(points, default),
            new RetentionPolicy { Daily = 3 }, Plans.Utc("2026-03-09T00:00:00Z"));
        Assert.Equal(points[0].RestorePointId,
            Assert.Single(plan, r => r.Action == RetentionAction.Remove).RestorePointId);
        await repository.RemoveRestorePointsAsync(s_appliance,
            [new PointRemoval(points[0], "a plan") { Because = PointRemoval.HoldersOf(plan) }],
            (_, why) => Assert.Null(why), default);
    }

    private static async Task<RestorePoint[]> MakeAsync(Repository repository, int count)
    {
        var points = new RestorePoint[count];
        for (int i = 0; i < count; i++)
            points[i] = await RepositoryFixture.BackupAsync(repository, RepositoryFixture.Disk(256 * 1024, i),
                time: Plans.Now.AddDays(i));
        return points;
    }

    private static async Task<List<AuditRecord>> RecordsAsync(IObjectStore store)
    {
        RepositorySettings settings = RepositorySettings.Decode(await store.ReadAllAsync(Layout.Settings, default),
            "here");
        var log = new AuditLog(store, s_appliance, settings.AuditKey, TimeProvider.System);
        var records = new List<AuditRecord>();
        foreach (AuditName name in await log.ListAsync(default)) records.Add(await log.ReadAsync(name, default));
        return records;
    }

    /// <summary>A target that begins, and then waits until it is opened.</summary>
    private sealed class GatedTarget : IDiskTarget
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task Begun => _begun.Task;
        internal void Open() => _open.SetResult();
        public bool AcceptsAnyOrder => true;

        public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
        {
            _begun.SetResult();
            return _open.Task;
        }

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
            ValueTask.CompletedTask;
        public Task CompleteAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public void Dispose() => _open.TrySetResult();
    }
}
