using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A disk that does not change while it is read: a snapshot's disk, a switched-off VM's image. The engine reads it from several threads at once.
/// </summary>
public interface IDiskSource : IDisposable
{
    /// <summary>The virtual size in bytes, 0 or more. Constant.</summary>
    long SizeBytes { get; }

    /// <summary>
    /// The extents that may hold something other than zeros, ascending, not overlapping, inside the disk. Everything outside them reads as zeros.
    /// One extent over the whole disk is always a right answer.
    /// </summary>
    /// <param name="cancellationToken">Stops it.</param>
    IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken);

    /// <summary>Fills the whole buffer from the disk. The range lies inside the disk.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="buffer">Where to put the bytes; filled whole.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>DiskReadFailed</c>.</exception>
    ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);
}

/// <summary>A source whose hypervisor knows what changed since an earlier snapshot (CBT, RCT, a dirty bitmap).</summary>
public interface IChangeTrackingSource : IDiskSource
{
    /// <summary>The token of this state, to be kept with the restore point and given back for the next one; null when tracking is off for this disk.</summary>
    string? TrackingToken { get; }

    /// <summary>
    /// The extents that may have changed since <paramref name="sinceToken"/>, ascending, not overlapping, inside the disk; or the reason why that cannot be said.
    /// Reporting too much is allowed, too little never.
    /// </summary>
    /// <param name="sinceToken">A token of an earlier state of this disk.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken);
}

/// <summary>The answer of change tracking: the extents, or why there are none to be had.</summary>
/// <param name="Extents">The changed extents, or null when the hypervisor cannot tell.</param>
/// <param name="Reason">A full sentence for the user when <paramref name="Extents"/> is null.</param>
public sealed record ChangedExtents(IReadOnlyList<Extent>? Extents, string? Reason = null);
