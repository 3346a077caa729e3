namespace Natalia.Backup.Operations.Recovery;

/// <summary>One record that a verdict rests on. Immutable and job-safe.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Id">Its id, as other cmdlets take it.</param>
/// <param name="TimeUtc">Its time, UTC: of a point the state that it holds; null where it has none.</param>
public sealed record EvidenceRecord(EvidenceKind Kind, string Id, DateTime? TimeUtc)
{
    /// <summary>Kind, id and time.</summary>
    public override string ToString() =>
        TimeUtc is DateTime time ? $"{Kind} {Id} ({time:yyyy-MM-dd HH:mm:ss}Z)" : $"{Kind} {Id}";
}
