using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: builds a VM from a restore point of a native repository.</summary>
public interface INativeRestore
{
    /// <summary>
    /// Throws what would stand in the way of a restore, as far as it can be known beforehand: the name, the networks,
    /// the storages, the VM to replace. Only reads.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="request">How.</param>
    /// <exception cref="NataliaException"><c>ApplianceNameInUse</c>, <c>NetworkChoiceRequired</c>, and those of
    /// <see cref="RestoreAsync"/>.</exception>
    Task CheckRestoreAsync(RestorePoint point, NativeRestoreRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Restores a point to a new VM, or over the old one where that is said explicitly. A restore that fails removes
    /// what it made of a new VM. What goes wrong when the VM is there is told in the result.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="request">How.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it and removes a half-made VM before the call returns.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>ApplianceRunning</c>, <c>StorageNotFound</c>,
    /// <c>NetworkNotFound</c>, <c>ApplianceNameInUse</c>, <c>NetworkChoiceRequired</c>, <c>TaskFailed</c>,
    /// <c>PermissionDenied</c>.</exception>
    /// <exception cref="RemainingVMException">Something of the new VM may be there.</exception>
    /// <exception cref="OverwrittenVMException">The existing VM may hold the point, whole or half.</exception>
    Task<NativeRestoreResult> RestoreAsync(RestorePoint point, NativeRestoreRequest request,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}
