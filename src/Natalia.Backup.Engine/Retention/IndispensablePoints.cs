namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// The points of one appliance in one repository that are never removed, whoever asks: so that there is always
/// something to restore from. The one definition for policies, removals by hand and repairs. Newest is by the time of
/// the state, not by the order of making: a copy of an old point that arrives late does not become the newest, nor does
/// one whose time lies in the future, as long as there is another.
/// </summary>
/// <param name="Newest">The newest one, damaged or not; null without points.</param>
/// <param name="NewestGood">The newest one that can be restored; null when there is none.</param>
/// <param name="LastMade">The good one that was made last: another one than the newest where a clock went back, or an
/// older point was copied here late. Null where nothing is known of the order, or none is good.</param>
internal sealed record IndispensablePoints(RetentionPoint? Newest, RetentionPoint? NewestGood, RetentionPoint? LastMade)
{
    /// <summary>Finds them.</summary>
    /// <param name="points">All points of the appliance in the repository, in any order.</param>
    internal static IndispensablePoints Of(IEnumerable<RetentionPoint> points)
    {
        RetentionPoint? newest = null, newestGood = null, lastMade = null;
        foreach (RetentionPoint point in points)
        {
            if (newest is null || RetentionPoint.NewestFirst(point, newest) < 0) newest = point;
            if (!point.IsGood || !point.IsFinished) continue;
            if (newestGood is null || RetentionPoint.NewestFirst(point, newestGood) < 0) newestGood = point;
            // One of the future is the last resort: it counts where there is nothing else.
            if (point.Sequence is long sequence
                && (lastMade is null
                    || (point.IsInFuture == lastMade.IsInFuture ? sequence > lastMade.Sequence : lastMade.IsInFuture)))
                lastMade = point;
        }
        return new IndispensablePoints(newest, newestGood, lastMade);
    }
}
