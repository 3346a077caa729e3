using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Engine.Audit;

/// <summary>What verifications found damaged, kept in the log, so that the next full backup stores it again.</summary>
internal static class DamageRecords
{
    internal const string Event = "damage-found";

    /// <summary>The names of all packs of an appliance that a verification found damaged.</summary>
    internal static async Task<HashSet<string>> ReadAsync(RepositoryCore core, string applianceId, CancellationToken cancellationToken)
    {
        var packs = new HashSet<string>(StringComparer.Ordinal);
        AuditLog log = core.ApplianceLog(applianceId);
        foreach (AuditName name in await log.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (name.Event != Event) continue;
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
                foreach (JsonElement pack in data.RootElement.GetProperty("packs").EnumerateArray()) packs.Add(pack.ReadText());
            }
            catch (FormatException)
            {
                // A record that is damaged itself is reported by the repository's check; here it only means less healing.
            }
        }
        return packs;
    }

    internal static Task WriteAsync(RepositoryCore core, string applianceId, string restorePointId, long sequence, IEnumerable<string> packs, string reason, CancellationToken cancellationToken) =>
        core.ApplianceLog(applianceId).AppendAsync(new AuditEntry(Event)
        {
            ApplianceId = applianceId,
            RestorePointId = restorePointId,
            Sequence = sequence,
            Reason = reason,
            WriteData = json =>
            {
                json.WriteStartArray("packs");
                foreach (string pack in packs) json.WriteStringValue(pack);
                json.WriteEndArray();
            },
        }, core.SigningSeed, cancellationToken);
}
