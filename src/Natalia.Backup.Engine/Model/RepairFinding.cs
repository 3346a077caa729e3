namespace Natalia.Backup.Engine.Model;

/// <summary>What a repair came upon.</summary>
public enum RepairFindingKind
{
    /// <summary>Not said.</summary>
    Unknown = 0,
    /// <summary>
    /// A restore point that cannot be restored as a whole; one finding for each disk concerned, or one for its VM
    /// configuration when that alone is lost.
    /// </summary>
    PointLost,
    /// <summary>A restore point that had been found damaged, and is whole again.</summary>
    PointHealed,
    /// <summary>
    /// The manifest of a restore point is not there, although the log says that the point was made and never removed.
    /// </summary>
    ManifestMissing,
    /// <summary>The manifest of a restore point cannot be read.</summary>
    ManifestDamaged,
    /// <summary>A pack is not there.</summary>
    PackMissing,
    /// <summary>A pack is cut off, changed, or cannot be read.</summary>
    PackDamaged,
    /// <summary>
    /// What a run added and what died with it is not known any more: costs no data, but space cannot be given back.
    /// </summary>
    DeltaLost,
    /// <summary>A run does not tell all that died with it: costs no data, but space cannot be given back.</summary>
    DeadListIncomplete,
    /// <summary>Space in packs that no restore point needs.</summary>
    UnneededSpace,
    /// <summary>What a run left that ended before it made a restore point.</summary>
    OrphanedRun,
    /// <summary>A checkpoint that a newer restore point made needless.</summary>
    StaleCheckpoint,
    /// <summary>A derived list cannot be read.</summary>
    CatalogDamaged,
    /// <summary>The audit log is not what was written.</summary>
    AuditLogBroken,
    /// <summary>A key slot cannot be used.</summary>
    KeySlotDamaged,
    /// <summary>A lease that a run left when it died.</summary>
    LeaseStale,
    /// <summary>A part of the repository could not be looked at.</summary>
    NotExamined,
    /// <summary>
    /// Two runs made points beside each other, because one had lost its lease: costs no data, but space cannot be given
    /// back.
    /// </summary>
    HistoryForked,
}

/// <summary>What was done about a finding; with -WhatIf what would be done.</summary>
public enum RepairAction
{
    /// <summary>Nothing can be done here, or nothing needs to be.</summary>
    None = 0,
    /// <summary>It stays as it is.</summary>
    Kept,
    /// <summary>
    /// It was noted in the audit log, so that nobody relies on it and the next backup stores it again.
    /// </summary>
    Recorded,
    /// <summary>It was made again from what is whole.</summary>
    Rebuilt,
    /// <summary>It was removed.</summary>
    Removed,
    /// <summary>It would be removed, but an object lock keeps it.</summary>
    Locked,
}

/// <summary>One thing that a repair found, and what became of it. Immutable and job-safe.</summary>
public sealed record RepairFinding
{
    /// <summary>What it is.</summary>
    public required RepairFindingKind Kind { get; init; }
    /// <summary>What was done about it.</summary>
    public RepairAction Action { get; init; }
    /// <summary>The object concerned, or the folder of objects; or null.</summary>
    public string? Object { get; init; }
    /// <summary>The appliance concerned, or null.</summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called, or null.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The name of the repository's session; null when it was not repaired through one.</summary>
    public string? Repository { get; init; }
    /// <summary>The repository's id, or null.</summary>
    public string? RepositoryId { get; init; }
    /// <summary>The restore point concerned, or null.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The time of the restore point, UTC; null where none is concerned or its time is not known.</summary>
    public DateTime? PointTimeUtc { get; init; }
    /// <summary>The disk concerned, or null.</summary>
    public string? DiskId { get; init; }
    /// <summary>
    /// How many bytes of the disk are lost: those that were stored and cannot be had any more. 0 where none are.
    /// </summary>
    public long BytesLost { get; init; }
    /// <summary>
    /// Where on the disk they are, ascending; the first 1,000 extents. An extent may hold zeros besides what is lost.
    /// </summary>
    public IReadOnlyList<Extent> LostExtents { get; init => field = ItemList.Of(value); } = ItemList.Of<Extent>([]);
    /// <summary>How many bytes it takes in the store; 0 where that does not matter.</summary>
    public long StoredBytes { get; init; }
    /// <summary>Until when an object lock keeps it, UTC; null when none does.</summary>
    public DateTime? LockedUntilUtc { get; init; }
    /// <summary>A full sentence: what is wrong, what it means and what can be done.</summary>
    public string? Detail { get; init; }

    /// <summary>The kind and what it is about.</summary>
    public override string ToString() => $"{Kind}: {Detail}";
}
