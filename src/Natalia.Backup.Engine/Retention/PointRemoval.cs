using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Retention;

/// <summary>A point that is to be removed.</summary>
/// <param name="Point">The point.</param>
/// <param name="Reason">Why, for the audit log.</param>
public sealed record PointRemoval(RestorePoint Point, string Reason)
{
    /// <summary>
    /// The ids of the points because of which this one may go: those that take the slots of a retention plan. Where
    /// one of them has gone since the plan was made, the removal is refused. Empty where nothing but the reason counts.
    /// </summary>
    public IReadOnlyCollection<string> Because { get; init; } = [];

    /// <summary>The points that take the slots of a plan for one appliance.</summary>
    /// <param name="plan">The plan.</param>
    public static IReadOnlyCollection<string> HoldersOf(IEnumerable<RetentionPlanRow> plan) =>
        [.. plan.Where(r => r.Slot is not null).Select(r => r.RestorePointId).OfType<string>()];
}
