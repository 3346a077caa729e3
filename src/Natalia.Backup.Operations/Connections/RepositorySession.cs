namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// A repository that this runspace is connected to. Plain data: the connection itself stays in the runspace and is
/// found by <see cref="Name"/>.
/// </summary>
public sealed record RepositorySession
{
    /// <summary>What the session is called; unique in its runspace.</summary>
    public required string Name { get; init; }
    /// <summary>The repository's id: 32 lowercase hexadecimal digits, the same through every session.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>What kind of repository it is: <c>Natalia</c>, <c>Proxmox</c>.</summary>
    public string RepositoryKind { get; init; } = "Natalia";
    /// <summary>What holds its objects: <c>Folder</c>, <c>S3</c>.</summary>
    public required string StoreKind { get; init; }
    /// <summary>Where it is, without secrets: a full path, <c>s3://bucket/prefix</c>.</summary>
    public required string Location { get; init; }
    /// <summary>
    /// Whether what it holds is sealed with a password; null for a hypervisor's own storage, where each point says it.
    /// </summary>
    public bool? IsEncrypted { get; init; }
    /// <summary>
    /// True when points can be read and written; false for a session that was opened without the password, which can
    /// check objects and read the audit log.
    /// </summary>
    public bool IsUnlocked { get; init; }
    /// <summary>The format version that it was made with.</summary>
    public int FormatVersion { get; init; }
    /// <summary>When it was made, UTC.</summary>
    public DateTime CreatedUtc { get; init; }
    /// <summary>
    /// The SHA-256 fingerprint of the key that signs the audit log. Kept somewhere else, it proves later that a log is
    /// this repository's.
    /// </summary>
    public required string AuditKeyFingerprint { get; init; }
    /// <summary>
    /// For how many days from its making everything stored is locked against deletion, or how many days ahead
    /// (<see cref="ImmutableWhileKept"/>); null for not at all.
    /// </summary>
    public int? ImmutableDays { get; init; }
    /// <summary>True when the locks of points are extended as long as the retention policy keeps them.</summary>
    public bool ImmutableWhileKept { get; init; }
    /// <summary>How strong the locks are; null when nothing is locked.</summary>
    public Engine.Storage.ObjectLockMode? ImmutabilityMode { get; init; }
    /// <summary>
    /// For how many days the bucket itself locks every object, short-lived ones included; null when it does not, or may
    /// not be asked.
    /// </summary>
    public int? BucketRetentionDays { get; init; }
    /// <summary>
    /// What the locks and the retention policy come to together; of a session that has just made an immutable
    /// repository, else null.
    /// </summary>
    public Engine.Immutability.LockEffect? LockEffect { get; init; }
    /// <summary>
    /// For a hypervisor's own storage: the name of the session of the repository that keeps its audit records; null
    /// when none does. A repository of this product keeps its own.
    /// </summary>
    public string? EvidenceRepository { get; init; }
    /// <summary>When it was connected, UTC.</summary>
    public required DateTime ConnectedUtc { get; init; }

    /// <summary>The session's name.</summary>
    public override string ToString() => Name;
}
