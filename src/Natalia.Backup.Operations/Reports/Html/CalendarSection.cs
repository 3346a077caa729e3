using System.Globalization;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>Which day, week and month is held by which point.</summary>
internal static class CalendarSection
{
    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        page.Write($"<h3>Days, weeks and months that are held</h3>\n");
        if (appliance.Holdings.Count == 0)
        {
            page.Write($"""
                <p class="meta">No retention policy says which days, weeks and months should have a point.</p>

                """);
            return;
        }
        page.Write($"""
            <p class="meta">As of {HtmlParts.Time(appliance.MeasuredUtc)}. Periods begin in the zone {appliance.Holdings[0].TimeZoneId}; the times of points are UTC.</p>
            <div class="gfs">

            """);
        foreach (IGrouping<RetentionRule, EvidenceHolding> rule in appliance.Holdings.GroupBy(h => h.Rule))
        {
            EvidenceHolding[] periods = [.. rule];
            int expected = periods.Count(p => p.IsExpected || p.IsHeld), held = periods.Count(p => p.IsHeld);
            page.Write($"""
                <div><h4>{Word(rule.Key)} <span class="count">{held} of {expected} held</span></h4><ol class="slots">

                """);
            foreach (EvidenceHolding period in periods) WritePeriod(page, period, anchors);
            page.Write($"</ol></div>\n");
        }
        page.Write($"</div>\n");
    }

    private static void WritePeriod(HtmlWriter page, EvidenceHolding holding, ApplianceAnchors anchors)
    {
        string kind = holding.IsHeld ? "held" : holding.IsExpected ? "none" : "early";
        page.Write($"<li class=\"{kind}\"><span class=\"period\">{Label(holding)}</span> ");
        if (holding.RestorePointId is string id)
        {
            string text = holding.PointTimeUtc is DateTime time
                ? time.ToString(holding.Rule == RetentionRule.Daily ? "HH:mm" : "MM-dd HH:mm",
                    CultureInfo.InvariantCulture)
                : RecordTable.Short(id);
            string anchor = anchors.Of(EvidenceKind.RestorePoint, id) ?? anchors.Section;
            page.Write($"""
                <a href="#{anchor}"><span class="sr">held by the point of </span>{text}<span class="pid"> {RecordTable.Short(id)}</span></a>
                """);
        }
        else
        {
            page.Write($"<span class=\"gap\">{(holding.IsExpected ? "no point" : "not due")}</span>");
        }
        page.Write($"</li>\n");
    }

    private static string Word(RetentionRule rule) => rule switch
    {
        RetentionRule.Daily => "Days",
        RetentionRule.Weekly => "Weeks",
        RetentionRule.Monthly => "Months",
        _ => rule.ToString(),
    };

    /// <summary><c>2026-03-04</c> becomes <c>Wed 03-04</c>; weeks and months stay as they are.</summary>
    private static string Label(EvidenceHolding holding) =>
        holding.Rule == RetentionRule.Daily
        && DateTime.TryParseExact(holding.Period, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None,
            out DateTime day)
            ? day.ToString("ddd MM-dd", CultureInfo.InvariantCulture)
            : holding.Period;
}
