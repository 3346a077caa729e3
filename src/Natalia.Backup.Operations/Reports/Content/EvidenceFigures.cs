using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>
/// What a report tells of all points and gaps of a period without naming them one by one: so that a fleet's report does
/// not need all of them in memory.
/// </summary>
/// <param name="PointCount">How many points there are, those that are gone included.</param>
/// <param name="GapCount">How many times between points.</param>
/// <param name="ThinnedCount">How many of them say nothing.</param>
/// <param name="Stretches">The worst of them, stretch by stretch.</param>
internal sealed record EvidenceFigures(int PointCount, int GapCount, int ThinnedCount,
    IReadOnlyList<RpoStretch> Stretches)
{
    /// <summary>Those of an appliance whose evidence is all there.</summary>
    internal static EvidenceFigures Of(ApplianceEvidence appliance)
    {
        DateTime from = ApplianceEvidence.PointsFrom(appliance.Gaps, appliance.SinceUtc);
        var named = new HashSet<string>(ReportedPoints.Of(appliance).Select(p => p.RestorePointId),
            StringComparer.Ordinal);
        // Not those that are older, gone, and only tell when a point was verified.
        int points = appliance.Points.Count(p => p.TimeUtc >= from || named.Contains(p.RestorePointId));
        return new EvidenceFigures(points, appliance.Gaps.Count, appliance.Gaps.Count(g => g.IsThinned),
            RpoTimeline.Of(appliance));
    }

    /// <summary>The evidence without the points and gaps that no report names.</summary>
    internal static ApplianceEvidence Reduce(ApplianceEvidence appliance) => appliance with
    {
        Points = [.. ReportedPoints.Of(appliance).Reverse()],
        Gaps = [.. appliance.Gaps.Where(g => g.IsOverTarget && !g.IsThinned)],
    };
}
