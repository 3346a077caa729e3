using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: the hypervisor keeps a copy of a VM on another of its VM hosts and refreshes it every few minutes. A
/// replica is not a backup: deletions arrive there too. Any thread.
/// </summary>
public interface IReplication
{
    /// <summary>
    /// Makes a VM's replication to a VM host, or changes it; the same call twice changes nothing. Every precondition is
    /// checked first and named when it fails.
    /// </summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="request">What is wanted.</param>
    /// <exception cref="NataliaException"><c>ReplicationPreconditionFailed</c>, <c>PermissionDenied</c>.</exception>
    Task<ReplicationState> SetReplicationAsync(ApplianceDescription appliance, ReplicationRequest request,
        CancellationToken cancellationToken);

    /// <summary>
    /// The replications of a VM, or of all, with their state as the VM host knows it on which the VM runs.
    /// </summary>
    /// <param name="appliance">The VM; null for all.</param>
    Task<IReadOnlyList<ReplicationState>> GetReplicationsAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken);

    /// <summary>Ends a replication.</summary>
    /// <param name="replicationId">Its id.</param>
    /// <param name="keepReplica">Whether the copy on the other VM host stays.</param>
    /// <exception cref="NataliaException"><c>ReplicationNotFound</c>.</exception>
    Task RemoveReplicationAsync(string replicationId, bool keepReplica, CancellationToken cancellationToken);
}
