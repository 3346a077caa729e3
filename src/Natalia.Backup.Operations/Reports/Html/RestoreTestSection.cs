using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>The restore tests with their checks; the newest one is open.</summary>
internal static class RestoreTestSection
{
    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        page.Write($"<h3>Restore tests</h3>\n");
        if (appliance.RestoreTests.Count == 0)
        {
            page.Write($"""
                <p class="bad">No restore test is recorded, as of {HtmlParts.Time(appliance.MeasuredUtc)}. Nothing shows that a point of this appliance can be restored.</p>

                """);
            return;
        }
        int passed = appliance.RestoreTests.Count(t => t.Result == RestoreTestResult.Passed);
        page.Write($"""
            <p class="meta">{passed} of {Plural.Count(appliance.RestoreTests.Count, "test")} passed, as of {HtmlParts.Time(appliance.MeasuredUtc)}; newest first.</p>

            """);
        bool isFirst = true;
        foreach (RestoreTest test in appliance.RestoreTests.OrderByDescending(t => t.StartedUtc))
        {
            WriteTest(page, test, anchors.Of(EvidenceKind.RestoreTest, test.RestoreTestId)!, isFirst);
            isFirst = false;
        }
    }

    /// <summary>One test.</summary>
    internal static void WriteTest(HtmlWriter page, RestoreTest test, string anchor, bool isOpen)
    {
        var open = new Markup(isOpen ? " open" : "");
        page.Write($"""
            <details id="{anchor}" class="test"{open}><summary>{HtmlParts.Badge(test.Result)} {HtmlParts.Time(test.StartedUtc)} <span class="sum">point of {HtmlParts.Time(test.PointTimeUtc)}, {TimeText.Span(test.Duration)} in all</span></summary>

            """);
        if (test.Reason is string reason) page.Write($"<p>{HtmlParts.Prose(reason)}</p>\n");
        page.Write($"<dl class=\"facts\">");
        Fact("Restore", test.RestoreDuration is TimeSpan restore
            ? TimeText.Span(restore)
            : "not measured: the VM ran from the repository");
        Fact("Boot", TimeText.Span(test.BootDuration));
        Fact("Checks", TimeText.Span(test.ChecksDuration));
        Fact("Disks", test.SizeBytes is long size ? ByteSize.Format(size) : null);
        Fact("Test bench", $"{test.TestBench} ({test.TestBenchKind})");
        Fact("System disk", test.SystemImage ?? "from the point");
        if (test.IsKept) Fact("Test VM", $"{test.TestVM}, kept");
        page.Write($"""
            <div><dt>Test id</dt><dd>{HtmlParts.Code(test.RestoreTestId)}</dd></div><div><dt>Point id</dt><dd>{HtmlParts.Code(test.RestorePointId)}</dd></div></dl>
            <table class="rows"><caption>{Plural.Count(test.Checks.Count, "check")} of the test of {HtmlParts.Time(test.StartedUtc)}</caption>
            <thead><tr><th scope="col">Check</th><th scope="col">Result</th><th scope="col">Expected</th><th scope="col">Actual</th><th scope="col">Tolerance</th><th scope="col">Took</th></tr></thead>
            <tbody>

            """);
        foreach (CheckResult check in test.Checks)
        {
            page.Write($"""
                <tr><th scope="row">{HtmlParts.Name(check.Name)}</th><td data-l="Result">{HtmlParts.Badge(check.Result)}</td><td data-l="Expected">{HtmlParts.OrDash(check.Expected)}</td><td data-l="Actual">{HtmlParts.OrDash(check.Actual)}
                """);
            if (check.Detail is string detail && check.Result != CheckOutcome.Passed)
                page.Write($"<br><small>{HtmlParts.Prose(detail)}</small>");
            page.Write($"""
                </td><td data-l="Tolerance">{HtmlParts.OrDash(check.Tolerance)}</td><td class="n" data-l="Took">{TimeText.Span(check.Duration)}</td></tr>

                """);
        }
        page.Write($"</tbody></table></details>\n");

        void Fact(string name, string? value) =>
            page.Write($"<div><dt>{name}</dt><dd>{HtmlParts.OrDash(value)}</dd></div>");
    }
}
