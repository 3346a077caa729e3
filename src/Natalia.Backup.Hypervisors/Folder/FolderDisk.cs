using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>One frozen image.</summary>
/// <param name="DiskId">The disk's id.</param>
/// <param name="Files">All files that its bytes are in: the image, its parents, its other parts.</param>
/// <param name="Source">What the engine reads: the disk in the image, with what is known of its changes where that was
/// stated.</param>
internal sealed record FolderDisk(string DiskId, IReadOnlyList<RawDiskSource> Files, IDiskSource Source) : IDisposable
{
    internal const int Sector = 512;

    /// <summary>The size of the sectors that the guest sees, in bytes.</summary>
    internal int SectorBytes { get; init; } = Sector;

    /// <summary>The image itself.</summary>
    private RawDiskSource Image => Files[0];

    /// <summary>What is odd about the image, in full sentences; null when nothing is.</summary>
    internal string? Oddity => SectorBytes != Sector
        ? $"The disk '{DiskId}' in the image '{Image.Path}' has sectors of {SectorBytes} bytes, and a restore point "
            + $"keeps bytes alone: what is exported or restored has sectors of {Sector}, by which its guest may not "
            + "find its partitions. Its bytes are backed up as they are."
        : Source.SizeBytes % Sector == 0 ? null
        : $"The image '{Image.Path}' of disk '{DiskId}' is {Image.SizeBytes} bytes long, which is no multiple of "
            + $"{Sector}, and a disk's size is. "
            + "It may be cut off, or not be a raw disk. It is backed up byte for byte.";

    /// <summary>
    /// Why it is not known whether the image was written while it was read, in a full sentence; null when that is
    /// noticed.
    /// </summary>
    internal string? Doubt => Files.All(f => f.WritesAreNoticed) ? null
        : $"Disk '{DiskId}' is the block device '{Image.Path}', whose writes this system does not count, so it is not "
            + "known whether it was written while it was read.";

    /// <summary>Throws when a file of the image was written or replaced since it was opened.</summary>
    /// <exception cref="Engine.NataliaException"><c>DiskChangedWhileRead</c>.</exception>
    internal void VerifyUnchanged()
    {
        foreach (RawDiskSource file in Files) file.VerifyUnchanged();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Source.Dispose();
        foreach (RawDiskSource file in Files) file.Dispose();
    }
}
