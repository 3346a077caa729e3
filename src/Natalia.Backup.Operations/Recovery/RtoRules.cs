using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// How long a recovery takes, by restore tests that passed on the appliance's own kind of hypervisor. The measured time
/// of the restore and of the checks grows with the disk; that of the start does not. Nothing is fetched for a test, and
/// the time to fetch an OVA is not in it. Pure.
/// </summary>
internal static class RtoRules
{
    internal static RecoveryMeasurement Measure(ApplianceEvidence evidence)
    {
        TimeSpan target = RecoveryTargets.Rto(evidence.Strategy);
        List<RestoreTest> inPeriod = [.. evidence.RestoreTests
            .Where(t => t.StartedUtc >= evidence.SinceUtc && t.StartedUtc <= evidence.MeasuredUtc)];
        List<RestoreTest> own = [.. inPeriod.Where(t => t.TestBenchKind == evidence.HypervisorKind)
            .OrderByDescending(t => t.StartedUtc)];
        // One that ran from the repository and passed does not show that restores, which failed before, pass again.
        if (own.Find(t => t is { Result: RestoreTestResult.Failed }
            or { Result: RestoreTestResult.Passed, RestoreDuration: not null })
            is { Result: RestoreTestResult.Failed } bad)
            return Row(RecoveryVerdict.Missed, null, null, null,
                $"The newest restore test, of {TimeText.Utc(bad.StartedUtc)}, failed: {bad.Reason}",
                "Mend what failed, and test again with Test-NataliaRestore.", RecoveryRow.Record(bad));
        // What ran from the repository proves its point, and restored nothing.
        List<RestoreTest> passed = own.FindAll(t =>
            t is { Result: RestoreTestResult.Passed, RestoreDuration: not null });
        if (passed.Count == 0)
            return Row(RecoveryVerdict.NotEvidenced, null, null, null, WhyNone(evidence, inPeriod, own),
                "Test-NataliaRestore on a test bench of the appliance's own kind measures it; not -FromRepository.",
                inPeriod.FirstOrDefault() is RestoreTest other ? RecoveryRow.Record(other) : null);
        List<RtoEstimate> estimates = [.. passed.Select(t => RtoEstimate.Of(t, evidence))];
        RtoEstimate newest = estimates[0], worst = estimates[0];
        foreach (RtoEstimate estimate in estimates)
            if (estimate.Time > worst.Time) worst = estimate;
        TimeSpan? typical = RecoveryRow.Median(estimates.Select(e => e.Time));
        string reason = $"{worst.Explain()} The slowest of {estimates.Count} passed.";
        if (worst.Time <= target)
            return Row(RecoveryVerdict.Met, worst.Time, typical, newest.Time, reason, null,
                RecoveryRow.Record(worst.Test), RecoveryRow.Record(newest.Test));
        return evidence.Strategy == BackupStrategy.Replication
            ? Row(RecoveryVerdict.NotEvidenced, worst.Time, typical, newest.Time,
                reason + " A point is restored slower than the objective; whether starting the replica is faster was "
                + "not tested.", "Try the replica's start, and keep a record of how long it took.",
                RecoveryRow.Record(worst.Test))
            : Row(RecoveryVerdict.Missed, worst.Time, typical, newest.Time, reason,
                "A faster store or network, or a smaller disk, shortens it.", RecoveryRow.Record(worst.Test),
                RecoveryRow.Record(newest.Test));

        RecoveryMeasurement Row(RecoveryVerdict verdict, TimeSpan? attained, TimeSpan? usual, TimeSpan? now, string why,
            string? action, params EvidenceRecord?[] records) =>
            RecoveryRow.OfTime(evidence, RecoveryObjective.Rto, verdict, target, attained, usual, now, why, action,
                records);
    }

    private static string WhyNone(ApplianceEvidence evidence, List<RestoreTest> inPeriod, List<RestoreTest> own)
    {
        string since = TimeText.Utc(evidence.SinceUtc);
        if (inPeriod.Count == 0) return $"No restore test since {since} has measured how long a recovery takes.";
        if (own.Find(t => t.Result == RestoreTestResult.Passed) is RestoreTest served)
            return $"The restore test of {TimeText.Utc(served.StartedUtc)} passed and restored nothing: its VM ran "
                + $"from the repository. None since {since} measured how long a restore takes.";
        if (own.Count > 0) return $"No restore test since {since} passed: {own[0].Reason ?? own[0].Result.ToString()}";
        string kinds = string.Join(", ", inPeriod.Select(t => t.TestBenchKind).Distinct());
        return $"Restore tests since {since} ran on {kinds}, and the appliance runs on "
            + $"{evidence.HypervisorKind ?? "an unknown hypervisor"}: they prove its points, and not how long a "
            + "recovery takes.";
    }
}
