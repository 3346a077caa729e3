using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// Which disk of a restore point is meant. One rule, so that a file never bears the name of another disk than its bytes
/// are of.
/// </summary>
public static class DiskChoice
{
    /// <summary>
    /// The disk that was named, whatever its letters' case; without a name the only one, or the only data disk.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="diskId">What was asked for; null when nothing was.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAmbiguous</c>.</exception>
    public static RestorePointDisk Of(RestorePoint point, string? diskId)
    {
        IReadOnlyList<RestorePointDisk> disks = point.Disks;
        if (diskId is not null)
        {
            return disks.FirstOrDefault(d => d.DiskId == diskId)
                ?? disks.FirstOrDefault(d => string.Equals(d.DiskId, diskId, StringComparison.OrdinalIgnoreCase))
                ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                    $"The point holds no disk '{diskId}'. It holds: {Names(disks)}.", diskId);
        }
        if (disks.Count == 1) return disks[0];
        RestorePointDisk[] data = [.. disks.Where(d => d.Role == DiskRole.Data)];
        return data.Length == 1
            ? data[0]
            : throw new NataliaException(ErrorIds.DiskAmbiguous, NataliaErrorKind.InvalidArgument,
            $"The point holds several disks and none of them, or more than one, is the data disk: {Names(disks)}.",
            point.RestorePointId, "Name the disk with -DiskId.");
    }

    private static string Names(IReadOnlyList<RestorePointDisk> disks) =>
        disks.Count == 0 ? "none" : string.Join(", ", disks);
}
