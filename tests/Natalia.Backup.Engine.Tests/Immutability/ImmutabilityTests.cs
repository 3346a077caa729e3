using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Immutability;

public sealed class ImmutabilityTests
{
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));

    private (MemoryStore Store, RepositoryFixture Fixture) New()
    {
        var store = new MemoryStore(_clock, objectLock: true);
        return (store, new RepositoryFixture(store) { Clock = _clock });
    }

    private static Task<Repository> CreateAsync(RepositoryFixture fixture, IObjectStore through, int days = 30) =>
        Repository.CreateAsync(through, null, fixture.Options with { Immutability = new ImmutabilityPolicy(days) },
            default);

    [Fact]
    public async Task Every_point_is_locked_for_its_days_and_what_it_shares_is_extended_in_generations()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        byte[] disk = Disk(10 << 20, 1);
        using (await CreateAsync(fixture, new FaultStore(store))) { }
        int extended = 0;
        for (int day = 0; day < 60; day++)
        {
            // Opened again each day, as a scheduled run does: the policy is the repository's own.
            var counting = new CountingStore(new FaultStore(store));
            using Repository repository = await fixture.OpenAsync(counting);
            Assert.Equal(30, repository.ImmutableDays);
            RestorePoint point = await BackupAsync(repository, disk = Change(disk, 3, day),
                time: _clock.GetUtcNow().UtcDateTime);
            Assert.True(point.ImmutableUntilUtc >= _clock.GetUtcNow().UtcDateTime.AddDays(30),
                $"day {day}: {point.ImmutableUntilUtc:o}");
            // What the point says is true of every object that a restore of it reads.
            foreach (string name in await ReadByRestoreAsync(fixture, store, point))
                Assert.True(await store.GetRetainUntilAsync(name, default) >= point.ImmutableUntilUtc,
                    $"day {day}: {name}");
            if (counting.Usage.Requests > 150) extended++;
            _clock.Advance(TimeSpan.FromDays(1));
        }
        Assert.InRange(extended, 0, 8);
    }

    [Fact]
    public async Task A_backup_tells_how_many_of_its_objects_are_locked()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        using Repository repository = await CreateAsync(fixture, new FaultStore(store));
        HashSet<string> before = [.. (await store.ListAllAsync("", default)).Select(o => o.Name)];
        RestorePoint point = await BackupAsync(repository, Disk(10 << 20, 1), time: _clock.GetUtcNow().UtcDateTime);
        int locked = 0;
        foreach (StoredObject made in await store.ListAllAsync("", default))
            if (!before.Contains(made.Name)
                && await store.GetRetainUntilAsync(made.Name, default) >= point.ImmutableUntilUtc)
                locked++;

        Assert.InRange(locked, 4, 1000);
        Assert.Equal(locked, point.LockedObjects);
        Assert.Null(Assert.Single(await PointsAsync(repository)).LockedObjects);
        using var open = new RepositoryFixture();
        using Repository plain = await open.CreateAsync();
        Assert.Null((await BackupAsync(plain, Disk(100_000, 1))).LockedObjects);
    }

    /// <summary>The names of all objects that restoring the point reads.</summary>
    private static async Task<HashSet<string>> ReadByRestoreAsync(RepositoryFixture fixture, MemoryStore store,
        RestorePoint point)
    {
        var log = new FaultStore(store);
        using Repository reader = await fixture.OpenAsync(log);
        await RestoreAsync(reader, point);
        return log.Log.Where(l => !l.StartsWith("list", StringComparison.Ordinal)).Select(l => l.Split(' ')[1])
            .Where(n => !n.Contains("/leases/") && !n.Contains("log/")).ToHashSet();
    }

    [Fact]
    public async Task A_locked_point_cannot_be_removed_before_its_date_and_goes_after()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        using Repository repository = await CreateAsync(fixture, new FaultStore(store), days: 7);
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: _clock.GetUtcNow().UtcDateTime);
        await BackupAsync(repository, Disk(1 << 20, 2), time: _clock.GetUtcNow().UtcDateTime);
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(first, "a test", default));
        Assert.Equal((ErrorIds.RestorePointLocked, NataliaErrorKind.PermissionDenied), (refused.ErrorId, refused.Kind));
        _clock.Advance(TimeSpan.FromDays(10));
        await repository.RemoveRestorePointAsync(first, "a test", default);
        _clock.Advance(TimeSpan.FromDays(4));
        ReclaimResult result = await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.True(result.ForgottenPoints == 1 && result.DeletedPacks > 0, result.ToString());
        Assert.DoesNotContain(await CheckAsync(repository), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task A_rewritten_pack_that_nothing_needs_goes_when_the_last_of_its_locks_has_ended()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        using Repository repository = await CreateAsync(fixture, new FaultStore(store), days: 7);
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: _clock.GetUtcNow().UtcDateTime);
        string pack = Assert.Single(await store.ListAllAsync(Layout.Packs(Appliance.ApplianceId, PackArea.Data),
            default)).Name;
        await BackupAsync(repository, Disk(1 << 20, 2), time: _clock.GetUtcNow().UtcDateTime);
        _clock.Advance(TimeSpan.FromDays(10));
        await repository.RemoveRestorePointAsync(first, "a test", default);
        _clock.Advance(TimeSpan.FromDays(4));
        // The pack was rewritten later, so that its new revision is locked for longer.
        DateTime now = _clock.GetUtcNow().UtcDateTime;
        await store.ExtendAsync(pack, now.AddDays(1), default);
        await store.PutAsync(pack + ".r1", new ObjectContent(await store.ReadAllAsync(pack, default)),
            PutOptions.Metadata with { RetainUntilUtc = now.AddDays(3) }, default);

        // The second one has looked at the record of the first.
        for (int i = 0; i < 2; i++) await ReclaimAsync();
        Assert.NotNull(await store.StatAsync(pack, default));
        _clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(0, (await ReclaimAsync()).DeletedPacks);
        Assert.Null(await store.StatAsync(pack, default));
        Assert.NotNull(await store.StatAsync(pack + ".r1", default));
        _clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(1, (await ReclaimAsync()).DeletedPacks);
        Assert.Null(await store.StatAsync(pack + ".r1", default));

        Task<ReclaimResult> ReclaimAsync() =>
            repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
    }

    /// <summary>The next run's sequence is higher, so that no run after it looks at what dead ones left.</summary>
    [Fact]
    public async Task What_runs_left_that_died_goes_when_its_lock_has_ended()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        (await CreateAsync(fixture, new FaultStore(store), days: 7)).Dispose();
        byte[] disk = Disk(1 << 20, 1);
        var dead = new List<string>();
        for (int i = 0; i < 2; i++)
        {
            var dying = new LateStore(store);
            using Repository killed = await fixture.OpenAsync(dying);
            await Assert.ThrowsAsync<SimulatedCrashException>(
                () => BackupAsync(killed, Disk(1 << 20, 8 + i), time: _clock.GetUtcNow().UtcDateTime));
            dead.Add(Layout.FileName(dying.Late!.Value.Name));
        }
        using Repository repository = await fixture.OpenAsync();
        await BackupAsync(repository, disk, time: _clock.GetUtcNow().UtcDateTime);
        Assert.Equal(4, (await LeftAsync()).Count);
        List<string> told = [.. (await repository.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default))
            .SelectMany(ReclaimRecords.Packs).Order(StringComparer.Ordinal)];
        Assert.Equal((await LeftAsync()).Order(StringComparer.Ordinal), told);
        await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.Equal(4, (await LeftAsync()).Count);
        _clock.Advance(TimeSpan.FromDays(20));
        RestorePoint newest = await BackupAsync(repository, disk = Change(disk, 2, 3),
            time: _clock.GetUtcNow().UtcDateTime);
        await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.Empty(await LeftAsync());
        Assert.Equal(disk, await RestoreAsync(repository, newest));
        Assert.DoesNotContain(await CheckAsync(repository), r => r.Result is CheckOutcome.Failed);

        async Task<List<string>> LeftAsync() =>
            [.. (await store.ListAllAsync("appliances/", default)).Select(o => o.Name)
                .Where(n => (n.Contains("/data/") || n.Contains("/meta/")) && dead.Exists(n.Contains))];
    }

    /// <summary>A run that had lost its lease and did not know may publish when it was taken for dead.</summary>
    [Fact]
    public async Task A_point_that_was_published_late_keeps_what_a_lock_kept_for_it()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        (await CreateAsync(fixture, new FaultStore(store), days: 7)).Dispose();
        byte[] disk = Disk(1 << 20, 8);
        var sleeping = new LateStore(store);
        using (Repository killed = await fixture.OpenAsync(sleeping))
            await Assert.ThrowsAsync<SimulatedCrashException>(
                () => BackupAsync(killed, disk, time: _clock.GetUtcNow().UtcDateTime));
        using Repository repository = await fixture.OpenAsync();
        await BackupAsync(repository, Disk(1 << 20, 1), time: _clock.GetUtcNow().UtcDateTime);
        await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        (string name, byte[] manifest, PutOptions options) = sleeping.Late!.Value;
        await store.PutAsync(name, new ObjectContent(manifest), options, default);
        _clock.Advance(TimeSpan.FromDays(20));
        for (int i = 0; i < 2; i++)
        {
            using Repository later = await fixture.OpenAsync();
            await later.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
            RestorePoint late = (await PointsAsync(later)).Single(p => name.EndsWith(p.RestorePointId,
                StringComparison.Ordinal));
            Assert.Equal(disk, await RestoreAsync(later, late));
        }
    }

    /// <summary>Keeps back the manifest, and lets the run that puts it end there.</summary>
    private sealed class LateStore(IObjectStore inner) : WrappedStore(inner)
    {
        internal (string Name, byte[] Bytes, PutOptions Options)? Late { get; private set; }

        public override Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            if (!name.Contains("/points/")) return base.PutAsync(name, content, options, cancellationToken);
            Late = (name, content.ToArray(), options);
            throw new SimulatedCrashException("put " + name);
        }

        protected override void Dispose(bool disposing) { }
    }

    [Fact]
    public async Task Where_the_store_holds_no_locks_none_are_claimed()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        using (Repository repository = await CreateAsync(fixture, new FaultStore(store), days: 7))
        {
            for (int i = 0; i < 2; i++)
            {
                Assert.NotNull((await BackupAsync(repository, Disk(1 << 20, i),
                    time: _clock.GetUtcNow().UtcDateTime)).ImmutableUntilUtc);
                _clock.Advance(TimeSpan.FromHours(1));
            }
            Assert.True(repository.HoldsLocks);
            Assert.Equal(CheckOutcome.Passed, Assert.Single(await LocksAsync(repository)).Result);
        }
        // Copies of its objects: in a place without locks, in one that could hold them and shows none (as to a key
        // that may not read them), and in one with shorter ones.
        foreach ((bool canLock, int days) in new[] { (false, 0), (true, 0), (true, 2) })
        {
            DateTime? until = days > 0 ? _clock.GetUtcNow().UtcDateTime.AddDays(days) : null;
            using var mirror = new MemoryStore(_clock, objectLock: canLock);
            foreach (StoredObject one in await store.ListAllAsync("", default))
                await mirror.PutAsync(one.Name, new ObjectContent(await store.ReadAllAsync(one.Name, default)),
                    PutOptions.Metadata with { RetainUntilUtc = until }, default);
            using Repository repository = await fixture.OpenAsync(mirror);
            Assert.Equal(canLock, repository.HoldsLocks);
            CheckResult told = Assert.Single(await LocksAsync(repository));
            bool isKnown = !canLock || days > 0;
            Assert.Equal((isKnown ? CheckOutcome.Failed : CheckOutcome.Warning,
                isKnown ? ErrorIds.ObjectNotLocked : null), (told.Result, told.ErrorId));
            Assert.Equal(!canLock ? "no locks" : until is null ? "no lock is shown"
                : $"locked until {until:yyyy-MM-dd HH:mm} UTC", told.Actual);
            Assert.Equal(!isKnown, told.Detail!.Contains("s3:GetObjectRetention", StringComparison.Ordinal));
            if (canLock) continue;
            IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
            Assert.All(points, p => Assert.Null(p.ImmutableUntilUtc));
            await repository.RemoveRestorePointAsync(points.OrderBy(p => p.TimeUtc).First(), "a test", default);
        }
    }

    private static async Task<List<CheckResult>> LocksAsync(Repository repository)
    {
        var results = new List<CheckResult>();
        await foreach (CheckResult result in repository.CheckLocksAsync(default)) results.Add(result);
        return results;
    }

    [Fact]
    public async Task A_store_that_cannot_lock_refuses_an_immutable_repository_and_stays_empty()
    {
        using var fixture = new RepositoryFixture();
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => CreateAsync(fixture, new FaultStore(fixture.Store)));
        Assert.Equal(ErrorIds.ObjectLockNotSupported, refused.ErrorId);
        Assert.Empty(await fixture.Store.ListAllAsync("", default));
        NataliaException invalid =
            await Assert.ThrowsAsync<NataliaException>(() =>
                CreateAsync(fixture, new FaultStore(fixture.Store), days: 0));
        Assert.Equal(ErrorIds.ImmutabilityInvalid, invalid.ErrorId);
    }

    [Fact]
    public async Task What_a_broken_off_making_left_under_lock_is_named_with_a_way_out()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        int settings;
        using (var other = new MemoryStore(_clock, objectLock: true))
        {
            var log = new FaultStore(other);
            (await CreateAsync(fixture, log)).Dispose();
            settings = log.Log.FindIndex(l => l.StartsWith("put natalia.json", StringComparison.Ordinal));
        }
        await Assert.ThrowsAsync<SimulatedCrashException>(
            () => CreateAsync(fixture, new FaultStore(store, Fault.CrashBefore, settings)));
        NataliaException locked =
            await Assert.ThrowsAsync<NataliaException>(() => CreateAsync(fixture, new FaultStore(store)));
        Assert.Equal(ErrorIds.ObjectLocked, locked.ErrorId);
        Assert.Contains("another prefix", locked.RecommendedAction!, StringComparison.Ordinal);
        _clock.Advance(TimeSpan.FromDays(41));
        using Repository made = await CreateAsync(fixture, new FaultStore(store));
        Assert.DoesNotContain(await CheckAsync(made), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task The_record_that_says_that_points_are_locked_stays_locked_as_long_as_points_are_made()
    {
        (MemoryStore store, RepositoryFixture fixture) = New();
        using RepositoryFixture disposed = fixture;
        using Repository repository = await CreateAsync(fixture, new FaultStore(store), days: 5);
        byte[] disk = Disk(1 << 20, 1);
        for (int day = 0; day < 12; day++)
        {
            await BackupAsync(repository, disk = Change(disk, 2, day), time: _clock.GetUtcNow().UtcDateTime);
            foreach (StoredObject record in await store.ListAllAsync("log/", default))
                Assert.True(
                    await store.GetRetainUntilAsync(record.Name, default) >= _clock.GetUtcNow().UtcDateTime.AddDays(5),
                    $"day {day}: {record.Name}");
            _clock.Advance(TimeSpan.FromDays(1));
        }
    }
}
