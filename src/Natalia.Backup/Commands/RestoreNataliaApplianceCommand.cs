using System.Collections;
using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Builds a VM from a restore point: a new one, or over the old one where that is said.</summary>
/// <remarks>
/// <para>For restore points in a storage of a Proxmox VE cluster. The new VM gets a new number and new network
/// addresses; it is an appliance of its own, with an id of its own.</para>
/// <para>A name that a VM of the cluster has already is refused (ApplianceNameInUse): give the copy one with -NewName.
/// While the VM that the point was made of exists, the copy must not join its networks by accident, for it has the same
/// addresses inside: each network that both would use must be named in -Network (NetworkChoiceRequired). Where the VM
/// is gone, as after a disaster, nothing needs to be named. Where its node is down, every network of the point must be
/// named, for the VM may come back; it is restored on another node.</para>
/// <para>-Network names, for each network of the point, the network to connect instead. Networks and storages are
/// checked before anything is made; afterwards the adapters are read back. A restore that fails or is stopped removes
/// what it made of a new VM, or says that it could not. A copy beside its original does not start with its node,
/// whatever the original does.</para>
/// <para>-OverExisting replaces the VM that the point was made of, which must be switched off: the disks that the point
/// holds are replaced, others are detached, and snapshots and replication are lost.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-01 -Latest -Repository pbs | Restore-NataliaAppliance -NewName natalia-01-copy -Network @{ vmbr0 = 'vmbr9' }</code>
/// <para>Builds a copy from the newest point, on another network.</para>
/// </example>
/// <example>
/// <code>Restore-NataliaAppliance -RestorePointId 3fa9c1 -OverExisting -Start -Confirm:$false</code>
/// <para>Puts an appliance back to an earlier state and starts it.</para>
/// </example>
[Cmdlet(VerbsData.Restore, "NataliaAppliance", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Appliance))]
public sealed class RestoreNataliaApplianceCommand : RestorePointCommand
{
    /// <summary>
    /// The new VM's name. Left out, it is called like the old one. A name that a VM of the cluster has is refused.
    /// </summary>
    [Parameter]
    [ValidatePattern("^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
    public string? NewName { get; set; }

    /// <summary>
    /// The hypervisor to restore on: the session that Connect-NataliaHypervisor returned, or its name. Left out, the
    /// one whose storage holds the point.
    /// </summary>
    [Parameter]
    [HypervisorReference]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string? Hypervisor { get; set; }

    /// <summary>
    /// For each network of the point, the network to connect instead: @{ vmbr0 = 'vmbr9' }. Networks that are not named
    /// stay; one that the VM itself still uses must be named, with itself where that is meant: @{ vmbr0 = 'vmbr0' }.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable Network { get; set; } = [];

    /// <summary>The storage for the disks. Left out, those that the point names.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(DiskStorageCompleter))]
    public string? Storage { get; set; }

    /// <summary>
    /// The VM host to restore on (on Proxmox VE, the node). Left out, the one where the VM is, or any that reaches the
    /// storages.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Alias("Node")]
    [ArgumentCompleter(typeof(VMHostCompleter))]
    public string? VMHost { get; set; }

    /// <summary>Replace the VM that the point was made of.</summary>
    [Parameter]
    public SwitchParameter OverExisting { get; set; }

    /// <summary>Start the VM when it is restored and was read back.</summary>
    [Parameter]
    public SwitchParameter Start { get; set; }

    private protected override string MissedWithoutInput => "nothing was restored";

    private protected override async Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        if (point.Repository.Hypervisor is not HypervisorConnection own)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{point.Repository.Name}' is not a hypervisor's own storage, and no VM can be built "
                + "from its points here.",
                point.Repository.Name,
                "Export-NataliaDisk writes the disks, and Export-NataliaApplianceConfiguration the VM's "
                + "configuration.");
        HypervisorConnection hypervisor = string.IsNullOrEmpty(Hypervisor)
            ? own
            : Registry.Hypervisors.Get(Hypervisor!);
        if (hypervisor != own)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The restore point lies in a storage of '{own.Name}'; '{hypervisor.Name}' cannot restore from there.",
                hypervisor.Name);
        INativeRestore restore = hypervisor.Hypervisor.Require<INativeRestore>("restore of its own");
        var request = new NativeRestoreRequest
        {
            NewName = NewName,
            VMHost = VMHost,
            Storage = Storage,
            OverExisting = OverExisting,
            Start = Start,
            Networks = Network.Cast<DictionaryEntry>().ToDictionary(e => $"{e.Key}", e => $"{e.Value}"),
        };
        // Before the question, so that -WhatIf tells of what would be refused.
        await restore.CheckRestoreAsync(point.Point, request, cancellationToken).ConfigureAwait(false);
        string target = string.Format(CultureInfo.InvariantCulture, "{0} ({1})", point.Point,
            point.Point.RestorePointId);
        string action = OverExisting
            ? $"Replace the VM '{point.Point.ApplianceName}' on '{hypervisor.Name}' by the restore point"
            : $"Restore to a new VM '{NewName ?? point.Point.ApplianceName}' on '{hypervisor.Name}'";
        if (!await ShouldProcessAsync(target, action).ConfigureAwait(false)) return;
        NativeRestoreResult result;
        try
        {
            using ProgressReporter progress = StartProgress($"Restoring {point.Point}");
            result = await restore.RestoreAsync(point.Point, request, progress,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped by the user, and then something could not be cleared: that must be seen.
            EmitLeftover($"{point.Point}: {e.Message} {e.RecommendedAction}");
            throw;
        }
        await Evidence.RecordAsync(point.Repository, NativeEvent.PointRestored, point.Point, null,
            [new("vm", result.Appliance.NativeId), new("name", result.Appliance.Name),
                new("over", OverExisting ? "the existing VM" : null),
                new("seconds", EvidenceBook.Text(result.Duration.TotalSeconds, "0"))]).ConfigureAwait(false);
        foreach (string warning in result.Warnings) EmitWarning(warning);
        EmitVerbose(string.Format(CultureInfo.InvariantCulture, "VM {0} was restored in {1:0} seconds.",
            result.Appliance.NativeId, result.Duration.TotalSeconds));
        Emit(ApplianceView.Create(new LocatedAppliance(hypervisor, result.Appliance), null));
    }

    private protected override void Report(Exception exception, object target) => DeferError(exception, target);
}
