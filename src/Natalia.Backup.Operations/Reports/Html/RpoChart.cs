using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>
/// Draws the worst gap of each stretch of a period. The scale is logarithmic: an hour and a week are both to be read.
/// Widths are percentages, so that letters keep their size on every screen.
/// </summary>
internal static class RpoChart
{
    private const double Height = 150;
    private const double Top = 10;
    private const double Bottom = 128;

    private static readonly (TimeSpan Span, string Text)[] s_marks =
    [
        (TimeSpan.FromMinutes(1), "1 min"), (TimeSpan.FromMinutes(5), "5 min"), (TimeSpan.FromMinutes(30), "30 min"),
        (TimeSpan.FromHours(1), "1 h"), (TimeSpan.FromHours(6), "6 h"), (TimeSpan.FromDays(1), "1 day"),
        (TimeSpan.FromDays(7), "1 week"), (TimeSpan.FromDays(30), "30 days"), (TimeSpan.FromDays(365), "1 year"),
    ];

    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, IReadOnlyList<RpoStretch> stretches,
        TimeSpan target)
    {
        TimeSpan worst = stretches.Max(s => s.Worst ?? TimeSpan.Zero);
        int over = stretches.Count(s => s.IsOverTarget);
        double low = Math.Log(target.TotalSeconds / 8);
        double high = Math.Log(Math.Max(target.TotalSeconds * 4, worst.TotalSeconds * 1.3));
        string title = page.NewId("c"), about = page.NewId("c");
        page.Write($"""
            <figure><div class="plot"><svg width="56" height="{Height}" class="chart" aria-hidden="true">
            <text class="strong" x="50" y="{Y(target) + 4}" text-anchor="end">{TimeText.Span(target)}</text>

            """);
        foreach ((TimeSpan span, string text) in s_marks.Where(m => IsMarked(m.Span)))
            page.Write($"<text x=\"50\" y=\"{Y(span) + 4}\" text-anchor=\"end\">{text}</text>\n");
        page.Write($"""
            </svg><svg class="chart" width="100%" height="{Height}" role="img" aria-labelledby="{title} {about}">
            <title id="{title}">Longest time without a good point: {appliance.ApplianceName}</title>
            <desc id="{about}">{Describe(appliance, stretches, target, worst, over)}</desc>

            """);
        WriteBars();
        foreach ((TimeSpan span, _) in s_marks.Where(m => IsMarked(m.Span)))
            page.Write($"<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{Y(span)}\" y2=\"{Y(span)}\"/>\n");
        string summary = over == 0
            ? "None goes over the target"
            : Plural.Count(over, "of them goes", "of them go") + " over the target (red)";
        page.Write($"""
            <line class="target" x1="0" x2="100%" y1="{Y(target)}" y2="{Y(target)}"/>
            <line class="axis" x1="0" x2="100%" y1="{Bottom}" y2="{Bottom}"/>
            <text x="0" y="{Height - 6}">{FigureText.Day(appliance.SinceUtc)}</text>
            <text x="100%" y="{Height - 6}" text-anchor="end">{FigureText.Day(appliance.MeasuredUtc)}</text>
            </svg></div><figcaption>Longest time between good points, by {StepText(stretches)}; the dashed line is the target. {summary}. Logarithmic scale; as of {HtmlParts.Time(appliance.MeasuredUtc)}.</figcaption></figure>

            """);

        double Y(TimeSpan span)
        {
            double part = (Math.Log(Math.Max(span.TotalSeconds, 1)) - low) / (high - low);
            return Math.Round(Bottom - (Math.Min(Math.Max(part, 0.03), 1) * (Bottom - Top)), 1);
        }

        // Not where the target's own line is.
        bool IsMarked(TimeSpan span) => Math.Log(span.TotalSeconds) > low && Math.Log(span.TotalSeconds) < high
            && Math.Abs(Y(span) - Y(target)) > 14;

        void WriteBars()
        {
            double width = 100.0 / stretches.Count;
            for (int i = 0; i < stretches.Count; i++)
            {
                if (stretches[i].Worst is not TimeSpan gap) continue;
                string kind = stretches[i].IsOverTarget ? "bar over" : "bar";
                page.Write($"""
                    <rect class="{kind}" x="{width * i}%" width="{width * 0.8}%" y="{Y(gap)}" height="{Bottom - Y(gap)}"/>

                    """);
            }
        }
    }

    private static string Describe(ApplianceEvidence appliance, IReadOnlyList<RpoStretch> stretches, TimeSpan target,
        TimeSpan worst, int over) =>
        $"From {FigureText.Time(appliance.SinceUtc)} to {FigureText.Time(appliance.MeasuredUtc)}, "
        + $"by {StepText(stretches)}. "
        + $"The target is {TimeText.Span(target)}, the longest gap {TimeText.Span(worst)}; {over} of {stretches.Count} "
        + "stretches go over the target.";

    private static string StepText(IReadOnlyList<RpoStretch> stretches)
    {
        int days = (int)Math.Round((stretches[0].ToUtc - stretches[0].FromUtc).TotalDays);
        return days <= 1 ? "day" : Plural.Count(days, "day");
    }
}
