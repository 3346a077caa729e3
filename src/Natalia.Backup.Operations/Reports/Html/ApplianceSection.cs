using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>Everything about one appliance.</summary>
internal static class ApplianceSection
{
    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        string id = anchors.Section;
        page.Write($"""
            <section class="appliance" aria-labelledby="{id}">
            <div class="ahead"><h2 id="{id}">{HtmlParts.Name(appliance.ApplianceName)}</h2>{HtmlParts.Badge(ReportHeadline.Of(appliance))}</div>
            <dl class="facts">

            """);
        Fact("Strategy", Strategy(appliance));
        Fact("Hypervisor", string.Join(", ", new[] { appliance.Hypervisor, appliance.HypervisorKind, appliance.VMHost }
            .Where(t => !string.IsNullOrEmpty(t)).Distinct()));
        Fact("Repository", appliance.Repository);
        Fact("Disks", appliance.SizeBytes is long size ? ByteSize.Format(size) : null);
        page.Write($"""
            <div><dt>Enrolled</dt><dd>{(appliance.IsEnrolled ? HtmlParts.Time(appliance.EnrolledUtc) : new Markup("no"))}</dd></div>
            """);
        page.Write($"<div><dt>Measured</dt><dd>{HtmlParts.Time(appliance.MeasuredUtc)}</dd></div>");
        page.Write($"<div><dt>Appliance id</dt><dd>{HtmlParts.Code(appliance.ApplianceId)}</dd></div></dl>\n");
        if (appliance.Troubles.Count > 0)
        {
            page.Write($"<div class=\"note\"><p><strong>What could not be read:</strong></p><ul>");
            foreach (string trouble in appliance.Troubles) page.Write($"<li>{HtmlParts.Prose(trouble)}</li>");
            page.Write($"</ul></div>\n");
        }
        ObjectivesTable.Write(page, appliance, anchors);
        RpoSection.Write(page, appliance, anchors);
        CalendarSection.Write(page, appliance, anchors);
        PointTable.Write(page, appliance, anchors);
        SizeSection.Write(page, appliance);
        RestoreTestSection.Write(page, appliance, anchors);
        RepositoryTable.Write(page, appliance);
        RecordTable.Write(page, appliance, anchors);
        page.Write($"</section>\n");

        void Fact(string name, string? value) =>
            page.Write($"<div><dt>{name}</dt><dd>{HtmlParts.OrDash(value)}</dd></div>");
    }

    private static string Strategy(ApplianceEvidence appliance) =>
        appliance.Strategy.ToString() + (appliance.IsStrategySet ? "" : " (nobody said which)");
}
