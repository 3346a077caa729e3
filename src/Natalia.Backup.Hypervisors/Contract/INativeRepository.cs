using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A storage into which a hypervisor itself puts restore points. It belongs to the hypervisor that opened it and ends with it.
/// All members may be called from any thread. Dates are UTC, sizes are bytes, and what is not known is null.
/// </summary>
public interface INativeRepository
{
    /// <summary>The repository's id: 32 lowercase hexadecimal digits, the same on every machine.</summary>
    string RepositoryId { get; }
    /// <summary>The session's name.</summary>
    string Label { get; }
    /// <summary>The kind, as in <see cref="RestorePoint.RepositoryKind"/>.</summary>
    string Kind { get; }
    /// <summary>The storage's name on the hypervisor.</summary>
    string Storage { get; }
    /// <summary>What kind of storage it is, in the hypervisor's word: <c>pbs</c>, <c>nfs</c>, <c>dir</c>.</summary>
    string StorageKind { get; }
    /// <summary>Hypervisor and storage, without secrets.</summary>
    string Location { get; }

    /// <summary>The restore points, newest first. Missing rights are an error, never an empty list.</summary>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="onHidden">Told of each part of the storage that cannot be read now (<c>StoreUnavailable</c>), as that of a host that is down: its points are missing from the list. Or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PermissionDenied</c>, <c>StorageNotFound</c>.</exception>
    Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(RestorePointFilter filter, Action<NataliaException>? onHidden, CancellationToken cancellationToken);

    /// <summary>Makes a restore point now and waits for it. Nothing else in the storage is removed by it.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="request">How.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops the run on the hypervisor and undoes what it changed, before the call returns.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceLocked</c>, <c>NothingWasBackedUp</c>, <c>TaskFailed</c>, <c>TaskNotFinished</c>, <c>TaskLost</c>, <c>PermissionDenied</c>, <c>StorageMixesKinds</c>.</exception>
    Task<NativeBackupResult> BackupAsync(ApplianceDescription appliance, NativeBackupRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Marks a point so that no pruning takes it, or takes the mark away.</summary>
    /// <param name="point">The point.</param>
    /// <param name="isProtected">The mark wanted.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The point as it is now.</returns>
    Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, CancellationToken cancellationToken);

    /// <summary>Removes a point.</summary>
    /// <param name="point">The point.</param>
    /// <param name="allowNewest">Also when it is the appliance's newest, by the user's explicit word.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>RestorePointProtected</c>, <c>RestorePointIsNewest</c>, <c>PermissionDenied</c>.</exception>
    Task RemoveRestorePointAsync(RestorePoint point, bool allowNewest, CancellationToken cancellationToken);

    /// <summary>What the storage knows of a point's health. It reads no data: verification is the storage's own work.</summary>
    /// <param name="point">The point.</param>
    /// <param name="maximumVerificationAge">How old a verification may be before it is a warning.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<CheckResult>> TestRestorePointAsync(RestorePoint point, TimeSpan maximumVerificationAge, CancellationToken cancellationToken);

    /// <summary>The VM configuration kept with a point.</summary>
    /// <param name="point">The point.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<ApplianceDescription> GetConfigurationAsync(RestorePoint point, CancellationToken cancellationToken);

    /// <summary>What the storage's own retention would do now: nothing is changed.</summary>
    /// <param name="applianceId">Of which appliance.</param>
    /// <param name="limits">The limits.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<NativePruneRow>> PlanPruneAsync(string applianceId, RetentionLimits limits, CancellationToken cancellationToken);

    /// <summary>Lets the storage remove what its retention says.</summary>
    /// <param name="applianceId">Of which appliance.</param>
    /// <param name="limits">The limits.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <returns>What was removed and kept, by comparing the plan with what is there afterwards.</returns>
    Task<IReadOnlyList<NativePruneRow>> PruneAsync(string applianceId, RetentionLimits limits, CancellationToken cancellationToken);
}

/// <summary>Shorter ways to ask a native repository.</summary>
public static class NativeRepositoryExtensions
{
    /// <summary>The restore points that can be read now, newest first.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static Task<IReadOnlyList<RestorePoint>> GetRestorePointsAsync(this INativeRepository repository, RestorePointFilter filter, CancellationToken cancellationToken) =>
        repository.GetRestorePointsAsync(filter, null, cancellationToken);
}
