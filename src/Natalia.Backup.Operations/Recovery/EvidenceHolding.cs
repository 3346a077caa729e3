using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>One day, week or month of the coverage that is wanted, and the point that holds it.</summary>
/// <param name="Rule">Daily, Weekly or Monthly.</param>
/// <param name="Period">Which: <c>2026-03-04</c>, <c>2026-W10</c>, <c>2026-03</c>, in <paramref name="TimeZoneId"/>.
/// </param>
/// <param name="TimeZoneId">The zone in which periods begin: that of the retention policy.</param>
/// <param name="RestorePointId">The newest good point of the period that is there; null when none is.</param>
/// <param name="PointTimeUtc">Its time, UTC; or null.</param>
/// <param name="IsExpected">False for a period that lies before the first point, or is not over yet and has none: then
/// it is not missed.</param>
public sealed record EvidenceHolding(RetentionRule Rule, string Period, string TimeZoneId, string? RestorePointId,
    DateTime? PointTimeUtc, bool IsExpected)
{
    /// <summary>Whether a point holds it.</summary>
    public bool IsHeld => RestorePointId is not null;
}
