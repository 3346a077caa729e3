using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: merges what removed snapshots left of a VM's disks. Any thread.</summary>
public interface IDiskConsolidation
{
    /// <summary>Merges what is left, and looks whether it is gone. Nothing is done where nothing is.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="progress">Told what is waited for; or null.</param>
    /// <param name="cancellationToken">Stops the wait; the merge goes on.</param>
    /// <returns>Whether there was something to merge.</returns>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ConsolidationNeeded</c>,
    /// <c>MergeNotFinished</c>, <c>DiskInUse</c>.</exception>
    Task<bool> ConsolidateAsync(ApplianceDescription appliance, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken);
}
