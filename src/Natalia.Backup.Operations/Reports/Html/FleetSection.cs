using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>All appliances against all objectives, and the way to each.</summary>
internal static class FleetSection
{
    internal static void Write(HtmlWriter page, Report report, IReadOnlyList<ApplianceAnchors> anchors)
    {
        if (report.Appliances.Count == 0) return;
        RecoveryObjective[] objectives = [.. report.Appliances.SelectMany(a => a.Measurements)
            .Select(m => m.Objective).Distinct().OrderBy(o => o)];
        page.Write($"""
            <nav aria-labelledby="fleet"><h2 id="fleet">{Plural.Count(report.Appliances.Count, "appliance")}</h2>
            <table class="fleet"><caption>Verdicts by appliance and objective, as of {HtmlParts.Time(report.GeneratedUtc)}</caption>
            <thead><tr><th scope="col">Appliance</th>
            """);
        foreach (RecoveryObjective objective in objectives)
            page.Write($"""
                <th scope="col"><span class="long">{ObjectiveWords.Title(objective)}</span><span class="short" aria-hidden="true">{ObjectiveWords.Short(objective)}</span></th>
                """);
        page.Write($"</tr></thead>\n<tbody>\n");
        for (int i = 0; i < anchors.Count; i++)
        {
            ApplianceEvidence appliance = report.Appliances[i];
            page.Write($"""
                <tr><th scope="row"><a href="#{anchors[i].Section}">{HtmlParts.Name(appliance.ApplianceName)}</a></th>
                """);
            foreach (RecoveryObjective objective in objectives)
            {
                RecoveryMeasurement? m = appliance.Measurements.FirstOrDefault(x => x.Objective == objective);
                if (m is null) page.Write($"<td>{HtmlParts.OrDash(null)}</td>");
                else page.Write($"<td><a href=\"#{anchors[i].Of(objective)}\">{HtmlParts.Sign(m.Verdict)}</a></td>");
            }
            page.Write($"</tr>\n");
        }
        page.Write($"</tbody><tfoot><tr><th scope=\"row\">Met</th>");
        foreach (RecoveryObjective objective in objectives)
        {
            RecoveryMeasurement[] own = [.. report.Appliances.SelectMany(a => a.Measurements)
                .Where(m => m.Objective == objective)];
            page.Write($"""
                <td>{own.Count(m => m.Verdict == RecoveryVerdict.Met)}<span class="of"> of {own.Length}</span></td>
                """);
        }
        page.Write($"</tr></tfoot></table></nav>\n");
    }
}
