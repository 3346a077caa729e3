using System.Globalization;
using CsCheck;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Tests.Retention;

/// <summary>
/// Statements that hold for every set of points. A failure is made as small as it gets, and names the seed that repeats
/// it.
/// </summary>
public sealed class RetentionPropertyTests
{
    private static readonly string[] s_zones =
        ["UTC", "Europe/Paris", "Europe/Moscow", "America/New_York", "America/St_Johns", "Asia/Kathmandu",
            "Australia/Lord_Howe", "Pacific/Kiritimati", "Pacific/Apia", "Etc/GMT+12", "America/Sao_Paulo"];

    [Fact]
    public void The_plan_is_that_of_a_plain_second_implementation() => ForRandomCases(2000, (points, policy) =>
    {
        Dictionary<RetentionPoint, string> expected = PlainPlan(points, policy);
        foreach (RetentionPlanRow row in RetentionPlanner.Plan(points, policy, Plans.Now))
        {
            RetentionPoint point = points.Single(p => p.RestorePointId == row.RestorePointId);
            string mark = expected[point];
            RetentionPoint[] good = NewestFirst(points).Where(p => p.IsGood && p.IsFinished).ToArray();
            bool isNewestGood = ReferenceEquals(point, good.FirstOrDefault())
                || ReferenceEquals(point, good.MaxBy(p => p.Sequence));
            if (mark.StartsWith("remove", StringComparison.Ordinal))
            {
                if (isNewestGood) mark = "keep newestgood";
                else if (point.LockedUntilUtc > Plans.Now)
                    mark = mark.Replace("remove", "locked", StringComparison.Ordinal);
                else if (point.IsInUse) mark = "keep inuse";
            }
            Assert.Equal(mark, row.Mark());
        }
    });

    [Fact]
    public void Never_more_is_kept_than_the_limits_allow() => ForRandomCases(1000, (points, policy) =>
    {
        if (policy.KeepsEverything) return;
        long limits =
            new[] { policy.Last, policy.Hourly, policy.Daily, policy.Weekly, policy.Monthly, policy.Yearly }.Sum(
                l => (long)(l ?? 0));
        int counted = RetentionPlanner.Plan(points, policy, Plans.Now)
            .Count(r => r.Action == RetentionAction.Keep
                && r.Rule is not (RetentionRule.NewestGood or RetentionRule.InUse or RetentionRule.Unfinished));
        Assert.True(counted <= limits, $"{counted} points kept by rules with {limits} slots");
    });

    [Fact]
    public void The_newest_finished_points_always_stay() => ForRandomCases(1000, (points, policy) =>
    {
        IReadOnlyList<RetentionPlanRow> rows = RetentionPlanner.Plan(points, policy, Plans.Now);
        RetentionPoint[] newestFirst = NewestFirst(points);
        foreach (RetentionPoint? stays in new[]
                 {
                     newestFirst.FirstOrDefault(),
                     newestFirst.FirstOrDefault(p => !p.IsProtected && p.IsFinished),
                     newestFirst.FirstOrDefault(p => p.IsGood && p.IsFinished),
                     newestFirst.Where(p => p.IsGood && p.IsFinished).MaxBy(p => p.Sequence),
                 })
        {
            if (stays is not null && (stays.IsFinished || stays == newestFirst[0]))
                Assert.Contains(rows,
                    r => r.RestorePointId == stays.RestorePointId
                        && r.Action is RetentionAction.Keep or RetentionAction.Protected);
        }
    });

    [Fact]
    public void A_plan_applied_twice_removes_nothing_the_second_time() => ForRandomCases(2000, (points, policy) =>
    {
        IReadOnlyList<RetentionPlanRow> first = RetentionPlanner.Plan(points, policy, Plans.Now);
        HashSet<string> gone = first.Where(r => r.Action == RetentionAction.Remove).Select(r => r.RestorePointId!)
            .ToHashSet();
        RetentionPoint[] left = points.Where(p => !gone.Contains(p.RestorePointId!)).ToArray();
        IReadOnlyList<RetentionPlanRow> second = RetentionPlanner.Plan(left, policy, Plans.Now);
        Assert.DoesNotContain(second, r => r.Action == RetentionAction.Remove);
        // More than that: the same rules hold the same points in the same slots.
        Assert.Equal(first.Where(r => r.Slot is not null).Select(r => (r.RestorePointId, r.Mark())),
            second.Where(r => r.Slot is not null).Select(r => (r.RestorePointId, r.Mark())));
    });

    [Fact]
    public void A_removal_that_fails_half_way_changes_nothing_for_the_others() =>
        ForRandomCases(1000, (points, policy, salt) =>
    {
        var random = new Random(salt);
        IReadOnlyList<RetentionPlanRow> first = RetentionPlanner.Plan(points, policy, Plans.Now);
        HashSet<string> gone = first.Where(r => r.Action == RetentionAction.Remove && random.Next(2) == 0)
            .Select(r => r.RestorePointId!).ToHashSet();
        IReadOnlyList<RetentionPlanRow> second = RetentionPlanner.Plan(points
            .Where(p => !gone.Contains(p.RestorePointId!)),
            policy, Plans.Now);
        Assert.Equal(first.Where(r => !gone.Contains(r.RestorePointId!)).Select(r => (r.RestorePointId, r.Action)),
            second.Select(r => (r.RestorePointId, r.Action)));
    });

    [Fact]
    public void The_order_of_input_does_not_matter() => ForRandomCases(500, (points, policy, salt) =>
    {
        RetentionPoint[] shuffled = points.ToArray();
        new Random(salt).Shuffle(shuffled);
        Assert.Equal(RetentionPlanner.Plan(points, policy, Plans.Now),
            RetentionPlanner.Plan(shuffled, policy, Plans.Now));
    });

    [Fact]
    public void Locks_change_nothing_but_the_action_of_what_would_go() => ForRandomCases(500, (points, policy) =>
    {
        IReadOnlyList<RetentionPlanRow> with = RetentionPlanner.Plan(points, policy, Plans.Now);
        IReadOnlyList<RetentionPlanRow> without = RetentionPlanner.Plan(points, policy, DateTime.MaxValue);
        foreach ((RetentionPlanRow locked, RetentionPlanRow free) in with.Zip(without))
        {
            if (locked.Action == RetentionAction.Locked)
                Assert.True(free.Action == RetentionAction.Remove || free.Rule == RetentionRule.InUse);
            else Assert.Equal(free, locked);
        }
    });

    [Fact]
    public void Every_hour_from_2000_to_2100_belongs_to_its_periods()
    {
        // The periods that the calendar of .NET itself gives, for each day of a century in zones on both edges of the
        // world.
        foreach (string zone in new[] { "UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Paris", "Asia/Kolkata" })
        {
            TimeZoneInfo info = TimeZones.Find(zone);
            RetentionPoint[] points = Plans.Every("2000-01-01T00:30:00Z", 19, 101 * 365 * 24 / 19);
            foreach (RetentionPlanRow row in new RetentionPolicy { Yearly = 200, TimeZoneId = zone }.Plan(points))
            {
                DateTime local = TimeZoneInfo.ConvertTime(row.TimeUtc, info);
                Assert.Equal(local.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), row.Day);
                Assert.Equal($"{ISOWeek.GetYear(local):0000}-W{ISOWeek.GetWeekOfYear(local):00}", row.Week);
                Assert.Equal(local.ToString("yyyy-MM", CultureInfo.InvariantCulture), row.Month);
                Assert.Equal(local.ToString("yyyy-MM-dd HH:00", CultureInfo.InvariantCulture), row.Hour);
            }
        }
    }

    /// <summary>
    /// The rules as a person would first write them down: labels are text, and every step looks at everything.
    /// </summary>
    private static Dictionary<RetentionPoint, string> PlainPlan(RetentionPoint[] points, RetentionPolicy policy)
    {
        var marks = new Dictionary<RetentionPoint, string>(ReferenceEqualityComparer.Instance);
        RetentionPoint[] sorted = NewestFirst(points);
        (string Name, int? Limit, Func<DateTime, string> Label)[] rules =
        [
            ("last", policy.Last, _ => ""),
            ("hourly", policy.Hourly, t => t.ToString("yyyy/MM/dd/HH", CultureInfo.InvariantCulture)),
            ("daily", policy.Daily, t => t.ToString("yyyy/MM/dd", CultureInfo.InvariantCulture)),
            ("weekly", policy.Weekly, t => $"{ISOWeek.GetYear(t)}/{ISOWeek.GetWeekOfYear(t)}"),
            ("monthly", policy.Monthly, t => t.ToString("yyyy/MM", CultureInfo.InvariantCulture)),
            ("yearly", policy.Yearly, t => t.ToString("yyyy", CultureInfo.InvariantCulture)),
        ];
        if (rules.All(r => r.Limit is null))
            return points.ToDictionary(p => p, p => p.IsProtected ? "protected" : "keep -");
        TimeZoneInfo zone = TimeZones.Find(policy.TimeZoneId);
        foreach (RetentionPoint point in sorted)
        {
            if (point.IsProtected) marks[point] = "protected";
            else if (!point.IsFinished)
                marks[point] = ReferenceEquals(point, sorted[0]) ? "keep unfinished" : "remove unfinished";
        }
        foreach ((string name, int? limit, Func<DateTime, string> label) in rules)
        {
            if (limit is null) continue;
            string LabelOf(RetentionPoint p) =>
                name == "last"
                    ? p.TimeUtc.ToString("O", CultureInfo.InvariantCulture)
                    : label(TimeZoneInfo.ConvertTimeFromUtc(p.TimeUtc, zone));
            List<string> covered = sorted
                .Where(p => marks.TryGetValue(p, out string? m) && m.StartsWith("keep ", StringComparison.Ordinal)
                    && m != "keep unfinished")
                .Select(LabelOf).ToList();
            var taken = new List<string>();
            foreach (RetentionPoint point in sorted)
            {
                if (marks.ContainsKey(point) || covered.Contains(LabelOf(point))) continue;
                if (taken.Contains(LabelOf(point))) marks[point] = "remove " + name;
                else if (taken.Count >= limit) break;
                else
                {
                    taken.Add(LabelOf(point));
                    marks[point] = $"keep {name} {taken.Count}/{limit}";
                }
            }
        }
        foreach (RetentionPoint point in sorted) marks.TryAdd(point, "remove -");
        return marks;
    }

    private static RetentionPoint[] NewestFirst(RetentionPoint[] points) =>
        points.OrderByDescending(p => p.TimeUtc).ThenByDescending(p => p.IsGood).ThenByDescending(p => p.Sequence)
            .ToArray();

    private static void ForRandomCases(int count, Action<RetentionPoint[], RetentionPolicy> check) =>
        ForRandomCases(count, (points, policy, _) => check(points, policy));

    /// <param name="count">How many cases.</param>
    /// <param name="check">Gets the points, the policy, and a number for what it draws itself.</param>
    private static void ForRandomCases(int count, Action<RetentionPoint[], RetentionPolicy, int> check) =>
        Gen.Select(s_points, s_policies, Gen.Int[0, 1_000_000])
            .Sample((points, policy, salt) => check(points, policy, salt), iter: count, threads: 1,
            print: c => $"{c.Item2}, {c.Item1.Length} points:\n{string.Join("\n", c.Item1.Select(Print))}");

    private static string Print(RetentionPoint point) =>
        $"{point.RestorePointId} {point.TimeUtc:u} sequence "
        + $"{point.Sequence}{(point.IsProtected ? " protected" : "")}{(point.IsFinished ? "" : " unfinished")}"
        + $"{(point.IsGood ? "" : " bad")}{(point.IsInUse ? " in use" : "")}"
        + $"{(point.LockedUntilUtc is DateTime until ? $" locked until {until:u}" : "")}";

    private static readonly Gen<int?> s_limit = Gen.Frequency((2, Gen.Const((int?)null)),
        (1, Gen.Int[0, 8].Select(n => (int?)n)));

    private static readonly Gen<RetentionPolicy> s_policies = Gen.Select(s_limit, s_limit, s_limit, s_limit, s_limit,
        s_limit, Gen.OneOf(s_zones), (last, hourly, daily, weekly, monthly, yearly, zone) =>
        new RetentionPolicy
        {
            Last = last,
            Hourly = hourly,
            Daily = daily,
            Weekly = weekly,
            Monthly = monthly,
            Yearly = yearly,
            TimeZoneId = zone,
        });

    /// <summary>Anywhere in the century, but half of the time around a clock change or a turn of the year.</summary>
    private static readonly Gen<DateTime> s_start = Gen.Frequency(
        (1, Gen.Const(Plans.Utc("2026-03-28T20:00:00Z"))),
        (1, Gen.Const(Plans.Utc("2026-10-24T20:00:00Z"))),
        (1, Gen.Const(Plans.Utc("2010-11-06T20:00:00Z"))),
        (1, Gen.Int[0, 99].Select(y => new DateTime(2000 + y, 12, 24, 3, 0, 0, DateTimeKind.Utc))),
        (2, Gen.Int[0, 100 * 365 * 24 * 60 - 1]
            .Select(m => new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddMinutes(m))));

    private static Gen<bool> OneIn(int n) => Gen.Int[0, n - 1].Select(d => d == n - 1);

    private static readonly Gen<int?> s_lock = Gen.Frequency((3, Gen.Const((int?)null)),
        (1, Gen.Int[-5, 5].Select(d => (int?)d)));

    /// <summary>
    /// Sometimes two points of one time, and now and then a clock that went back: what was made later has an earlier
    /// time.
    /// </summary>
    private static readonly Gen<DrawnPoint> s_drawn = Gen.Select(
        OneIn(12), Gen.Int[0, 99], OneIn(30), OneIn(10), OneIn(20), OneIn(6), OneIn(15), s_lock,
        (together, spread, wentBack, isProtected, unfinished, bad, inUse, locked) => new DrawnPoint(together, spread,
            wentBack, isProtected, unfinished, bad, inUse, locked));

    private static readonly Gen<RetentionPoint[]> s_points = Gen.Select(
        s_start, Gen.OneOf(0.2, 1, 6, 24, 24, 170, 900), OneIn(3), s_drawn.Array[0, 69],
        (start, step, plain, drawn) => Points(start, step, plain, drawn));

    private static RetentionPoint[] Points(DateTime start, double step, bool plain, DrawnPoint[] drawn)
    {
        DateTime time = start;
        return [.. drawn.Select((d, i) =>
        {
            if (!d.Together) time = time.AddMinutes(Math.Round(step * 60 * (0.3 + d.Spread / 100.0)));
            return new RetentionPoint
            {
                TimeUtc = time,
                Sequence = d.ClockWentBack ? 1000 - i : i,
                RestorePointId = i.ToString(CultureInfo.InvariantCulture),
                IsProtected = !plain && d.IsProtected,
                IsFinished = plain || !d.IsUnfinished,
                IsGood = plain || !d.IsBad,
                IsInUse = !plain && d.IsInUse,
                LockedUntilUtc = plain || d.LockedDays is not int days ? null : Plans.Now.AddDays(days),
            };
        })];
    }

    /// <summary>
    /// A point before it has a time: at the one before it, or 0.3 steps and so many hundredths after that; locked for
    /// so many days from now.
    /// </summary>
    private sealed record DrawnPoint(
        bool Together, int Spread, bool ClockWentBack, bool IsProtected, bool IsUnfinished, bool IsBad, bool IsInUse,
        int? LockedDays);
}
