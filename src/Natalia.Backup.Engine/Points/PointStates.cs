using Natalia.Backup.Engine.Audit;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// What the log says of an appliance's points: which are removed, which are protected. A fold over its records.
/// </summary>
internal sealed class PointStates
{
    private readonly Dictionary<string, AuditRecord> _removed = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<string>> _protected = new(StringComparer.Ordinal);
    private readonly Dictionary<long, string> _doubtful = [];
    private DamageState _damage = new([], new Dictionary<long, DateTime>(), 0);

    internal bool IsRemoved(string restorePointId) => _removed.ContainsKey(restorePointId);

    /// <summary>The record of a point's removal, or null.</summary>
    internal AuditRecord? Removal(string restorePointId) =>
        _removed.TryGetValue(restorePointId, out AuditRecord? record) ? record : null;

    /// <summary>Whether a point is protected, or may be: see <see cref="FindDoubt"/>.</summary>
    internal bool IsProtected(string restorePointId, long sequence) => _protected.ContainsKey(restorePointId)
        || _doubtful.ContainsKey(sequence);

    /// <summary>Whether a point is protected, and that was said with this reason among others.</summary>
    internal bool IsProtectedFor(string restorePointId, string reason) =>
        _protected.TryGetValue(restorePointId, out HashSet<string>? reasons) && reasons.Contains(reason);

    /// <summary>
    /// The name of a record that protected a point of a sequence, cannot be read, and was not lifted since; null
    /// without one. Whoever made it asked that the point stays, and only its name still tells of which sequence:
    /// to believe that keeps too much, never too little.
    /// </summary>
    internal string? FindDoubt(string restorePointId, long sequence) => !_protected.ContainsKey(restorePointId)
        && _doubtful.TryGetValue(sequence, out string? name) ? name : null;

    /// <summary>When the point was found damaged, UTC; null when it was not, or is whole again.</summary>
    internal DateTime? FoundDamagedUtc(long sequence) =>
        _damage.Points.TryGetValue(sequence, out DateTime found) ? found : null;

    /// <summary>Reads the records that concern points which still have a manifest.</summary>
    /// <param name="log">The appliance's log.</param>
    /// <param name="sequences">The sequences of the points in question.</param>
    internal static async Task<PointStates> ReadAsync(AuditLog log, HashSet<long> sequences,
        CancellationToken cancellationToken)
    {
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        return await ReadAsync(log, names, sequences, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>As above, of a log that was listed already.</summary>
    internal static async Task<PointStates> ReadAsync(AuditLog log, List<AuditName> names, HashSet<long> sequences,
        CancellationToken cancellationToken)
    {
        var states = new PointStates();
        states._damage = await DamageRecords.ReadAsync(log, names, cancellationToken).ConfigureAwait(false);
        List<AuditName> wanted =
            names.FindAll(
                n => n.Event is AuditEvents.PointRemoved or AuditEvents.PointProtected or AuditEvents.PointUnprotected
                    && sequences.Contains(n.Sequence));
        IReadOnlyList<AuditRecord?> records = await log.ReadAllAsync(wanted, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < wanted.Count; i++)
        {
            // One that is not signed by this repository, or damaged, has no effect, but that a point is not removed
            // that it protected; the repository's check reports it.
            if (records[i] is not { RestorePointId: string point } record)
            {
                if (wanted[i].Event == AuditEvents.PointProtected)
                    states._doubtful[wanted[i].Sequence] = wanted[i].ObjectName;
            }
            else if (record.Event == AuditEvents.PointRemoved) states._removed[point] = record;
            else if (record.Event == AuditEvents.PointProtected)
            {
                if (!states._protected.TryGetValue(point, out HashSet<string>? reasons))
                    states._protected[point] = reasons = new(StringComparer.Ordinal);
                reasons.Add(record.Reason ?? "");
            }
            else
            {
                states._protected.Remove(point);
                states._doubtful.Remove(wanted[i].Sequence);
            }
        }
        return states;
    }
}
