using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>What a manager sees in ten seconds: how many are as they should be, and the worst thing there is.</summary>
internal static class HeadlineSection
{
    internal static void Write(HtmlWriter page, Report report, ReportHeadline headline,
        IReadOnlyList<ApplianceAnchors> anchors)
    {
        page.Write($"""
            <header>
            <p class="kicker">Recovery evidence</p>
            <div class="lead {HtmlParts.Class(headline.Verdict)}">
            <p class="leadv">{HtmlParts.Badge(headline.Verdict)}</p>
            <h1>{headline.Text}</h1>

            """);
        if (headline.Worst is RecoveryMeasurement worst)
        {
            int at = IndexOf(report, worst);
            page.Write($"""
                <p class="worst"><span class="label">The worst</span> <strong>{HtmlParts.Name(worst.ApplianceName)}</strong> · {ObjectiveWords.Title(worst.Objective)} {ObjectiveWords.Of(worst.Verdict).ToLowerInvariant()}. {HtmlParts.Prose(worst.Reason)} {HtmlParts.Link(anchors[at].Of(worst.Objective), "See the evidence")}</p>

                """);
        }
        page.Write($"</div>\n");
        page.Write($"<p class=\"meta\">As of {HtmlParts.Time(report.GeneratedUtc)}");
        if (report.SinceUtc is DateTime since) page.Write($", for the period since {HtmlParts.Time(since)}");
        page.Write($".");
        if (report.Test is null)
            page.Write($"""
                 {Plural.Count(headline.MetCount, "appliance")} met, {headline.MissedCount} missed, {headline.NotEvidencedCount} not evidenced.
                """);
        page.Write($"</p>\n");
        if (report.Troubles.Count > 0)
        {
            page.Write($"<div class=\"note\"><p><strong>This report does not show everything:</strong></p><ul>");
            foreach (string trouble in report.Troubles) page.Write($"<li>{HtmlParts.Prose(trouble)}</li>");
            page.Write($"</ul></div>\n");
        }
        page.Write($"</header>\n");
    }

    private static int IndexOf(Report report, RecoveryMeasurement worst)
    {
        for (int i = 0; i < report.Appliances.Count; i++)
        {
            if (report.Appliances[i].Measurements.Contains(worst)) return i;
        }
        throw new InvalidOperationException("The worst finding is of no appliance of the report.");
    }
}
