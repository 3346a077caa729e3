using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>The points that are there, and the others that the report names.</summary>
internal static class PointTable
{
    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        page.Write($"<h3>Restore points</h3>\n");
        if (anchors.Points.Count == 0)
        {
            page.Write($"<p class=\"bad\">There is none, as of {HtmlParts.Time(appliance.MeasuredUtc)}.</p>\n");
            return;
        }
        int kept = anchors.Points.Count(p => p.IsKept);
        page.Write($"""
            <table class="rows points"><caption>{Plural.Count(kept, "point")} kept, as of {HtmlParts.Time(appliance.MeasuredUtc)}; newest first</caption>
            <thead><tr><th scope="col">State of</th><th scope="col">Health</th><th scope="col">Kept by</th><th scope="col">Data, stored</th><th scope="col">Locked until</th><th scope="col">Record</th></tr></thead>
            <tbody>

            """);
        foreach (EvidencePoint p in anchors.Points)
        {
            page.Write($"""
                <tr id="{anchors.Of(EvidenceKind.RestorePoint, p.RestorePointId)}"><th scope="row">{HtmlParts.Time(p.TimeUtc)}<br>{HtmlParts.Code(p.RestorePointId)}</th><td data-l="Health">{HtmlParts.Badge(p.State)}
                """);
            if (p.VerifiedUtc is DateTime verified) page.Write($"<br><small>{HtmlParts.Time(verified)}</small>");
            if (p.Trouble is string trouble) page.Write($"<br><small>{HtmlParts.Prose(trouble)}</small>");
            page.Write($"</td><td data-l=\"Kept by\">");
            if (p.IsKept) page.Write($"{HtmlParts.OrDash(p.KeptBy ?? (p.IsProtected ? "protected" : null))}");
            else if (p.RemovedUtc is DateTime removed) page.Write($"removed {HtmlParts.Time(removed)}");
            else page.Write($"not there");
            page.Write($"""
                <br><small>{MadeAs(p)}, in {HtmlParts.Name(p.Repository)}</small></td><td class="n" data-l="Data, stored">{Size(p.AllocatedBytes ?? p.SizeBytes)}<br><small>{Size(p.StoredBytes)}</small></td><td data-l="Locked until">{HtmlParts.Time(p.ImmutableUntilUtc)}</td><td class="hash" data-l="Record">{(p.RecordHash is string hash ? HtmlParts.Code(hash) : HtmlParts.OrDash(null))}</td></tr>

                """);
        }
        page.Write($"</tbody></table>\n");
        int others = anchors.Figures.PointCount - anchors.Points.Count;
        if (others > 0)
            page.Write($"""
                <p class="meta">{Plural.Count(others, "good point")} of the period {Plural.Of(others, "was", "were")} made and removed by retention since; Get-NataliaAuditRecord lists them.</p>

                """);
    }

    private static string MadeAs(EvidencePoint p) =>
        (p.OriginalRestorePointId is null ? p.Type.ToString() : "Copy") + $", {p.Consistency}";

    private static Markup Size(long? bytes) => HtmlParts.OrDash(bytes is long known ? ByteSize.Format(known) : null);
}
