namespace Natalia.Backup.Operations.Reports;

/// <summary>
/// The names of the files that belong to one report: <c>x.html</c>, its JSON <c>x.json</c> and the signature of that,
/// <c>x.json.p7s</c>.
/// </summary>
/// <param name="Report">What was asked for: a full path.</param>
/// <param name="Signed">The JSON that is signed; the report itself where it is JSON.</param>
/// <param name="Signature">The signature.</param>
internal sealed record ReportPaths(string Report, string Signed, string Signature)
{
    private const string SignatureEnd = ".p7s";

    /// <summary>Whether any of the files is there.</summary>
    internal bool AnyExists => File.Exists(Report) || File.Exists(Signed) || File.Exists(Signature);

    /// <summary>What a file of that name is written as where nobody said: what programs take it for.</summary>
    internal static ReportFormat FormatOf(string file) => Path.GetExtension(file).ToUpperInvariant() switch
    {
        ".JSON" => ReportFormat.Json,
        ".CSV" => ReportFormat.Csv,
        // The only one that the textfile collector of Prometheus reads.
        ".PROM" => ReportFormat.OpenMetrics,
        _ => ReportFormat.Html,
    };

    /// <summary>The names for a report that is to be written.</summary>
    internal static ReportPaths For(string report, ReportFormat format)
    {
        string json = format == ReportFormat.Json ? report : Path.ChangeExtension(report, ".json");
        // A page may be called x.json.
        if (format != ReportFormat.Json && string.Equals(json, report, StringComparison.OrdinalIgnoreCase))
            json = report + ".json";
        return new ReportPaths(report, json, json + SignatureEnd);
    }

    /// <summary>The names for what a user names of a report: the page, the JSON or the signature.</summary>
    internal static ReportPaths Find(string path)
    {
        if (path.EndsWith(SignatureEnd, StringComparison.OrdinalIgnoreCase))
            path = path.Substring(0, path.Length - SignatureEnd.Length);
        if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) && !File.Exists(path + ".json" + SignatureEnd))
            return new ReportPaths(path, path, path + SignatureEnd);
        string json = Path.ChangeExtension(path, ".json");
        if (string.Equals(json, path, StringComparison.OrdinalIgnoreCase) || !File.Exists(json + SignatureEnd))
        {
            // A report of the format JSON may have any name.
            if (File.Exists(path + SignatureEnd)) return new ReportPaths(path, path, path + SignatureEnd);
            if (File.Exists(path + ".json" + SignatureEnd)) json = path + ".json";
        }
        return new ReportPaths(path, json, json + SignatureEnd);
    }
}
