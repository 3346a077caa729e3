using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>Which points a report names one by one.</summary>
internal static class ReportedPoints
{
    /// <summary>
    /// What is there, what is not good, and what a verdict or a gap over the target rests on; newest first. Of three
    /// years of points the rest stands in the audit log, where <c>Get-NataliaAuditRecord</c> lists it.
    /// </summary>
    internal static IReadOnlyList<EvidencePoint> Of(ApplianceEvidence appliance)
    {
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (EvidenceRecord record in appliance.Measurements.SelectMany(m => m.Records))
        {
            if (record.Kind == EvidenceKind.RestorePoint) named.Add(record.Id);
        }
        foreach (EvidenceGap gap in appliance.Gaps.Where(g => g.IsOverTarget && !g.IsThinned))
        {
            named.Add(gap.FromPointId);
            if (gap.ToPointId is string to) named.Add(to);
        }
        return [.. appliance.Points.Where(p => p.IsKept || !p.IsGood || named.Contains(p.RestorePointId))
            .OrderByDescending(p => p.TimeUtc)];
    }
}
