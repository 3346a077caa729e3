using System.Management.Automation;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;

namespace Natalia.Backup.Commands;


/// <summary>Lists the snapshots of appliances on their hypervisors, newest first.</summary>
/// <remarks>
/// <para>For Proxmox VE and VMware. Hypervisors of other kinds offer no snapshots on demand: that is the error
/// CapabilityMissing.</para>
/// <para>Only snapshots that this product made are listed; -All lists those of others, too, which this product never
/// removes.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaSnapshot -Appliance natalia-01 -All</code>
/// <para>Lists every snapshot of one appliance.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name * | Get-NataliaSnapshot | Where-Object { $_.TimeUtc -lt [DateTime]::UtcNow.AddDays(-1) } | Remove-NataliaSnapshot -Confirm:$false</code>
/// <para>Removes forgotten snapshots.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaSnapshot")]
[OutputType(typeof(ApplianceSnapshot))]
public sealed class GetNataliaSnapshotCommand : ApplianceCommand
{
    /// <summary>List those of others, too.</summary>
    [Parameter]
    public SwitchParameter All { get; set; }

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken)
    {
        ISnapshots snapshots = located.Hypervisor.Hypervisor.Require<ISnapshots>("snapshots");
        foreach (ApplianceSnapshot snapshot in await snapshots.GetSnapshotsAsync(located.Description,
            cancellationToken).ConfigureAwait(false))
            if (All || snapshot.IsOwn) Emit(snapshot);
    }
}
