using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>The records that verdicts rest on and that no other table of the appliance lists.</summary>
internal static class RecordTable
{
    internal static void Write(HtmlWriter page, ApplianceEvidence appliance, ApplianceAnchors anchors)
    {
        if (anchors.Others.Count == 0) return;
        page.Write($"""
            <h3>Other records</h3>
            <table class="rows"><caption>Records that verdicts rest on, as of {HtmlParts.Time(appliance.MeasuredUtc)}</caption>
            <thead><tr><th scope="col">Kind</th><th scope="col">Id</th><th scope="col">Time</th><th scope="col">Shown by</th></tr></thead>
            <tbody>

            """);
        foreach (EvidenceRecord record in anchors.Others)
        {
            page.Write($"""
                <tr id="{anchors.Of(record.Kind, record.Id)}"><th scope="row">{Word(record.Kind)}</th><td data-l="Id">{HtmlParts.Code(record.Id)}</td><td data-l="Time">{HtmlParts.Time(record.TimeUtc)}</td><td data-l="Shown by"><code>{Source(record.Kind)}</code></td></tr>

                """);
        }
        page.Write($"</tbody></table>\n");
    }

    /// <summary>What a kind of record is called.</summary>
    internal static string Word(EvidenceKind kind) => kind switch
    {
        EvidenceKind.RestorePoint => "point",
        EvidenceKind.RestoreTest => "test",
        EvidenceKind.Replication => "replication",
        EvidenceKind.Schedule => "schedule",
        _ => kind.ToString(),
    };

    /// <summary>Enough of an id to tell it from others at a glance; in full it stands where the link leads.</summary>
    internal static string Short(string id) => id.Length > 14 ? id.Substring(0, 8) + "…" : id;

    private static string Source(EvidenceKind kind) => kind switch
    {
        EvidenceKind.RestorePoint => "Get-NataliaRestorePoint, Get-NataliaAuditRecord",
        EvidenceKind.RestoreTest => "Get-NataliaRestoreTest",
        EvidenceKind.Replication => "Get-NataliaReplication",
        EvidenceKind.Schedule => "Get-NataliaSchedule",
        _ => kind.ToString(),
    };
}
