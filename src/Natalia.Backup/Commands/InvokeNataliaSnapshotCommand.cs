using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;


/// <summary>Makes a short-lived snapshot of each appliance on its hypervisor.</summary>
/// <remarks>
/// <para>For Proxmox VE and VMware. Hypervisors of other kinds offer no snapshots on demand: that is the error
/// CapabilityMissing.</para>
/// <para>A snapshot is not a backup: it lies on the disks that it protects, grows, and slows them down. Make one before
/// a risky change and remove it soon after, with Remove-NataliaSnapshot.</para>
/// <para>The guest's file systems are frozen for it where the guest agent can do that. What was reached stands in
/// Consistency, and why it is less in Reason: both are looked up, not assumed.</para>
/// </remarks>
/// <example>
/// <code>Invoke-NataliaSnapshot -Appliance natalia-01 -Note 'Before the upgrade to 5.2'</code>
/// <para>Makes a snapshot before an upgrade.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $made = Get-NataliaAppliance -Name 'natalia-*' | Invoke-NataliaSnapshot
/// if ($made.Consistency -contains 'Crash') { throw 'Not all file systems were frozen.' }</code>
/// <para>A runbook that accepts frozen snapshots only.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Invoke, "NataliaSnapshot", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(ApplianceSnapshot))]
public sealed class InvokeNataliaSnapshotCommand : ApplianceCommand
{
    /// <summary>
    /// Keep the memory, too. The guest is not frozen then. A VM that is switched off has no memory: IncludesMemory is
    /// False then, and a warning says so.
    /// </summary>
    [Parameter]
    public SwitchParameter IncludeMemory { get; set; }

    /// <summary>A note for people, kept with the snapshot.</summary>
    [Parameter]
    [ValidateLength(1, 500)]
    public string? Note { get; set; }

    /// <summary>
    /// How many minutes to wait for another operation on the VM, and for the snapshot: 1 to 1440, 30 by default.
    /// </summary>
    [Parameter]
    [ValidateRange(1, 1440)]
    public int TimeoutMinutes { get; set; } = 30;

    private protected override string MissedWithoutInput => "no snapshot was made";

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken)
    {
        ISnapshots snapshots = located.Hypervisor.Hypervisor.Require<ISnapshots>("snapshots");
        if (!await ShouldProcessAsync(located.Description.Name, "Make a snapshot").ConfigureAwait(false)) return;
        using ProgressReporter progress = StartProgress($"Making a snapshot of {located.Description.Name}");
        var request = new SnapshotRequest
        {
            Progress = progress,
            IncludeMemory = IncludeMemory,
            Note = Note,
            Timeout = TimeSpan.FromMinutes(TimeoutMinutes),
        };
        ApplianceSnapshot made;
        try
        {
            made = await snapshots.CreateSnapshotAsync(located.Description, request,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped by the user, and then something could not be cleared: that must be seen.
            EmitLeftover($"{located.Description.Name}: {e.Message} {e.RecommendedAction}");
            throw;
        }
        if (made.Reason is not null && !(IncludeMemory && made.IncludesMemory))
            EmitWarning($"{made.ApplianceName}: {made.Reason}");
        Emit(made);
    }
}
