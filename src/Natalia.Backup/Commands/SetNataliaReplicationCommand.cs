using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;

namespace Natalia.Backup.Commands;


/// <summary>Keeps a copy of each appliance on another VM host, refreshed every few minutes.</summary>
/// <remarks>
/// <para>For Proxmox VE and Hyper-V. Hypervisors of other kinds offer no replication: that is the error
/// CapabilityMissing.</para>
/// <para>The hypervisor does it by itself. On Proxmox VE this is ZFS replication. Every precondition is checked first,
/// and named when it fails: the target node, a ZFS storage of the same name on both nodes, no disk elsewhere.</para>
/// <para>A replica is not a backup: deletions and damage arrive there within minutes. Each run freezes the guest's file
/// systems for a moment.</para>
/// <para>The same command twice changes nothing.</para>
/// </remarks>
/// <example>
/// <code>Set-NataliaReplication -Appliance natalia-01 -TargetVMHost pve2</code>
/// <para>Replicates an appliance every five minutes.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name 'natalia-*' | Set-NataliaReplication -TargetVMHost pve2 -IntervalMinutes 15 -RateLimitMegabytes 50</code>
/// <para>Replicates several appliances every quarter of an hour, with 50 MB a second at most.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "NataliaReplication", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ReplicationState))]
public sealed class SetNataliaReplicationCommand : ApplianceCommand
{
    /// <summary>The VM host that gets the copy (on Proxmox VE, a node).</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    [Alias("TargetNode")]
    [ArgumentCompleter(typeof(VMHostCompleter))]
    public string TargetVMHost { get; set; } = "";

    /// <summary>Every how many minutes: 1 to 59, 5 by default.</summary>
    [Parameter]
    [ValidateRange(1, 59)]
    public int IntervalMinutes { get; set; } = 5;

    /// <summary>At most so many MB (10^6 bytes) a second; left out, there is no limit.</summary>
    [Parameter]
    [ValidateRange(1.0, 100000.0)]
    public double? RateLimitMegabytes { get; set; }

    private protected override string MissedWithoutInput => "no replication was set up";

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken)
    {
        IReplication replication = located.Hypervisor.Hypervisor.Require<IReplication>("replication");
        if (!await ShouldProcessAsync(located.Description.Name,
            $"Replicate to '{TargetVMHost}' every {IntervalMinutes} minutes").ConfigureAwait(false))
            return;
        var request = new ReplicationRequest
        {
            TargetVMHost = TargetVMHost,
            IntervalMinutes = IntervalMinutes,
            RateLimitMegabytes = RateLimitMegabytes,
        };
        ReplicationState state = await replication.SetReplicationAsync(located.Description, request,
            cancellationToken).ConfigureAwait(false);
        Emit(state with { Hypervisor = located.Hypervisor.Name });
    }
}
