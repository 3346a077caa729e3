using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// How much could have been lost: the times between good points, and with the strategy Replication how far the copy is
/// behind. Pure. Met needs points, no gap over the target, and to have been watched for at least as long as the target.
/// </summary>
internal static class RpoRules
{
    internal static RecoveryMeasurement Measure(ApplianceEvidence evidence) =>
        evidence.Strategy == BackupStrategy.Replication ? OfReplication(evidence) : OfPoints(evidence);

    private static RecoveryMeasurement OfPoints(ApplianceEvidence evidence)
    {
        TimeSpan target = RecoveryTargets.Rpo(evidence.Strategy), tolerance = RecoveryTargets.Tolerance(target);
        List<EvidenceGap> gaps = [.. evidence.Gaps.Where(g => !g.IsThinned)];
        string blind = Blind(evidence);
        if (gaps.Count == 0)
            return Row(blind.Length > 0 ? RecoveryVerdict.NotEvidenced : RecoveryVerdict.Missed, null, null, null,
                Missing(evidence) + blind, "Invoke-NataliaBackup makes a point.");
        EvidenceGap open = gaps[gaps.Count - 1], worst = gaps[0];
        foreach (EvidenceGap gap in gaps)
            if (gap.Length > worst.Length) worst = gap;
        TimeSpan? typical = RecoveryRow.Median(gaps.Where(g => !g.IsOpen).Select(g => g.Length));
        TimeSpan watched = Sum(gaps);
        string counted = Counted(evidence);
        int over = gaps.Count(g => g.IsOverTarget);
        if (over > 0)
        {
            string where = worst.IsOpen
                ? $"The newest good point is of {TimeText.Utc(worst.FromUtc)}: {TimeText.Span(worst.Length)} would be "
                    + "lost now."
                : $"Between {TimeText.Utc(worst.FromUtc)} and {TimeText.Utc(worst.ToUtc)} there is no good point: "
                    + $"{TimeText.Span(worst.Length)} could have been lost.";
            string others = over == 1
                ? ""
                : $" {over} gaps of {gaps.Count} are longer than {TimeText.Span(target + tolerance)}.";
            return Row(RecoveryVerdict.Missed, worst.Length, typical, open.Length, where + others + counted + blind,
                open.IsOverTarget
                    ? "Invoke-NataliaBackup makes a point now; find out why the schedule did not."
                    : "The gaps stay in the period until it has passed them; see that none follows.",
                RecoveryRow.Records(worst));
        }
        if (watched < target)
            return Row(RecoveryVerdict.NotEvidenced, worst.Length, typical, open.Length,
                $"The points span {TimeText.Span(watched)} until now, less than the {TimeText.Span(target)} of the "
                + $"objective: too little to tell.{counted}{blind}",
                "Measure again when the schedule has run for a while.", RecoveryRow.Records(worst));
        string longest = $"The longest time between two good points since {TimeText.Utc(gaps[0].FromUtc)} is "
            + $"{TimeText.Span(worst.Length)}";
        longest += worst.Length > target
            ? $": over {TimeText.Span(target)}, and within the {TimeText.Span(tolerance)} that are granted to the "
                + "start and the length of a run."
            : ".";
        return Row(RecoveryVerdict.Met, worst.Length, typical, open.Length, longest + counted + blind, null,
            [.. RecoveryRow.Records(worst), .. RecoveryRow.Records(open)]);

        RecoveryMeasurement Row(RecoveryVerdict verdict, TimeSpan? attained, TimeSpan? usual, TimeSpan? now,
            string reason, string? action, params EvidenceRecord?[] records) =>
            RecoveryRow.OfTime(evidence, RecoveryObjective.Rpo, verdict, target, attained, usual, now, reason, action,
                records);
    }

    /// <summary>
    /// A hypervisor tells how far its copy is behind now, and no more: the worst of the period is not known, and the
    /// reason says so.
    /// </summary>
    private static RecoveryMeasurement OfReplication(ApplianceEvidence evidence)
    {
        TimeSpan target = RecoveryTargets.Rpo(evidence.Strategy), limit = RecoveryTargets.Limit(target);
        ReplicationState? best = evidence.Replications.Where(r => r.IsEnabled && !r.IsBeingRemoved && r.Lag is not null)
            .OrderBy(r => r.Lag!.Value.Duration()).FirstOrDefault();
        if (best is null)
        {
            bool isKnown = evidence.Hypervisor is not null && evidence.Troubles.Count == 0;
            return RecoveryRow.OfTime(evidence, RecoveryObjective.Rpo,
                isKnown && evidence.Replications.Count == 0 ? RecoveryVerdict.Missed : RecoveryVerdict.NotEvidenced,
                target, null, null, null,
                (evidence.Replications.Count > 0
                    ? "No replication of the appliance is switched on and has made a copy."
                    : isKnown
                        ? "The strategy is Replication, and its hypervisor has no replication of the appliance."
                        : "No connected hypervisor tells of a replication of the appliance.") + Blind(evidence),
                "Set-NataliaReplication makes one; connect the hypervisor that keeps it.");
        }
        TimeSpan lag = best.Lag!.Value;
        if (lag < -RecoveryTargets.Tolerance(target))
            return Row(RecoveryVerdict.NotEvidenced, null,
                $"The time of the copy on '{best.TargetVMHost}' lies {TimeText.Span(-lag)} in the future.",
                "Set the clocks of the VM hosts.");
        const string look = "Get-NataliaReplication tells what is wrong with it.";
        string state = $"The copy on '{best.TargetVMHost}' is {TimeText.Span(lag)} behind.";
        string error = best.Error is null ? "" : $" Its last attempt said: {best.Error}";
        if (lag > limit) return Row(RecoveryVerdict.Missed, lag, state + error, look);
        if (best.FailureCount > 0)
            return Row(RecoveryVerdict.NotEvidenced, lag,
                $"{state} But {Plural.Count(best.FailureCount, "attempt")} failed since.{error}", look);
        return best.Error is not null
            ? Row(RecoveryVerdict.NotEvidenced, lag, state + error, look)
            : Row(RecoveryVerdict.Met, lag, $"{state} That is its age now: hypervisors keep no history of it, so the "
                + "period is not judged by it.", null);

        RecoveryMeasurement Row(RecoveryVerdict verdict, TimeSpan? behind, string reason, string? action) =>
            RecoveryRow.OfTime(evidence, RecoveryObjective.Rpo, verdict, target, behind, null, behind, reason, action,
                new EvidenceRecord(EvidenceKind.Replication, best.ReplicationId, best.LastSyncUtc));
    }

    private static TimeSpan Sum(IEnumerable<EvidenceGap> gaps) =>
        gaps.Aggregate(TimeSpan.Zero, (sum, g) => sum + g.Length);

    /// <summary>Why there is no gap: there is no good point.</summary>
    private static string Missing(ApplianceEvidence evidence)
    {
        int damaged = evidence.Points.Count(p => !p.IsGood);
        return damaged == 0
            ? "There is no restore point: everything would be lost."
            : $"There is no good restore point: {Plural.Count(damaged, "point")} {Plural.Of(damaged, "is", "are")} "
                + "damaged, missing or of an impossible time. Everything would be lost.";
    }

    /// <summary>How many points it rests on, and what is to be known of them.</summary>
    private static string Counted(ApplianceEvidence evidence)
    {
        int good = 0, crash = 0, verified = 0, bad = 0;
        // Copies of one state are one point that could be lost.
        foreach (IGrouping<DateTime, EvidencePoint> state in evidence.Points
            .Where(p => p.TimeUtc >= evidence.SinceUtc).GroupBy(p => p.TimeUtc))
        {
            List<EvidencePoint> its = [.. state.Where(p => p.IsGood)];
            if (its.Count == 0)
            {
                bad++;
                continue;
            }
            good++;
            if (its.TrueForAll(p => p.Consistency == Consistency.Crash)) crash++;
            if (its.Exists(p => p.State == EvidencePointState.Verified)) verified++;
        }
        return $" {Plural.Count(good, "good point")} since {TimeText.Utc(evidence.SinceUtc)}"
            + $"{(crash == 0 ? "" : $", {crash} of them crash-consistent")}, {verified} of them verified"
            + $"{(bad == 0 ? "" : $"; {bad} more {Plural.Of(bad, "does", "do")} not count, damaged or missing")}.";
    }

    /// <summary>What was not looked at.</summary>
    internal static string Blind(ApplianceEvidence evidence)
    {
        int thinned = evidence.Gaps.Count(g => g.IsThinned);
        return (thinned == 0
                ? ""
                : $" {Plural.Count(thinned, "gap")} {Plural.Of(thinned, "is", "are")} left out, in which the storage's "
                    + "retention took the points, and nothing else tells of them.")
            + (evidence.Troubles.Count == 0 ? "" : $" Not everything could be read: {evidence.Troubles[0]}");
    }
}
