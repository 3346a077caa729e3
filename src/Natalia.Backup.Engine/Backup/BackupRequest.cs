using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Backup;

/// <summary>What a backup run is to do.</summary>
public sealed record BackupRequest
{
    /// <summary>The appliance and its configuration; kept with the point.</summary>
    public required ApplianceDescription Appliance { get; init; }
    /// <summary>The frozen disks, at least one.</summary>
    public required IReadOnlyList<BackupDisk> Disks { get; init; }
    /// <summary>What was asked for.</summary>
    public RequestedBackupType RequestedType { get; init; }
    /// <summary>The time of the frozen state, UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>In what state the guest's data was caught.</summary>
    public Consistency Consistency { get; init; } = Consistency.Crash;
    /// <summary>By which way the disks are read; null where there is one alone.</summary>
    public ReadMethod? ReadMethod { get; init; }
    /// <summary>Why the consistency is less than asked for, or null.</summary>
    public string? ConsistencyReason { get; init; }
    /// <summary>What else the point is to say of the state that was frozen, in full sentences; in its reason.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];
    /// <summary>
    /// The count of call records that a restore test of the point compares with; null when nobody counted.
    /// </summary>
    public CdrBaseline? CdrBaseline { get; init; }
    /// <summary>
    /// What belongs to the VM and is no disk; within the bounds of <see cref="ApplianceAttachment"/>, their names
    /// unique.
    /// </summary>
    public IReadOnlyList<ApplianceAttachment> Attachments { get; init; } = [];
}
