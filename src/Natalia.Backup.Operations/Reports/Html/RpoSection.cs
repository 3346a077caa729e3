using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>The times between good points over the period, and those that were too long.</summary>
internal static class RpoSection
{
    private const int MostGaps = 10;

    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        IReadOnlyList<RpoStretch> stretches = anchors.Figures.Stretches;
        // Of points, not of a replication beside them, which promises less than lies between any two of them.
        TimeSpan target = RecoveryTargets.Interval(appliance.Strategy);
        page.Write($"<h3>Recovery points over time</h3>\n");
        if (!stretches.Any(s => s.Worst is not null))
        {
            page.Write($"""
                <p class="meta">There is nothing to draw: no time between good points is known for the period since {HtmlParts.Time(appliance.SinceUtc)}.</p>

                """);
            return;
        }
        RpoChart.Write(page, appliance, stretches, target);
        WriteGaps(page, appliance, anchors, target);
    }

    private static void WriteGaps(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors,
        TimeSpan target)
    {
        EvidenceGap[] over = [.. appliance.Gaps.Where(g => g.IsOverTarget && !g.IsThinned)
            .OrderByDescending(g => g.Length)];
        int thinned = anchors.Figures.ThinnedCount;
        if (thinned > 0)
            page.Write($"""
                <p class="meta">{Plural.Count(thinned, "time")} between points {Plural.Of(thinned, "says", "say")} nothing, because retention has taken what was made in between and no record tells of it.</p>

                """);
        if (over.Length == 0) return;
        page.Write($"""
            <table class="rows"><caption>{Plural.Count(over.Length, "gap")} over the target of {TimeText.Span(target)}, the longest first, as of {HtmlParts.Time(appliance.MeasuredUtc)}</caption>
            <thead><tr><th scope="col">Without a good point</th><th scope="col">From</th><th scope="col">Until</th><th scope="col">Between</th></tr></thead>
            <tbody>

            """);
        foreach (EvidenceGap gap in over.Take(MostGaps))
        {
            page.Write($"""
                <tr><th scope="row" class="n bad">{TimeText.Span(gap.Length)}</th><td data-l="From">{HtmlParts.Time(gap.FromUtc)}</td><td data-l="Until">
                """);
            if (gap.IsOpen) page.Write($"still open at {HtmlParts.Time(gap.ToUtc)}");
            else page.Write($"{HtmlParts.Time(gap.ToUtc)}");
            page.Write($"""
                </td><td data-l="Between">{Point(gap.FromPointId, anchors)} and {Point(gap.ToPointId, anchors)}</td></tr>

                """);
        }
        page.Write($"</tbody></table>\n");
        if (over.Length > MostGaps)
            page.Write($"""
                <p class="meta">{over.Length - MostGaps} more {Plural.Of(over.Length - MostGaps, "stands", "stand")} in the report's JSON.</p>

                """);
    }

    private static Markup Point(string? id, ApplianceAnchors anchors)
    {
        if (id is null) return new Markup("now");
        string text = "point " + RecordTable.Short(id);
        return anchors.Of(EvidenceKind.RestorePoint, id) is string anchor
            ? HtmlParts.Link(anchor, text)
            : new Markup(HtmlText.Encode(text));
    }
}
