namespace Natalia.Backup.Engine.Model;

/// <summary>What became of a point that was to be copied.</summary>
public enum CopyStatus
{
    /// <summary>It was copied.</summary>
    Copied = 0,
    /// <summary>
    /// The destination holds the point, or a copy of it, already, and it is not known to be damaged; nothing was done.
    /// </summary>
    AlreadyThere,
    /// <summary>It was in the destination once and was removed there on purpose; nothing was done.</summary>
    RemovedThere,
}

/// <summary>
/// What copying one restore point did. <see cref="RestorePointId"/> and <see cref="RepositoryId"/> are those of the
/// copy, so that it can be piped on to what tests or restores it. Immutable and job-safe.
/// </summary>
public sealed record PointCopy
{
    /// <summary>What became of it.</summary>
    public required CopyStatus Status { get; init; }
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the appliance was called when the point was made.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>The time of the state that the point holds, UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>The id of the copy in the destination; null when there is none.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The destination's id.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of the destination's session.</summary>
    public required string Repository { get; init; }
    /// <summary>The id of the point that was copied.</summary>
    public required string SourceRestorePointId { get; init; }
    /// <summary>The id of the repository that it was copied from.</summary>
    public required string SourceRepositoryId { get; init; }
    /// <summary>The name of the source's session.</summary>
    public required string SourceRepository { get; init; }
    /// <summary>Bytes of blocks read from the source, compressed and sealed.</summary>
    public long ReadBytes { get; init; }
    /// <summary>Bytes stored in the destination, everything counted.</summary>
    public long WrittenBytes { get; init; }
    /// <summary>Bytes of the point's blocks, before compression, that the destination had already.</summary>
    public long SkippedBytes { get; init; }
    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }
    /// <summary>
    /// Until when an object lock keeps everything that the copy needs, UTC; null when nothing is locked.
    /// </summary>
    public DateTime? ImmutableUntilUtc { get; init; }
    /// <summary>
    /// Why it was copied although the destination has it (what is there was found damaged), or why less was shared with
    /// the destination's earlier points than could have been; or null.
    /// </summary>
    public string? Reason { get; init; }

    /// <summary>The appliance, the time and the status.</summary>
    public override string ToString() => $"{ApplianceName} {TimeUtc:yyyy-MM-dd HH:mm:ss}Z: {Status}";
}
