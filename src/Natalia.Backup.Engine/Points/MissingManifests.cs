using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Which points that the log knows as made have no manifest. Two points may have one sequence, after a lease was lost:
/// the manifest of the one says nothing of the other.
/// </summary>
internal static class MissingManifests
{
    /// <summary>
    /// The records of points that may have none: all of a sequence that has fewer manifests than such records. Which of
    /// them it is only the records tell.
    /// </summary>
    /// <param name="log">The names of the appliance's log.</param>
    /// <param name="manifests">The runs that have a manifest.</param>
    internal static List<AuditName> Suspect(List<AuditName> log, IEnumerable<Run> manifests)
    {
        Dictionary<long, int> there = manifests.GroupBy(r => r.Sequence).ToDictionary(g => g.Key, g => g.Count());
        List<AuditName> made = log.FindAll(n => n.Event == AuditEvents.PointMade);
        var lacking = new HashSet<long>(made.GroupBy(n => n.Sequence)
            .Where(g => !there.TryGetValue(g.Key, out int count) || count < g.Count()).Select(g => g.Key));
        return made.FindAll(n => lacking.Contains(n.Sequence));
    }

    /// <summary>Whether the point that a record tells of has one of these manifests.</summary>
    internal static bool IsThere(AuditRecord made, HashSet<Run> manifests) =>
        Id128.TryParse(made.RestorePointId ?? "", out Id128 id)
        && manifests.Contains(new Run(made.Sequence ?? 0, id));

    /// <summary>
    /// The points of sequences that have a manifest all the same, of another point, and that were not removed. Reads
    /// nothing where no sequence has more records than manifests.
    /// </summary>
    internal static async Task<IReadOnlyList<AuditRecord>> FindTwinsAsync(AuditLog log, List<AuditName> names,
        IReadOnlyCollection<Run> manifests, CancellationToken cancellationToken)
    {
        var sequences = new HashSet<long>(manifests.Select(r => r.Sequence));
        List<AuditName> suspect = Suspect(names, manifests).FindAll(n => sequences.Contains(n.Sequence));
        if (suspect.Count == 0) return [];
        sequences.IntersectWith(suspect.Select(n => n.Sequence));
        HashSet<Run> there = [.. manifests];
        var removed = new HashSet<string?>((await log.ReadAllAsync(names.FindAll(n =>
            n.Event == AuditEvents.PointRemoved && sequences.Contains(n.Sequence)),
            cancellationToken).ConfigureAwait(false)).Select(r => r?.RestorePointId), StringComparer.Ordinal);
        return [.. (await log.ReadAllAsync(suspect, cancellationToken).ConfigureAwait(false))
            .Where(r => r?.RestorePointId is string id && !removed.Contains(id) && !IsThere(r, there))
            .GroupBy(r => r!.RestorePointId).Select(point => point.First()!)];
    }
}
