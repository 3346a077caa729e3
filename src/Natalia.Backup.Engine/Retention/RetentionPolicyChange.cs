namespace Natalia.Backup.Engine.Retention;

/// <summary>What changing a policy would do to the points that are there.</summary>
/// <param name="NewlyRemoved">What the new policy would remove and the old one kept, newest first. Points whose lock
/// only defers their removal are among them.</param>
/// <param name="NewlyKept">What the old policy would have removed and the new one keeps, newest first.</param>
public sealed record RetentionPolicyChange(IReadOnlyList<RetentionPlanRow> NewlyRemoved,
    IReadOnlyList<RetentionPlanRow> NewlyKept)
{
    /// <summary>Compares two policies on the same points.</summary>
    /// <param name="points">The points, in any order.</param>
    /// <param name="before">The old policy; null when there was none, so that nothing was removed.</param>
    /// <param name="after">The new policy; null when there will be none.</param>
    /// <param name="nowUtc">The time of the decision, UTC.</param>
    /// <exception cref="NataliaException"><c>TimeZoneNotFound</c>.</exception>
    public static RetentionPolicyChange Compare(IReadOnlyCollection<RetentionPoint> points, RetentionPolicy? before,
        RetentionPolicy? after, DateTime nowUtc)
    {
        // Both plans list the same points in the same order, so they are compared row by row; that needs no ids.
        IReadOnlyList<RetentionPlanRow> old = RetentionPlanner.Plan(points, before ?? new RetentionPolicy(), nowUtc);
        IReadOnlyList<RetentionPlanRow> next = RetentionPlanner.Plan(points, after ?? new RetentionPolicy(), nowUtc);
        var removed = new List<RetentionPlanRow>();
        var kept = new List<RetentionPlanRow>();
        for (int i = 0; i < old.Count; i++)
        {
            if (Goes(next[i]) && !Goes(old[i])) removed.Add(next[i]);
            else if (Goes(old[i]) && !Goes(next[i])) kept.Add(next[i]);
        }
        return new RetentionPolicyChange(removed, kept);
    }

    private static bool Goes(RetentionPlanRow row) => row.Action is RetentionAction.Remove or RetentionAction.Locked;
}
