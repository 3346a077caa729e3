using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>How long ago the last restore test passed, held against a quarter. Pure.</summary>
internal static class RestoreTestAgeRules
{
    internal static RecoveryMeasurement Measure(ApplianceEvidence evidence)
    {
        TimeSpan target = RecoveryTargets.RestoreTestAge;
        DateTime now = evidence.MeasuredUtc;
        List<RestoreTest> tests = [.. evidence.RestoreTests.Where(t => t.StartedUtc <= now)
            .OrderByDescending(t => t.StartedUtc)];
        List<RestoreTest> passed = tests.FindAll(t => t.Result == RestoreTestResult.Passed);
        RestoreTest? newest = tests.Find(t => t.Result != RestoreTestResult.NotTested);
        if (passed.Count == 0)
        {
            if (newest is not null)
                return Row(RecoveryVerdict.Missed, null, null, null,
                    $"No restore test has passed. The newest, of {TimeText.Utc(newest.StartedUtc)}, failed: "
                    + newest.Reason, RecoveryRow.Record(newest));
            DateTime? first = evidence.Points.Count == 0 ? evidence.EnrolledUtc : evidence.Points.Min(p => p.TimeUtc);
            bool isDue = first is DateTime begin && now - begin > target;
            string some = tests.Count == 0
                ? "No restore test was ever made."
                : $"No restore test could check everything: {tests[0].Reason}";
            return Row(isDue ? RecoveryVerdict.Missed : RecoveryVerdict.NotEvidenced, null, null, null,
                some + (isDue ? $" The appliance is backed up since {TimeText.Utc(first!.Value)} or before." : ""),
                tests.Count == 0 ? null : RecoveryRow.Record(tests[0]));
        }
        TimeSpan age = now - passed[0].StartedUtc;
        List<TimeSpan> gaps = [age];
        for (int i = 0; i + 1 < passed.Count && passed[i].StartedUtc >= evidence.SinceUtc; i++)
            gaps.Add(passed[i].StartedUtc - passed[i + 1].StartedUtc);
        TimeSpan worst = gaps.Max();
        TimeSpan? typical = RecoveryRow.Median(gaps.Skip(1));
        string last = $"The last restore test that passed is of {TimeText.Utc(passed[0].StartedUtc)}, on "
            + $"{passed[0].TestBenchKind}.";
        if (newest!.Result == RestoreTestResult.Failed)
            return Row(RecoveryVerdict.Missed, worst, typical, age,
                $"{last} But a newer one, of {TimeText.Utc(newest.StartedUtc)}, failed: {newest.Reason}",
                RecoveryRow.Record(newest), RecoveryRow.Record(passed[0]));
        if (age > target)
            return Row(RecoveryVerdict.Missed, worst, typical, age, $"{last} One is due each quarter.",
                RecoveryRow.Record(passed[0]));
        return worst > target
            ? Row(RecoveryVerdict.Missed, worst, typical, age,
                $"{last} But between two that passed there were {TimeText.Span(worst)} in the period.",
                RecoveryRow.Record(passed[0]))
            : Row(RecoveryVerdict.Met, worst, typical, age, last, RecoveryRow.Record(passed[0]));

        RecoveryMeasurement Row(RecoveryVerdict verdict, TimeSpan? attained, TimeSpan? usual, TimeSpan? current,
            string reason, params EvidenceRecord?[] records) =>
            RecoveryRow.OfTime(evidence, RecoveryObjective.RestoreTestAge, verdict, target, attained, usual, current,
                reason, "Test-NataliaRestore tests the newest point.", records);
    }
}
