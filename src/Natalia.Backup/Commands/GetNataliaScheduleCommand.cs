using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Commands;

/// <summary>Lists the backups that start by themselves: on this machine, and on hypervisors.</summary>
/// <remarks>
/// <para>Those of this machine are tasks of Windows' Task Scheduler or timers of systemd that Register-NataliaSchedule
/// made with a profile. NextRunsUtc, LastRunUtc and LastResult are what the system knows of them. A task that never
/// started leaves no error behind: where the repositories of its profile are connected, NewestPointUtc is the newest
/// good restore point of the appliance that is worst off, and IsOverdue says that it is older than it should be.</para>
/// <para>Those of a hypervisor are listed where it has schedules of its own, as Proxmox VE does; also those that people
/// made by hand, which IsOwn tells apart. Retention is what will be applied: the schedule's own, else the storage's,
/// else that of the host. RetentionSource tells whose it is.</para>
/// <para>With an appliance, the schedules that take it; without one, all.</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaSchedule -Appliance natalia-01</code>
/// <para>Lists the schedules that take one appliance.</para>
/// </example>
/// <example>
/// <code>Import-NataliaProfile C:\ProgramData\natalia.json
/// Get-NataliaSchedule | Where-Object { $_.IsOverdue -or "$($_.LastResult)" -eq 'Failed' }</code>
/// <para>Finds schedules whose runs fail or never were.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name * | Where-Object { -not ($_ | Get-NataliaSchedule | Where-Object IsEnabled) }</code>
/// <para>Finds appliances that no schedule takes.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "NataliaSchedule")]
[OutputType(typeof(BackupSchedule))]
public sealed class GetNataliaScheduleCommand : ApplianceCommand
{
    private readonly HashSet<string> _shown = [];
    private IReadOnlyList<(BackupSchedule Schedule, ScheduleDefinition? Definition)>? _own;

    /// <summary>
    /// On Linux: the folder of the unit files, where Register-NataliaSchedule was given one. Left out, the one that
    /// systemd reads.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? UnitFolder { get; set; }

    /// <summary>A schedule may name an appliance by its id, whichever VM stands for it.</summary>
    private protected override async Task<StandingVMs?> FindStandingAsync(CancellationToken cancellationToken) =>
        await Lookup.StandingAsync(HypervisorsToRead(), cancellationToken).ConfigureAwait(false);

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken)
    {
        foreach ((BackupSchedule schedule, ScheduleDefinition? definition) in await OwnAsync(cancellationToken)
            .ConfigureAwait(false))
            if (definition is not null && Takes(definition, located) && _shown.Add(schedule.ScheduleId))
                await TellAsync(schedule, definition, cancellationToken).ConfigureAwait(false);
        if (located.Hypervisor.Hypervisor.Find<INativeSchedules>() is INativeSchedules native)
            Tell(located.Hypervisor, await native.GetSchedulesAsync(located.Description, cancellationToken)
                .ConfigureAwait(false));
    }

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        foreach ((BackupSchedule schedule, ScheduleDefinition? definition) in await OwnAsync(cancellationToken)
            .ConfigureAwait(false))
            if (!NamesHypervisor || (definition is not null && HypervisorsToRead().Any(h => Takes(definition, h))))
                await TellAsync(schedule, definition, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<HypervisorConnection> hypervisors = NamesHypervisor
            ? HypervisorsToRead()
            : Registry.Hypervisors.All;
        if (!NamesHypervisor) DeferAway(Registry.Hypervisors);
        foreach (HypervisorConnection hypervisor in hypervisors)
        {
            if (hypervisor.Hypervisor.Find<INativeSchedules>() is not INativeSchedules native) continue;
            try
            {
                Tell(hypervisor, await native.GetSchedulesAsync(null, cancellationToken).ConfigureAwait(false));
            }
            catch (NataliaException e) when (hypervisors.Count > 1 || _shown.Count > 0)
            {
                DeferError(e, hypervisor.Session);
            }
        }
    }

    private async Task<IReadOnlyList<(BackupSchedule Schedule, ScheduleDefinition? Definition)>> OwnAsync(
        CancellationToken cancellationToken)
    {
        if (_own is not null) return _own;
        string? folder = UnitFolder is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, UnitFolder)).ConfigureAwait(false);
        try
        {
            _own = await Schedulers.For(Registry, folder, TimeProvider.System).ListAsync(cancellationToken)
                .ConfigureAwait(false);
        }
        catch (NataliaException e) when (folder is null)
        {
            _own = [];
            // A machine that can have none has none.
            if (e.ErrorId != ErrorIds.SchedulerNotAvailable || e.Kind != NataliaErrorKind.NotSupported) DeferError(e);
        }
        return _own;
    }

    private async Task TellAsync(BackupSchedule schedule, ScheduleDefinition? definition,
        CancellationToken cancellationToken)
    {
        _shown.Add(schedule.ScheduleId);
        if (definition is not null)
            schedule = await new NewestPoints(Registry, new ApplianceDirectory(Registry, DeferError, EmitWarning),
                TimeProvider.System).AddAsync(schedule, definition,
                (pattern, name) => Wildcards.Parse(pattern).MayMean(name), cancellationToken).ConfigureAwait(false);
        Emit(schedule);
    }

    private void Tell(HypervisorConnection hypervisor, IReadOnlyList<NativeSchedule> schedules) =>
        EmitAll([.. schedules.Select(s => BackupSchedule.Of(s with { Hypervisor = hypervisor.Name },
            hypervisor.Session.Kind))]);

    /// <summary>Whether its runs look at a hypervisor, and at this VM there.</summary>
    private static bool Takes(ScheduleDefinition definition, LocatedAppliance located) =>
        Takes(definition, located.Hypervisor)
        && (definition.Appliances.Count == 0 || definition.Appliances.Any(a => located.Is(a)
            || Wildcards.Parse(a).MayMean(located.Description.Name)));

    private static bool Takes(ScheduleDefinition definition, HypervisorConnection hypervisor)
    {
        try
        {
            return ProfileFile.Read(definition.ProfilePath).Hypervisors.Any(h => h.LeadsTo(hypervisor.Settings));
        }
        catch (NataliaException)
        {
            // Its runs fail for the same reason; the list of all schedules tells it.
            return false;
        }
    }
}
