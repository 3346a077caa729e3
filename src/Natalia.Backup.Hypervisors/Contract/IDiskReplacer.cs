using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: gives a switched-off VM another disk in the place of one that it has. May be called from any thread.
/// </summary>
public interface IDiskReplacer
{
    /// <summary>
    /// Replaces a disk. The new one is written beside the old one and is complete before the old one goes; a failure,
    /// or the end of the process at any moment, leaves the VM with the old one or with the new one, never with neither.
    /// </summary>
    /// <param name="appliance">The VM, as listed by this hypervisor.</param>
    /// <param name="diskId">The disk's id. The new one has the same.</param>
    /// <param name="sizeBytes">The size of the new disk, in bytes.</param>
    /// <param name="write">Writes it; begins and completes the target, which the caller disposes.</param>
    /// <param name="cancellationToken">Stops it; what was written is removed before the call returns.</param>
    /// <returns>The VM as it was read back.</returns>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceRunning</c>, <c>DiskNotFound</c>,
    /// <c>DestinationFull</c>, <c>DestinationWriteFailed</c>; what <paramref name="write"/> throws.</exception>
    Task<ApplianceDescription> ReplaceDiskAsync(ApplianceDescription appliance, string diskId, long sizeBytes,
        Func<IDiskTarget, CancellationToken, Task> write, CancellationToken cancellationToken);
}
