using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>A repository that was measured, as far as it concerns one appliance. Immutable and job-safe.</summary>
public sealed record RepositoryEvidence
{
    /// <summary>The repository's id.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>The name of its session.</summary>
    public required string Repository { get; init; }
    /// <summary>Its kind: <c>Natalia</c>, <c>Proxmox</c>.</summary>
    public required string RepositoryKind { get; init; }
    /// <summary>What holds it: <c>Folder</c>, <c>S3</c>, the kind of a storage.</summary>
    public required string StoreKind { get; init; }
    /// <summary>Where it is, without secrets.</summary>
    public required string Location { get; init; }
    /// <summary>
    /// Whether it lies on another machine than the appliance: true and false where that is known, null where it is
    /// not.
    /// </summary>
    public bool? IsOffHost { get; init; }
    /// <summary>How that is known, or why not, in a full sentence.</summary>
    public required string OffHostDetail { get; init; }
    /// <summary>Whether it locks what it holds; null where that is not known.</summary>
    public bool? IsImmutable { get; init; }
    /// <summary>For how many days it locks; null for not at all.</summary>
    public int? ImmutableDays { get; init; }
    /// <summary>True when locks are extended for as long as the retention policy keeps a point.</summary>
    public bool ImmutableWhileKept { get; init; }
    /// <summary>How strong its locks are; null without locks, or where that is not known.</summary>
    public ObjectLockMode? ImmutabilityMode { get; init; }
    /// <summary>The retention policy that holds for the appliance, in one line; null without one.</summary>
    public string? RetentionPolicy { get; init; }
    /// <summary>
    /// True when a log tells of every point that was ever made there; false where only those are known that are kept,
    /// or that this product made.
    /// </summary>
    public bool HasFullHistory { get; init; }
    /// <summary>The fingerprint of the key that signs its audit log; null where it has none.</summary>
    public string? AuditKeyFingerprint { get; init; }
}
