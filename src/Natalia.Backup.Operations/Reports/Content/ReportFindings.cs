using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Content;

/// <summary>What is not met, the worst first.</summary>
internal static class ReportFindings
{
    /// <summary>
    /// Misses before what is not evidenced; among equals by what is lost when the day comes, then by how much of a
    /// target was missed.
    /// </summary>
    internal static IReadOnlyList<RecoveryMeasurement> Of(IEnumerable<ApplianceEvidence> appliances) =>
        [.. appliances.SelectMany(a => a.Measurements)
            .Where(m => m.Verdict != RecoveryVerdict.Met)
            .OrderBy(m => m.Verdict == RecoveryVerdict.Missed ? 0 : 1)
            .ThenBy(m => Weight(m.Objective))
            .ThenByDescending(Overrun)
            .ThenBy(m => m.ApplianceName, StringComparer.Ordinal)];

    /// <summary>Data that is lost weighs more than time, and both more than what is only not proved.</summary>
    private static int Weight(RecoveryObjective objective) => objective switch
    {
        RecoveryObjective.Rpo => 0,
        RecoveryObjective.RestoreTestAge => 1,
        RecoveryObjective.Rto => 2,
        RecoveryObjective.OffHost => 3,
        RecoveryObjective.Schedule => 4,
        RecoveryObjective.Immutability => 5,
        RecoveryObjective.Coverage => 6,
        _ => 7,
    };

    /// <summary>How many times the target; what is so now counts before what once was.</summary>
    private static double Overrun(RecoveryMeasurement m) =>
        m.TargetTime is TimeSpan target && target > TimeSpan.Zero
            ? Math.Max((m.NowTime ?? TimeSpan.Zero).Ticks * 2.0, (m.AttainedTime ?? TimeSpan.Zero).Ticks) / target.Ticks
            : 0;
}
