using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// The record by which a point is removed. It tells what the point was, for the time when its manifest is gone.
/// docs/format.md §9.
/// </summary>
internal static class RemovalRecord
{
    /// <summary>
    /// True in the data of a removal that nobody wanted: a repair gave the point up because it was lost.
    /// </summary>
    internal const string Lost = "lost";

    /// <summary>Whether the data of a removal says so.</summary>
    internal static bool IsLost(JsonElement data) =>
        data.TryGetProperty(Lost, out JsonElement lost) && lost.ValueKind == JsonValueKind.True;

    /// <summary>
    /// When a point was removed, at the latest. A record that was written while a clock was ahead does not tell; the
    /// next one that a true clock wrote was written after it.
    /// </summary>
    internal static async Task<DateTime> FindTimeAsync(AuditLog log, AuditRecord removal, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        if (!clock.IsInFuture(removal.TimeUtc)) return removal.TimeUtc;
        foreach (AuditName later in (await log.ListAsync(cancellationToken).ConfigureAwait(false))
            .Where(n => n.Number > removal.Number))
        {
            if ((await log.ReadAllAsync([later], cancellationToken).ConfigureAwait(false))[0] is AuditRecord record
                && !clock.IsInFuture(record.TimeUtc))
                return record.TimeUtc;
        }
        return removal.TimeUtc;
    }

    internal static AuditEntry Entry(string applianceId, string restorePointId, long sequence, string reason,
        bool isLost, string? name, DateTime? timeUtc, PointOrigin? copyOf) =>
        new(AuditEvents.PointRemoved)
        {
            ApplianceId = applianceId,
            RestorePointId = restorePointId,
            Sequence = sequence,
            Reason = reason,
            WriteData = json =>
            {
                if (isLost) json.WriteBoolean(Lost, true);
                if (name is not null) json.WriteString("name", name);
                if (timeUtc is DateTime time) json.WriteString("timeUtc", JsonText.Time(time));
                copyOf?.Write(json);
            },
        };
}
