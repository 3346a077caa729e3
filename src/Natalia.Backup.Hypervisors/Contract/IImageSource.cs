using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: gives frozen disks whose bytes the engine reads (VMware, Hyper-V, Folder). docs/hypervisor-contract.md
/// tells the life of a
/// freeze, and <c>HypervisorConformance</c> among the tests says what of it must hold.
/// </summary>
public interface IImageSource
{
    /// <summary>
    /// Freezes disks of an appliance at one common time. Whoever calls it holds the appliance's lease in the
    /// repository of the request, and
    /// disposes the result.
    /// </summary>
    /// <param name="appliance">The VM, as listed by this hypervisor.</param>
    /// <param name="how">Which disks, how, and for whom.</param>
    /// <param name="cancellationToken">Stops it; what was made until then is let go of before the call returns.</param>
    /// <exception cref="NataliaException">
    /// <c>ApplianceNotFound</c>, <c>DiskNotFound</c>, <c>QuiesceFailed</c> where quiescing was required, and the
    /// adapter's own. Nothing of this call then stands on the hypervisor, as far as that can be reached.
    /// </exception>
    Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken);

    /// <summary>
    /// Everything that backups of this product made here and that still stands: of dead runs, of running ones, and
    /// what later incrementals
    /// count from. Which of it is left over only the holder of a lease can tell.
    /// </summary>
    /// <param name="appliance">Of which VM; null for all.</param>
    Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken);

    /// <summary>Removes what <see cref="FindLeftoversAsync"/> gave. What is gone meanwhile is no error.</summary>
    /// <param name="leftover">What to remove.</param>
    Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken);
}
