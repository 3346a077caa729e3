using System.Management.Automation;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Lists replications with their state and age.</summary>
/// <remarks>
/// <para>For Proxmox VE and Hyper-V. Hypervisors of other kinds offer no replication: that is the error
/// CapabilityMissing.</para>
/// <para>Health is Passed while the copy is younger than three intervals and nothing failed, Warning when the last
/// attempt failed but the copy is young, Failed when it is too old, and NotEvidenced when nothing is known. Lag is the
/// age of the copy.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaReplication</code>
/// <para>Lists all replications.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $replicas = Get-NataliaReplication
/// if (-not $replicas) { throw 'Nothing is replicated.' }
/// if ($replicas | Where-Object Health -ne 'Passed') { throw 'A replica is behind.' }</code>
/// <para>For monitoring.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaReplication")]
[OutputType(typeof(ReplicationState))]
public sealed class GetNataliaReplicationCommand : ApplianceCommand
{
    private const string Capability = "replication";

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken) =>
        Tell(located.Hypervisor, await located.Hypervisor.Hypervisor.Require<IReplication>(Capability)
            .GetReplicationsAsync(located.Description, cancellationToken).ConfigureAwait(false));

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        foreach ((HypervisorConnection hypervisor, IReplication replication) in
            HypervisorsAbleTo<IReplication>(Capability))
            Tell(hypervisor, await replication.GetReplicationsAsync(null, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>With the name of its session, by which one that is piped into a removal is found again.</summary>
    private void Tell(HypervisorConnection hypervisor, IReadOnlyList<ReplicationState> replications) =>
        EmitAll([.. replications.Select(r => r with { Hypervisor = hypervisor.Name })]);
}
