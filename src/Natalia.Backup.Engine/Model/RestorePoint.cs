namespace Natalia.Backup.Engine.Model;

/// <summary>How a backup read the disks.</summary>
public enum BackupType
{
    /// <summary>Unknown: a restore point of another product, or of a newer version.</summary>
    Unknown = 0,
    /// <summary>
    /// Everything allocated was read and compared; nothing was assumed. Only what differs from the parent point was
    /// stored.
    /// </summary>
    Full,
    /// <summary>Only the extents that the hypervisor reported as changed were read.</summary>
    Incremental,
}

/// <summary>What a caller asks for.</summary>
public enum RequestedBackupType
{
    /// <summary>Incremental where change tracking allows it, else Full; neither is a fallback.</summary>
    Auto = 0,
    /// <summary>Read everything allocated.</summary>
    Full,
    /// <summary>Read only what changed. Where that is not possible the run falls back to Full and says why.</summary>
    Incremental,
}

/// <summary>In what state the guest's data was caught.</summary>
public enum Consistency
{
    /// <summary>Not known.</summary>
    Unknown = 0,
    /// <summary>As after a power cut, or a switched-off machine's image as it lies.</summary>
    Crash,
    /// <summary>File systems were frozen and flushed.</summary>
    FileSystem,
    /// <summary>Applications took part (VSS, freeze hooks).</summary>
    Application,
}

/// <summary>What an appliance's disk is for.</summary>
public enum DiskRole
{
    /// <summary>Neither stated nor to be inferred.</summary>
    Unknown = 0,
    /// <summary>Holds all that matters.</summary>
    Data,
    /// <summary>Boots the appliance; can be redeployed from the signed OVA.</summary>
    System,
}

/// <summary>One disk of a restore point.</summary>
/// <param name="DiskId">The hypervisor's id of the disk, unique within the appliance.</param>
/// <param name="Role">What the disk is for.</param>
/// <param name="SizeBytes">Its virtual size in bytes.</param>
/// <param name="AllocatedBytes">How many bytes of it are stored as non-zero blocks, before compression.</param>
public sealed record RestorePointDisk(string DiskId, DiskRole Role, long SizeBytes, long AllocatedBytes)
{
    /// <summary>The disk's id and role.</summary>
    public override string ToString() => $"{DiskId} ({Role})";
}

/// <summary>
/// One complete, independent, restorable state of an appliance. It does not depend on any other point being there.
/// Immutable; every property survives a job or a remote session.
/// </summary>
public sealed record RestorePoint : IComparable<RestorePoint>
{
    /// <summary>The point's id: 32 lowercase hexadecimal digits, unique everywhere.</summary>
    public required string RestorePointId { get; init; }
    /// <summary>The appliance's id: 32 lowercase hexadecimal digits.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the appliance was called when the point was made.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>
    /// The kind of hypervisor that the appliance ran on when the point was made; null where unknown.
    /// </summary>
    public string? HypervisorKind { get; init; }
    /// <summary>The repository's id: 32 lowercase hexadecimal digits.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of the session through which the point was seen.</summary>
    public required string Repository { get; init; }
    /// <summary>What kind of repository holds it: <c>Natalia</c>, <c>Proxmox</c>.</summary>
    public string RepositoryKind { get; init; } = "Natalia";
    /// <summary>
    /// The order of points within the appliance: a later point has a higher number. Null where the repository has no
    /// such order.
    /// </summary>
    public long? Sequence { get; init; }
    /// <summary>
    /// The time of the state that it holds, UTC: when the disks were frozen, not when the copy ended.
    /// </summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>How the disks were read.</summary>
    public BackupType Type { get; init; }
    /// <summary>What was asked for.</summary>
    public RequestedBackupType RequestedType { get; init; }
    /// <summary>
    /// Why <see cref="Type"/> or <see cref="Consistency"/> is not what was asked for, what was found of change
    /// tracking, and that the VM had snapshots of others; null when there is nothing to say.
    /// </summary>
    public string? Reason { get; init; }
    /// <summary>In what state the guest's data was caught.</summary>
    public Consistency Consistency { get; init; }
    /// <summary>The virtual size of its disks together, in bytes; null where the repository does not say.</summary>
    public long? SizeBytes { get; init; }
    /// <summary>How many bytes were read from the disks to make it; null where unknown.</summary>
    public long? ReadBytes { get; init; }
    /// <summary>How many bytes its making added to the repository, everything counted; null where unknown.</summary>
    public long? StoredBytes { get; init; }
    /// <summary>
    /// How many requests its making sent to the store, which a bucket's owner pays for; null where that was not
    /// counted: in a folder, and of points that are listed.
    /// </summary>
    public long? Requests { get; init; }
    /// <summary>
    /// By which way the disks were read, on hypervisors that have more than one (VMware); null elsewhere.
    /// </summary>
    public ReadMethod? ReadMethod { get; init; }
    /// <summary>
    /// What a full found that change tracking had missed, in full sentences; <see cref="Reason"/> keeps it. Null where
    /// there is nothing of the kind, and of points that are listed.
    /// </summary>
    public string? TrackingFault { get; init; }
    /// <summary>How long its making took; null where unknown.</summary>
    public TimeSpan? Duration { get; init; }
    /// <summary>Its disks.</summary>
    public IReadOnlyList<RestorePointDisk> Disks { get; init => field = ItemList.Of(value); } =
        ItemList.Of<RestorePointDisk>([]);
    /// <summary>
    /// What belongs to the VM and is no disk: UEFI variables, the state of a TPM. Empty where the hypervisor gave none,
    /// and where the storage's own backup keeps them with the VM.
    /// </summary>
    public IReadOnlyList<RestorePointAttachment> Attachments { get; init => field = ItemList.Of(value); } =
        ItemList.Of<RestorePointAttachment>([]);
    /// <summary>True when retention must not take it.</summary>
    public bool IsProtected { get; init; }
    /// <summary>
    /// For a copy: the id of the point whose state it is, where that was first made; null for a point that was made
    /// here.
    /// </summary>
    public string? OriginalRestorePointId { get; init; }
    /// <summary>
    /// For a copy: the id of the repository in which the point was first made; null for a point that was made here.
    /// </summary>
    public string? OriginalRepositoryId { get; init; }
    /// <summary>Until when an object lock keeps everything that it needs, UTC; null when nothing is locked.</summary>
    public DateTime? ImmutableUntilUtc { get; init; }
    /// <summary>
    /// How many objects its making stored under a lock, each read back from the store after it was set; null where
    /// nothing is locked, and of points that are listed. What the point shares with earlier ones is not among them.
    /// </summary>
    public int? LockedObjects { get; init; }
    /// <summary>The repository's own name of the point, where it is another product's; else null.</summary>
    public string? NativeId { get; init; }
    /// <summary>
    /// What the storage's own verification said, where it has one. In a repository of this product: Failed for a point
    /// that was found damaged, else Unknown; what tested it and when is in the audit log.
    /// </summary>
    public VerificationState Verification { get; init; }
    /// <summary>When that verification began, UTC; null where there was none or its time is not known.</summary>
    public DateTime? VerifiedUtc { get; init; }
    /// <summary>
    /// False when its manifest is damaged: then what is shown is what the audit log tells, its disks are unknown, and
    /// it can be neither restored, copied nor removed. No retention rule counts it. A repair, or the manifest put back,
    /// makes it readable again.
    /// </summary>
    public bool IsReadable { get; init; } = true;
    /// <summary>
    /// False while a storage's own backup still writes it, and for ever when that backup was broken off: it cannot be
    /// restored. It is never the newest one, and takes no slot of a retention.
    /// </summary>
    public bool IsFinished { get; init; } = true;
    /// <summary>
    /// True when its time lies in the future by more than a quarter of an hour, by the clock of who looks: it was made
    /// while a clock was wrong. It is never the newest one, no retention rule counts it or removes it, and it can be
    /// removed by hand.
    /// </summary>
    public bool IsInFuture { get; init; }
    /// <summary>
    /// True when its file bears a name that the storage did not give: its time is then the file's own, and proves
    /// nothing. It is never the newest one, no retention rule counts it or removes it, and it can be removed by hand.
    /// </summary>
    public bool IsRenamed { get; init; }
    /// <summary>
    /// What is wrong with clocks, as it was seen while the point was made: this machine's and the store's differ, or
    /// the earlier point is of the future. Null where nothing is, and of points that are listed.
    /// </summary>
    public string? ClockWarning { get; init; }
    /// <summary>Whether it is encrypted; null where the repository does not say.</summary>
    public bool? IsEncrypted { get; init; }
    /// <summary>What people or schedules wrote about it, or null.</summary>
    public string? Note { get; init; }
    /// <summary>
    /// How many call records the appliance had of the business day before, for a restore test to compare with; null
    /// where nobody counted.
    /// </summary>
    public CdrBaseline? CdrBaseline { get; init; }
    /// <summary>True when the system disk was left out, so that the point cannot boot by itself.</summary>
    public bool IsDataDiskOnly { get; init; }

    /// <summary>
    /// Orders by time, then by sequence; what is of the future or was renamed comes before everything else, so that it
    /// is never the newest.
    /// </summary>
    /// <param name="other">The other point; null comes first.</param>
    public int CompareTo(RestorePoint? other)
    {
        if (other is null) return 1;
        if (IsRenamed != other.IsRenamed) return IsRenamed ? -1 : 1;
        if (IsInFuture != other.IsInFuture) return IsInFuture ? -1 : 1;
        int byTime = TimeUtc.CompareTo(other.TimeUtc);
        return byTime != 0 ? byTime : Nullable.Compare(Sequence, other.Sequence);
    }

    /// <summary>The appliance and the time, short and stable.</summary>
    public override string ToString() => $"{ApplianceName} {TimeUtc:yyyy-MM-dd HH:mm:ss}Z";
}
