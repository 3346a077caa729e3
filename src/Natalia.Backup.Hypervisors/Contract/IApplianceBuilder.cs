using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: makes a VM and takes the bytes of its disks. A restore of a point that the hypervisor does not store
/// itself stands on it, and so does the test of one. All members may be called from any thread.
/// </summary>
public interface IApplianceBuilder
{
    /// <summary>
    /// Makes a VM without disks, switched off. Its building is recorded with it (<see cref="BuildRequest.BuildId"/>) in
    /// the same step that makes it, so that there is no moment in which a crash leaves something that nobody knows.
    /// </summary>
    /// <param name="like">What it is to be like: processors, memory, adapters. Its disks are named one by one
    /// afterwards.</param>
    /// <param name="how">How.</param>
    /// <param name="cancellationToken">Stops it; what was made until then is removed before the call returns.</param>
    /// <exception cref="NataliaException">
    /// <c>ApplianceNameInUse</c>, <c>NetworkNotFound</c>, <c>StorageNotFound</c>, <c>PermissionDenied</c>: nothing was
    /// made.
    /// </exception>
    Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
        CancellationToken cancellationToken);

    /// <summary>
    /// The VMs whose building has not ended, of this and of earlier processes. Found by what was recorded with them,
    /// never by a name. A <see cref="PartialCollection{T}"/> says what could not be looked at.
    /// </summary>
    Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken);

    /// <summary>Removes an unfinished VM with its disks; one that is gone already is fine.</summary>
    /// <param name="unfinished">The VM, as it was found.</param>
    /// <param name="cancellationToken">Bounds the clean-up.</param>
    /// <exception cref="NataliaException">
    /// <c>NotAnUnfinishedAppliance</c>: what has its id now does not carry the record of that building, or somebody has
    /// taken it into use: it runs, or has snapshots or disks that the building did not make. It was left alone.
    /// </exception>
    Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken);
}
