namespace Natalia.Backup.Hypervisors.VSphere.ChangeTracking;

/// <summary>
/// One answer of <c>QueryChangedDiskAreas</c> (<c>DiskChangeInfo</c>), as it came: not checked. It tells of a part of
/// the disk only; what follows has to be asked for again.
/// </summary>
/// <param name="StartOffset">Where the part begins, in bytes.</param>
/// <param name="Length">How long it is, in bytes.</param>
/// <param name="Areas">What changed in it.</param>
internal sealed record DiskChanges(long StartOffset, long Length, IReadOnlyList<ChangedArea> Areas);
