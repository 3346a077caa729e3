namespace Natalia.Backup.Engine.Audit;

/// <summary>Which audit records are wanted. All conditions hold together.</summary>
public sealed record AuditRecordFilter
{
    /// <summary>Only the logs of these appliances; null for all of them and the repository's own.</summary>
    public IReadOnlyCollection<string>? ApplianceIds { get; init; }
    /// <summary>Only records of this time or later, by their writers' clocks, UTC.</summary>
    public DateTime? AfterUtc { get; init; }
    /// <summary>Only records of this time or earlier, by their writers' clocks, UTC.</summary>
    public DateTime? BeforeUtc { get; init; }
}
