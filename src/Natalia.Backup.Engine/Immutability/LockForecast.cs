using System.Globalization;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// Goes on making points and applying the policy, and watches when each point is let go and when its lock ends.
/// </summary>
internal sealed class LockForecast
{
    /// <summary>
    /// Four years of a point every six hours; what is kept for longer is known to be kept for at least that.
    /// </summary>
    private const int MaximumSteps = 6000;

    private readonly RetentionPolicy _policy;
    private readonly ImmutabilityPolicy _locks;
    private readonly DateTime _nowUtc;
    private readonly TimeSpan _every;
    private readonly bool _isKnownRhythm;
    private readonly TimeZoneInfo _zone;
    private readonly RetentionPoint[] _points;

    internal LockForecast(IEnumerable<RetentionPoint> points, RetentionPolicy policy, ImmutabilityPolicy locks,
        DateTime nowUtc, TimeSpan? every)
    {
        (_policy, _locks, _nowUtc) = (policy, locks, nowUtc);
        _zone = TimeZones.Find(policy.TimeZoneId);
        // The forecast tells points apart by their ids; those of a policy on paper have none.
        // A point whose time cannot be true says nothing of when points are made, nor of how long one is kept.
        _points = [.. points.Where(p => !p.IsInFuture).Select((p, i) => p with
        {
            RestorePointId = p.RestorePointId ?? "#" + i.ToString(CultureInfo.InvariantCulture),
            TimeUtc = RetentionPlanner.AsUtc(p.TimeUtc),
            IsInUse = false,
        }).OrderBy(p => p.TimeUtc)];
        TimeSpan? usual = every ?? Rhythm(_points);
        _isKnownRhythm = usual is not null;
        _every = usual ?? TimeSpan.FromDays(1);
        if (_every < TimeSpan.FromMinutes(15)) _every = TimeSpan.FromMinutes(15);
    }

    internal LockEffect Run()
    {
        LockEffect empty = new()
        {
            Policy = _policy.ToString(),
            Days = _locks.Days,
            WhileKept = _locks.WhileKept,
            PointEvery = _every,
            Conflict = FindConflict(),
        };
        var released = new Dictionary<string, DateTime>(StringComparer.Ordinal);
        var made = new Dictionary<string, DateTime>(StringComparer.Ordinal);
        List<RetentionPoint> kept = Apply([.. _points], _nowUtc, released);
        var waiting = new HashSet<string>(kept.Where(p => !p.IsProtected).Select(p => p.RestorePointId!),
            StringComparer.Ordinal);
        DateTime at = _points.Length > 0 && _points[_points.Length - 1].TimeUtc + _every > _nowUtc
            ? _points[_points.Length - 1].TimeUtc
            : _nowUtc;
        DateTime settled = _nowUtc + Span(_policy) + _locks.Period + _locks.Margin;
        for (int step = 0; step < MaximumSteps && !(waiting.Count == 0 && at > settled)
            && !_policy.KeepsEverything; step++)
        {
            at += _every;
            string id = "+" + step.ToString(CultureInfo.InvariantCulture);
            made.Add(id, at);
            kept.Add(new RetentionPoint
            {
                RestorePointId = id,
                TimeUtc = at,
                Sequence = long.MaxValue - MaximumSteps + step,
            });
            kept = Apply(kept, at, released);
            if (waiting.Count > 0) waiting.ExceptWith(released.Keys);
        }
        return Judge(empty, released, made, kept, at);
    }

    /// <summary>Puts the forecast into numbers.</summary>
    private LockEffect Judge(LockEffect effect, Dictionary<string, DateTime> released,
        Dictionary<string, DateTime> made, List<RetentionPoint> kept, DateTime end)
    {
        var past = new List<(RetentionPoint Point, TimeSpan By)>();
        var exposed = new List<(RetentionPoint Point, DateTime From, TimeSpan For)>();
        foreach (RetentionPoint point in _points)
        {
            bool isReleased = released.TryGetValue(point.RestorePointId!, out DateTime release);
            if (!isReleased) release = _policy.KeepsEverything || point.IsProtected ? DateTime.MaxValue : end;
            // The latest that its own packs can be locked: when it is let go right after an extension.
            DateTime atMost = _locks.WhileKept
                ? release == DateTime.MaxValue
                    ? release
                    : Later(point.LockedUntilUtc,
                        (release < _nowUtc ? point.TimeUtc : release) + _locks.Period + _locks.Margin)
                : Later(point.LockedUntilUtc, point.TimeUtc + _locks.Period + _locks.Margin);
            if (isReleased && atMost > release && atMost > _nowUtc) past.Add((point, atMost - release));
            // One that was kept before its locks were extended gets them back with the next run.
            DateTime atLeast = point.LockedUntilUtc ?? point.TimeUtc;
            if (!_locks.WhileKept && release > atLeast && release > _nowUtc)
                exposed.Add((point, atLeast, release == DateTime.MaxValue ? TimeSpan.MaxValue : release - atLeast));
        }
        int expectedPast =
            made.Count(
                m => released.TryGetValue(m.Key, out DateTime release) && release <= end
                    && (_locks.WhileKept ? release : m.Value) + _locks.Period + _locks.Margin > end);
        int expectedExposed = _locks.WhileKept
            ? 0
            : kept.Count(p => made.TryGetValue(p.RestorePointId!, out DateTime at) && at + _locks.Period < end);
        long[] sizes = [.. _points.Skip(Math.Max(1, _points.Length - 20)).Where(p => p.StoredBytes is not null)
            .Select(p => p.StoredBytes!.Value).OrderBy(b => b)];
        return effect with
        {
            LockedPastRetention = past.Count,
            LockedPastRetentionBytes = past.Count > 0 && past.TrueForAll(p => p.Point.StoredBytes is null)
                ? null
                : past.Sum(p => p.Point.StoredBytes ?? 0),
            LongestPastRetention = past.Count == 0 ? TimeSpan.Zero : past.Max(p => p.By),
            ExpectedLockedPastRetention = expectedPast,
            ExpectedLockedPastRetentionBytes = sizes.Length == 0 ? null : sizes[sizes.Length / 2] * expectedPast,
            Exposed = exposed.Count,
            FirstExposedUtc = exposed.Count == 0 ? null : exposed.Min(e => e.From),
            LongestExposure = exposed.Count == 0 ? TimeSpan.Zero : exposed.Max(e => e.For),
            ExpectedExposed = expectedExposed,
            ExposedFrom = exposed.ToDictionary(e => e.Point.RestorePointId!, e => e.From, StringComparer.Ordinal),
        };
    }

    private string? FindConflict()
    {
        if (_locks.WhileKept && _policy.KeepsEverything)
            return "The locks follow the retention policy, and a policy that keeps everything keeps everything locked "
                + "for ever.";
        // Where nothing was made yet, nobody knows how often it will be.
        if (!_isKnownRhythm || _every <= _locks.Period) return null;
        string every = Days(_every), days = Plural.Count(_locks.Days, "day");
        return _locks.WhileKept
            ? $"Locks are held {days} ahead and points are made every {every} days: the locks of all points end "
                + "before the next run extends them."
            : $"Points are locked for {days} and made every {every} days: before each new point even the newest "
                + "one is without a lock.";
    }

    private List<RetentionPoint> Apply(List<RetentionPoint> points, DateTime at, Dictionary<string, DateTime> released)
    {
        List<RetentionPoint> kept = [.. new GroupPlan(points, _policy, _zone, at).Kept()];
        if (kept.Count < points.Count)
        {
            var stays = new HashSet<string>(kept.Select(p => p.RestorePointId!), StringComparer.Ordinal);
            foreach (RetentionPoint point in points)
                if (!stays.Contains(point.RestorePointId!)) released[point.RestorePointId!] = at;
        }
        return kept;
    }

    /// <summary>
    /// The usual time between the last points: the middle one, so that a pause or a point made by hand does not count.
    /// </summary>
    private static TimeSpan? Rhythm(RetentionPoint[] points)
    {
        RetentionPoint[] last = [.. points.Skip(Math.Max(0, points.Length - 20))];
        if (last.Length < 3) return null;
        TimeSpan[] gaps = [.. last.Skip(1).Select((p, i) => p.TimeUtc - last[i].TimeUtc).OrderBy(g => g)];
        return gaps[gaps.Length / 2];
    }

    /// <summary>How far back a policy reaches at most.</summary>
    private TimeSpan Span(RetentionPolicy policy)
    {
        double days = (policy.Last ?? 0) * _every.TotalDays + (policy.Hourly ?? 0) / 24.0 + (policy.Daily ?? 0)
            + 7.0 * (policy.Weekly ?? 0) + 31.0 * (policy.Monthly ?? 0) + 366.0 * (policy.Yearly ?? 0);
        return TimeSpan.FromDays(Math.Min(days, 36_500));
    }

    private static DateTime Later(DateTime? a, DateTime? b) =>
        a is null ? b!.Value : b is null || a > b ? a.Value : b.Value;

    private static string Days(TimeSpan time) => time.TotalDays.ToString("0.#", CultureInfo.InvariantCulture);
}
