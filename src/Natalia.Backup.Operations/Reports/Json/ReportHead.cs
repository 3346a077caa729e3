using System.Text.Json;

namespace Natalia.Backup.Operations.Reports.Json;

/// <summary>What a verification reads of a report's JSON. Nothing of it is believed before its signature is.</summary>
/// <param name="Version">The version of the schema.</param>
/// <param name="ReportId">The report's id.</param>
/// <param name="Presentation">The file for people, or null.</param>
internal sealed record ReportHead(int Version, string ReportId, ReportPresentation? Presentation)
{
    /// <summary>Reads it.</summary>
    /// <exception cref="FormatException">It is no report.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    internal static ReportHead Read(byte[] json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object || Text(root, "schema") != ReportJson.Schema)
            throw new FormatException($"it does not say \"schema\": \"{ReportJson.Schema}\".");
        if (!root.TryGetProperty("version", out JsonElement version) || version.ValueKind != JsonValueKind.Number
            || !version.TryGetInt32(out int number))
            throw new FormatException("it has no version.");
        return new ReportHead(number, Text(root, "reportId") ?? throw new FormatException("it has no id."),
            root.TryGetProperty("presentation", out JsonElement p) && p.ValueKind == JsonValueKind.Object
                ? new ReportPresentation(Text(p, "file") ?? "", Text(p, "format") ?? "", Text(p, "sha256") ?? "")
                : null);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
