using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A storage into which a hypervisor itself puts restore points. It belongs to the hypervisor that opened it and ends
/// with it. What it can do beside is what every repository of points can.
/// </summary>
public interface INativeRepository : IPointRepository
{
    /// <summary>The storage's name on the hypervisor.</summary>
    string Storage { get; }
    /// <summary>What kind of storage it is, in the hypervisor's word: <c>pbs</c>, <c>nfs</c>, <c>dir</c>.</summary>
    string StorageKind { get; }
    /// <summary>
    /// True when all VM hosts see the same content, so that it does not go down with one of them; false for a storage
    /// of each host's own.
    /// </summary>
    bool IsShared { get; }

    /// <summary>Makes a restore point now and waits for it. Nothing else in the storage is removed by it.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="request">How.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops the run on the hypervisor and undoes what it changed, before the call
    /// returns.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceLocked</c>, <c>NothingWasBackedUp</c>,
    /// <c>TaskFailed</c>, <c>TaskNotFinished</c>, <c>TaskLost</c>, <c>PermissionDenied</c>,
    /// <c>StorageMixesKinds</c>.</exception>
    Task<NativeBackupResult> BackupAsync(ApplianceDescription appliance, NativeBackupRequest request,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>What the storage's own retention would do now: nothing is changed.</summary>
    /// <param name="applianceId">Of which appliance.</param>
    /// <param name="limits">The limits.</param>
    Task<IReadOnlyList<NativePruneRow>> PlanPruneAsync(string applianceId, RetentionLimits limits,
        CancellationToken cancellationToken);
}

/// <summary>Shorter ways to ask a native repository.</summary>
public static class NativeRepositoryExtensions
{
    /// <summary>The restore points that can be read now, newest first.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="filter">Which are wanted.</param>
    public static Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(this INativeRepository repository,
        RestorePointFilter filter, CancellationToken cancellationToken) =>
        repository.GetRestorePointsAsync(filter, null, null, cancellationToken);
}
