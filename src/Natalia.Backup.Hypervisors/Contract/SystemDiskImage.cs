namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// An image that supplies the system disk of a VM whose point holds the data disk alone. It is never written.
/// </summary>
/// <param name="Path">The image on this machine, a full path.</param>
/// <param name="DiskId">The id of the disk that is made of it.</param>
public sealed record SystemDiskImage(string Path, string DiskId = "system");
