using Natalia.Backup.Engine.Audit;

namespace Natalia.Backup.Engine.Points;

/// <summary>What the log says of an appliance's points: which are removed, which are protected. A fold over its records.</summary>
internal sealed class PointStates
{
    private readonly Dictionary<string, AuditRecord> _removed = new(StringComparer.Ordinal);
    private readonly HashSet<string> _protected = new(StringComparer.Ordinal);
    private DamageState _damage = new([], new Dictionary<long, DateTime>(), 0);

    internal bool IsRemoved(string restorePointId) => _removed.ContainsKey(restorePointId);

    /// <summary>The record of a point's removal, or null.</summary>
    internal AuditRecord? Removal(string restorePointId) => _removed.TryGetValue(restorePointId, out AuditRecord? record) ? record : null;

    internal bool IsProtected(string restorePointId) => _protected.Contains(restorePointId);

    /// <summary>When the point was found damaged, UTC; null when it was not, or is whole again.</summary>
    internal DateTime? FoundDamagedUtc(long sequence) => _damage.Points.TryGetValue(sequence, out DateTime found) ? found : null;

    /// <summary>Reads the records that concern points which still have a manifest.</summary>
    /// <param name="log">The appliance's log.</param>
    /// <param name="sequences">The sequences of the points in question.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal static async Task<PointStates> ReadAsync(AuditLog log, HashSet<long> sequences, CancellationToken cancellationToken)
    {
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        return await ReadAsync(log, names, sequences, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>As above, of a log that was listed already.</summary>
    internal static async Task<PointStates> ReadAsync(AuditLog log, List<AuditName> names, HashSet<long> sequences, CancellationToken cancellationToken)
    {
        var states = new PointStates();
        states._damage = await DamageRecords.ReadAsync(log, names, cancellationToken).ConfigureAwait(false);
        List<AuditName> wanted = names.FindAll(n => n.Event is AuditEvents.PointRemoved or AuditEvents.PointProtected or AuditEvents.PointUnprotected && sequences.Contains(n.Sequence));
        foreach (AuditRecord? record in await log.ReadAllAsync(wanted, cancellationToken).ConfigureAwait(false))
        {
            // One that is not signed by this repository, or damaged, has no effect, and the repository's check reports it.
            if (record?.RestorePointId is not string point) continue;
            if (record.Event == AuditEvents.PointRemoved) states._removed[point] = record;
            else if (record.Event == AuditEvents.PointProtected) states._protected.Add(point);
            else states._protected.Remove(point);
        }
        return states;
    }
}
