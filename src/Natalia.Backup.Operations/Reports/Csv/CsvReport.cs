using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Csv;

/// <summary>Writes a report as rows: one for each verdict, or for each check of a restore test.</summary>
internal static class CsvReport
{
    /// <summary>Writes it, with line ends as RFC 4180 wants them.</summary>
    internal static void Write(Report report, TextWriter writer)
    {
        if (report.Test is RestoreTest test) WriteTest(report, test, writer);
        else WriteVerdicts(report, writer);
    }

    private static void WriteVerdicts(Report report, TextWriter writer)
    {
        Row(writer, "ApplianceName", "ApplianceId", "Repository", "Strategy", "Objective", "Verdict", "Target",
            "Attained", "Typical", "Now", "TargetSeconds", "AttainedSeconds", "TypicalSeconds", "NowSeconds", "Reason",
            "RecommendedAction", "Records", "SinceUtc", "MeasuredUtc", "ReportId", "GeneratedUtc");
        foreach (RecoveryMeasurement m in report.Appliances.SelectMany(a => a.Measurements))
        {
            Row(writer, m.ApplianceName, m.ApplianceId, m.Repository, $"{m.Strategy}", $"{m.Objective}", $"{m.Verdict}",
                m.Target, m.Attained, m.Typical, m.Now, Seconds(m.TargetTime), Seconds(m.AttainedTime),
                Seconds(m.TypicalTime), Seconds(m.NowTime), m.Reason, m.RecommendedAction,
                string.Join("; ", m.Records.Select(r => $"{r.Kind} {r.Id}")), FigureText.Iso(m.SinceUtc),
                FigureText.Iso(m.MeasuredUtc), report.ReportId, FigureText.Iso(report.GeneratedUtc));
        }
    }

    private static void WriteTest(Report report, RestoreTest test, TextWriter writer)
    {
        Row(writer, "ApplianceName", "ApplianceId", "Repository", "RestoreTestId", "RestorePointId", "PointTimeUtc",
            "StartedUtc", "Check", "Result", "Expected", "Actual", "Tolerance", "DurationSeconds", "Detail", "ReportId",
            "GeneratedUtc");
        foreach (CheckResult check in test.Checks)
        {
            Row(writer, test.ApplianceName, test.ApplianceId, test.Repository, test.RestoreTestId, test.RestorePointId,
                FigureText.Iso(test.PointTimeUtc), FigureText.Iso(test.StartedUtc), check.Name, $"{check.Result}",
                check.Expected, check.Actual, check.Tolerance, Seconds(check.Duration), check.Detail, report.ReportId,
                FigureText.Iso(report.GeneratedUtc));
        }
    }

    private static string? Seconds(TimeSpan? span) =>
        span?.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);

    private static void Row(TextWriter writer, params string?[] values)
    {
        writer.Write(string.Join(",", values.Select(CsvText.Encode)));
        writer.Write("\r\n");
    }
}
