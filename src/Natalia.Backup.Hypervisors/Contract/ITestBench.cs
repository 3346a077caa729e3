using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: an isolated VM that is made from a restore point, examined and destroyed. What is demanded is that the
/// VM is isolated and that this was proved, not one means of it. All members may be called from any thread.
/// </summary>
public interface ITestBench
{
    /// <summary>
    /// Makes a VM of a point that nothing can leave, not started. It carries a mark by which a later sweep finds it.
    /// The caller disposes it, which destroys it.
    /// </summary>
    /// <param name="from">What it is made of.</param>
    /// <param name="request">How.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it and removes what was made before the call returns.</param>
    /// <exception cref="NataliaException">
    /// <c>CapabilityMissing</c>: this hypervisor cannot make a VM of such a source. <c>NetworkNotFound</c>,
    /// <c>StorageNotFound</c>, <c>PermissionDenied</c>.
    /// </exception>
    /// <exception cref="RemainingVMException">Something may be there that <see cref="FindAsync"/> does not
    /// find.</exception>
    Task<ITestVM> PrepareAsync(
        RestoreSource from, TestVMRequest request, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken);

    /// <summary>
    /// The test VMs that are there, of this and of earlier runs. They are found as kept (<see cref="ITestVM.IsKept"/>):
    /// one of them may be in another's hands at this moment, so only <see cref="ITestVM.DestroyAsync"/> destroys what
    /// was found. A <see cref="PartialCollection{T}"/> says what could not be looked at.
    /// </summary>
    Task<IReadOnlyList<ITestVM>> FindAsync(CancellationToken cancellationToken);
}
