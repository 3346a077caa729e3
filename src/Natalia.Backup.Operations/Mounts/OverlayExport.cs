using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Overlays;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>Makes an image of a point's disk and the overlay that was kept of it.</summary>
internal static class OverlayExport
{
    /// <exception cref="NataliaException"><c>OverlayFailed</c> when there is no such file, <c>OverlayMismatch</c>,
    /// <c>OverlayInvalid</c>, <c>OverlayInUse</c>, what reading and writing throw.</exception>
    internal static async Task<RestorePointDisk> ExecuteAsync(OpenPoint point, string diskId, string overlay,
        IDiskTarget target, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (!File.Exists(overlay))
            throw new NataliaException(ErrorIds.OverlayFailed, NataliaErrorKind.NotFound,
                $"There is no overlay '{overlay}'.", overlay, "Name the file that a mount with -KeepOverlay has left.");
        PointDiskReader reader = point.OpenDisk(diskId);
        using OverlayDisk disk = OverlayDisk.Open(new PointDisk(reader), new OverlayIdentity(point.Point.RepositoryId,
            point.Point.RestorePointId, diskId, reader.SizeBytes), overlay, long.MaxValue, keep: true);
        await DiskCopy.ExecuteAsync(disk, target, $"Exporting {diskId} of {point.Point.ApplianceName}", progress,
            cancellationToken).ConfigureAwait(false);
        return reader.Disk;
    }
}
