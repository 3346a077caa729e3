namespace Natalia.Backup.Engine.Audit;

/// <summary>Which audit records are wanted. All conditions hold together.</summary>
public sealed record AuditRecordFilter
{
    /// <summary>Only the logs of these appliances; null for all of them and the repository's own.</summary>
    public IReadOnlyCollection<string>? ApplianceIds { get; init; }
    /// <summary>Only records of these events; null for all. Others are not even read.</summary>
    public IReadOnlyCollection<string>? Events { get; init; }
    /// <summary>Only the newest so many of each log, by their numbers; null for all.</summary>
    public int? Newest { get; init; }
    /// <summary>Only records of this time or later, by their writers' clocks, UTC.</summary>
    public DateTime? AfterUtc { get; init; }
    /// <summary>Only records of this time or earlier, by their writers' clocks, UTC.</summary>
    public DateTime? BeforeUtc { get; init; }
}
