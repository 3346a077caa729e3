namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>A disk of a running VM, as its monitor tells.</summary>
/// <param name="DiskId">The disk's id in the description.</param>
/// <param name="Node">The node that the VM writes into.</param>
/// <param name="SizeBytes">Its size in bytes.</param>
/// <param name="IsPersistent">Whether its bitmaps are kept in its image (qcow2).</param>
/// <param name="HasSnapshots">Whether its image holds snapshots, to one of which it may have been set back.</param>
/// <param name="Bitmaps">What is counted of its changes.</param>
internal sealed record LiveDisk(string DiskId, string Node, long SizeBytes, bool IsPersistent, bool HasSnapshots,
    IReadOnlyList<LiveBitmap> Bitmaps);

/// <summary>A bitmap of a disk's changes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="IsRecording">Whether it counts now.</param>
/// <param name="IsInconsistent">Whether it missed what happened before a crash.</param>
internal sealed record LiveBitmap(string Name, bool IsRecording, bool IsInconsistent);
