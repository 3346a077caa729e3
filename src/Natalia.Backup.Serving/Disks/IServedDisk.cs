using Natalia.Backup.Engine;

namespace Natalia.Backup.Serving.Disks;

/// <summary>
/// A disk that clients read, and may write, at any place. All members may be called from any thread at once; what two
/// overlapping calls at the same time come to is for the clients to avoid, as with any disk. Ranges lie inside the
/// disk. Errors are <see cref="NataliaException"/>; <c>OverlayFull</c> where what is written has no room.
/// </summary>
public interface IServedDisk : IDisposable
{
    /// <summary>The size in bytes. Constant.</summary>
    long SizeBytes { get; }

    /// <summary>True when every write is refused.</summary>
    bool IsReadOnly { get; }

    /// <summary>Fills the whole buffer.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="buffer">Where to put the bytes.</param>
    ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes bytes; they are durable after <see cref="FlushAsync"/>.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="bytes">The bytes.</param>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Makes a range read as zeros; takes no room for whole blocks of them.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">How many bytes; may be all of the disk.</param>
    ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken);

    /// <summary>Returns when everything that was written before the call is durable.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Whether what begins at an offset is known to be zeros that take no room, and for how many bytes that answer
    /// holds: 1 to <paramref name="limit"/>. It may hold for more.
    /// </summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="limit">The last byte that is asked for is this many bytes on.</param>
    ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken);
}

/// <summary>A stretch of a disk of one kind.</summary>
/// <param name="Length">How many bytes.</param>
/// <param name="IsHole">True when they are zeros that take no room.</param>
public readonly record struct DiskExtent(long Length, bool IsHole);
