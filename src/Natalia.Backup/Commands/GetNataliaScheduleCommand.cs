using System.Management.Automation;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>Lists the backups that hypervisors start by themselves.</summary>
/// <remarks>
/// <para>For Proxmox VE. Hypervisors of other kinds offer no schedules of their own: that is the error
/// CapabilityMissing.</para>
/// <para>With an appliance, the schedules that take it; without one, all. Schedules that people made by hand are
/// listed, too; IsOwn tells them apart.</para>
/// <para>Retention is what will be applied: the schedule's own, else the storage's, else that of the host.
/// RetentionSource tells whose it is.</para>
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
    private const string Capability = "schedules of its own";

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken) =>
        Tell(located.Hypervisor, await located.Hypervisor.Hypervisor.Require<INativeSchedules>(Capability)
            .GetSchedulesAsync(located.Description, cancellationToken).ConfigureAwait(false));

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        foreach ((HypervisorConnection hypervisor, INativeSchedules schedules)
            in HypervisorsAbleTo<INativeSchedules>(Capability))
            Tell(hypervisor, await schedules.GetSchedulesAsync(null, cancellationToken).ConfigureAwait(false));
    }

    private void Tell(HypervisorConnection hypervisor, IReadOnlyList<NativeSchedule> schedules) =>
        EmitAll([.. schedules.Select(s => s with { Hypervisor = hypervisor.Name })]);
}
