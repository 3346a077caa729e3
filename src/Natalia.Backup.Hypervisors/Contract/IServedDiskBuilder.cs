using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: builds VMs that run from <see cref="ServedDisks"/> on this machine. A test VM does until it is
/// destroyed. A VM that stays is started by the builder, and complete when its disks were moved to images of its own
/// while it runs; until then it is unfinished. May be called from any thread.
/// </summary>
public interface IServedDiskBuilder : IApplianceBuilder
{
    /// <summary>
    /// Makes an appliance of an unfinished VM that has all of its disks: whoever built it died, or could not write that
    /// down.
    /// </summary>
    /// <param name="unfinished">The VM, as it was found; nobody builds it any more.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>False when it has not all of its disks, or is gone.</returns>
    /// <exception cref="NataliaException">It cannot be told at this moment, and it must not be removed; or it cannot be
    /// written down.</exception>
    Task<bool> TryCompleteAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken);
}
