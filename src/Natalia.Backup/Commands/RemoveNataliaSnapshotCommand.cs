using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;


/// <summary>Removes snapshots that this product made.</summary>
/// <remarks>
/// <para>For Proxmox VE and VMware. Hypervisors of other kinds offer no snapshots on demand: that is the error
/// CapabilityMissing.</para>
/// <para>-Consolidate, for VMware, has the server merge what removed snapshots have left of a VM's disks, where it says
/// that this is needed. It can take hours.</para>
/// <para>The VM goes on as it is; what the snapshot kept is given up. A snapshot of somebody else is refused.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaSnapshot -Appliance natalia-01 | Remove-NataliaSnapshot</code>
/// <para>Removes all snapshots that this product made of one appliance, after asking.</para>
/// </example>
/// <example>
/// <code>Remove-NataliaSnapshot -Appliance natalia-01 -SnapshotId natalia-20261123T120000000 -WhatIf</code>
/// <para>Shows what would be removed.</para>
/// </example>
/// <example>
/// <code>Remove-NataliaSnapshot -Appliance natalia-01 -Consolidate</code>
/// <para>Has the disks of a VM of VMware merged, after asking.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "NataliaSnapshot", DefaultParameterSetName = SnapshotSet,
    SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveNataliaSnapshotCommand : HypervisorCommand
{
    private const string SnapshotSet = "Snapshot";
    private const string ConsolidateSet = "Consolidate";

    /// <summary>The appliance: a name or an id.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("Appliance")]
    [ApplianceReference(MeansVM = true)]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string ApplianceId { get; set; } = "";

    /// <summary>The snapshot's id. Bound from snapshots that are piped in.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = SnapshotSet, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string SnapshotId { get; set; } = "";

    /// <summary>
    /// Have the server merge what removed snapshots have left of the VM's disks. Nothing is done where it needs none.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ConsolidateSet)]
    public SwitchParameter Consolidate { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        try
        {
            var directory = new ApplianceDirectory(Registry, DeferError, EmitWarning);
            IReadOnlyList<LocatedAppliance> all = await directory.ListAsync(HypervisorsToRead(),
                cancellationToken).ConfigureAwait(false);
            LocatedAppliance located = ApplianceDirectory.SelectForChange(all, ApplianceSelector.Of(ApplianceId))[0];
            if (ParameterSetName == ConsolidateSet)
            {
                if (Consolidate) await ConsolidateAsync(located, cancellationToken).ConfigureAwait(false);
                return;
            }
            ISnapshots snapshots = located.Hypervisor.Hypervisor.Require<ISnapshots>("snapshots");
            if (await ShouldProcessAsync($"{located.Description.Name}: {SnapshotId}",
                "Remove the snapshot for ever").ConfigureAwait(false))
                await snapshots.RemoveSnapshotAsync(located.Description, SnapshotId,
                    cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            DeferError(e, SnapshotId.Length > 0 ? SnapshotId : ApplianceId);
        }
    }

    private async Task ConsolidateAsync(LocatedAppliance located, CancellationToken cancellationToken)
    {
        IDiskConsolidation merging = located.Hypervisor.Hypervisor.Require<IDiskConsolidation>("disks to consolidate");
        string name = located.Description.Name;
        if (!await ShouldProcessAsync(name, "Merge what removed snapshots left of its disks").ConfigureAwait(false))
            return;
        using ProgressReporter progress = StartProgress($"Consolidating the disks of {name}");
        if (!await merging.ConsolidateAsync(located.Description, progress, cancellationToken).ConfigureAwait(false))
            EmitVerbose($"{name}: nothing has to be merged.");
    }
}
