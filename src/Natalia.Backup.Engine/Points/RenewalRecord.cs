using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// One extension of locks as the appliance's log holds it: which points were kept, and until when everything they need
/// is locked since. docs/format.md §9.
/// </summary>
/// <param name="Number">The record's number.</param>
/// <param name="UntilUtc">Until when.</param>
/// <param name="Policy">The ids of the records of retention and protection by which the points were chosen; empty where
/// the next run is to look again.</param>
/// <param name="Points">The points' ids.</param>
internal sealed record RenewalRecord(long Number, DateTime UntilUtc, string Policy, IReadOnlyCollection<string> Points)
{
    internal const string Event = "locks-extended";

    internal static AuditEntry Entry(string applianceId, DateTime untilUtc, string policy,
        IReadOnlyCollection<string> points, int objects) =>
        new(Event)
        {
            ApplianceId = applianceId,
            Reason =
            $"Everything that the {points.Count} kept points need is locked until {untilUtc:yyyy-MM-dd HH:mm:ss} UTC.",
            WriteData = json =>
            {
                json.WriteString("untilUtc", JsonText.Time(untilUtc));
                json.WriteNumber("objects", objects);
                json.WriteString("policy", policy);
                json.WriteStartArray("points");
                foreach (string point in points) json.WriteStringValue(point);
                json.WriteEndArray();
            },
        };

    /// <summary>
    /// The records whose locks still last, newest first. One that cannot be read has no effect: it promises less than
    /// is there, never more.
    /// </summary>
    /// <param name="log">The appliance's log.</param>
    /// <param name="names">Its names, ascending.</param>
    /// <param name="nowUtc">Records whose locks have ended before are left out.</param>
    /// <param name="limit">Not more than this many.</param>
    internal static async Task<IReadOnlyList<RenewalRecord>> ReadAsync(AuditLog log, IEnumerable<AuditName> names,
        DateTime nowUtc, CancellationToken cancellationToken, int limit = int.MaxValue)
    {
        var records = new List<RenewalRecord>();
        foreach (AuditName name in names.Where(n => n.Event == Event).Reverse())
        {
            try
            {
                RenewalRecord record = Decode(await log.ReadAsync(name, cancellationToken).ConfigureAwait(false));
                // Each one lasts longer than those before it.
                if (record.UntilUtc <= nowUtc) break;
                records.Add(record);
                if (records.Count == limit) break;
            }
            catch (FormatException)
            {
                // The repository's check reports it.
            }
        }
        return records;
    }

    /// <summary>Until when a point is locked by these records; null when none names it.</summary>
    internal static DateTime? Until(IReadOnlyList<RenewalRecord> records, string restorePointId)
    {
        DateTime? latest = null;
        foreach (RenewalRecord record in records)
            if (record.Points.Contains(restorePointId) && !(latest >= record.UntilUtc)) latest = record.UntilUtc;
        return latest;
    }

    private static RenewalRecord Decode(AuditRecord record)
    {
        using JsonDocument data = JsonText.Parse(System.Text.Encoding.UTF8.GetBytes(record.Data ?? "{}"));
        JsonElement root = data.RootElement;
        return new RenewalRecord(record.Number, root.ReadTime("untilUtc"), root.ReadString("policy"),
            new HashSet<string>(root.ReadArray("points").Select(p => p.ReadText()), StringComparer.Ordinal));
    }
}
