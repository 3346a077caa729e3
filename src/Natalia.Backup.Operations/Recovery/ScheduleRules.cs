using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// The heartbeat: whether the backups that should have run did. A task that never started leaves no error and no
/// record, so the age of the newest point is what finds it, good or not. Pure.
/// </summary>
internal static class ScheduleRules
{
    internal static RecoveryMeasurement Measure(ApplianceEvidence evidence)
    {
        TimeSpan target = RecoveryTargets.Interval(evidence.Strategy), limit = RecoveryTargets.Limit(target);
        List<EvidencePoint> made = [.. evidence.Points
            .Where(p => p.State != EvidencePointState.Doubtful && p.OriginalRestorePointId is null)
            .Where(p => p.TimeUtc <= evidence.MeasuredUtc)];
        // Where only copies are measured, they are what tells.
        if (made.Count == 0) made = [.. evidence.Points.Where(p => p.TimeUtc <= evidence.MeasuredUtc
            && p.State != EvidencePointState.Doubtful)];
        IReadOnlyList<EvidenceGap> gaps = GapRules.Between(made, evidence.SinceUtc, evidence.MeasuredUtc, limit,
            (from, to) => evidence.Gaps.Any(g => g.IsThinned && g.FromUtc <= from && g.ToUtc >= to));
        string blind = RpoRules.Blind(evidence);
        NativeSchedule? off = evidence.Schedules.FirstOrDefault(s => !s.IsEnabled);
        string switchedOff = evidence.Schedules.Count > 0 && evidence.Schedules.All(s => !s.IsEnabled)
            ? $" Every schedule that takes the appliance is switched off: {off!.ScheduleId}."
            : "";
        EvidenceRecord?[] schedules = [.. evidence.Schedules
            .Select(s => new EvidenceRecord(EvidenceKind.Schedule, s.ScheduleId, null))];
        if (gaps.Count == 0)
        {
            bool isDue = evidence.EnrolledUtc is not DateTime enrolled || evidence.MeasuredUtc - enrolled > limit;
            return Row(evidence.Troubles.Count > 0 || !isDue ? RecoveryVerdict.NotEvidenced : RecoveryVerdict.Missed,
                null, null, null, (isDue
                    ? "No backup has ever made a point."
                    : $"No backup has made a point since the appliance was enrolled, on "
                        + $"{TimeText.Utc(evidence.EnrolledUtc!.Value)}.") + switchedOff + blind, schedules);
        }
        EvidenceGap open = gaps[gaps.Count - 1], worst = open;
        List<EvidenceGap> counted = [.. gaps.Where(g => !g.IsThinned)];
        foreach (EvidenceGap gap in counted)
            if (gap.Length > worst.Length) worst = gap;
        TimeSpan? typical = RecoveryRow.Median(counted.Where(g => !g.IsOpen).Select(g => g.Length));
        string newest = $"The newest point is of {TimeText.Utc(open.FromUtc)}, {TimeText.Span(open.Length)} ago.";
        if (open.IsOverTarget)
            return Row(RecoveryVerdict.Missed, worst.Length, typical, open.Length,
                $"{newest} {Runs(open)} should have run since.{switchedOff}{blind}",
                [.. RecoveryRow.Records(open), .. schedules]);
        if (switchedOff.Length > 0)
            return Row(RecoveryVerdict.Missed, worst.Length, typical, open.Length, newest + switchedOff,
                [.. RecoveryRow.Records(open), .. schedules]);
        int missed = counted.Sum(g => g.IsOverTarget ? Count(g) : 0);
        if (missed > 0)
            return Row(RecoveryVerdict.Missed, worst.Length, typical, open.Length,
                $"{newest} But {(missed == 1 ? "1 backup that should have run in the period did" : $"{missed} backups "
                    + "that should have run in the period did")} not, the first of them after "
                + $"{TimeText.Utc(counted.First(g => g.IsOverTarget).FromUtc)}.{blind}",
                [.. RecoveryRow.Records(worst), .. schedules]);
        TimeSpan watched = counted.Aggregate(TimeSpan.Zero, (sum, g) => sum + g.Length);
        return watched < target
            ? Row(RecoveryVerdict.NotEvidenced, worst.Length, typical, open.Length,
                $"{newest} The points span less than the {TimeText.Span(target)} after which the next one is due: too "
                + "little to tell.", RecoveryRow.Records(open))
            : Row(RecoveryVerdict.Met, worst.Length, typical, open.Length,
                $"{newest} No backup was missed since {TimeText.Utc(gaps[0].FromUtc)}.{blind}",
                [.. RecoveryRow.Records(open), .. schedules]);

        int Count(EvidenceGap gap) =>
            (int)Math.Max(1, (gap.Length - RecoveryTargets.Tolerance(target)).Ticks / target.Ticks);

        string Runs(EvidenceGap gap) => Count(gap) == 1 ? "A backup" : $"{Count(gap)} backups";

        RecoveryMeasurement Row(RecoveryVerdict verdict, TimeSpan? attained, TimeSpan? usual, TimeSpan? now,
            string reason, params EvidenceRecord?[] records) =>
            RecoveryRow.OfTime(evidence, RecoveryObjective.Schedule, verdict, target, attained, usual, now, reason,
                "Look at the task, timer or schedule that should run the backup: one that does not start leaves no "
                + "error.", records);
    }
}
