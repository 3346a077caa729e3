using System.Text.Json;
using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// How evidence of other repositories stands in a log. The words differ from those of this repository's own events, so
/// that no reader of any version takes one for the other.
/// </summary>
internal static class NativeRecords
{
    private const string Prefix = "native-";

    internal static string Word(NativeEvent what) => Prefix + what switch
    {
        NativeEvent.PointMade => "point-made",
        NativeEvent.PointRemoved => "point-removed",
        NativeEvent.PointProtected => "point-protected",
        NativeEvent.PointUnprotected => "point-unprotected",
        NativeEvent.PointOutcomeUnknown => "point-outcome-unknown",
        NativeEvent.PointVerified => "point-verified",
        NativeEvent.PointRestored => "point-restored",
        NativeEvent.RestoreTested => "restore-tested",
        NativeEvent.ApplianceSet => "appliance-set",
        NativeEvent.EnrolmentEnded => "enrolment-ended",
        NativeEvent.RetentionSet => "retention-set",
        NativeEvent.ScheduleSet => "schedule-set",
        NativeEvent.ScheduleRemoved => "schedule-removed",
        _ => throw new ArgumentOutOfRangeException(nameof(what), what, "There is no word for this event."),
    };

    internal static bool IsOne(string what) => what.StartsWith(Prefix, StringComparison.Ordinal);

    internal static AuditEntry Entry(NativeRecord record) => new(Word(record.Event))
    {
        ApplianceId = record.ApplianceId,
        RestorePointId = record.RestorePointId,
        Reason = record.Reason,
        WriteData = json =>
        {
            json.WriteString("name", record.ApplianceName);
            json.WriteString("repository", record.RepositoryId);
            json.WriteString("repositoryKind", record.RepositoryKind);
            json.WriteString("location", record.Location);
            if (record.NativeId is not null) json.WriteString("volume", record.NativeId);
            if (record.PointTimeUtc is DateTime time) json.WriteString("pointTimeUtc", JsonText.Time(time));
            if (record.Details.All(d => d.Value is null)) return;
            json.WriteStartObject("details");
            foreach (KeyValuePair<string, string?> detail in record.Details)
                if (detail.Value is not null) json.WriteString(detail.Key, detail.Value);
            json.WriteEndObject();
        },
    };

    /// <summary>
    /// The id of the repository that a record is about; null for records of this repository's own events.
    /// </summary>
    internal static string? RepositoryOf(AuditRecord record)
    {
        if (!IsOne(record.Event) || record.Data is null) return null;
        using JsonDocument data = JsonDocument.Parse(record.Data);
        return data.RootElement.ReadStringOrNull("repository");
    }
}
