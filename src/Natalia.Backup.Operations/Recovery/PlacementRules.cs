using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// Whether good points lie off the appliance's host, and whether nobody can delete them. A point that is older than a
/// day and what is granted does not count: it is not the state that would be wanted. Pure.
/// </summary>
internal static class PlacementRules
{
    private static readonly TimeSpan s_target = TimeSpan.FromHours(24);

    internal static RecoveryMeasurement OffHost(ApplianceEvidence evidence)
    {
        Dictionary<string, RepositoryEvidence> places = ById(evidence);
        List<EvidencePoint> good = Good(evidence);
        EvidencePoint? away = good.Find(p => Place(p)?.IsOffHost == true);
        if (away is not null)
            return Young(evidence, RecoveryObjective.OffHost, away, "off the host",
                Detail(away)!,
                "Copy-NataliaRestorePoint to a repository off the host, as often as backups are made.");
        EvidencePoint? unknown = good.Find(p => Place(p)?.IsOffHost is null);
        string? detail = Detail(unknown ?? good.FirstOrDefault());
        return RecoveryRow.Of(evidence, RecoveryObjective.OffHost,
            unknown is not null || (good.Count == 0 && evidence.Troubles.Count > 0)
                ? RecoveryVerdict.NotEvidenced
                : RecoveryVerdict.Missed,
            "off the host", unknown is not null ? null : "none", null, unknown is not null ? null : "none",
            good.Count == 0
                ? "There is no good restore point." + RpoRules.Blind(evidence)
                : unknown is not null
                    ? $"It is not known of any good point that it lies off the host. {detail}"
                    : $"No good point lies off the host. {detail}",
            "Back up to, or copy to, a share of another machine or a bucket.",
            good.Count == 0 ? null : RecoveryRow.Record(unknown ?? good[0]));

        string? Detail(EvidencePoint? point) => point is not null && Place(point) is RepositoryEvidence place
            ? $"Of '{place.Repository}': {char.ToLowerInvariant(place.OffHostDetail[0])}"
                + place.OffHostDetail.Substring(1)
            : null;

        RepositoryEvidence? Place(EvidencePoint point) =>
            places.TryGetValue(point.RepositoryId, out RepositoryEvidence? place) ? place : null;
    }

    internal static RecoveryMeasurement Immutability(ApplianceEvidence evidence)
    {
        Dictionary<string, RepositoryEvidence> places = ById(evidence);
        List<EvidencePoint> good = Good(evidence);
        EvidencePoint? locked = good.Find(p => p.ImmutableUntilUtc > evidence.MeasuredUtc);
        if (locked is not null)
        {
            List<EvidencePoint> there = good.FindAll(p => p.RepositoryId == locked.RepositoryId);
            int held = there.Count(p => p.ImmutableUntilUtc > evidence.MeasuredUtc);
            return Young(evidence, RecoveryObjective.Immutability, locked, "locked",
                $"{held} of {Plural.Count(there.Count, "good point")} in '{locked.Repository}' "
                + $"{Plural.Of(held, "is", "are")} locked{InMode(locked)}; the newest of them until "
                + $"{TimeText.Utc(locked.ImmutableUntilUtc!.Value)}.",
                "Back up to, or copy to, the repository that locks, as often as backups are made.");
        }
        bool isUnknown = good.Exists(p => places.TryGetValue(p.RepositoryId, out RepositoryEvidence? place)
            && place.IsImmutable is null) || (good.Count == 0 && evidence.Troubles.Count > 0);
        EvidencePoint? ended = good.Find(p => p.ImmutableUntilUtc is not null);
        return RecoveryRow.Of(evidence, RecoveryObjective.Immutability,
            isUnknown ? RecoveryVerdict.NotEvidenced : RecoveryVerdict.Missed, "locked", isUnknown ? null : "none",
            null, isUnknown ? null : "none",
            good.Count == 0
                ? "There is no good restore point." + RpoRules.Blind(evidence)
                : isUnknown
                    ? "The storage does not tell whether what it holds can be deleted."
                    : ended is not null
                        ? $"No good point is locked any more; the lock of the newest that was ended on "
                            + $"{TimeText.Utc(ended.ImmutableUntilUtc!.Value)}."
                        : "No good point is locked: whoever has the repository's credentials can delete them all.",
            "New-NataliaRepository -ImmutableDays makes a repository that locks, in a bucket with Object Lock.",
            ended is null ? null : RecoveryRow.Record(ended));

        string InMode(EvidencePoint point) =>
            (places.TryGetValue(point.RepositoryId, out RepositoryEvidence? place) ? place.ImmutabilityMode : null)
            switch
            {
                ObjectLockMode.Compliance => " in Compliance mode",
                ObjectLockMode.Governance =>
                    " in Governance mode, whose locks an administrator with a special right can lift",
                _ => "",
            };
    }

    /// <summary>The row of the newest point that is as it should be: met when it is young enough.</summary>
    private static RecoveryMeasurement Young(ApplianceEvidence evidence, RecoveryObjective objective,
        EvidencePoint point, string target, string detail, string action)
    {
        TimeSpan age = evidence.MeasuredUtc - point.TimeUtc;
        bool isYoung = age <= RecoveryTargets.Limit(s_target);
        string text = TimeText.Span(age);
        return RecoveryRow.Of(evidence, objective, isYoung ? RecoveryVerdict.Met : RecoveryVerdict.Missed, target, text,
            null, text,
            (isYoung ? "" : $"The newest good point that is {target} is {TimeText.Span(age)} old: over a day. ")
                + detail, action, RecoveryRow.Record(point)) with
        {
            NowTime = age,
            AttainedTime = age,
        };
    }

    /// <summary>The good points that are there, newest first.</summary>
    private static List<EvidencePoint> Good(ApplianceEvidence evidence) =>
        [.. evidence.Points.Where(p => p.IsKept && p.IsGood && p.TimeUtc <= evidence.MeasuredUtc)
            .OrderByDescending(p => p.TimeUtc)];

    private static Dictionary<string, RepositoryEvidence> ById(ApplianceEvidence evidence) =>
        evidence.Repositories.ToDictionary(r => r.RepositoryId, StringComparer.Ordinal);
}
