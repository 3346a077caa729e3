using System.Globalization;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Reports.Metrics;

/// <summary>
/// Writes a report as gauges. What is not known has no sample: an alert on its absence finds it. No sample carries a
/// time of its own, which collectors of files refuse; the time of what was measured is a gauge itself.
/// </summary>
internal static class MetricsReport
{
    private static readonly RecoveryVerdict[] s_verdicts =
        [RecoveryVerdict.Met, RecoveryVerdict.Missed, RecoveryVerdict.NotEvidenced];

    /// <summary>Writes it, with the line ends of the format.</summary>
    internal static void Write(Report report, TextWriter writer)
    {
        Family("report_timestamp_seconds", "seconds", "When the report was made, in seconds since 1970 (UTC).")
            .Add(Seconds(report.GeneratedUtc), ("report_id", report.ReportId), ("version", report.Tool));
        Family("report_troubles", null, "How many things could not be read for the report.")
            // What concerns every appliance stands with each of them, too.
            .Add(Count(report.Troubles.Concat(report.Appliances.SelectMany(a => a.Troubles)).Distinct().Count()));
        if (report.Test is RestoreTest test) WriteTests([(test, test.ApplianceName)]);
        else WriteAppliances();
        writer.Write("# EOF\n");

        MetricFamily Family(string name, string? unit, string help) =>
            new(writer, "natalia_backup_" + name, unit, help);

        void WriteAppliances()
        {
            MetricFamily verdict = Family("objective_verdict", null,
                "1 for the verdict that holds for an objective of an appliance, 0 for the two others.");
            foreach (RecoveryMeasurement m in report.Appliances.SelectMany(a => a.Measurements))
            {
                foreach (RecoveryVerdict one in s_verdicts)
                    verdict.Add(m.Verdict == one ? "1" : "0", [.. Labels(m), ("verdict", $"{one}")]);
            }
            WriteTimes("target", "What an objective demands.", m => m.TargetTime);
            WriteTimes("attained", "The worst of the period.", m => m.AttainedTime);
            WriteTimes("typical", "The median of the period.", m => m.TypicalTime);
            WriteTimes("now", "As it is when it was measured.", m => m.NowTime);
            MetricFamily measured = Family("measured_timestamp_seconds", "seconds",
                "When the appliance was measured, in seconds since 1970 (UTC).");
            foreach (ApplianceEvidence a in report.Appliances) measured.Add(Seconds(a.MeasuredUtc), Labels(a));
            MetricFamily newest = Family("newest_point_timestamp_seconds", "seconds",
                "The time of the newest good restore point, in seconds since 1970 (UTC). Absent without one.");
            foreach (ApplianceEvidence a in report.Appliances)
            {
                DateTime[] good = [.. a.Points.Where(p => p.IsGood && p.IsKept).Select(p => p.TimeUtc)];
                newest.Add(good.Length == 0 ? null : Seconds(good.Max()), Labels(a));
            }
            MetricFamily kept = Family("points_kept", null, "How many good restore points are there.");
            foreach (ApplianceEvidence a in report.Appliances)
                kept.Add(Count(a.Points.Count(p => p.IsGood && p.IsKept)), Labels(a));
            MetricFamily bad = Family("points_bad", null,
                "How many restore points are damaged, doubtful or missing.");
            foreach (ApplianceEvidence a in report.Appliances)
                bad.Add(Count(a.Points.Count(p => !p.IsGood)), Labels(a));
            MetricFamily gaps = Family("gaps_over_target", null,
                "How many times of the period without a new good point were longer than the objective.");
            foreach (ApplianceEvidence a in report.Appliances)
                gaps.Add(Count(a.Gaps.Count(g => g.IsOverTarget && !g.IsThinned)), Labels(a));
            MetricFamily size = Family("disk_size_bytes", "bytes",
                "The virtual size of the disks of the newest good restore point.");
            foreach (ApplianceEvidence a in report.Appliances)
                size.Add(a.SizeBytes?.ToString(CultureInfo.InvariantCulture), Labels(a));
            WriteTests([.. report.Appliances.Where(a => a.RestoreTests.Count > 0)
                .Select(a => (a.RestoreTests.OrderByDescending(t => t.StartedUtc).First(), a.ApplianceName))]);
        }

        void WriteTimes(string name, string help, Func<RecoveryMeasurement, TimeSpan?> time)
        {
            MetricFamily family = Family($"objective_{name}_seconds", "seconds", help);
            foreach (RecoveryMeasurement m in report.Appliances.SelectMany(a => a.Measurements))
                family.Add(Seconds(time(m)), [.. Labels(m)]);
        }

        void WriteTests(IReadOnlyList<(RestoreTest Test, string Name)> tests)
        {
            MetricFamily started = Family("restore_test_timestamp_seconds", "seconds",
                "When the newest restore test began, in seconds since 1970 (UTC).");
            foreach ((RestoreTest t, string name) in tests)
                started.Add(Seconds(t.StartedUtc), [.. Labels(t, name), ("result", $"{t.Result}")]);
            MetricFamily lasted = Family("restore_test_duration_seconds", "seconds",
                "How long the newest restore test took.");
            foreach ((RestoreTest t, string name) in tests) lasted.Add(Seconds(t.Duration), [.. Labels(t, name)]);
            MetricFamily failed = Family("restore_test_failed_checks", null,
                "How many checks of the newest restore test failed.");
            foreach ((RestoreTest t, string name) in tests)
                failed.Add(Count(t.Checks.Count(c => c.Result == CheckOutcome.Failed)), [.. Labels(t, name)]);
        }
    }

    private static (string, string?)[] Labels(ApplianceEvidence a) =>
        [("appliance", a.ApplianceName), ("appliance_id", a.ApplianceId), ("repository", a.Repository)];

    private static (string, string?)[] Labels(RecoveryMeasurement m) =>
        [("appliance", m.ApplianceName), ("appliance_id", m.ApplianceId), ("repository", m.Repository),
            ("objective", $"{m.Objective}")];

    private static (string, string?)[] Labels(RestoreTest t, string name) =>
        [("appliance", name), ("appliance_id", t.ApplianceId), ("repository", t.Repository)];

    private static string Count(int count) => count.ToString(CultureInfo.InvariantCulture);

    private static string? Seconds(TimeSpan? span) =>
        span?.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);

    private static string Seconds(DateTime utc) =>
        (utc.ToUniversalTime() - new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)).TotalSeconds
            .ToString("0.###", CultureInfo.InvariantCulture);
}
