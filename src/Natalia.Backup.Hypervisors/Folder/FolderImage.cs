using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>One disk image of a VM in a folder.</summary>
/// <param name="DiskId">The disk's id.</param>
/// <param name="File">The image's file.</param>
/// <param name="Role">What the disk is for.</param>
/// <param name="Format">Its format, as stated or as its name promises.</param>
/// <param name="IsFormatStated">True when the description names the format, so that its content need not be
/// asked.</param>
/// <param name="StatedChanges">The changes file as the description states it, or null. It may be missing: then there is
/// no tracking this time.</param>
internal sealed record FolderImage(string DiskId, ContainedFile File, DiskRole Role, ImageFormat Format,
    bool IsFormatStated, string? StatedChanges)
{
    /// <summary>Where in the file the image is; null for the whole file, as always outside of an OVA.</summary>
    internal Extent? Member { get; init; }

    /// <summary>The disk's size where it is known without opening the image.</summary>
    internal long? SizeBytes { get; init; }
}
