using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// A restore point as evidence: one that is there, or one that was made and has been removed since. Copies are points
/// of their own. Immutable and job-safe.
/// </summary>
public sealed record EvidencePoint
{
    /// <summary>The point's id.</summary>
    public required string RestorePointId { get; init; }
    /// <summary>The id of the repository that holds it, or held it.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of that repository's session.</summary>
    public required string Repository { get; init; }
    /// <summary>The time of the state that it holds, UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>What is known of its health.</summary>
    public EvidencePointState State { get; init; }
    /// <summary>Whether it counts: neither damaged, doubtful nor missing.</summary>
    public bool IsGood => State is EvidencePointState.Unverified or EvidencePointState.Verified;
    /// <summary>Why it is not good, in a full sentence; null when it is.</summary>
    public string? Trouble { get; init; }
    /// <summary>
    /// The kind of hypervisor that the appliance ran on; null where unknown, as of points that are gone.
    /// </summary>
    public string? HypervisorKind { get; init; }
    /// <summary>How its disks were read.</summary>
    public BackupType Type { get; init; }
    /// <summary>In what state the guest's data was caught.</summary>
    public Consistency Consistency { get; init; }
    /// <summary>The virtual size of its disks, in bytes; null where unknown, as of points that are gone.</summary>
    public long? SizeBytes { get; init; }
    /// <summary>How many bytes of its disks are not zero, before compression; null where unknown.</summary>
    public long? AllocatedBytes { get; init; }
    /// <summary>How many bytes its making added to the repository; null where unknown.</summary>
    public long? StoredBytes { get; init; }
    /// <summary>True when it is there now; false when it was removed, or is missing.</summary>
    public bool IsKept { get; init; }
    /// <summary>When it was removed, UTC; null when it was not, or that is not known.</summary>
    public DateTime? RemovedUtc { get; init; }
    /// <summary>What keeps it: <c>daily 2 of 7</c>, <c>protected</c>; null when nothing does, or it is gone.</summary>
    public string? KeptBy { get; init; }
    /// <summary>True when retention must not take it.</summary>
    public bool IsProtected { get; init; }
    /// <summary>Until when an object lock keeps it, UTC; null when none does.</summary>
    public DateTime? ImmutableUntilUtc { get; init; }
    /// <summary>When it was last read as a whole and found good, UTC; null when never.</summary>
    public DateTime? VerifiedUtc { get; init; }
    /// <summary>
    /// The hash of the audit record of its making; null where there is none, as of what Proxmox VE makes by itself.
    /// </summary>
    public string? RecordHash { get; init; }
    /// <summary>For a copy: the id of the point that it is a copy of; else null.</summary>
    public string? OriginalRestorePointId { get; init; }

    /// <summary>The time and the state.</summary>
    public override string ToString() => $"{TimeUtc:yyyy-MM-dd HH:mm:ss}Z {State}";
}
