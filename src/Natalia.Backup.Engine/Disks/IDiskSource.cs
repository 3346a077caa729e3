using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A disk that does not change while it is read: a snapshot's disk, a switched-off VM's image. The engine reads it from
/// several threads at once.
/// </summary>
public interface IDiskSource : IDisposable
{
    /// <summary>The virtual size in bytes, 0 or more. Constant.</summary>
    long SizeBytes { get; }

    /// <summary>
    /// The extents that may hold something other than zeros, ascending, not overlapping, inside the disk. Everything
    /// outside them reads as zeros. One extent over the whole disk is always a right answer.
    /// </summary>
    IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken);

    /// <summary>Fills the whole buffer from the disk. The range lies inside the disk.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="buffer">Where to put the bytes; filled whole.</param>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);
}
