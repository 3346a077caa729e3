using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Ends replications, and removes their copies unless told otherwise.</summary>
/// <remarks>
/// <para>For Proxmox VE and Hyper-V. Hypervisors of other kinds offer no replication: that is the error
/// CapabilityMissing.</para>
/// <para>On Proxmox VE the node removes the copies in the background; until then the replication stays in the list as
/// being removed, and a new one to the same node has to wait.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaReplication -Appliance natalia-01 | Remove-NataliaReplication</code>
/// <para>Ends the replications of one appliance, after asking.</para>
/// </example>
/// <example>
/// <code>Remove-NataliaReplication -ReplicationId 100-0 -KeepReplica -Confirm:$false</code>
/// <para>Ends a replication and keeps the copy.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "NataliaReplication", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveNataliaReplicationCommand : HypervisorCommand
{
    /// <summary>The replication's id. Bound from replications that are piped in.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string ReplicationId { get; set; } = "";

    /// <summary>Keep the copy on the other VM host.</summary>
    [Parameter]
    public SwitchParameter KeepReplica { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<(HypervisorConnection Connection, IReplication Able)> able =
                HypervisorsAbleTo<IReplication>("replication");
            if (able.Count > 1)
                throw new NataliaException(ErrorIds.HypervisorAmbiguous, NataliaErrorKind.InvalidOperation,
                    $"Which hypervisor has the replication '{ReplicationId}'? {able.Count} are connected.",
                    ReplicationId, "Name one with -Hypervisor.");
            if (await ShouldProcessAsync($"{ReplicationId} on '{able[0].Connection.Name}'",
                KeepReplica
                    ? "End the replication and keep the copy"
                    : "End the replication and remove the copy").ConfigureAwait(false))
                await able[0].Able.RemoveReplicationAsync(ReplicationId, KeepReplica,
                    cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            DeferError(e, ReplicationId);
        }
    }
}
