using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>How much data the disks hold, how it grows, and what each point added to its repository.</summary>
internal static class SizeSection
{
    private const double Height = 150;
    private const double Top = 16;
    private const double Middle = 84;
    private const double Bottom = 128;

    internal static void Write(HtmlWriter page, ApplianceEvidence appliance)
    {
        EvidencePoint[] points = [.. appliance.Points
            .Where(p => p.IsGood && p.AllocatedBytes is not null && p.OriginalRestorePointId is null)
            .OrderBy(p => p.TimeUtc)];
        page.Write($"<h3>Size and growth</h3>\n");
        if (points.Length < 2)
        {
            page.Write($"""
                <p class="meta">Two points with a known size are needed to tell of growth; there {(points.Length == 1 ? "is one" : "is none")}, as of {HtmlParts.Time(appliance.MeasuredUtc)}.</p>

                """);
            return;
        }
        string title = page.NewId("c"), about = page.NewId("c"), growth = Growth(points);
        long most = Math.Max(1, points.Max(p => p.AllocatedBytes!.Value));
        long mostStored = Math.Max(1, points.Max(p => p.StoredBytes ?? 0));
        DateTime from = points[0].TimeUtc;
        double whole = Math.Max(1, (points[points.Length - 1].TimeUtc - from).Ticks);
        page.Write($"""
            <figure><svg class="chart" width="100%" height="{Height}" role="img" aria-labelledby="{title} {about}">
            <title id="{title}">Size and growth: {appliance.ApplianceName}</title><desc id="{about}">{growth}</desc>
            <text x="0" y="11">data in the disks, up to {ByteSize.Format(most)}</text>

            """);
        for (int i = 1; i < points.Length; i++)
            page.Write($"""
                <line class="line" x1="{X(points[i - 1])}%" y1="{Y(points[i - 1])}" x2="{X(points[i])}%" y2="{Y(points[i])}"/>
                """);
        foreach (EvidencePoint point in points)
        {
            page.Write($"<circle class=\"dot\" cx=\"{X(point)}%\" cy=\"{Y(point)}\" r=\"2.5\"/>");
            if (point.StoredBytes is long stored)
            {
                double height = Math.Max(1, stored / (double)mostStored * (Bottom - Middle - 16));
                page.Write($"""
                    <rect class="bar" x="{X(point) - 0.4}%" width="0.8%" y="{Bottom - height}" height="{height}"/>
                    """);
            }
        }
        page.Write($"""
            <text x="0" y="{Middle + 10}">stored by each point, up to {ByteSize.Format(mostStored)}</text>
            <line class="axis" x1="0" x2="100%" y1="{Bottom}" y2="{Bottom}"/>
            <text x="0" y="{Height - 6}">{FigureText.Day(from)}</text><text x="100%" y="{Height - 6}" text-anchor="end">{FigureText.Day(points[points.Length - 1].TimeUtc)}</text>
            </svg><figcaption>{growth} Of the points that are kept, as of {HtmlParts.Time(appliance.MeasuredUtc)}.</figcaption></figure>

            """);

        double X(EvidencePoint point) => 0.6 + (98.8 * (point.TimeUtc - from).Ticks / whole);

        double Y(EvidencePoint point) =>
            Math.Round(Middle - 6 - (point.AllocatedBytes!.Value / (double)most * (Middle - 6 - Top)), 1);
    }

    private static string Growth(IReadOnlyList<EvidencePoint> points)
    {
        EvidencePoint first = points[0], last = points[points.Count - 1];
        long more = last.AllocatedBytes!.Value - first.AllocatedBytes!.Value;
        double days = (last.TimeUtc - first.TimeUtc).TotalDays;
        string change = more == 0 ? "no growth" : (more > 0 ? "+" : "") + ByteSize.Format(more);
        string rate = days < 7 || more == 0
            ? ""
            : $", {(more > 0 ? "+" : "")}{ByteSize.Format((long)(more / days * 30))} in 30 days";
        return $"Data in the disks: {ByteSize.Format(first.AllocatedBytes!.Value)} on {FigureText.Day(first.TimeUtc)}, "
            + $"{ByteSize.Format(last.AllocatedBytes!.Value)} on {FigureText.Day(last.TimeUtc)} ({change}{rate}).";
    }
}
