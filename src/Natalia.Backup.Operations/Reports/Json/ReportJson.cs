using System.Text.Encodings.Web;
using System.Text.Json;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>
/// Writes a report as canonical JSON, by docs/report.md: members in a fixed order, no white space, ASCII (everything
/// else as <c>\u</c> escapes, so that no text can look like another), numbers as they are read anywhere. The same
/// report gives the same bytes.
/// </summary>
internal static class ReportJson
{
    /// <summary>What the member <c>schema</c> says.</summary>
    internal const string Schema = "natalia-report";

    /// <summary>Rises when a member changes its meaning or goes; new members do not raise it.</summary>
    internal const int Version = 1;

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.Default };

    /// <summary>Writes it.</summary>
    /// <param name="report">The report.</param>
    /// <param name="presentation">The file for people that was written of the same report; null when none was.</param>
    /// <param name="stream">Where it goes.</param>
    internal static void Write(Report report, ReportPresentation? presentation, Stream stream)
    {
        using var json = new Utf8JsonWriter(stream, s_options);
        json.WriteStartObject();
        json.WriteString("schema", Schema);
        json.WriteNumber("version", Version);
        json.WriteString("reportId", report.ReportId);
        json.WriteTime("generatedUtc", report.GeneratedUtc);
        json.WriteTime("sinceUtc", report.SinceUtc);
        json.WriteString("tool", report.Tool);
        json.WriteText("signer", report.Signer);
        if (presentation is not null)
        {
            json.WriteStartObject("presentation");
            json.WriteString("file", presentation.FileName);
            json.WriteString("format", presentation.Format);
            json.WriteString("sha256", presentation.Sha256);
            json.WriteEndObject();
        }
        ReportHeadline headline = ReportHeadline.Of(report);
        json.WriteStartObject("headline");
        json.WriteString("verdict", $"{headline.Verdict}");
        json.WriteString("text", headline.Text);
        json.WriteNumber("met", headline.MetCount);
        json.WriteNumber("missed", headline.MissedCount);
        json.WriteNumber("notEvidenced", headline.NotEvidencedCount);
        if (headline.Worst is RecoveryMeasurement worst)
        {
            json.WriteStartObject("worst");
            json.WriteString("applianceId", worst.ApplianceId);
            json.WriteString("objective", $"{worst.Objective}");
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteTexts("troubles", report.Troubles);
        if (report.Test is RestoreTest test)
        {
            json.WriteStartObject("restoreTest");
            RestoreTestMembers.Write(json, test, withAppliance: true);
            json.WriteEndObject();
        }
        else
        {
            json.WriteObjects("appliances", report.Appliances, appliance =>
            {
                ApplianceMembers.Write(json, appliance, report.FiguresOf(appliance));
                // What is pending grows with the fleet, not with one appliance.
                json.Flush();
            });
        }
        json.WriteEndObject();
        json.Flush();
        stream.WriteByte((byte)'\n');
    }
}
