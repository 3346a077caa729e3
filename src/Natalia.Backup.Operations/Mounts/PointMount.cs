namespace Natalia.Backup.Operations.Mounts;

/// <summary>How a disk is served.</summary>
public enum MountProtocol
{
    /// <summary>NBD: what QEMU, nbd-client and nbdkit speak.</summary>
    Nbd = 0,
    /// <summary>iSCSI: what ESXi, Hyper-V hosts, Windows, Proxmox VE and Linux speak by themselves.</summary>
    Iscsi,
}

/// <summary>A disk of a restore point that is served, as it is now. Plain data; every property survives a
/// job.</summary>
public sealed record PointMount
{
    /// <summary>The mount's id: 32 lowercase hexadecimal digits.</summary>
    public required string MountId { get; init; }
    /// <summary>How it is served.</summary>
    public required MountProtocol Protocol { get; init; }
    /// <summary>
    /// Where clients find it: <c>nbd://127.0.0.1:10809/NAME</c>, <c>iscsi://127.0.0.1:3260/IQN/0</c>. Holds no secret.
    /// </summary>
    public required string Uri { get; init; }
    /// <summary>The disk's id within the appliance.</summary>
    public required string DiskId { get; init; }
    /// <summary>The disk's size in bytes.</summary>
    public required long SizeBytes { get; init; }
    /// <summary>What the appliance was called when the point was made.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>The restore point's id.</summary>
    public required string RestorePointId { get; init; }
    /// <summary>The time of the point's frozen state, UTC.</summary>
    public required DateTime PointTimeUtc { get; init; }
    /// <summary>The repository's session.</summary>
    public required string Repository { get; init; }
    /// <summary>The repository's id.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>Whether clients may write, over the point and never into the repository.</summary>
    public required bool IsWritable { get; init; }
    /// <summary>The file that takes what clients write; null when they cannot, or when it is not kept.</summary>
    public string? OverlayPath { get; init; }
    /// <summary>How many bytes the overlay takes; null without one.</summary>
    public long? OverlayBytes { get; init; }
    /// <summary>
    /// Whether other machines can see that the point is in use. False where this session may only read the repository:
    /// then the grace of what is removed has to do.
    /// </summary>
    public required bool IsMarked { get; init; }
    /// <summary>Since when it is served, UTC.</summary>
    public required DateTime SinceUtc { get; init; }
    /// <summary>How many bytes clients have read.</summary>
    public required long BytesRead { get; init; }
    /// <summary>How many bytes clients have written.</summary>
    public required long BytesWritten { get; init; }
    /// <summary>How many connections there are now.</summary>
    public required int Connections { get; init; }

    /// <summary>Where clients find it.</summary>
    public override string ToString() => Uri;
}
