using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Tests.Retention;

public sealed class LockEffectTests
{
    private static readonly DateTime s_now = new(2026, 3, 20, 6, 0, 0, DateTimeKind.Utc);

    /// <summary>A point each day up to now, the newest first; locked as a fixed repository does it.</summary>
    private static RetentionPoint[] Daily(int count, int lockDays, double every = 1) =>
        [.. Enumerable.Range(0, count).Select(i => new RetentionPoint
    {
        RestorePointId = $"p{i}", ApplianceId = "a", TimeUtc = s_now.AddDays(-i * every), Sequence = 1000 - i,
        StoredBytes = 100, LockedUntilUtc = s_now.AddDays(-i * every + lockDays),
    })];

    [Fact]
    public void Counts_what_stays_locked_after_the_policy_has_let_it_go()
    {
        // Three are kept, and each point is locked for 10 days and a margin of 3.
        LockEffect effect = LockEffect.Compute(Daily(20, 10), new RetentionPolicy { Last = 3 },
            new ImmutabilityPolicy(10), s_now);
        Assert.Equal(TimeSpan.FromDays(1), effect.PointEvery);
        // Of those that are there: the 3 that are kept, and those made 3 to 12 days ago.
        Assert.Equal((13, 1300L), (effect.LockedPastRetention, effect.LockedPastRetentionBytes));
        // Let go on the third day after its making.
        Assert.Equal(TimeSpan.FromDays(13), effect.LongestPastRetention + TimeSpan.FromDays(3));
        Assert.Equal((10, 1000L), (effect.ExpectedLockedPastRetention, effect.ExpectedLockedPastRetentionBytes));
        Assert.Equal((0, 0, null, null),
            (effect.Exposed, effect.ExpectedExposed, effect.FirstExposedUtc, effect.Conflict));
        Assert.False(effect.IsEven);
    }

    [Fact]
    public void Counts_what_is_kept_after_its_lock_has_ended()
    {
        LockEffect effect = LockEffect.Compute(Daily(20, 10), new RetentionPolicy { Last = 30 },
            new ImmutabilityPolicy(10), s_now);
        Assert.Equal((0, 0L, 0),
            (effect.LockedPastRetention, effect.LockedPastRetentionBytes, effect.ExpectedLockedPastRetention));
        // Every one of them: each is locked for 10 days and kept for 30.
        Assert.Equal((20, s_now.AddDays(-9), TimeSpan.FromDays(20)),
            (effect.Exposed, effect.FirstExposedUtc, effect.LongestExposure));
        Assert.Equal(19, effect.ExpectedExposed);
    }

    [Fact]
    public void Shows_a_month_kept_for_months_and_locked_for_thirty_days()
    {
        LockEffect effect = LockEffect.Compute([], RetentionPolicy.For(Model.BackupStrategy.Daily),
            new ImmutabilityPolicy(30), s_now);
        Assert.Equal((0, TimeSpan.FromDays(1), null), (effect.Exposed, effect.PointEvery, effect.Conflict));
        // 14 are kept; the days and weeks of the last 30 days are locked, the months are not.
        Assert.InRange(effect.ExpectedExposed, 2, 5);
        // One a day for 40 days, of which most are let go after a week.
        Assert.InRange(effect.ExpectedLockedPastRetention, 26, 33);
        Assert.Null(effect.ExpectedLockedPastRetentionBytes);
    }

    [Fact]
    public void Locks_that_follow_the_policy_leave_nothing_exposed_and_end_soon_after()
    {
        LockEffect effect = LockEffect.Compute(Daily(20, 10), new RetentionPolicy { Last = 3, Monthly = 6 },
            new ImmutabilityPolicy(10, WhileKept: true), s_now);
        Assert.Equal((0, 0, TimeSpan.Zero), (effect.Exposed, effect.ExpectedExposed, effect.LongestExposure));
        Assert.Equal(TimeSpan.FromDays(13), effect.LongestPastRetention);
        Assert.InRange(effect.ExpectedLockedPastRetention, 12, 13);
    }

    [Fact]
    public void Is_even_where_a_point_is_locked_for_as_long_as_it_is_kept()
    {
        LockEffect effect = LockEffect.Compute([], new RetentionPolicy { Last = 13 }, new ImmutabilityPolicy(13),
            s_now);
        // Locked for 13 to 17 days and kept for 13.
        Assert.Equal((4, 0), (effect.ExpectedLockedPastRetention, effect.ExpectedExposed));
        Assert.True(
            LockEffect.Compute([], new RetentionPolicy(), new ImmutabilityPolicy(30),
                s_now).ExpectedLockedPastRetention == 0);
    }

    [Theory]
    [InlineData(10, false, 11, true)]
    [InlineData(10, false, 10, false)]
    [InlineData(10, true, 11, true)]
    [InlineData(10, true, 9, false)]
    public void Refuses_locks_that_end_before_the_next_point_is_made(int days, bool whileKept, int every, bool conflict)
    {
        LockEffect effect = LockEffect.Compute(Daily(5, days, every), new RetentionPolicy { Last = 5 },
            new ImmutabilityPolicy(days, WhileKept: whileKept), s_now);
        Assert.Equal(conflict, effect.Conflict is not null);
        if (conflict) Assert.Contains($"every {every} days", effect.Conflict!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_that_keeps_everything_and_locks_that_follow_it_cannot_work() =>
        Assert.NotNull(LockEffect.Compute([], new RetentionPolicy(), new ImmutabilityPolicy(14, WhileKept: true),
            s_now).Conflict);

    [Fact]
    public void Marks_the_rows_of_a_plan_whose_points_lose_their_locks_first()
    {
        RetentionPoint[] points = Daily(4, 10);
        var policy = new RetentionPolicy { Last = 3 };
        LockEffect none = LockEffect.Compute(points, policy, new ImmutabilityPolicy(10), s_now);
        Assert.All(none.Mark(RetentionPlanner.Plan(points, policy, s_now)), r => Assert.Null(r.ExposedFromUtc));
        points[1] = points[1] with { IsProtected = true };
        IReadOnlyList<RetentionPlanRow> rows = LockEffect.Compute(points, policy, new ImmutabilityPolicy(10), s_now)
            .Mark(RetentionPlanner.Plan(points, policy, s_now));
        Assert.Equal(points[1].LockedUntilUtc, Assert.Single(rows, r => r.ExposedFromUtc is not null).ExposedFromUtc);
    }

    [Fact]
    public void Adds_up_several_appliances()
    {
        LockEffect one = LockEffect.Compute(Daily(20, 10), new RetentionPolicy { Last = 3 }, new ImmutabilityPolicy(10),
            s_now);
        LockEffect two = LockEffect.Compute([], new RetentionPolicy { Last = 3 }, new ImmutabilityPolicy(10), s_now);
        LockEffect both = LockEffect.Sum([one, two]);
        Assert.Equal((13, 20, 1000L),
            (both.LockedPastRetention, both.ExpectedLockedPastRetention, both.ExpectedLockedPastRetentionBytes));
    }

    [Fact]
    public void Takes_years_of_points_every_six_hours_in_a_moment()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        LockEffect effect = LockEffect.Compute([], new RetentionPolicy
        {
            Last = 4,
            Daily = 7,
            Weekly = 4,
            Monthly = 12,
            Yearly = 3,
            TimeZoneId = "Europe/Paris",
        }, new ImmutabilityPolicy(30), s_now, TimeSpan.FromHours(6));
        Assert.InRange(effect.ExpectedExposed, 12, 20);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), watch.Elapsed.ToString());
    }
}
