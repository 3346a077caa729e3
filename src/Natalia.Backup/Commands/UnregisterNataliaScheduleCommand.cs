using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Commands;

/// <summary>Removes schedules that this product made. Restore points stay.</summary>
/// <remarks>
/// <para>Those with a profile are tasks or timers of this machine, their ids begin with natalia-backup-, and no
/// hypervisor needs to be connected. Others are those of a hypervisor that has schedules of its own, as Proxmox VE
/// does; without such a hypervisor that is the error CapabilityMissing.</para>
/// <para>A task, timer or job that somebody made by hand is refused.</para>
/// <para>The retention that a hypervisor's schedule carried still holds for the appliance: it waits in the VM's notes
/// for the next schedule.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaSchedule -Appliance natalia-01 | Where-Object IsOwn | Unregister-NataliaSchedule</code>
/// <para>Removes the schedule of one appliance.</para>
/// </example>
/// <example>
/// <code>Unregister-NataliaSchedule -ScheduleId natalia-backup-nightly -WhatIf</code>
/// <para>Shows what would be removed.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Unregister, "NataliaSchedule", SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(void))]
public sealed class UnregisterNataliaScheduleCommand : HypervisorCommand
{
    /// <summary>The schedule's id. Bound from schedules that are piped in.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string ScheduleId { get; set; } = "";

    /// <summary>
    /// On Linux: the folder of the unit files, where Register-NataliaSchedule was given one. Bound from schedules that
    /// are piped in.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? UnitFolder { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (ScheduleDefinition.IsScheduleId(ScheduleId))
            {
                await RemoveOwnAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            IReadOnlyList<(HypervisorConnection Connection, INativeSchedules Able)> able =
                HypervisorsAbleTo<INativeSchedules>("schedules of its own");
            if (able.Count > 1)
                throw new NataliaException(ErrorIds.HypervisorAmbiguous, NataliaErrorKind.InvalidOperation,
                    $"Which hypervisor has the schedule '{ScheduleId}'? {able.Count} are connected.", ScheduleId,
                    "Name one with -Hypervisor.");
            if (!await ShouldProcessAsync($"{ScheduleId} on '{able[0].Connection.Name}'",
                "Remove the schedule").ConfigureAwait(false))
                return;
            NativeSchedule gone = await able[0].Able.RemoveScheduleAsync(ScheduleId,
                cancellationToken).ConfigureAwait(false);
            await RecordAsync(able[0].Connection, gone, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            DeferError(e, ScheduleId);
        }
    }

    private async Task RemoveOwnAsync(CancellationToken cancellationToken)
    {
        string? folder = string.IsNullOrEmpty(UnitFolder)
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, UnitFolder!)).ConfigureAwait(false);
        // The folder of a schedule that was listed without naming one is the one that systemd reads.
        IScheduler scheduler = Schedulers.For(Registry, null, TimeProvider.System);
        if (folder is not null && folder != scheduler.UnitFolder)
            scheduler = Schedulers.For(Registry, folder, TimeProvider.System);
        if (await ShouldProcessAsync(ScheduleId, "Remove the schedule").ConfigureAwait(false))
            await scheduler.RemoveAsync(ScheduleId, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The schedule wrote to one storage; that storage's evidence tells of its end.</summary>
    private async Task RecordAsync(HypervisorConnection hypervisor, NativeSchedule gone,
        CancellationToken cancellationToken)
    {
        RepositoryConnection? repository =
            Registry.Repositories.All.FirstOrDefault(
                r => r.Hypervisor == hypervisor && r.Native?.Storage == gone.Storage && r.Evidence is not null);
        if (repository is null || gone.NativeIds.Length == 0) return;
        foreach (ApplianceDescription appliance in await new ApplianceDirectory(Registry, DeferError,
            EmitWarning).FindByNativeIdAsync(hypervisor, gone.NativeIds, cancellationToken).ConfigureAwait(false))
            await Evidence.RecordAsync(repository, NativeEvent.ScheduleRemoved, appliance.ApplianceId, appliance.Name,
                null, [new("schedule", gone.ScheduleId), new("when", gone.Expression)]).ConfigureAwait(false);
    }
}
