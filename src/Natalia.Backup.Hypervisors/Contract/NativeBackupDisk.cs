namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How one disk was treated by a native backup.</summary>
/// <param name="DiskId">The disk.</param>
/// <param name="IsIncluded">False when it was left out.</param>
/// <param name="ChangeTracking">What the run said about its dirty bitmap, in the hypervisor's words; null when it said
/// nothing.</param>
/// <param name="DirtyBytes">How many bytes the bitmap made it read; null when everything was read or nothing is
/// known.</param>
/// <param name="SizeBytes">Its virtual size, or null.</param>
public sealed record NativeBackupDisk(string DiskId, bool IsIncluded, string? ChangeTracking, long? DirtyBytes,
    long? SizeBytes);
