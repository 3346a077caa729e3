using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>Makes rows of an appliance's evidence.</summary>
internal static class RecoveryRow
{
    /// <summary>A row about a time: the texts are made of the times.</summary>
    internal static RecoveryMeasurement OfTime(ApplianceEvidence evidence, RecoveryObjective objective,
        RecoveryVerdict verdict, TimeSpan target, TimeSpan? attained, TimeSpan? typical, TimeSpan? now, string reason,
        string? action, params EvidenceRecord?[] records) =>
        Of(evidence, objective, verdict, TimeText.Span(target), Text(attained), Text(typical), Text(now), reason,
            action, records) with
        {
            TargetTime = target,
            AttainedTime = attained,
            TypicalTime = typical,
            NowTime = now,
        };

    /// <summary>A row about something else.</summary>
    internal static RecoveryMeasurement Of(ApplianceEvidence evidence, RecoveryObjective objective,
        RecoveryVerdict verdict, string target, string? attained, string? typical, string? now, string reason,
        string? action, params EvidenceRecord?[] records) => new()
        {
            ApplianceId = evidence.ApplianceId,
            ApplianceName = evidence.ApplianceName,
            Repository = evidence.Repository,
            RepositoryId = evidence.RepositoryId,
            Strategy = evidence.Strategy,
            Objective = objective,
            Verdict = verdict,
            Target = target,
            Attained = attained,
            Typical = typical,
            Now = now,
            Reason = reason,
            RecommendedAction = verdict == RecoveryVerdict.Met ? null : action,
            Records = [.. records.Where(r => r is not null).Select(r => r!).Distinct()],
            SinceUtc = evidence.SinceUtc,
            MeasuredUtc = evidence.MeasuredUtc,
        };

    internal static EvidenceRecord Record(EvidencePoint point) =>
        new(EvidenceKind.RestorePoint, point.RestorePointId, point.TimeUtc);

    internal static EvidenceRecord Record(RestoreTests.RestoreTest test) =>
        new(EvidenceKind.RestoreTest, test.RestoreTestId, test.StartedUtc);

    /// <summary>The ends of a gap.</summary>
    internal static EvidenceRecord?[] Records(EvidenceGap gap) =>
    [
        new EvidenceRecord(EvidenceKind.RestorePoint, gap.FromPointId, gap.FromUtc),
        gap.ToPointId is null ? null : new EvidenceRecord(EvidenceKind.RestorePoint, gap.ToPointId, gap.ToUtc),
    ];

    /// <summary>The middle one of some times; of an even number the longer of the two. Null without any.</summary>
    internal static TimeSpan? Median(IEnumerable<TimeSpan> times)
    {
        TimeSpan[] sorted = [.. times.OrderBy(t => t)];
        return sorted.Length == 0 ? null : sorted[sorted.Length / 2];
    }

    private static string? Text(TimeSpan? time) => time is TimeSpan known ? TimeText.Span(known) : null;
}
