using System.Management.Automation;
using Natalia.Backup.Appliances;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;


/// <summary>Lists the backups that hypervisors start by themselves.</summary>
/// <remarks>
/// <para>With an appliance, the schedules that take it; without one, all. Schedules that people made by hand are listed, too; IsOwn tells them apart.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaSchedule -Appliance natalia-01</code>
/// <para>Lists the schedules that take one appliance.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name * | Where-Object { -not ($_ | Get-NataliaSchedule | Where-Object IsEnabled) }</code>
/// <para>Finds appliances that no schedule takes.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaSchedule")]
[OutputType(typeof(NativeSchedule))]
public sealed class GetNataliaScheduleCommand : ApplianceCommand
{
    private protected override async Task ProcessApplianceAsync(LocatedAppliance located, CancellationToken cancellationToken)
    {
        INativeSchedules schedules = located.Hypervisor.Hypervisor.Require<INativeSchedules>("schedules of its own");
        foreach (NativeSchedule schedule in await schedules.GetSchedulesAsync(located.Description, cancellationToken).ConfigureAwait(false)) Emit(schedule);
    }

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        List<HypervisorConnection> able = [.. HypervisorsToRead().Where(h => h.Hypervisor is INativeSchedules)];
        if (able.Count == 0) HypervisorsToRead()[0].Hypervisor.Require<INativeSchedules>("schedules of its own");
        foreach (HypervisorConnection hypervisor in able)
            foreach (NativeSchedule schedule in await ((INativeSchedules)hypervisor.Hypervisor).GetSchedulesAsync(null, cancellationToken).ConfigureAwait(false)) Emit(schedule);
    }
}
