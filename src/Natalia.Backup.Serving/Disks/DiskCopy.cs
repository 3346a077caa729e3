using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Serving.Disks;

/// <summary>Writes a served disk, with what was written over it, to a target.</summary>
public static class DiskCopy
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Copies what is not known to be zeros, in order.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="target">Where to; the caller disposes it.</param>
    /// <param name="activity">What to call it where progress is told.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <exception cref="NataliaException">What the disk or the target throws.</exception>
    public static async Task ExecuteAsync(IServedDisk disk, IDiskTarget target, string activity,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        await target.BeginAsync(disk.SizeBytes, cancellationToken).ConfigureAwait(false);
        var buffer = new byte[PieceBytes];
        for (long offset = 0; offset < disk.SizeBytes;)
        {
            DiskExtent extent = await disk.GetExtentAsync(offset, disk.SizeBytes - offset,
                cancellationToken).ConfigureAwait(false);
            long end = offset + extent.Length;
            while (!extent.IsHole && offset < end)
            {
                Memory<byte> piece = buffer.AsMemory(0, (int)Math.Min(PieceBytes, end - offset));
                await disk.ReadAsync(offset, piece, cancellationToken).ConfigureAwait(false);
                await target.WriteAsync(offset, piece, cancellationToken).ConfigureAwait(false);
                offset += piece.Length;
            }
            offset = end;
            progress?.Report(new OperationProgress(activity, offset, disk.SizeBytes));
        }
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }
}
