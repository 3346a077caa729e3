namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>
/// An area of a disk that a server says has changed (<c>DiskChangeExtent</c>), as it came: not checked.
/// </summary>
/// <param name="Start">The first byte.</param>
/// <param name="Length">How many bytes.</param>
internal readonly record struct ChangedArea(long Start, long Length);
