using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>
/// The objectives of an appliance, each with its figures, why, what to do, and the records it rests on.
/// </summary>
internal static class ObjectivesTable
{
    private const int MostRecords = 8;

    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        page.Write($"""
            <h3>Objectives</h3>
            <table class="rows objectives"><caption>Measured {HtmlParts.Time(appliance.MeasuredUtc)}, for the period since {HtmlParts.Time(appliance.SinceUtc)}</caption>
            <thead><tr><th scope="col">Objective</th><th scope="col">Verdict</th><th scope="col">Target</th><th scope="col">Worst</th><th scope="col">Typical</th><th scope="col">Now</th><th scope="col">Why, and what to do</th></tr></thead>
            <tbody>

            """);
        foreach (RecoveryMeasurement m in appliance.Measurements)
        {
            page.Write($"""
                <tr id="{anchors.Of(m.Objective)}"><th scope="row">{ObjectiveWords.Title(m.Objective)}</th><td data-l="Verdict">{HtmlParts.Badge(m.Verdict)}</td><td class="n" data-l="Target">{HtmlParts.FigureOrDash(m.Target)}</td><td class="n" data-l="Worst">{HtmlParts.FigureOrDash(m.Attained)}</td><td class="n" data-l="Typical">{HtmlParts.FigureOrDash(m.Typical)}</td><td class="n" data-l="Now">{HtmlParts.FigureOrDash(m.Now)}</td><td class="why"><p>{HtmlParts.Prose(m.Reason)}</p>
                """);
            if (m.RecommendedAction is string action && m.Verdict != RecoveryVerdict.Met)
                page.Write($"<p class=\"act\">{HtmlParts.Prose(action)}</p>");
            WriteRecords(page, m, anchors);
            page.Write($"</td></tr>\n");
        }
        page.Write($"</tbody></table>\n");
    }

    private static void WriteRecords(HtmlWriter page, RecoveryMeasurement m, ApplianceAnchors anchors)
    {
        if (m.Records.Count == 0) return;
        page.Write($"<p class=\"rec\">Rests on ");
        for (int i = 0; i < Math.Min(m.Records.Count, MostRecords); i++)
        {
            EvidenceRecord record = m.Records[i];
            if (i > 0) page.Write($", ");
            string text = $"{RecordTable.Word(record.Kind)} {RecordTable.Short(record.Id)}";
            if (anchors.Of(record.Kind, record.Id) is string anchor) page.Write($"{HtmlParts.Link(anchor, text)}");
            else page.Write($"{text}");
        }
        if (m.Records.Count > MostRecords)
            page.Write($"""
                 and {m.Records.Count - MostRecords} more, which the JSON lists
                """);
        page.Write($"</p>");
    }
}
