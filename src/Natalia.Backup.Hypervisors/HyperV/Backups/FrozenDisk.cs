using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Tracking;

namespace Natalia.Backup.Hypervisors.HyperV.Backups;

/// <summary>A disk of a checkpoint: its bytes through the chain of images, and what changed of it.</summary>
/// <param name="slot">The disk, with the frozen file.</param>
/// <param name="image">What is read.</param>
/// <param name="tracker">Asks for changes; null for a disk whose format the host does not track.</param>
internal sealed class FrozenDisk(DiskSlot slot, IDiskSource image, RctTracker? tracker) : IChangeTrackingSource
{
    private bool _isClosed;

    internal string DiskId => slot.DiskId;

    public long SizeBytes => image.SizeBytes;

    public bool IsTracked => tracker is not null;

    /// <summary>Born when the checkpoint becomes a reference point.</summary>
    public string? TrackingToken => null;

    public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
        image.GetAllocatedExtentsAsync(cancellationToken);

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_isClosed) throw new InvalidOperationException("Nothing can be read of a sealed state.");
        try
        {
            await image.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.DiskChangedWhileRead)
        {
            // A frozen file is never written; one that becomes shorter was taken away.
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                $"The frozen image '{slot.Path}' of disk '{slot.DiskId}' went away while it was read: "
                + e.Message, slot.Path,
                "See on the host what happened to the VM's checkpoint, and run the backup again.", e);
        }
    }

    public async Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken) =>
        tracker is null
            ? new ChangedExtents(null, $"Hyper-V does not track the changes of disk '{slot.DiskId}': it is no VHDX.")
            : await tracker.GetChangesAsync(image, sinceToken, cancellationToken).ConfigureAwait(false);

    /// <summary>A hash of some bytes, by which a later answer of the tracking is judged; null when untracked.</summary>
    internal async Task<string?> ProbeAsync(CancellationToken cancellationToken) =>
        tracker is null ? null : await DiskProbe.ReadAsync(this, cancellationToken).ConfigureAwait(false);

    /// <summary>Closes the files, which a merge cannot do with while they are open.</summary>
    internal void Close()
    {
        _isClosed = true;
        image.Dispose();
    }

    /// <summary>The files belong to the freeze.</summary>
    public void Dispose() { }
}
