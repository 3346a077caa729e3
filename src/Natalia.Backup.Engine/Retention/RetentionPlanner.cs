namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// Decides which points stay and which go. Pure: the same input gives the same plan on every machine that has the same
/// time zone data.
/// </summary>
/// <remarks>
/// <para>The semantics are those of Proxmox VE and Proxmox Backup Server, so that an appliance is kept alike whoever
/// applies the policy. For each appliance, newest point first, the rules are applied in a fixed order. A rule gives its
/// slots to the newest undecided point of each period, but passes over periods for which an earlier rule keeps a point;
/// older points of a period that it gave a slot are removed, which later rules respect. When its slots are used up, it
/// leaves the rest to the rules after it. What no rule keeps is removed.</para>
/// <para>A point of the future, whose time cannot be true, takes no slot and stands for no period; it stays until
/// somebody removes it.</para>
/// <para>Protected points take no slot and stand for no period. Above the rules: the newest good point (and the one
/// made last, should a clock have gone back), a point whose lock has not ended, and one that a restore reads are never
/// removed. A lock only defers a removal; it changes nothing else in the plan.</para>
/// <para>The newest point that is not protected is always kept, because the first rule starts with it. At most the sum
/// of the limits is kept, not counting protected and locked points, those in use, an unfinished newest one, and what
/// stays only as the newest good point. Applying a plan and planning again at the same time removes nothing
/// more.</para>
/// </remarks>
public static class RetentionPlanner
{
    /// <summary>Makes a plan.</summary>
    /// <param name="points">The points, in any order. Points of different appliances or repositories are planned
    /// apart.</param>
    /// <param name="policy">The policy. One without limits keeps everything.</param>
    /// <param name="nowUtc">The time of the decision, UTC: it tells which locks have ended.</param>
    /// <returns>A row for every point: by appliance, newest first.</returns>
    /// <exception cref="NataliaException"><c>TimeZoneNotFound</c>.</exception>
    public static IReadOnlyList<RetentionPlanRow> Plan(IEnumerable<RetentionPoint> points, RetentionPolicy policy,
        DateTime nowUtc)
    {
        TimeZoneInfo zone = TimeZones.Find(policy.TimeZoneId);
        nowUtc = AsUtc(nowUtc);
        return points
            .GroupBy(p => (p.RepositoryId, p.ApplianceId))
            .OrderBy(g => g.Key.ApplianceId, StringComparer.Ordinal)
            .ThenBy(g => g.Key.RepositoryId, StringComparer.Ordinal)
            .SelectMany(g => new GroupPlan(g, policy, zone, nowUtc).Rows())
            .ToList();
    }

    internal static DateTime AsUtc(DateTime time) => time.Kind switch
    {
        DateTimeKind.Local => time.ToUniversalTime(),
        DateTimeKind.Unspecified => DateTime.SpecifyKind(time, DateTimeKind.Utc),
        _ => time,
    };
}
