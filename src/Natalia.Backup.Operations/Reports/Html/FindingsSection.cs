using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>What is not met, the worst first, each with what to do.</summary>
internal static class FindingsSection
{
    private const int Most = 12;

    internal static void Write(HtmlWriter page, Report report, ReportHeadline headline,
        IReadOnlyList<ApplianceAnchors> anchors)
    {
        IReadOnlyList<RecoveryMeasurement> findings = ReportFindings.Of(report.Appliances);
        page.Write($"<section aria-labelledby=\"todo\"><h2 id=\"todo\">What to do</h2>\n");
        if (findings.Count == 0)
        {
            string nothing = report.Appliances.Count == 0
                ? "There is no appliance to say anything of. Enrol one with Set-NataliaAppliance and back it up."
                : headline.Verdict == RecoveryVerdict.Met
                    ? "Nothing: every objective of every appliance is met."
                    : "See to what could not be read, and report again.";
            page.Write($"<p>{nothing}</p></section>\n");
            return;
        }
        Dictionary<string, ApplianceAnchors> byAppliance = new(StringComparer.Ordinal);
        for (int i = 0; i < anchors.Count; i++) byAppliance[report.Appliances[i].ApplianceId] = anchors[i];
        page.Write($"<ol class=\"todo\">\n");
        foreach (RecoveryMeasurement finding in findings.Take(Most))
        {
            page.Write($"""
                <li><p>{HtmlParts.Badge(finding.Verdict)}</p><p><a href="#{byAppliance[finding.ApplianceId].Of(finding.Objective)}"><strong>{HtmlParts.Name(finding.ApplianceName)}</strong> · {ObjectiveWords.Title(finding.Objective)}</a></p><p>{HtmlParts.Prose(finding.RecommendedAction ?? finding.Reason)}</p></li>

                """);
        }
        page.Write($"</ol>\n");
        if (findings.Count > Most)
            page.Write($"""
                <p class="meta">{Plural.Count(findings.Count - Most, "more finding stands", "more findings stand")} with the appliances below.</p>

                """);
        page.Write($"</section>\n");
    }
}
