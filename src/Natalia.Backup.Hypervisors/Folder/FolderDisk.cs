using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>One frozen image.</summary>
/// <param name="DiskId">The disk's id.</param>
/// <param name="Image">The image itself.</param>
/// <param name="Source">What the engine reads: the image, with what is known of its changes where that was
/// stated.</param>
internal sealed record FolderDisk(string DiskId, RawDiskSource Image, IDiskSource Source)
{
    private const int Sector = 512;

    /// <summary>What is odd about the image, in a full sentence; null when nothing is.</summary>
    internal string? Oddity => Image.SizeBytes % Sector == 0 ? null
        : $"The image '{Image.Path}' of disk '{DiskId}' is {Image.SizeBytes} bytes long, which is no multiple of "
            + $"{Sector}, and a disk's size is. "
            + "It may be cut off, or not be a raw disk. It is backed up byte for byte.";

    /// <summary>
    /// Why it is not known whether the image was written while it was read, in a full sentence; null when that is
    /// noticed.
    /// </summary>
    internal string? Doubt => Image.WritesAreNoticed ? null
        : $"Disk '{DiskId}' is the block device '{Image.Path}', whose writes this system does not count, so it is not "
            + "known whether it was written while it was read.";
}
