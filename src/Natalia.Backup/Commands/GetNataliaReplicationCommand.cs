using System.Management.Automation;
using Natalia.Backup.Appliances;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;


/// <summary>Lists replications with their state and age.</summary>
/// <remarks>
/// <para>Health is Passed while the copy is younger than three intervals and nothing failed, Warning when the last attempt failed but the copy is young, Failed when it is too old, and NotEvidenced when nothing is known. Lag is the age of the copy.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaReplication</code>
/// <para>Lists all replications.</para>
/// </example>
/// <example>
/// <code>if (Get-NataliaReplication | Where-Object Health -ne 'Passed') { throw 'A replica is behind.' }</code>
/// <para>For monitoring.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaReplication")]
[OutputType(typeof(ReplicationState))]
public sealed class GetNataliaReplicationCommand : ApplianceCommand
{
    private protected override async Task ProcessApplianceAsync(LocatedAppliance located, CancellationToken cancellationToken)
    {
        IReplication replication = located.Hypervisor.Hypervisor.Require<IReplication>("replication");
        foreach (ReplicationState state in await replication.GetReplicationsAsync(located.Description, cancellationToken).ConfigureAwait(false)) Emit(state);
    }

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        List<HypervisorConnection> able = [.. HypervisorsToRead().Where(h => h.Hypervisor is IReplication)];
        if (able.Count == 0) HypervisorsToRead()[0].Hypervisor.Require<IReplication>("replication");
        foreach (HypervisorConnection hypervisor in able)
            foreach (ReplicationState state in await ((IReplication)hypervisor.Hypervisor).GetReplicationsAsync(null, cancellationToken).ConfigureAwait(false)) Emit(state);
    }
}
