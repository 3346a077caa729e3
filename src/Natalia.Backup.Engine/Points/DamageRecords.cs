using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// What the log says of damage in an appliance's part: the fold of <c>damage-found</c> and <c>damage-healed</c>.
/// </summary>
/// <param name="Packs">The names of all packs that are known to be damaged or missing.</param>
/// <param name="Points">The sequences of all points that cannot be restored as a whole, each with when that was
/// found.</param>
/// <param name="Newest">The number of the newest record of damage that the newest points may lean on; 0 without one. A
/// disk that was read as a whole after it leans on nothing that is damaged.</param>
internal sealed record DamageState(HashSet<string> Packs, IReadOnlyDictionary<long, DateTime> Points, long Newest);

/// <summary>
/// What verifications and repairs found damaged, kept in the log, so that nobody takes a damaged point for a good one,
/// and the next backup stores again what was lost.
/// </summary>
internal static class DamageRecords
{
    internal const string Event = "damage-found";
    internal const string HealedEvent = "damage-healed";

    internal static async Task<DamageState> ReadAsync(RepositoryCore core, string applianceId,
        CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        return await ReadAsync(log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);
    }

    internal static async Task<DamageState> ReadAsync(AuditLog log, List<AuditName> names,
        CancellationToken cancellationToken)
    {
        var packs = new HashSet<string>(StringComparer.Ordinal);
        var points = new Dictionary<long, DateTime>();
        long newest = 0;
        AuditName? last = null;
        List<AuditName> wanted = names.Where(n => n.Event is Event or HealedEvent).ToList();
        IReadOnlyList<AuditRecord?> records = await log.ReadAllAsync(wanted, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < wanted.Count; i++)
        {
            AuditName name = wanted[i];
            if (records[i] is not AuditRecord record)
            {
                // A record that is damaged itself is reported by the repository's check. Its name still tells of a
                // point; to believe that keeps too much, never too little.
                if (name.Event == Event && name.Sequence > 0 && !points.ContainsKey(name.Sequence))
                    points[name.Sequence] = DateTime.MinValue;
                if (name.Event == Event)
                {
                    // Never above what is genuine: a disk that was read as a whole since would then be thought to have
                    // seen damage that is found only later.
                    last ??= await log.FindNewestAsync(names, 0, cancellationToken).ConfigureAwait(false);
                    newest = Math.Max(newest, Math.Min(name.Number, last?.Number ?? 0));
                }
                continue;
            }
            using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
            IEnumerable<string> named = [.. data.RootElement.ReadArray("packs")
                .Where(p => p.ValueKind == JsonValueKind.String).Select(p => p.ReadText())];
            IEnumerable<long> sequences = [.. data.RootElement.ReadArray("points")
                .Where(p => p.ValueKind == JsonValueKind.Number && p.TryGetInt64(out _)).Select(p => p.GetInt64())];
            if (record.Sequence is long own) sequences = sequences.Append(own);
            if (name.Event == Event)
            {
                packs.UnionWith(named);
                foreach (long sequence in sequences) points[sequence] = record.TimeUtc;
                if (!data.RootElement.TryGetProperty("leans", out JsonElement leans)
                    || leans.ValueKind != JsonValueKind.False)
                    newest = Math.Max(newest, name.Number);
            }
            else
            {
                packs.ExceptWith(named);
                foreach (long sequence in sequences) points.Remove(sequence);
            }
        }
        return new DamageState(packs, points, newest);
    }

    /// <summary>Records what was found in one point.</summary>
    internal static Task WriteAsync(RepositoryCore core, string applianceId, string restorePointId, long sequence,
        IEnumerable<string> packs, string reason, CancellationToken cancellationToken) =>
        AppendAsync(core, new AuditEntry(Event)
        {
            ApplianceId = applianceId,
            RestorePointId = restorePointId,
            Sequence = sequence,
            Reason = reason,
        }, leans: true, packs, [], cancellationToken);

    /// <summary>Records what was found in all points.</summary>
    /// <param name="core">The repository.</param>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="healed">It is whole again, instead of damaged.</param>
    /// <param name="leans">Whether the newest points are concerned, so that the next backup must not lean on
    /// them.</param>
    /// <param name="packs">The names of packs.</param>
    /// <param name="points">The sequences of points.</param>
    /// <param name="reason">For people.</param>
    internal static Task WriteAsync(RepositoryCore core, string applianceId, bool healed, bool leans,
        IEnumerable<string> packs, IEnumerable<long> points, string reason, CancellationToken cancellationToken) =>
        AppendAsync(core, new AuditEntry(healed ? HealedEvent : Event) { ApplianceId = applianceId, Reason = reason },
            leans, packs, points, cancellationToken);

    private static Task AppendAsync(RepositoryCore core, AuditEntry entry, bool leans, IEnumerable<string> packs,
        IEnumerable<long> points, CancellationToken cancellationToken) =>
        core.ApplianceLog(entry.ApplianceId!).AppendAsync(entry with
        {
            WriteData = json =>
            {
                json.WriteStartArray("packs");
                foreach (string pack in packs) json.WriteStringValue(pack);
                json.WriteEndArray();
                json.WriteStartArray("points");
                foreach (long point in points) json.WriteNumberValue(point);
                json.WriteEndArray();
                if (!leans) json.WriteBoolean("leans", false);
            },
        }, core.SigningSeed, cancellationToken);
}
