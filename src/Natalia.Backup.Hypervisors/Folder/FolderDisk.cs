using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>One frozen image.</summary>
/// <param name="Image">The image itself.</param>
/// <param name="Source">What the engine reads: the image, with what is known of its changes where that was stated.</param>
internal sealed record FolderDisk(RawDiskSource Image, IDiskSource Source);
