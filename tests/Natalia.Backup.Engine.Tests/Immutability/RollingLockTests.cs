using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Immutability;

/// <summary>Locks that are extended as long as the retention policy keeps a point.</summary>
public sealed class RollingLockTests : IDisposable
{
    private const int Ahead = 9;
    private static readonly RetentionPolicy s_policy = new() { Daily = 3, Weekly = 2, Monthly = 2 };

    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 3, 1, 6, 0, 0, TimeSpan.Zero));
    private readonly MemoryStore _store;
    private readonly RepositoryFixture _fixture;

    public RollingLockTests()
    {
        _store = new MemoryStore(_clock, objectLock: true);
        _fixture = new RepositoryFixture(_store) { Clock = _clock };
    }

    public void Dispose() => _fixture.Dispose();

    private DateTime Now => _clock.GetUtcNow().UtcDateTime;

    private Task<Repository> CreateAsync(RetentionPolicy? policy, int days = Ahead) =>
        Repository.CreateAsync(new FaultStore(_store), null,
        _fixture.Options with
        {
            Immutability = new ImmutabilityPolicy(days, WhileKept: true),
            Retention = policy,
        }, default);

    /// <summary>The points that the policy keeps now, and those that it would remove.</summary>
    private async Task<(List<RestorePoint> Kept, List<RestorePoint> Gone)> PlanAsync(Repository repository)
    {
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        HashSet<string?> kept = [.. RetentionPlanner.Plan(await repository.DescribeForRetentionAsync(points, default),
            s_policy, Now)
            .Where(r => r.Action is RetentionAction.Keep or RetentionAction.Protected).Select(r => r.RestorePointId)];
        return ([.. points.Where(p => kept.Contains(p.RestorePointId))],
            [.. points.Where(p => !kept.Contains(p.RestorePointId))]);
    }

    /// <summary>The earliest end of a lock among all objects that restoring the point reads.</summary>
    private async Task<DateTime> LockedUntilAsync(RestorePoint point)
    {
        var log = new FaultStore(_store);
        using Repository reader = await _fixture.OpenAsync(log);
        await RestoreAsync(reader, point);
        DateTime earliest = DateTime.MaxValue;
        foreach (string name in log.Log.Where(l => !l.StartsWith("list", StringComparison.Ordinal))
            .Select(l => l.Split(' ')[1]).Where(n => !n.Contains("/leases/")).Distinct())
        {
            // A log of an appliance holds words about other points, too.
            if (name.Contains("appliances/") && name.Contains("/log/")) continue;
            DateTime? until = await _store.GetRetainUntilAsync(name, default);
            if (until is null || until < earliest) earliest = until ?? DateTime.MinValue;
        }
        return earliest;
    }

    [Fact]
    public async Task Kept_points_stay_locked_and_those_that_are_let_go_can_be_removed_when_their_locks_have_ended()
    {
        using (await CreateAsync(s_policy)) { }
        byte[] disk = Disk(1 << 20, 1);
        var requests = new List<long>();
        int removed = 0;
        for (int day = 0; day < 70; day++)
        {
            var counting = new CountingStore(new FaultStore(_store));
            using Repository repository = await _fixture.OpenAsync(counting);
            LockRenewal? renewal = await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default);
            Assert.Empty(renewal!.Failures);
            requests.Add(renewal.Requests!.Value);
            await BackupAsync(repository, disk = Change(disk, 2, day), time: Now);
            (List<RestorePoint> kept, List<RestorePoint> gone) = await PlanAsync(repository);
            Assert.All(kept,
                p => Assert.True(p.ImmutableUntilUtc >= Now.AddDays(Ahead),
                    $"day {day}: {p} until {p.ImmutableUntilUtc:o}"));
            // What the points say is true of the objects.
            if (day % 14 == 13)
                foreach (RestorePoint point in kept)
                    Assert.True(await LockedUntilAsync(point) >= point.ImmutableUntilUtc, $"day {day}: {point}");
            await repository.RemoveRestorePointsAsync(Appliance.ApplianceId,
                [.. gone.Select(p => new PointRemoval(p, "a test"))], (point, refusal) =>
            {
                Assert.Equal(point.ImmutableUntilUtc > Now ? ErrorIds.RestorePointLocked : null, refusal?.ErrorId);
                if (refusal is null) removed++;
            }, default);
            if (day % 7 == 6) await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
            _clock.Advance(TimeSpan.FromDays(1));
        }
        // Nothing is locked for ever: at most what is kept and what ended within the days ahead and the margin.
        using Repository last = await _fixture.OpenAsync();
        Assert.InRange((await PointsAsync(last)).Count, 7, 7 + Ahead + 4);
        Assert.True(removed > 40, $"{removed} removed");
        // Two of three runs ask three times.
        Assert.True(requests.Count(r => r == 3) >= 44, string.Join(" ", requests));
        Assert.InRange(requests.Max(), 1, 200);
        Assert.DoesNotContain(await CheckAsync(last), r => r.Result == CheckOutcome.Failed);
        Assert.DoesNotContain(await last.VerifyAuditAsync(new AuditExpectations(), default),
            r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task What_was_not_extended_in_time_loses_its_locks_and_gets_them_back_with_the_next_run()
    {
        using Repository repository = await CreateAsync(s_policy);
        RestorePoint point = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        // Nothing runs for a month.
        _clock.Advance(TimeSpan.FromDays(31));
        Assert.True((await PointsAsync(repository))[0].ImmutableUntilUtc < Now);
        Assert.Equal(CheckOutcome.Failed, Assert.Single(await LocksAsync(repository)).Result);
        LockRenewal renewal = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Equal((1, Now.AddDays(Ahead + 3)), (renewal.KeptPoints, renewal.LockedUntilUtc));
        Assert.True(await LockedUntilAsync(point) >= Now.AddDays(Ahead));
        Assert.Equal(renewal.LockedUntilUtc, (await PointsAsync(repository))[0].ImmutableUntilUtc);
        Assert.Equal(CheckOutcome.Passed, Assert.Single(await LocksAsync(repository)).Result);
        _clock.Advance(TimeSpan.FromDays(4));
        Assert.Equal(CheckOutcome.Warning, Assert.Single(await LocksAsync(repository)).Result);
    }

    private static async Task<List<CheckResult>> LocksAsync(Repository repository)
    {
        var results = new List<CheckResult>();
        await foreach (CheckResult result in repository.CheckLocksAsync(default)) results.Add(result);
        return results;
    }

    [Fact]
    public async Task A_protected_point_is_kept_and_so_are_its_locks()
    {
        using Repository repository = await CreateAsync(new RetentionPolicy { Last = 1 });
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        _clock.Advance(TimeSpan.FromDays(1));
        await BackupAsync(repository, Disk(1 << 20, 2), time: Now);
        await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default);
        Assert.Equal(0,
            (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!.ExtendedObjects);
        _clock.Advance(TimeSpan.FromDays(2));
        await repository.SetProtectionAsync(first, true, "evidence", default);
        // The change alone makes the next run look.
        LockRenewal renewal = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Equal(2, renewal.KeptPoints);
        Assert.True(await LockedUntilAsync(first) >= Now.AddDays(Ahead));
    }

    /// <summary>While its locks are extended, between the plan and the record of it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_protection_that_is_set_beside_an_extension_makes_the_next_run_look(bool isProtected)
    {
        using Repository repository = await CreateAsync(new RetentionPolicy { Last = 1 });
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        if (!isProtected) await repository.SetProtectionAsync(first, true, "evidence", default);
        _clock.Advance(TimeSpan.FromDays(1));
        await BackupAsync(repository, Disk(1 << 20, 2), time: Now);
        _clock.Advance(TimeSpan.FromDays(5));
        using (Repository session = await _fixture.OpenAsync(new BusyStore(new FaultStore(_store),
            () => repository.SetProtectionAsync(first, isProtected, "evidence", default))))
            Assert.Equal(isProtected ? 1 : 2,
                (await session.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!.KeptPoints);
        LockRenewal next = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Equal(isProtected ? 2 : 1, next.KeptPoints);
        if (isProtected) Assert.True(await LockedUntilAsync(first) >= Now.AddDays(Ahead));
        Assert.Null((await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!.KeptPoints);
    }

    /// <summary>Its locks would be extended for as long as somebody reads it, and be missed in the meantime.</summary>
    [Fact]
    public async Task A_point_that_is_let_go_is_not_locked_again_because_it_is_read()
    {
        using Repository repository = await CreateAsync(new RetentionPolicy { Last = 1 });
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        _clock.Advance(TimeSpan.FromDays(1));
        await BackupAsync(repository, Disk(1 << 20, 2), time: Now);
        _clock.Advance(TimeSpan.FromDays(5));
        await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default);
        using IDisposable reader = PointsInUse.Enter(repository.RepositoryId, first.RestorePointId);
        _clock.Advance(TimeSpan.FromDays(8));
        Assert.Equal(CheckOutcome.Warning, Assert.Single(await LocksAsync(repository)).Result);
        Assert.Equal(1, (await repository.RenewLocksAsync(Appliance.ApplianceId, look: true, default))!.KeptPoints);
        Assert.True((await PointsAsync(repository)).Single(p => p.RestorePointId == first.RestorePointId)
            .ImmutableUntilUtc < Now);
        Assert.Equal(CheckOutcome.Passed, Assert.Single(await LocksAsync(repository)).Result);
    }

    [Fact]
    public async Task The_end_of_an_enrolment_stays_locked_as_long_as_points_are_kept()
    {
        using Repository repository = await CreateAsync(s_policy);
        var settings = new ApplianceSettings
        {
            ApplianceId = Appliance.ApplianceId,
            Name = "natalia-nice",
            HypervisorKind = "Folder",
        };
        await repository.SetApplianceSettingsAsync(settings, default);
        await repository.EndEnrolmentAsync(settings, null, default);
        for (int day = 0; day < 2 * Ahead; day++)
        {
            await BackupAsync(repository, Disk(1 << 18, day), time: Now);
            await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default);
            _clock.Advance(TimeSpan.FromDays(1));
        }
        List<string> words = [];
        await foreach (StoredObject item in _store.ListAsync("appliances/", null, default))
            if (item.Name.Contains("enrolment-ended")) words.Add(item.Name);
        Assert.True(await _store.GetRetainUntilAsync(Assert.Single(words), default) > Now);
    }

    [Fact]
    public async Task A_damaged_point_is_named_and_the_others_are_extended()
    {
        using Repository repository = await CreateAsync(s_policy);
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        _clock.Advance(TimeSpan.FromDays(15));
        // The locks have ended, and somebody deletes a pack of the first point only.
        string pack = (await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default))[0].Name;
        RestorePoint second = await BackupAsync(repository, Disk(1 << 20, 2), RequestedBackupType.Full, Now);
        await _store.DeleteAsync(pack, default);
        LockRenewal renewal = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: true, default))!;
        Assert.Contains(pack, Assert.Single(renewal.Failures), StringComparison.Ordinal);
        Assert.Contains(first.ToString(), renewal.Failures[0], StringComparison.Ordinal);
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.True(points[0].ImmutableUntilUtc >= Now.AddDays(Ahead) && points[1].ImmutableUntilUtc < Now);
        Assert.True(await LockedUntilAsync(second) >= Now.AddDays(Ahead));
    }

    /// <summary>
    /// What no point can be blamed for makes none of them locked; it is told beside a damaged point, too, and tried
    /// again. A point's own records are its own.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_what_points_need_besides_packs_stays_as_it_is_locked_no_longer_lock_is_claimed(
        bool allNeedIt)
    {
        using Repository repository = await CreateAsync(s_policy);
        await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        _clock.Advance(TimeSpan.FromDays(15));
        await _store.DeleteAsync(
            (await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default))[0].Name, default);
        RestorePoint second = await BackupAsync(repository, Disk(1 << 20, 2), RequestedBackupType.Full, Now);
        string refused = allNeedIt
            ? "natalia.json"
            : (await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/log/", default))
                .Last(o => o.Name.Contains("point-made")).Name;
        _clock.Advance(TimeSpan.FromDays(2));
        using Repository session = await _fixture.OpenAsync(new UnextendedStore(new FaultStore(_store), refused));
        LockRenewal renewal = (await session.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Equal(2, renewal.Failures.Count);
        string failure = Assert.Single(renewal.Failures, f => f.Contains(refused, StringComparison.Ordinal));
        Assert.Equal(!allNeedIt, failure.Contains(second.ToString(), StringComparison.Ordinal));
        Assert.Equal(second.ImmutableUntilUtc, (await PointsAsync(session))[0].ImmutableUntilUtc);

        LockRenewal next = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Single(next.Failures);
        Assert.Equal(Now.AddDays(Ahead + 3), (await PointsAsync(repository))[0].ImmutableUntilUtc);
    }

    [Fact]
    public async Task A_point_that_the_store_refused_once_is_extended_by_the_next_run()
    {
        using Repository repository = await CreateAsync(s_policy);
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        string pack = (await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default))[0].Name;
        _clock.Advance(TimeSpan.FromDays(1));
        RestorePoint second = await BackupAsync(repository, Disk(1 << 20, 2), RequestedBackupType.Full, Now);
        _clock.Advance(TimeSpan.FromDays(4));
        using (Repository session = await _fixture.OpenAsync(
            new UnextendedStore(new FaultStore(_store), pack, ErrorIds.StoreUnavailable)))
        {
            LockRenewal renewal = (await session.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
            Assert.Contains(first.ToString(), Assert.Single(renewal.Failures), StringComparison.Ordinal);
            IReadOnlyList<RestorePoint> points = await PointsAsync(session);
            Assert.True(points[0].ImmutableUntilUtc >= Now.AddDays(Ahead), second.ToString());
            Assert.True(points[1].ImmutableUntilUtc < Now.AddDays(Ahead), first.ToString());
        }
        LockRenewal next = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Empty(next.Failures);
        Assert.Equal(2, next.KeptPoints);
        Assert.All(await PointsAsync(repository), p => Assert.True(p.ImmutableUntilUtc >= Now.AddDays(Ahead)));
        Assert.True(await LockedUntilAsync(first) >= Now.AddDays(Ahead));
        // Then all is well, and nobody looks again before it is due.
        Assert.Null((await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!.KeptPoints);
    }

    /// <summary>What looks as if it would pass is tried once more, and then when all locks are due again.</summary>
    [Theory]
    [InlineData(ErrorIds.StoreAccessDenied, 1)]
    [InlineData(ErrorIds.ObjectNotLocked, 1)]
    [InlineData(ErrorIds.StoreWriteFailed, 2)]
    [InlineData(ErrorIds.StoreUnavailable, 2)]
    public async Task A_refusal_that_lasts_makes_not_every_run_extend_everything(string errorId, int attempts)
    {
        using Repository repository = await CreateAsync(s_policy);
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        string pack = (await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default))[0].Name;
        _clock.Advance(TimeSpan.FromDays(1));
        await BackupAsync(repository, Disk(1 << 20, 2), RequestedBackupType.Full, Now);
        _clock.Advance(TimeSpan.FromDays(4));
        for (int run = 1; run <= 4; run++)
        {
            using Repository session = await _fixture.OpenAsync(
                new UnextendedStore(new FaultStore(_store), pack, errorId));
            LockRenewal renewal = (await session.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
            if (run <= attempts)
                Assert.Contains(first.ToString(), Assert.Single(renewal.Failures), StringComparison.Ordinal);
            else Assert.Null(renewal.KeptPoints);
            Assert.Equal(Math.Min(run, attempts), await RenewalsAsync());
            _clock.Advance(TimeSpan.FromHours(6));
        }
        // When they are due, it is tried like all others.
        _clock.Advance(TimeSpan.FromDays(3));
        Assert.Empty((await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!.Failures);
        Assert.All(await PointsAsync(repository), p => Assert.True(p.ImmutableUntilUtc >= Now.AddDays(Ahead)));
    }

    [Fact]
    public async Task A_point_whose_map_cannot_be_read_once_is_extended_by_the_next_run()
    {
        using Repository repository = await CreateAsync(s_policy);
        RestorePoint first = await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        string pack = Assert.Single(
            await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/meta/", default)).Name;
        _clock.Advance(TimeSpan.FromDays(1));
        await BackupAsync(repository, Disk(1 << 20, 2), RequestedBackupType.Full, Now);
        _clock.Advance(TimeSpan.FromDays(4));
        var hooked = new HookStore(new FaultStore(_store))
        {
            Before = operation => operation == "read " + pack
                ? throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, "A bad sector.")
                : Task.CompletedTask,
        };
        using (Repository session = await _fixture.OpenAsync(hooked))
        {
            LockRenewal renewal = (await session.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
            string failure = Assert.Single(renewal.Failures);
            Assert.Contains(first.ToString(), failure, StringComparison.Ordinal);
            Assert.Contains("A bad sector.", failure, StringComparison.Ordinal);
            IReadOnlyList<RestorePoint> points = await PointsAsync(session);
            Assert.True(points[0].ImmutableUntilUtc >= Now.AddDays(Ahead));
            Assert.True(points[1].ImmutableUntilUtc < Now.AddDays(Ahead));
        }
        Assert.Equal(1, await RenewalsAsync());
        LockRenewal next = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Empty(next.Failures);
        Assert.Equal(2, next.KeptPoints);
        Assert.True(await LockedUntilAsync(first) >= Now.AddDays(Ahead));
        Assert.Null((await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!.KeptPoints);
        Assert.Equal(2, await RenewalsAsync());
    }

    private async Task<int> RenewalsAsync() =>
        (await _store.ListAllAsync($"appliances/{Appliance.ApplianceId}/log/", default))
            .Count(o => o.Name.Contains("locks-extended"));

    [Fact]
    public async Task Locks_that_follow_a_policy_need_one()
    {
        NataliaException none = await Assert.ThrowsAsync<NataliaException>(() => CreateAsync(null));
        Assert.Equal(ErrorIds.ImmutabilityWithoutRetention, none.ErrorId);
        NataliaException everything =
            await Assert.ThrowsAsync<NataliaException>(() => CreateAsync(new RetentionPolicy()));
        Assert.Equal(ErrorIds.ImmutabilityWithoutRetention, everything.ErrorId);
        NataliaException day = await Assert.ThrowsAsync<NataliaException>(() => CreateAsync(s_policy, days: 1));
        Assert.Equal(ErrorIds.ImmutabilityInvalid, day.ErrorId);
        Assert.Empty(await _store.ListAllAsync("", default));

        using Repository repository = await CreateAsync(s_policy);
        Assert.Equal(s_policy, Assert.Single(await repository.GetRetentionPoliciesAsync(default)).Policy);
        Assert.Equal(new ImmutabilityPolicy(Ahead, WhileKept: true), repository.Immutability);
        NataliaException last =
            await Assert.ThrowsAsync<NataliaException>(
                () => repository.SetRetentionPolicyAsync(null, null, null, default));
        Assert.Equal(ErrorIds.ImmutabilityWithoutRetention, last.ErrorId);
        // One of its own may go: the default holds then.
        await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, "natalia-paris",
            new RetentionPolicy { Last = 2 }, default);
        await repository.SetRetentionPolicyAsync(Appliance.ApplianceId, "natalia-paris", null, default);
        using Repository again = await _fixture.OpenAsync();
        Assert.Equal(new ImmutabilityPolicy(Ahead, WhileKept: true), again.Immutability);
    }

    [Fact]
    public async Task A_repository_with_a_fixed_time_extends_nothing_but_what_new_points_need()
    {
        using Repository repository = await Repository.CreateAsync(new FaultStore(_store), null,
            _fixture.Options with { Immutability = new ImmutabilityPolicy(5) }, default);
        await BackupAsync(repository, Disk(1 << 20, 1), time: Now);
        Assert.Null(await repository.RenewLocksAsync(Appliance.ApplianceId, look: true, default));
    }

    /// <summary>A store with which somebody does something else before the first lock is extended.</summary>
    private sealed class BusyStore(IObjectStore inner, Func<Task> deed) : WrappedStore(inner), IObjectLock
    {
        private readonly Lazy<Task> _deed = new(deed);

        public override IObjectLock? ObjectLock => this;

        public ObjectLockMode Mode => Inner.ObjectLock!.Mode;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
            Inner.ObjectLock!.GetRetainUntilAsync(name, cancellationToken);

        public async Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc,
            CancellationToken cancellationToken)
        {
            await _deed.Value;
            return await Inner.ObjectLock!.ExtendAsync(name, retainUntilUtc, cancellationToken);
        }
    }

    /// <summary>A store that extends the locks of all objects but one.</summary>
    private sealed class UnextendedStore(IObjectStore inner, string refused,
        string errorId = ErrorIds.StoreAccessDenied) : WrappedStore(inner), IObjectLock
    {
        public override IObjectLock? ObjectLock => this;

        public ObjectLockMode Mode => Inner.ObjectLock!.Mode;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
            Inner.ObjectLock!.GetRetainUntilAsync(name, cancellationToken);

        public Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken) =>
            name == refused
                ? throw new NataliaException(errorId, NataliaErrorKind.PermissionDenied,
                    $"The lock of '{name}' may not be changed.", name)
                : Inner.ObjectLock!.ExtendAsync(name, retainUntilUtc, cancellationToken);
    }
}
