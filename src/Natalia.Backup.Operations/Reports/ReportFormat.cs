namespace Natalia.Backup.Operations.Reports;

/// <summary>What a report is written as.</summary>
public enum ReportFormat
{
    /// <summary>One file for people: no script, and nothing that is fetched from elsewhere.</summary>
    Html = 0,
    /// <summary>For programs: all of it, by docs/report.md.</summary>
    Json,
    /// <summary>For a spreadsheet: one row for each verdict, or for each check of a restore test.</summary>
    Csv,
    /// <summary>For monitoring: figures as gauges (OpenMetrics 1.0).</summary>
    OpenMetrics,
}
