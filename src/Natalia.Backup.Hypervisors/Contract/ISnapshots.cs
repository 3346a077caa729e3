using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: short-lived snapshots on the hypervisor. They are not backups: they lie on the disk that they protect,
/// and slow it down. Any thread.
/// </summary>
public interface ISnapshots
{
    /// <summary>Freezes an appliance and keeps the state under a name of the product's own.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="request">How.</param>
    /// <param name="cancellationToken">Stops the wait; a snapshot that is being made is removed before the call
    /// returns.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceLocked</c>, <c>TaskFailed</c>,
    /// <c>PermissionDenied</c>.</exception>
    Task<ApplianceSnapshot> CreateSnapshotAsync(ApplianceDescription appliance, SnapshotRequest request,
        CancellationToken cancellationToken);

    /// <summary>
    /// The snapshots of an appliance, newest first; those of others too, told apart by
    /// <see cref="ApplianceSnapshot.IsOwn"/>.
    /// </summary>
    /// <param name="appliance">The VM.</param>
    Task<IReadOnlyList<ApplianceSnapshot>> GetSnapshotsAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken);

    /// <summary>Removes a snapshot that this product made. One of somebody else is refused.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="snapshotId">Its id.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <exception cref="NataliaException"><c>SnapshotNotFound</c>, <c>SnapshotNotOwn</c>, <c>ApplianceLocked</c>,
    /// <c>TaskFailed</c>.</exception>
    Task RemoveSnapshotAsync(ApplianceDescription appliance, string snapshotId, CancellationToken cancellationToken);
}
