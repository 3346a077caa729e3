using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>The times between points. Pure.</summary>
internal static class GapRules
{
    /// <summary>So many missing backups are thought of in one gap; more of them would not change the answer.</summary>
    private const int SupposedInAGap = 400;

    /// <summary>The gaps of a period: those that end in it, and the open one; oldest first. None without a point.
    /// </summary>
    /// <param name="points">The points that count, in any order. Two of one state are one.</param>
    /// <param name="sinceUtc">Where the period begins.</param>
    /// <param name="nowUtc">Where it ends; later points do not count.</param>
    /// <param name="limit">What a gap may last at most.</param>
    /// <param name="isThinned">Whether a gap says nothing, because retention took what was in it; or null.</param>
    internal static IReadOnlyList<EvidenceGap> Between(IEnumerable<EvidencePoint> points, DateTime sinceUtc,
        DateTime nowUtc, TimeSpan limit, Func<DateTime, DateTime, bool>? isThinned = null)
    {
        List<EvidencePoint> states = [.. points.Where(p => p.TimeUtc <= nowUtc)
            .OrderBy(p => p.TimeUtc).ThenBy(p => p.RestorePointId, StringComparer.Ordinal)];
        List<EvidenceGap> gaps = [];
        for (int i = 0; i < states.Count; i++)
        {
            EvidencePoint from = states[i];
            EvidencePoint? to = i + 1 < states.Count ? states[i + 1] : null;
            DateTime end = to?.TimeUtc ?? nowUtc;
            // A copy has the time of its original.
            if (end < sinceUtc || (to is not null && end == from.TimeUtc)) continue;
            bool isLong = end - from.TimeUtc > limit;
            bool isNothing = isLong && to is not null && isThinned?.Invoke(from.TimeUtc, end) == true;
            gaps.Add(new EvidenceGap(from.TimeUtc, end, from.RestorePointId, to?.RestorePointId, isLong && !isNothing,
                isNothing));
        }
        return gaps;
    }

    /// <summary>
    /// Tells of gaps between the points that a storage keeps whether retention would have made them: whether of the
    /// backups that should have been in between, none would have been kept until now.
    /// </summary>
    /// <param name="points">The points that are kept.</param>
    /// <param name="policy">What the storage keeps; null keeps everything, so that every gap is one.</param>
    /// <param name="interval">How often a backup should have been made.</param>
    /// <param name="nowUtc">When it is asked.</param>
    internal static Func<DateTime, DateTime, bool> Thinning(IReadOnlyList<EvidencePoint> points,
        RetentionPolicy? policy, TimeSpan interval, DateTime nowUtc)
    {
        if (policy is null || policy.KeepsEverything) return (_, _) => false;
        Lazy<HashSet<DateTime>> kept = new(() =>
        {
            List<DateTime> times = [.. points.Select(p => p.TimeUtc).OrderBy(t => t)];
            List<RetentionPoint> all = [.. times.Select(t => new RetentionPoint { TimeUtc = t })];
            for (int i = 0; i + 1 < times.Count; i++)
            {
                DateTime at = times[i] + interval;
                for (int n = 0; n < SupposedInAGap && at < times[i + 1]; n++, at += interval)
                    all.Add(new RetentionPoint { TimeUtc = at, RestorePointId = "supposed" });
            }
            return [.. RetentionPlanner.Plan(all, policy, nowUtc)
                .Where(r => r.RestorePointId is not null && r.Action == RetentionAction.Keep).Select(r => r.TimeUtc)];
        });
        return (from, to) => !kept.Value.Any(t => t > from && t < to);
    }
}
