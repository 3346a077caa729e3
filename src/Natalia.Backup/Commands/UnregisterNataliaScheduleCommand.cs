using System.Management.Automation;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>Removes schedules that this product made. Restore points stay.</summary>
/// <remarks>
/// <para>A schedule that somebody made by hand is refused.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaSchedule -Appliance natalia-01 | Where-Object IsOwn | Unregister-NataliaSchedule</code>
/// <para>Removes the schedule of one appliance.</para>
/// </example>
/// <example>
/// <code>Unregister-NataliaSchedule -ScheduleId natalia-100 -WhatIf</code>
/// <para>Shows what would be removed.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Unregister, "NataliaSchedule", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class UnregisterNataliaScheduleCommand : HypervisorCommand
{
    /// <summary>The schedule's id. Bound from schedules that are piped in.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string ScheduleId { get; set; } = "";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        try
        {
            List<HypervisorConnection> able = [.. HypervisorsToRead().Where(h => h.Hypervisor is INativeSchedules)];
            if (able.Count == 0) HypervisorsToRead()[0].Hypervisor.Require<INativeSchedules>("schedules of its own");
            if (able.Count > 1) throw new NataliaException(ErrorIds.HypervisorAmbiguous, NataliaErrorKind.InvalidOperation, $"Which hypervisor has the schedule '{ScheduleId}'? {able.Count} are connected.", ScheduleId, "Name one with -Hypervisor.");
            if (await ShouldProcessAsync($"{ScheduleId} on '{able[0].Name}'", "Remove the schedule").ConfigureAwait(false))
                await ((INativeSchedules)able[0].Hypervisor).RemoveScheduleAsync(ScheduleId, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            DeferError(e, ScheduleId);
        }
    }
}
