using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>The repositories that were measured: where they are, whether they lock, what they keep.</summary>
internal static class RepositoryTable
{
    internal static void Write(HtmlWriter page, ApplianceEvidence appliance)
    {
        if (appliance.Repositories.Count == 0) return;
        page.Write($"""
            <h3>Repositories and immutability</h3>
            <table class="rows"><caption>{Plural.Count(appliance.Repositories.Count, "repository", "repositories")}, as of {HtmlParts.Time(appliance.MeasuredUtc)}</caption>
            <thead><tr><th scope="col">Repository</th><th scope="col">Where</th><th scope="col">Off the host</th><th scope="col">Locks</th><th scope="col">Keeps</th><th scope="col">Audit key</th></tr></thead>
            <tbody>

            """);
        foreach (RepositoryEvidence r in appliance.Repositories)
        {
            page.Write($"""
                <tr><th scope="row">{HtmlParts.Name(r.Repository)}<br>{HtmlParts.Code(r.RepositoryId)}</th><td data-l="Where">{HtmlParts.Name(r.Location)}<br><small>{r.RepositoryKind}, {r.StoreKind}</small></td><td data-l="Off the host">{YesNo(r.IsOffHost)}<br><small>{r.OffHostDetail}</small></td><td data-l="Locks">{Lock(r)}</td><td data-l="Keeps">{HtmlParts.OrDash(r.RetentionPolicy)}<br><small>{(r.HasFullHistory ? "A log tells of every point ever made." : "Only what is kept is known.")}</small></td><td class="hash" data-l="Audit key">{(r.AuditKeyFingerprint is string key ? HtmlParts.Code(key) : HtmlParts.OrDash(null))}</td></tr>

                """);
        }
        page.Write($"</tbody></table>\n");
    }

    private static string YesNo(bool? value) => value is bool known ? known ? "yes" : "no" : "not known";

    private static string Lock(RepositoryEvidence r) => r.IsImmutable switch
    {
        null => "not known",
        false => "no",
        _ => (r.ImmutableDays is int days ? Plural.Count(days, "day") : "yes")
            + (r.ImmutabilityMode is ObjectLockMode mode ? $", {mode}" : "")
            + (r.ImmutableWhileKept ? ", extended while kept" : ""),
    };
}
