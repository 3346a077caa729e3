using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// A restore point as the signed record of its making tells of it, whether it is still there or not. Immutable.
/// </summary>
public sealed record MadePoint
{
    /// <summary>The point's id.</summary>
    public required string RestorePointId { get; init; }
    /// <summary>Its place in the order of the appliance's points.</summary>
    public required long Sequence { get; init; }
    /// <summary>The time of the state that it holds, UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>When the record of it was written, UTC: soon after it was durable.</summary>
    public required DateTime RecordedUtc { get; init; }
    /// <summary>The hash of that record.</summary>
    public required string RecordHash { get; init; }
    /// <summary>How its disks were read.</summary>
    public BackupType Type { get; init; }
    /// <summary>In what state the guest's data was caught.</summary>
    public Consistency Consistency { get; init; }
    /// <summary>How many bytes its making added to the repository; null where the record does not say.</summary>
    public long? StoredBytes { get; init; }
    /// <summary>For a copy: the id of the point that was first made; else null.</summary>
    public string? OriginalRestorePointId { get; init; }
    /// <summary>When it was removed, UTC, by the record of that; null where the log has none.</summary>
    public DateTime? RemovedUtc { get; init; }
    /// <summary>Whether a repair gave it up because it was lost; nobody wanted it away.</summary>
    public bool IsLost { get; init; }
    /// <summary>When it was found damaged, UTC; null when it was not, or is whole again.</summary>
    public DateTime? FoundDamagedUtc { get; init; }
}
