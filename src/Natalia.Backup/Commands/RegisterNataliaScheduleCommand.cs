using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;


/// <summary>Lets the hypervisor back appliances up by itself, daily or every six hours.</summary>
/// <remarks>
/// <para>For Proxmox VE. Hypervisors of other kinds offer no schedules of their own: that is the error
/// CapabilityMissing.</para>
/// <para>On Proxmox VE this is a backup job of the cluster, one for each VM, under an id that follows from the VM's
/// number: the same command twice changes nothing, and a changed one changes only what differs.</para>
/// <para>Afterwards the cluster is asked which disks the job takes. A job that would leave out the data disk is an
/// error.</para>
/// <para>What the job keeps is set by -Last, -Hourly, -Daily, -Weekly, -Monthly and -Yearly. Without any of them it
/// stays as it is; a new job leaves it to the storage, or else to the host. Retention is what will be applied, and
/// RetentionSource who says so.</para>
/// </remarks>
/// <example>
/// <code>Register-NataliaSchedule -Appliance natalia-01 -Repository pbs -Strategy SixHourly -At 01:00 -Last 4 -Daily 7 -Weekly 4 -Monthly 3</code>
/// <para>Backs an appliance up at 01, 07, 13 and 19 o'clock.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// Get-NataliaAppliance -Name 'natalia-*' | Register-NataliaSchedule -Repository pbs -Daily 7 -Weekly 4 -Monthly 3 | Where-Object WasChanged</code>
/// <para>A runbook that keeps every appliance scheduled, and shows what it had to change.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Register, "NataliaSchedule", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(NativeSchedule))]
public sealed class RegisterNataliaScheduleCommand : ApplianceCommand
{
    /// <summary>
    /// The storage that takes the restore points: the session that Connect-NataliaRepository -ProxmoxStorage returned,
    /// or its name. Bound from an appliance that is piped in and is enrolled. Left out, the only storage of the cluster
    /// that is connected.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("RepositoryId")]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>Daily, or SixHourly: every six hours, one of them the daily one.</summary>
    [Parameter]
    [ValidateSet(nameof(BackupStrategy.Daily), nameof(BackupStrategy.SixHourly))]
    public BackupStrategy Strategy { get; set; } = BackupStrategy.Daily;

    /// <summary>The time of day of the daily run, in the hypervisor's zone: 00:00 to 23:59, 01:00 by default.</summary>
    [Parameter]
    [ValidatePattern("^([01]?[0-9]|2[0-3]):[0-5][0-9]$")]
    public string At { get; set; } = "01:00";

    /// <summary>How many of the newest points are kept.</summary>
    [Parameter]
    [ValidateRange(0, 100000)]
    public int Last { get; set; }

    /// <summary>How many hours keep their newest point.</summary>
    [Parameter]
    [ValidateRange(0, 100000)]
    public int Hourly { get; set; }

    /// <summary>How many days keep their newest point.</summary>
    [Parameter]
    [ValidateRange(0, 100000)]
    public int Daily { get; set; }

    /// <summary>How many ISO weeks keep their newest point.</summary>
    [Parameter]
    [ValidateRange(0, 100000)]
    public int Weekly { get; set; }

    /// <summary>How many months keep their newest point.</summary>
    [Parameter]
    [ValidateRange(0, 100000)]
    public int Monthly { get; set; }

    /// <summary>How many years keep their newest point.</summary>
    [Parameter]
    [ValidateRange(0, 100000)]
    public int Yearly { get; set; }

    /// <summary>Keep the schedule, but never start it.</summary>
    [Parameter]
    public SwitchParameter Disabled { get; set; }

    private protected override async Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken)
    {
        INativeSchedules schedules = located.Hypervisor.Hypervisor.Require<INativeSchedules>("schedules of its own");
        RepositoryConnection repository = Registry.RepositoryFor(located.Hypervisor, Repository,
            located.Description.Name);
        if (repository.Native is not INativeRepository native || !repository.Takes(located.Hypervisor))
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{repository.Name}' is not a storage of the hypervisor '{located.Hypervisor.Name}', "
                + $"which can back '{located.Description.Name}' up only into its own.",
                repository.Name, "Connect one with Connect-NataliaRepository -ProxmoxStorage.");
        bool limits =
            new[] { nameof(Last), nameof(Hourly), nameof(Daily), nameof(Weekly), nameof(Monthly), nameof(Yearly) }
            .Any(IsBound);
        var request = new NativeScheduleRequest
        {
            Storage = native.Storage,
            Kind = Strategy == BackupStrategy.SixHourly ? NativeScheduleKind.SixHourly : NativeScheduleKind.Daily,
            At = TimeSpan.ParseExact(At.Length == 4 ? "0" + At : At, "hh\\:mm",
                System.Globalization.CultureInfo.InvariantCulture),
            Retention = limits ? new RetentionLimits(Last, Hourly, Daily, Weekly, Monthly, Yearly) : null,
            IsEnabled = !Disabled,
        };
        if (!await ShouldProcessAsync(located.Description.Name,
            $"Back up {(Strategy == BackupStrategy.SixHourly ? "every six hours" : "daily")} to '{native.Storage}'")
            .ConfigureAwait(false))
            return;
        // Which disk holds the data may stand in the VM's enrolment: a schedule that leaves it out is refused.
        string? dataDisk = (await native.GetApplianceSettingsAsync([located.Description],
            cancellationToken).ConfigureAwait(false)).FirstOrDefault()?.DataDiskId;
        NativeSchedule schedule = await schedules.SetScheduleAsync(DataDiskRule.Apply(located.Description, dataDisk),
            request, cancellationToken).ConfigureAwait(false);
        if (schedule.WasChanged)
            await Evidence.RecordAsync(repository, NativeEvent.ScheduleSet, located.Description.ApplianceId,
                located.Description.Name, null,
                [new("schedule", schedule.ScheduleId), new("when", schedule.Expression),
                    new("keeps", schedule.Retention?.ToString()),
                    new("enabled", schedule.IsEnabled ? "yes" : "no")]).ConfigureAwait(false);
        foreach (string warning in schedule.Warnings) EmitWarning(warning);
        Emit(schedule with
        {
            ApplianceNames = [located.Description.Name],
            Hypervisor = located.Hypervisor.Name,
        });
    }
}
