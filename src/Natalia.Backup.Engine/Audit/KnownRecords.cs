using System.Collections.Concurrent;

namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// What a session has read of the logs: records never change. What never was a record is remembered as the object that
/// it was, which somebody may replace by the record. A record that is damaged is not remembered: what puts it back may
/// give it the length and the time that it had. Thread-safe.
/// </summary>
internal sealed class KnownRecords
{
    private readonly ConcurrentDictionary<string, AuditRecord> _genuine = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (long Length, DateTime ModifiedUtc)> _strange =
        new(StringComparer.Ordinal);

    /// <summary>Whether a name was looked at before.</summary>
    /// <param name="name">The name.</param>
    /// <param name="record">What it holds; null when that is no genuine record.</param>
    internal bool TryGet(AuditName name, out AuditRecord? record) =>
        _genuine.TryGetValue(name.ObjectName, out record)
        || name.Object is { } item && _strange.TryGetValue(name.ObjectName, out (long, DateTime) was)
            && was == (item.Length, item.LastModifiedUtc);

    internal void Remember(AuditName name, AuditRecord? record, bool isDamaged)
    {
        if (record is not null) _genuine[name.ObjectName] = record;
        else if (!isDamaged && name.Object is { } item) _strange[name.ObjectName] = (item.Length, item.LastModifiedUtc);
    }
}
