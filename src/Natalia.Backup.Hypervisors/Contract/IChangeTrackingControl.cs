using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: switches on that the hypervisor tracks which parts of disks change, where it does not do so by itself.
/// Any thread.
/// </summary>
public interface IChangeTrackingControl
{
    /// <summary>
    /// Switches tracking on, and makes it effective at once. The VM stands still for a moment. Nothing is done where it
    /// is on.
    /// </summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="repositoryId">The repository whose next backup removes what a death of this call leaves.</param>
    /// <param name="cancellationToken">Stops the wait; what was made is removed before the call returns.</param>
    /// <returns>Whether it was off before.</returns>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceNotSuitable</c>: the VM has snapshots,
    /// or hardware that tracks nothing.</exception>
    Task<bool> EnableChangeTrackingAsync(ApplianceDescription appliance, string repositoryId,
        CancellationToken cancellationToken);
}
