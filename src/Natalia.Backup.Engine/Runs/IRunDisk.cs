using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Runs;

/// <summary>A disk of a run: what of it has to be looked at, and who turns that into leaves.</summary>
internal interface IRunDisk
{
    string DiskId { get; }

    DiskRole Role { get; }

    /// <summary>The size in bytes. Constant.</summary>
    long SizeBytes { get; }

    /// <summary>The extents that may hold something other than zeros, ascending, not overlapping.</summary>
    IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken);

    /// <summary>
    /// The extents in which the disk may differ from its parent, ascending, not overlapping; none when everything has
    /// to be
    /// looked at, with the reason where the user is to know it.
    /// </summary>
    Task<ChangedExtents> FindChangedAsync(ParentDisk? parent, CancellationToken cancellationToken);

    /// <summary>Whether it must be read by one worker, ascending.</summary>
    bool IsOrdered { get; }

    /// <summary>
    /// What is known, once all of it was read, of a fault of the hypervisor's change tracking; null when nothing is.
    /// </summary>
    string? TrackingFault { get; }

    /// <summary>A worker that compares with the parent's map and stores what is new.</summary>
    ILeafProcessor NewWorker(MapReader? parent, PackWriter data, Func<Reference, bool> isUsable, byte[] buffer);
}
