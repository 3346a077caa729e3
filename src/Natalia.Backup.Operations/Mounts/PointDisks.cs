using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Serving.Disks;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>What everybody needs who serves disks of a point.</summary>
internal static class PointDisks
{
    /// <summary>Says to all machines that the point is in use; null with rights to read alone, which is told.</summary>
    /// <param name="point">The point.</param>
    /// <param name="cure">What to do before the point can no longer be read: the end of a sentence.</param>
    /// <param name="warn">Takes what a person should know.</param>
    /// <exception cref="NataliaException">A store error.</exception>
    internal static async Task<ReaderMark?> TryMarkAsync(OpenPoint point, string cure, Action<string> warn,
        CancellationToken cancellationToken)
    {
        try
        {
            return await point.MarkAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException denied)
            when (denied.ErrorId is ErrorIds.StoreAccessDenied or ErrorIds.StoreFull or ErrorIds.StoreWriteFailed)
        {
            warn($"Nothing can be written to the repository, so that other machines do not see that the point "
                + $"{point.Point} is in use. Where one removes it, it stays readable for "
                + $"{Repository.DefaultGrace.TotalHours:0} hours: {cure}.");
            return null;
        }
    }

    /// <summary>Opens a disk. What cannot be read at all is told now, and not by the first client.</summary>
    /// <param name="point">The point.</param>
    /// <param name="diskId">The disk.</param>
    /// <exception cref="NataliaException">What reading throws.</exception>
    internal static async Task<PointDisk> OpenAsync(OpenPoint point, string diskId,
        CancellationToken cancellationToken)
    {
        var disk = new PointDisk(point.OpenDisk(diskId));
        try
        {
            if (disk.SizeBytes > 0) await disk.GetExtentAsync(0, 1, cancellationToken).ConfigureAwait(false);
            return disk;
        }
        catch
        {
            disk.Dispose();
            throw;
        }
    }
}
