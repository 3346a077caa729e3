using System.Security.Cryptography;
using System.Text;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>
/// Writes a report as one page: no script, nothing that is fetched, and a content security policy that would not let
/// it. It is written as it is made, so that memory does not grow with the fleet.
/// </summary>
internal static class HtmlReport
{
    /// <summary>Writes it.</summary>
    internal static void Write(Report report, TextWriter writer)
    {
        var page = new HtmlWriter(writer);
        ReportHeadline headline = ReportHeadline.Of(report);
        ApplianceAnchors[] anchors = [.. report.Appliances
            .Select((a, i) => new ApplianceAnchors(a, report.FiguresOf(a), i + 1))];
        WriteHead(page, report, headline);
        HeadlineSection.Write(page, report, headline, anchors);
        page.Write($"<main id=\"main\">\n");
        if (report.Test is not null)
        {
            page.Write($"<section aria-labelledby=\"test\"><h2 id=\"test\">The test</h2>\n");
            RestoreTestSection.WriteTest(page, report.Test, "t1", isOpen: true);
            page.Write($"</section>\n");
        }
        else
        {
            FindingsSection.Write(page, report, headline, anchors);
            FleetSection.Write(page, report, anchors);
            for (int i = 0; i < anchors.Length; i++) ApplianceSection.Write(page, report.Appliances[i], anchors[i]);
        }
        page.Write($"</main>\n");
        WriteFoot(page, report);
    }

    private static void WriteHead(HtmlWriter page, Report report, ReportHeadline headline)
    {
        var style = new Markup(HtmlStyles.Text);
        var policy = new Markup(
            $"default-src 'none'; style-src 'sha256-{Hash(HtmlStyles.Text)}'; base-uri 'none'; form-action 'none'");
        page.Write($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="{policy}">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <meta name="generator" content="{report.Tool}">
            <title>{ObjectiveWords.Of(headline.Verdict)}: {headline.Text} Recovery evidence, {FigureText.Day(report.GeneratedUtc)}</title>
            <style>{style}</style>
            </head>
            <body>
            <svg class="sr" aria-hidden="true" focusable="false"><defs>
            <symbol id="i-met" viewBox="0 0 16 16"><path d="M3 8.5l3.2 3.2L13 4.8" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/></symbol>
            <symbol id="i-missed" viewBox="0 0 16 16"><path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round"/></symbol>
            <symbol id="i-open" viewBox="0 0 16 16"><path d="M5.2 6.1a2.8 2.6 0 1 1 4.2 2.2c-.9.5-1.4.9-1.4 1.7" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"/><circle cx="8" cy="13" r="1.3" fill="currentColor"/></symbol>
            </defs></svg>
            <a class="skip" href="#main">Skip to the evidence</a>

            """);
    }

    private static void WriteFoot(HtmlWriter page, Report report)
    {
        page.Write($"""
            <footer>
            <p>Report {HtmlParts.Code(report.ReportId)}, made by {report.Tool} on {HtmlParts.Time(report.GeneratedUtc)} by the clock of the machine that made it. All times are UTC unless a zone is named.</p>

            """);
        if (report.Signer is string signer)
            page.Write($"""
                <p>Its JSON beside it names the SHA-256 of this page and is signed with the certificate {HtmlParts.Name(signer)}. The time of signing is the signer's claim; no third party stands for it. Test-NataliaReport verifies both.</p>

                """);
        page.Write($"""
            <p><strong>Met</strong>: evidence shows it. <strong>Missed</strong>: evidence shows the opposite. <strong>Not evidenced</strong>: there is not enough to say so, which is no success.</p>
            </footer>
            </body>
            </html>

            """);
    }

    private static string Hash(string text)
    {
        using var sha = SHA256.Create();
        return Convert.ToBase64String(sha.ComputeHash(Encoding.UTF8.GetBytes(text)));
    }
}
