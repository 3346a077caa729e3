using System.Text.Json;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// Which packs were deleted because nothing needed them any more: so that their absence is not taken for a loss.
/// </summary>
internal static class ReclaimRecords
{
    internal const string Event = "space-reclaimed";

    /// <summary>The names of the packs that a record says were deleted; empty for records of other events.</summary>
    internal static IReadOnlyList<string> Packs(AuditRecord record)
    {
        if (record.Event != Event || record.Data is null) return [];
        using JsonDocument data = JsonDocument.Parse(record.Data);
        return [.. data.RootElement.ReadArray("packs").Where(p => p.ValueKind == JsonValueKind.String)
            .Select(p => p.ReadText())];
    }
}
