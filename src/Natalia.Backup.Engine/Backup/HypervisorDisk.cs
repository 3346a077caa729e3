using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>A frozen disk whose bytes are read, and whose hypervisor may know what changed.</summary>
/// <param name="disk">The disk.</param>
/// <param name="requested">What was asked for.</param>
/// <param name="vm">What its tokens belong to.</param>
internal sealed class HypervisorDisk(BackupDisk disk, RequestedBackupType requested, string vm) : IRunDisk
{
    public string DiskId => disk.DiskId;

    public DiskRole Role => disk.Role;

    public long SizeBytes => disk.Source.SizeBytes;

    /// <summary>
    /// The disk in the point, or checkpoint, from whose token the changes count that are read; null when everything
    /// is read.
    /// </summary>
    internal ManifestDisk? CountsFrom { get; private set; }

    /// <summary>What a run that reads everything compares the claims of change tracking with; or null.</summary>
    private ChangeAudit? _audit;

    public bool IsOrdered => disk.Source is IOrderedDiskSource { IsOrdered: true };

    public string? TrackingFault => _audit is { MissedBlocks: > 0 and long missed } audit
        ? $"The change tracking of disk '{DiskId}' is at fault: {missed} blocks differ from the last point of which it "
            + $"says that they did not change, the first at byte {audit.FirstMissed}. This point is right, because "
            + "everything was read; incrementals since the full before it may hold old content there. "
            + ((disk.Source as ITrackingAdvice)?.ResetAdvice
                ?? "Have the hypervisor begin its change tracking anew.")
        : null;

    /// <summary>The token that the state had from the freeze on, or null.</summary>
    internal string? TrackingToken => (disk.Source as IChangeTrackingSource)?.TrackingToken;

    public IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(CancellationToken cancellationToken) =>
        disk.Source.GetAllocatedExtentsAsync(cancellationToken);

    public ILeafProcessor NewWorker(
        MapReader? parent, PackWriter data, Func<Reference, bool> isUsable, byte[] buffer) =>
        new LeafProcessor(disk.Source, parent, data, isUsable, buffer, _audit);

    /// <summary>The extents that an incremental has to read, or why there can be none.</summary>
    public async Task<ChangedExtents> FindChangedAsync(ParentDisk? parent, CancellationToken cancellationToken)
    {
        // A run that plans anew, without its parents, must not keep what the first plan counted from.
        CountsFrom = null;
        _audit = null;
        if (requested == RequestedBackupType.Full)
        {
            _audit = await AuditAsync(parent, cancellationToken).ConfigureAwait(false);
            return new ChangedExtents(null);
        }
        bool asked = requested == RequestedBackupType.Incremental;
        if (parent is null)
            return new ChangedExtents(null, asked ? $"There is no earlier point of disk '{DiskId}'." : null);
        ManifestDisk before = parent.Disk;
        var tracking = disk.Source as IChangeTrackingSource;
        if (before.TrackingToken is string lost && tracking is not { IsTracked: true })
        {
            string? why = tracking is null ? null
                : (await tracking.GetChangedExtentsAsync(lost, cancellationToken).ConfigureAwait(false)).Reason;
            return new ChangedExtents(null, why
                ?? $"The changes of disk '{DiskId}' were known at its last point and are not known now, "
                    + "so that all of it was read.");
        }
        if (tracking is not { IsTracked: true })
            return new ChangedExtents(null, asked
                ? $"The hypervisor does not track the changes of disk '{DiskId}', so that all of it was read." : null);
        if (before.TrackingToken is not null && before.NativeId != vm)
            return new ChangedExtents(null,
                $"The last point of disk '{DiskId}' is of another VM, so that all of it was read.");
        if (parent.IsDamagedSince)
            return new ChangedExtents(null,
                $"Damage was found in the repository after disk '{DiskId}' was last read as a whole, "
                    + "so that all of it was read, and what was lost was stored again.");
        if (before.TrackingToken is null)
        {
            return new ChangedExtents(null, parent.Point.CopyOf is null
                ? $"The earlier point of disk '{DiskId}' was made without change tracking."
                : $"The earlier point of disk '{DiskId}' was copied from another repository, "
                    + "and changes are counted only from points that were made here.");
        }
        if (before.SizeBytes != SizeBytes)
            return new ChangedExtents(null,
                $"Disk '{DiskId}' was resized from {before.SizeBytes} to {SizeBytes} bytes.");
        ChangedExtents answer = await tracking.GetChangedExtentsAsync(before.TrackingToken,
            cancellationToken).ConfigureAwait(false);
        if (answer.Extents is null)
            return new ChangedExtents(null,
                answer.Reason ?? $"The hypervisor could not tell the changes of disk '{DiskId}'.");
        var changed = new List<Extent>(answer.Extents);
        if (before.CoveredBytes is long covered && covered < before.SizeBytes)
        {
            // A checkpoint holds the frozen state up to here only; behind it lies the state of an earlier point, or
            // nothing.
            changed.RemoveAll(e => e.Offset >= covered);
            if (changed.Count > 0 && changed[changed.Count - 1] is var last && last.End > covered)
                changed[changed.Count - 1] = new Extent(last.Offset, covered - last.Offset);
            changed.Add(new Extent(covered, before.SizeBytes - covered));
        }
        CountsFrom = before;
        return new ChangedExtents(changed);
    }

    /// <summary>
    /// What change tracking says of the time since the last point, for a run that reads everything to be compared with;
    /// null where it says nothing that could be held against it.
    /// </summary>
    private async Task<ChangeAudit?> AuditAsync(ParentDisk? parent, CancellationToken cancellationToken)
    {
        if (parent is null || parent.IsDamagedSince || parent.Disk is not { TrackingToken: string token } before
            || before.NativeId != vm || before.SizeBytes != SizeBytes || before.CoveredBytes is not null
            || disk.Source is not IChangeTrackingSource { IsTracked: true } tracking)
            return null;
        ChangedExtents claimed;
        try
        {
            claimed = await tracking.GetChangedExtentsAsync(token, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException)
        {
            // The full needs no answer, and is there for the days when none can be had.
            return null;
        }
        return claimed.Extents is null ? null : new ChangeAudit(claimed.Extents, SizeBytes);
    }
}
