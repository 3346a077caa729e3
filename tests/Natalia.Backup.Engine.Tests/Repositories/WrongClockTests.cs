using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>A clock that says 2099 for one run: what was made then does no harm for the seventy years after.</summary>
public sealed class WrongClockTests
{
    private static readonly DateTimeOffset s_true = new(2026, 11, 20, 6, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_wrong = new(2099, 1, 1, 6, 0, 0, TimeSpan.Zero);

    private static string Id => RepositoryFixture.Appliance.ApplianceId;

    [Fact]
    public async Task A_point_of_the_future_is_never_the_newest_takes_no_slot_and_can_be_removed()
    {
        using var shared = new SharedClock();
        List<RestorePoint> made = await shared.MakeAsync(3, s_true);
        RestorePoint wrong = (await shared.MakeAsync(1, s_wrong))[0];
        Assert.False(wrong.IsInFuture);
        RestorePoint next = (await shared.MakeAsync(1, s_true.AddDays(3)))[0];
        Assert.Contains("in the future", next.ClockWarning);
        Assert.Contains("2099-01-01", next.ClockWarning);
        made.Add(next);

        using Repository repository = await shared.OpenAsync(s_true.AddDays(3).AddHours(1));
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.Equal(made.Select(p => p.RestorePointId).Reverse().Append(wrong.RestorePointId),
            points.Select(p => p.RestorePointId));
        Assert.Equal([false, false, false, false, true], points.Select(p => p.IsInFuture));

        var policy = new RetentionPolicy { Last = 1, Daily = 2, Yearly = 1, TimeZoneId = "UTC" };
        IReadOnlyList<RetentionPlanRow> plan = RetentionPlanner.Plan(await repository.DescribeForRetentionAsync(points,
            default),
            policy, shared.Clock.GetUtcNow().UtcDateTime);
        RetentionPlanRow row = plan.Single(r => r.RestorePointId == wrong.RestorePointId);
        Assert.Equal((RetentionAction.Keep, (int?)null), (row.Action, row.Slot));
        Assert.Contains("In the future", row.Reason);
        // As if it were not there.
        IReadOnlyList<RetentionPlanRow> without =
            RetentionPlanner.Plan(await repository.DescribeForRetentionAsync([.. points.Take(4)],
            default),
            policy, shared.Clock.GetUtcNow().UtcDateTime);
        Assert.Equal(without.Select(r => (r.RestorePointId, r.Action, r.Slot, r.Reason)),
            plan.Where(r => r != row).Select(r => (r.RestorePointId, r.Action, r.Slot, r.Reason)));
        var locks = new ImmutabilityPolicy(30);
        RetentionPoint[] described = [.. await repository.DescribeForRetentionAsync(points, default)];
        Assert.Equal(LockEffect.Compute([.. described.Where(p => !p.IsInFuture)], policy, locks,
            shared.Clock.GetUtcNow().UtcDateTime)
            .ToString(),
            LockEffect.Compute(described, policy, locks, shared.Clock.GetUtcNow().UtcDateTime).ToString());

        // The guard holds the true newest one, and lets the wrong one go.
        Assert.Equal(ErrorIds.RestorePointIsNewest,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(next, "t", default))).ErrorId);
        Assert.Null(await repository.FindRemovalRefusalAsync(wrong, default));
        await repository.RemoveRestorePointAsync(wrong, "made while a clock was wrong", default);
        Assert.Equal(4, (await PointsAsync(repository)).Count);
    }

    [Fact]
    public async Task The_only_point_there_is_stays_whatever_its_time()
    {
        using var shared = new SharedClock();
        RestorePoint wrong = (await shared.MakeAsync(1, s_wrong))[0];
        using Repository repository = await shared.OpenAsync(s_true);
        Assert.True(Assert.Single(await PointsAsync(repository)).IsInFuture);
        Assert.Equal(ErrorIds.RestorePointIsNewest,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(wrong, "t", default))).ErrorId);
    }

    [Fact]
    public async Task What_was_removed_while_a_clock_was_wrong_is_given_back_after_the_grace_by_a_true_one()
    {
        using var shared = new SharedClock();
        List<RestorePoint> made = await shared.MakeAsync(3, s_true);
        using (Repository wrong = await shared.OpenAsync(s_wrong))
            await wrong.RemoveRestorePointAsync(made[0], "t", default);
        await shared.MakeAsync(1, s_true.AddDays(3));
        using Repository soon = await shared.OpenAsync(s_true.AddDays(4));
        Assert.Equal((0, 1), Waiting(await soon.ReclaimAsync(Id, Repository.DefaultGrace, default)));
        using Repository late = await shared.OpenAsync(s_true.AddDays(3).AddHours(73));
        Assert.Equal((1, 0), Waiting(await late.ReclaimAsync(Id, Repository.DefaultGrace, default)));

        static (int, int) Waiting(ReclaimResult result) => (result.ForgottenPoints, result.WaitingPoints);
    }

    [Fact]
    public async Task Kept_points_are_locked_ahead_and_one_of_the_future_is_not()
    {
        var clock = new FakeTimeProvider(s_true);
        using var store = new MemoryStore(clock, objectLock: true);
        using var fixture = new RepositoryFixture(store) { Clock = clock };
        using Repository repository = await Repository.CreateAsync(new FaultStore(store), null,
            fixture.Options with
            {
                Immutability = new ImmutabilityPolicy(4, WhileKept: true),
                Retention = new RetentionPolicy { Last = 3, TimeZoneId = "UTC" },
            }, default);
        await BackupAsync(repository, Disk(1 << 20, 1), time: clock.GetUtcNow().UtcDateTime);
        // The hypervisor's clock is the one that is wrong.
        RestorePoint wrong = await BackupAsync(repository, Disk(1 << 20, 2), time: s_wrong.UtcDateTime);
        Assert.True(wrong.IsInFuture);
        RestorePoint good = await BackupAsync(repository, Disk(1 << 20, 3),
            time: clock.GetUtcNow().UtcDateTime.AddMinutes(1));
        clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal(2, (await repository.RenewLocksAsync(Id, look: true, default))!.KeptPoints);
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.True(
            points.Single(p => p.RestorePointId == good.RestorePointId).ImmutableUntilUtc
            > clock.GetUtcNow().UtcDateTime.AddDays(4));
        Assert.Equal(wrong.ImmutableUntilUtc,
            points.Single(p => p.RestorePointId == wrong.RestorePointId).ImmutableUntilUtc);
    }

    [Theory]
    [InlineData(10, false)]
    [InlineData(-10, false)]
    [InlineData(20, true)]
    [InlineData(-180, true)]
    public async Task A_run_warns_where_the_clocks_of_machine_and_store_differ(int minutes, bool warns)
    {
        using var store = new MemoryStore(new FakeTimeProvider(s_true));
        using var fixture = new RepositoryFixture(store) { Clock = new FakeTimeProvider(s_true.AddMinutes(minutes)) };
        using Repository repository = await fixture.CreateAsync();
        RestorePoint point = await BackupAsync(repository, Disk(1 << 20, 1), time: s_true.UtcDateTime);
        Assert.Equal(warns, point.ClockWarning is not null);
        if (warns) Assert.Contains($"differ by {Math.Abs(minutes)} minutes", point.ClockWarning);
    }

    [Theory]
    [InlineData(26)]
    [InlineData(-26)]
    [InlineData(24 * 365 * 70)]
    public async Task Nothing_is_written_where_they_differ_by_more_than_a_day(int hours)
    {
        using var store = new MemoryStore(new FakeTimeProvider(s_true));
        using var fixture = new RepositoryFixture(store) { Clock = new FakeTimeProvider(s_true.AddHours(hours)) };
        using Repository repository = await fixture.CreateAsync();
        string[] before = await NamesAsync(store);
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(
                () => BackupAsync(repository, Disk(1 << 20, 1), time: s_true.UtcDateTime));
        Assert.Equal(ErrorIds.StoreClockSkewed, refused.ErrorId);
        Assert.Contains("2026-11-20 06:00", refused.Message);
        Assert.Equal(before, await NamesAsync(store));
    }

    private static async Task<string[]> NamesAsync(IObjectStore store) =>
        [.. (await store.ListAllAsync("", default)).Select(o => o.Name).Where(n => !n.Contains("/leases/"))];

    /// <summary>
    /// A repository whose store goes by the clock of the machine, right or wrong, as a folder on its disk does.
    /// </summary>
    private sealed class SharedClock : IDisposable
    {
        private readonly TurnableClock _clock = new();
        private readonly MemoryStore _store;
        private readonly RepositoryFixture _fixture;
        private int _made;

        internal SharedClock()
        {
            _store = new MemoryStore(_clock);
            _fixture = new RepositoryFixture(_store) { Clock = _clock, HasLockDirectory = false };
        }

        internal TimeProvider Clock => _clock;

        internal async Task<Repository> OpenAsync(DateTimeOffset now)
        {
            _clock.Now = now;
            return _made == 0 && (await _store.ListAllAsync("", default)).Count == 0
                ? await _fixture.CreateAsync()
                : await _fixture.OpenAsync();
        }

        /// <summary>Points, a day apart.</summary>
        internal async Task<List<RestorePoint>> MakeAsync(int count, DateTimeOffset first)
        {
            var points = new List<RestorePoint>();
            for (int i = 0; i < count; i++)
            {
                using Repository repository = await OpenAsync(first.AddDays(i));
                points.Add(await BackupAsync(repository, Disk(1 << 20, _made++), time: first.AddDays(i).UtcDateTime));
            }
            return points;
        }

        public void Dispose()
        {
            _fixture.Dispose();
            _store.Dispose();
        }
    }

    /// <summary>A clock that can be set to any time, back as well.</summary>
    private sealed class TurnableClock : TimeProvider
    {
        internal DateTimeOffset Now { get; set; } = s_true;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
