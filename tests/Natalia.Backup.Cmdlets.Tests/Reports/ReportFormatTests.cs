using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.Reports.Csv;
using Natalia.Backup.Operations.Reports.Html;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Reports;

public sealed class ReportFormatTests : IDisposable
{
    private static readonly ReportFormat[] s_formats =
        [ReportFormat.Html, ReportFormat.Json, ReportFormat.Csv, ReportFormat.OpenMetrics];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_headline_counts_the_worst_case()
    {
        Assert.Equal((RecoveryVerdict.Missed, "0 of 1 appliance meets every objective."),
            Head(SampleReport.Fleet(SampleReport.Stopped(2, "a"))));
        Assert.Equal((RecoveryVerdict.NotEvidenced, "0 of 1 appliance meets every objective."),
            Head(SampleReport.Fleet(SampleReport.Untested(3, "a"))));
        Assert.Equal((RecoveryVerdict.Met, "1 of 1 appliance meets every objective."),
            Head(SampleReport.Fleet(SampleReport.Good(1, "a"))));
        Assert.Equal((RecoveryVerdict.NotEvidenced, "No appliance was found, so that nothing is proved."),
            Head(SampleReport.Fleet()));
        const string blind = "1 of 1 appliance meets every objective, but not everything could be read.";
        Assert.Equal((RecoveryVerdict.NotEvidenced, blind), Head(SampleReport.Fleet(SampleReport.Good(1, "a")) with
        {
            Troubles = ["The repository 'nas' could not be read."],
        }));
        Assert.Equal((RecoveryVerdict.NotEvidenced, blind), Head(SampleReport.Fleet(Blind(1))));
        Assert.Equal((RecoveryVerdict.Missed, "1 of 3 appliances meets every objective."), Head(SampleReport.Usual()));
        Assert.Equal(RecoveryObjective.Rpo, ReportHeadline.Of(SampleReport.Usual()).Worst!.Objective);

        static (RecoveryVerdict Verdict, string) Head(Report report)
        {
            ReportHeadline headline = ReportHeadline.Of(report);
            return (headline.Verdict, headline.Text);
        }
    }

    [Fact]
    public void What_could_not_be_read_is_counted_once_and_leaves_something_to_do()
    {
        Report report = SampleReport.Fleet(Blind(1), Blind(2)) with { Troubles = ["A record cannot be read."] };
        Assert.Contains("\nnatalia_backup_report_troubles 1\n", Text(report, ReportFormat.OpenMetrics),
            StringComparison.Ordinal);
        Assert.Contains("See to what could not be read", Text(report, ReportFormat.Html), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_culture_gives_the_same_bytes()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
            Dictionary<ReportFormat, string> wanted = s_formats.ToDictionary(f => f,
                f => Text(SampleReport.Usual(), f));
            foreach (string name in (string[])["fr-FR", "de-DE", "tr-TR", "ja-JP", "th-TH", "ar-SA"])
            {
                CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(name);
                Assert.All(s_formats, f => Assert.Equal(wanted[f], Text(SampleReport.Usual(), f)));
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void The_page_says_how_strong_the_locks_of_a_repository_are() =>
        Assert.Contains("30 days, Governance, extended while kept", Text(SampleReport.Usual(), ReportFormat.Html),
            StringComparison.Ordinal);

    /// <summary>The gaps between points are judged by the day then; the five minutes are the replication's.</summary>
    [Fact]
    public void The_page_of_a_replicated_appliance_draws_the_target_of_its_daily_backup()
    {
        ApplianceEvidence appliance = SampleReport.Stopped(1, "a") with { Strategy = BackupStrategy.Replication };
        string page = Text(SampleReport.Fleet(appliance with
        {
            Measurements = [.. appliance.Measurements.Select(m => m with
            {
                Strategy = BackupStrategy.Replication,
                TargetTime = m.Objective == RecoveryObjective.Rpo ? TimeSpan.FromMinutes(5) : m.TargetTime,
            })],
        }), ReportFormat.Html);
        Assert.Contains("over the target of 24 h, the longest first", page, StringComparison.Ordinal);
        Assert.Contains("The target is 24 h, the longest gap", page, StringComparison.Ordinal);
        Assert.DoesNotContain("target of 5 min", page, StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_holds_no_script_and_leads_nowhere()
    {
        string page = Text(SampleReport.Fleet(SampleReport.Stopped(2, SampleReport.Hostile)), ReportFormat.Html);

        Assert.DoesNotMatch(@"(?i)<script|<link|<img|<iframe|<object|javascript:|@import|url\(", page);
        Assert.All(Regex.Matches(page, @"(?i)\s(?:src|href|action)\s*=\s*""([^""]*)""").Select(m => m.Groups[1].Value),
            target => Assert.StartsWith("#", target, StringComparison.Ordinal));
        Assert.DoesNotMatch(@"<[^>]*\son\w+\s*=", page.Replace(HtmlText.Encode(SampleReport.Hostile), "", StringComparison.Ordinal));
        Assert.Contains("default-src 'none'; style-src 'sha256-", page, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe-inline", page, StringComparison.Ordinal);
        Assert.DoesNotContain('\u202E', page);
    }

    [Theory]
    [InlineData("=1+1", "\"'=1+1\"")]
    [InlineData("  @SUM(A1)", "\"'  @SUM(A1)\"")]
    [InlineData("-2+3", "\"'-2+3\"")]
    [InlineData("\uFF1Dcmd", "\"'\uFF1Dcmd\"")]
    [InlineData("\t=1", "\"\\u0009=1\"")]
    [InlineData("a\"b\r\nc", "\"a\"\"b\\u000D\\u000Ac\"")]
    [InlineData("6 h", "\"6 h\"")]
    [InlineData("6 h; one more", "\"6 h; one more\"")]
    [InlineData("x;=1+1;\"@A1", "\"x;'=1+1;\"\"'@A1\"")]
    [InlineData("", "")]
    [InlineData(null, "")]
    public void Nothing_in_a_spreadsheet_is_a_formula_or_a_second_row(string? text, string cell) =>
        Assert.Equal(cell, CsvText.Encode(text));

    [Fact]
    public void Json_states_its_schema_and_is_plain_ASCII()
    {
        Report report = SampleReport.Fleet(SampleReport.Stopped(2, SampleReport.Hostile), SampleReport.Good(1, "été"));
        string text = Text(report, ReportFormat.Json);

        Assert.True(text.All(c => c is '\n' or (>= ' ' and <= '~')));
        using JsonDocument json = JsonDocument.Parse(text);
        Assert.Equal(("natalia-report", 1), (json.RootElement.GetProperty("schema").GetString(),
            json.RootElement.GetProperty("version").GetInt32()));
        JsonElement first = json.RootElement.GetProperty("appliances")[0];
        Assert.Equal(SampleReport.Hostile, first.GetProperty("applianceName").GetString());
        Assert.Equal(8, first.GetProperty("measurements").GetArrayLength());
        Assert.Equal("2026-11-29T06:30:00.0000000Z", json.RootElement.GetProperty("generatedUtc").GetString());
        Assert.Equal(2, first.GetProperty("gapsOverTarget").GetArrayLength());
    }

    /// <summary>A real parser: Debian's python3-prometheus-client, for OpenMetrics and for the older format.</summary>
    [ChromiumFact]
    public void A_real_parser_takes_the_metrics()
    {
        Report report = SampleReport.Fleet(SampleReport.Stopped(2, SampleReport.Hostile), SampleReport.Good(1, "b"),
            SampleReport.Empty(4, "c"));
        File.WriteAllText(_folder["x.prom"], Text(report, ReportFormat.OpenMetrics));
        File.WriteAllText(_folder["read.py"], """
            import sys
            from prometheus_client.openmetrics.parser import text_string_to_metric_families as new
            from prometheus_client.parser import text_string_to_metric_families as old
            text = open(sys.argv[1], encoding='utf-8', newline='').read()
            assert text.endswith('# EOF\n')
            families = list(new(text))
            assert all(f.documentation and f.type == 'gauge' for f in families)
            assert all(f.unit == f.name.rsplit('_', 1)[1] for f in families if f.unit)
            assert all(f.unit for f in families if f.name.endswith(('_seconds', '_bytes')))
            print(len(families), sum(len(f.samples) for f in families), sum(len(f.samples) for f in old(text)))
            for f in families:
                for s in f.samples:
                    if f.name == 'natalia_backup_objective_verdict' and s.value == 1 and s.labels['objective'] == 'Rpo':
                        print(s.labels['verdict'], s.labels['appliance'])
                    if f.name == 'natalia_backup_newest_point_timestamp_seconds': print(int(s.value))
            """);
        (int code, string output, string errors) = Counterpart.Chromium.Run(new Dictionary<string, string?>(),
            "-c", "/usr/bin/python3 \"$1\" \"$2\"", "read", _folder["read.py"], _folder["x.prom"]);

        Assert.True(code == 0, errors);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] counts = lines[0].Split(' ');
        Assert.Equal(counts[1], counts[2]);
        Assert.Contains($"Missed {DisplayText.CleanLine(SampleReport.Hostile)}", lines);
        Assert.Contains("NotEvidenced c", lines);
        Assert.Equal(2, lines.Count(l => l.Length == 10 && l.All(char.IsAsciiDigit)));
    }

    [Fact]
    public void A_file_is_replaced_as_Set_Content_would_and_never_half()
    {
        string file = _folder["x.html"];
        ReportPaths paths = ReportPaths.For(file, ReportFormat.Html);
        File.WriteAllText(file, "older");
        ReportExporter.Write(SampleReport.Usual(), paths, ReportFormat.Html, null, force: false);
        Assert.StartsWith("<!DOCTYPE html>", File.ReadAllText(file), StringComparison.Ordinal);

        new FileInfo(file).IsReadOnly = true;
        NataliaException refused = Assert.Throws<NataliaException>(() =>
            ReportExporter.Write(SampleReport.Fleet(), paths, ReportFormat.Html, null, force: false));
        Assert.Equal(ErrorIds.DestinationWriteFailed, refused.ErrorId);
        ReportExporter.Write(SampleReport.Fleet(), paths, ReportFormat.Html, null, force: true);
        Assert.Contains("No appliance was found", File.ReadAllText(file), StringComparison.Ordinal);

        Assert.Throws<NataliaException>(() => ReportExporter.Write(SampleReport.Usual(),
            ReportPaths.For(_folder["absent/x.html"], ReportFormat.Html), ReportFormat.Html, null, force: false));
        Assert.Equal(["x.html"], _folder.Files);
    }

    /// <summary>What is renamed over a device or a pipe would take its place for everybody.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_no_file_is_not_replaced(bool isLinked)
    {
        if (!OperatingSystem.IsLinux()) return;
        string pipe = _folder["pipe"];
        using (Process made = Process.Start("mkfifo", [pipe])) made.WaitForExit();
        string file = isLinked ? _folder["link"] : pipe;
        if (isLinked) File.CreateSymbolicLink(file, pipe);
        foreach (bool force in new[] { false, true })
        {
            NataliaException refused = Assert.Throws<NataliaException>(() => ReportExporter.Write(SampleReport.Usual(),
                ReportPaths.For(file, ReportFormat.Html), ReportFormat.Html, null, force));
            Assert.Equal(ErrorIds.DestinationWriteFailed, refused.ErrorId);
            Assert.Contains("device", refused.Message, StringComparison.Ordinal);
        }
        Assert.Equal(isLinked ? ["link", "pipe"] : new[] { "pipe" },
            Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName).Order());
        // Neither has become a file.
        using Process test = Process.Start("test", ["-p", file]);
        test.WaitForExit();
        Assert.Equal(0, test.ExitCode);
    }

    /// <summary>What a command reports keeps no more of a fleet in memory than it names.</summary>
    [Fact]
    public void Evidence_that_was_reduced_gives_the_same_report()
    {
        Report whole = SampleReport.Usual();
        Report reduced = whole with
        {
            Appliances = [.. whole.Appliances.Select(EvidenceFigures.Reduce)],
            Figures = whole.Appliances.ToDictionary(a => a.ApplianceId, EvidenceFigures.Of),
        };
        Assert.True(reduced.Appliances[0].Points.Count < whole.Appliances[0].Points.Count);
        Assert.All(s_formats, f => Assert.Equal(Text(whole, f), Text(reduced, f)));
    }

    /// <summary>50 appliances, each with 18 kept points, 4,380 made in three years, and 12 tests.</summary>
    [Fact]
    public void A_fleet_with_three_years_of_log_is_written_within_the_budget()
    {
        ApplianceEvidence[] fleet = [.. Enumerable.Range(1, 50).Select(SampleReport.Large)];
        foreach (ReportFormat format in s_formats)
        {
            var clock = Stopwatch.StartNew();
            ReportFile file = ReportExporter.Write(SampleReport.Fleet(fleet), ReportPaths.For(_folder[$"{format}"], format),
                format, null, force: false);
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"{format}: {clock.Elapsed}");
            Assert.InRange(file.SizeBytes, 10_000, 5_000_000);
        }
    }

    private static ApplianceEvidence Blind(int number) =>
        SampleReport.Good(number, $"{number}") with { Troubles = ["A record cannot be read."] };

    private string Text(Report report, ReportFormat format)
    {
        string file = _folder["text"];
        ReportExporter.Write(report, ReportPaths.For(file, format), format, null, force: false);
        return File.ReadAllText(file, Encoding.UTF8);
    }
}
