using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>How long ago a point was last read as a whole and found good. Pure.</summary>
internal static class VerificationRules
{
    internal static RecoveryMeasurement Measure(ApplianceEvidence evidence)
    {
        TimeSpan target = RecoveryTargets.VerificationAge;
        List<EvidencePoint> verified = [.. evidence.Points
            .Where(p => p.VerifiedUtc is DateTime at && at <= evidence.MeasuredUtc
                && p.State == EvidencePointState.Verified)
            .OrderByDescending(p => p.VerifiedUtc)];
        List<EvidencePoint> damaged = [.. evidence.Points
            .Where(p => p.IsKept && p.State == EvidencePointState.Damaged).OrderByDescending(p => p.TimeUtc)];
        string bad = damaged.Count == 0
            ? ""
            : $" {Plural.Count(damaged.Count, "point")} that {Plural.Of(damaged.Count, "is", "are")} kept "
                + $"{Plural.Of(damaged.Count, "is", "are")} damaged, the newest of {TimeText.Utc(damaged[0].TimeUtc)}. "
                + damaged[0].Trouble;
        if (verified.Count == 0)
        {
            DateTime? first = evidence.Points.Count == 0 ? null : evidence.Points.Min(p => p.TimeUtc);
            bool isDue = first is DateTime begin && evidence.MeasuredUtc - begin > target;
            return Row(isDue || damaged.Count > 0 ? RecoveryVerdict.Missed : RecoveryVerdict.NotEvidenced, null, null,
                null, evidence.Points.Count == 0
                    ? "There is no restore point."
                    : "No point was ever read as a whole and found good." + bad.TrimEnd(),
                damaged.Count == 0 ? null : RecoveryRow.Record(damaged[0]));
        }
        EvidencePoint newest = verified[0];
        TimeSpan age = evidence.MeasuredUtc - newest.VerifiedUtc!.Value;
        List<DateTime> times = [.. verified.Select(p => p.VerifiedUtc!.Value)];
        List<TimeSpan> gaps = [age];
        for (int i = 0; i + 1 < times.Count && times[i] >= evidence.SinceUtc; i++) gaps.Add(times[i] - times[i + 1]);
        string last = $"The point of {TimeText.Utc(newest.TimeUtc)} was read as a whole and found good on "
            + TimeText.Utc(newest.VerifiedUtc.Value)
            // Of a storage that tells that it was, and not when, it is known to have been since.
            + $"{(newest.VerifiedUtc == newest.TimeUtc ? " or later" : "")}.{bad.TrimEnd()}";
        RecoveryVerdict verdict = age <= target && damaged.Count == 0 ? RecoveryVerdict.Met : RecoveryVerdict.Missed;
        return Row(verdict, gaps.Max(), RecoveryRow.Median(gaps.Skip(1)), age, last, RecoveryRow.Record(newest),
            damaged.Count == 0 ? null : RecoveryRow.Record(damaged[0]));

        RecoveryMeasurement Row(RecoveryVerdict result, TimeSpan? attained, TimeSpan? usual, TimeSpan? now,
            string reason, params EvidenceRecord?[] records) =>
            RecoveryRow.OfTime(evidence, RecoveryObjective.VerificationAge, result, target, attained, usual, now,
                reason, damaged.Count > 0
                    ? "Repair-NataliaRepository -WhatIf tells what can be done about damaged points."
                    : "Test-NataliaRestorePoint reads a point as a whole.", records);
    }
}
