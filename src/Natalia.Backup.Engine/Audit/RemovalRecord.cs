using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Engine.Audit;

/// <summary>The record by which a point is removed. It tells what the point was, for the time when its manifest is gone. docs/format.md §9.</summary>
internal static class RemovalRecord
{
    /// <summary>True in the data of a removal that nobody wanted: a repair gave the point up because it was lost.</summary>
    internal const string Lost = "lost";

    internal static AuditEntry Entry(string applianceId, string restorePointId, long sequence, string reason, bool isLost, string? name, DateTime? timeUtc, PointOrigin? copyOf) => new(AuditEvents.PointRemoved)
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
