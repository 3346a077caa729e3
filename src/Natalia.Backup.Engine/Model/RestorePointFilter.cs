namespace Natalia.Backup.Engine.Model;

/// <summary>Which points are wanted. All conditions hold together.</summary>
public sealed record RestorePointFilter
{
    /// <summary>Only this appliance; null for all.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>Only points at or after this time, UTC.</summary>
    public DateTime? AfterUtc { get; init; }
    /// <summary>Only points at or before this time, UTC.</summary>
    public DateTime? BeforeUtc { get; init; }
    /// <summary>
    /// Also points whose manifests cannot be read, as far as the audit log tells of them
    /// (<see cref="RestorePoint.IsReadable"/>). For looking only: they can be neither restored nor counted.
    /// </summary>
    public bool IncludeUnreadable { get; init; }

    internal bool Spans(DateTime timeUtc) => !(timeUtc < AfterUtc) && !(timeUtc > BeforeUtc);
}
