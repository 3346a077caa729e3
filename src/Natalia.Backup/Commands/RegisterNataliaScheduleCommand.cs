using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Schedules.TaskScheduler;

namespace Natalia.Backup.Commands;

/// <summary>Lets backups start by themselves, daily or every six hours.</summary>
/// <remarks>
/// <para>With -ProfilePath this machine starts them, whatever the hypervisor: a task of Windows' Task Scheduler, or a
/// timer of systemd. Each run connects with the profile, backs up every enrolled appliance (or those of -Appliance),
/// copies new points to -CopyTo, applies the retention policies, and gives space back once a day. The first run of a
/// day is a full; with -Strategy SixHourly the others are incrementals, and a full that was missed is made up for by
/// the next run. Runs that were missed while the machine was off start when it is back; two never run side by
/// side.</para>
/// <para>-QuarterlyRestoreTest tests the restore of each appliance on the first Sunday of each quarter, three hours
/// after the full.</para>
/// <para>No secret is written into a task or unit, or onto a command line. Runs get secrets from Get-Secret, or from
/// the script that -SecretScript names. The account of the task must be able to: Test-NataliaPrerequisite -AsScheduled
/// tries it. Warnings tell of network drives and of users' folders, which the account may not have.</para>
/// <para>The same command twice changes nothing. When it fails, everything is as it was before. docs/schedules.md in
/// the module's folder has the details.</para>
/// <para>Without -ProfilePath, Proxmox VE starts the backups by itself: a backup job of the cluster, one for each VM,
/// under an id that follows from the VM's number. Hypervisors of other kinds offer no schedules of their own: that is
/// the error CapabilityMissing. Afterwards the cluster is asked which disks the job takes. A job that would leave out
/// the data disk is an error.</para>
/// <para>What such a job keeps is set by -Last, -Hourly, -Daily, -Weekly, -Monthly and -Yearly. Without any of them it
/// stays as it is; a new job leaves it to the storage, or else to the host. Retention is what will be applied, and
/// RetentionSource who says so.</para>
/// </remarks>
/// <example>
/// <code>Register-NataliaSchedule -ProfilePath C:\ProgramData\natalia.json -Strategy SixHourly -CopyTo offsite -Account 'CONTOSO\natalia$'</code>
/// <para>Backs up at 01, 07, 13 and 19 o'clock under a group managed service account, and copies each time.</para>
/// </example>
/// <example>
/// <code>Register-NataliaSchedule -Appliance natalia-01 -Repository pbs -Strategy SixHourly -At 01:00 -Last 4 -Daily 7 -Weekly 4 -Monthly 3</code>
/// <para>Lets a Proxmox VE cluster back an appliance up at 01, 07, 13 and 19 o'clock.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// Get-NataliaAppliance -Name 'natalia-*' | Register-NataliaSchedule -Repository pbs -Daily 7 -Weekly 4 -Monthly 3 | Where-Object WasChanged</code>
/// <para>A runbook that keeps every appliance of a cluster scheduled, and shows what it had to change.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Register, "NataliaSchedule", DefaultParameterSetName = NativeSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(BackupSchedule))]
public sealed class RegisterNataliaScheduleCommand : ApplianceCommand
{
    private const string NativeSet = "Native";
    private const string ProfileSet = "Profile";

    private readonly List<string> _names = [];

    /// <summary>
    /// The profile that runs connect with. Relative paths, ~ and PowerShell drives are welcome; the full path is kept.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string ProfilePath { get; set; } = "";

    /// <summary>
    /// The schedule's name: letters, digits, '-' and '_', at most 48. Left out, the profile's. Its id is
    /// natalia-backup- and the name.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>The repositories of the profile that new points are copied to after each backup.</summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [RepositoryReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(OwnRepositoryCompleter))]
    public string[] CopyTo { get; set; } = [];

    /// <summary>Test the restore of each appliance on the first Sunday of each quarter.</summary>
    [Parameter(ParameterSetName = ProfileSet)]
    public SwitchParameter QuarterlyRestoreTest { get; set; }

    /// <summary>
    /// The hypervisor of the profile that runs the test VMs. Left out, Test-NataliaRestore chooses.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string? TestBench { get; set; }

    /// <summary>
    /// Who runs it, without a password: a group managed service account as DOMAIN\name$, or SYSTEM; on Linux any
    /// account, when root registers. Left out, SYSTEM; on Linux the user who registers.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? Account { get; set; }

    /// <summary>
    /// Who runs it, on Windows, with the password, in place of -Account; it is handed to the Task Scheduler and kept
    /// nowhere else.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNull]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>
    /// A script that is called with the name of a secret and returns it as SecureString or PSCredential. Left out,
    /// Get-Secret is called.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? SecretScript { get; set; }

    /// <summary>
    /// Where runs write their logs, a file for each month, kept for fourteen. Left out, ProgramData\Natalia.Backup\logs
    /// on Windows; on Linux the journal has them.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? LogFolder { get; set; }

    /// <summary>
    /// The program that runs it: pwsh, powershell.exe or natalia. Left out, the one that runs this.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? PowerShellPath { get; set; }

    /// <summary>
    /// On Linux: a folder for the unit files in place of the one that systemd reads, for an image or another machine.
    /// Nothing is started then.
    /// </summary>
    [Parameter(ParameterSetName = ProfileSet)]
    [ValidateNotNullOrEmpty]
    public string? UnitFolder { get; set; }

    /// <summary>
    /// The storage that takes the restore points: the session that Connect-NataliaRepository -ProxmoxStorage returned,
    /// or its name. Bound from an appliance that is piped in and is enrolled. Left out, the only storage of the cluster
    /// that is connected.
    /// </summary>
    [Parameter(ParameterSetName = NativeSet, ValueFromPipelineByPropertyName = true)]
    [Alias("RepositoryId")]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>
    /// Daily, or SixHourly: every six hours, one of them the daily one. Replication is no schedule:
    /// Set-NataliaReplication sets it.
    /// </summary>
    [Parameter]
    public BackupStrategy Strategy { get; set; } = BackupStrategy.Daily;

    /// <summary>
    /// The time of day of the daily run, in the zone of what starts it: 00:00 to 23:59, 01:00 by default.
    /// </summary>
    [Parameter]
    [ValidatePattern("^([01]?[0-9]|2[0-3]):[0-5][0-9]$")]
    public string At { get; set; } = "01:00";

    /// <summary>How many of the newest points are kept.</summary>
    [Parameter(ParameterSetName = NativeSet)]
    [ValidateRange(0, 100000)]
    public int Last { get; set; }

    /// <summary>How many hours keep their newest point.</summary>
    [Parameter(ParameterSetName = NativeSet)]
    [ValidateRange(0, 100000)]
    public int Hourly { get; set; }

    /// <summary>How many days keep their newest point.</summary>
    [Parameter(ParameterSetName = NativeSet)]
    [ValidateRange(0, 100000)]
    public int Daily { get; set; }

    /// <summary>How many ISO weeks keep their newest point.</summary>
    [Parameter(ParameterSetName = NativeSet)]
    [ValidateRange(0, 100000)]
    public int Weekly { get; set; }

    /// <summary>How many months keep their newest point.</summary>
    [Parameter(ParameterSetName = NativeSet)]
    [ValidateRange(0, 100000)]
    public int Monthly { get; set; }

    /// <summary>How many years keep their newest point.</summary>
    [Parameter(ParameterSetName = NativeSet)]
    [ValidateRange(0, 100000)]
    public int Yearly { get; set; }

    /// <summary>Keep the schedule, but never start it.</summary>
    [Parameter]
    public SwitchParameter Disabled { get; set; }

    private bool IsOwn => ParameterSetName != NativeSet;

    // Each repository that is piped in gets a schedule of the VM.
    private protected override bool TakesOnce => false;

    private ScheduleKind Kind =>
        Strategy == BackupStrategy.SixHourly ? ScheduleKind.SixHourly : ScheduleKind.Daily;

    private TimeSpan AtTime => TimeSpan.ParseExact(At.Length == 4 ? "0" + At : At, "hh\\:mm",
        System.Globalization.CultureInfo.InvariantCulture);

    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        if (Strategy is not (BackupStrategy.Daily or BackupStrategy.SixHourly))
            throw new NataliaException(ErrorIds.StrategyNotScheduled, NataliaErrorKind.InvalidArgument,
                $"{Strategy} is no schedule of backups: the hypervisor does it all the time.", Strategy.ToString(),
                "Set-NataliaReplication sets it; register Daily or SixHourly besides.");
        if (IsOwn && NamesHypervisor)
            throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
                "The hypervisors of a schedule with a profile are those of the profile.", null,
                "Leave -Hypervisor out.");
        if (Account is not null && Credential is not null)
            throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
                "-Account and -Credential name two accounts, and a schedule has one.", Account,
                "Leave one of them out.");
        return Task.CompletedTask;
    }

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (!IsOwn) return base.ProcessAsync(cancellationToken);
        // An empty name must not become a schedule of everything.
        if (NamesEmpty) throw References.NoApplianceNamed();
        // What is piped in makes one schedule together.
        _names.AddRange(!string.IsNullOrEmpty(ApplianceId) ? [ApplianceId!] : References.Clean(Appliance) ?? []);
        return Task.CompletedTask;
    }

    private protected override string MissedWithoutInput => "nothing was registered";

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        // A filter that fits nothing must not become a schedule of everything.
        if (!IsOwn || HasErrors || (MyInvocation.ExpectingInput && _names.Count == 0)) return;
        ScheduleDefinition schedule = await OnPipelineAsync(Define).ConfigureAwait(false);
        schedule.EnsureValid();
        ProfileDocument profile = ProfileFile.Read(schedule.ProfilePath);
        ScheduleAdvice.EnsureFits(schedule, profile);
        IScheduler scheduler = Schedulers.For(Registry, UnitFolder, TimeProvider.System);
        if (!await ShouldProcessAsync(schedule.ScheduleId,
            $"Back up at {ScheduleTimes.Describe(schedule.Kind, schedule.AtTime)} with '{schedule.ProfilePath}'"
            + (schedule.CopyTo.Count == 0 ? "" : $", copy to {string.Join(", ", schedule.CopyTo)}")
            + (schedule.QuarterlyRestoreTest ? ", test restores quarterly" : "")).ConfigureAwait(false))
            return;
        BackupSchedule made = await scheduler.RegisterAsync(schedule, Credential?.Password,
            cancellationToken).ConfigureAwait(false);
        bool isWindows = scheduler is TaskSchedulerScheduler;
        made = made with
        {
            Warnings = [.. made.Warnings, .. ScheduleAdvice.Warnings(schedule, profile, isWindows,
                Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
                isWindows || (schedule.Account is string account && account != Environment.UserName), IsFixedDrive)],
        };
        foreach (string warning in made.Warnings) EmitWarning(warning);
        Emit(made);
    }

    private ScheduleDefinition Define()
    {
        string profile = FilePaths.Resolve(SessionState, ProfilePath);
        UnitFolder = UnitFolder is null ? null : FilePaths.Resolve(SessionState, UnitFolder);
        PowerShellProgram shell = PowerShellProgram.Find(
            PowerShellPath is null ? null : FilePaths.Resolve(SessionState, PowerShellPath),
            SessionState.PSVariable.GetValue("PSHOME") as string ?? "");
        string? secrets = SecretScript is null ? null : FilePaths.Resolve(SessionState, SecretScript);
        if (secrets is not null && !File.Exists(secrets))
            throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.NotFound,
                $"Nothing was registered: there is no secret script '{secrets}'.", secrets);
        return new ScheduleDefinition
        {
            Name = Name ?? ScheduleDefinition.NameOf(profile),
            ProfilePath = profile,
            Kind = Kind,
            At = AtTime.ToString("hh\\:mm", System.Globalization.CultureInfo.InvariantCulture),
            Appliances = [.. _names.Distinct()],
            CopyTo = [.. CopyTo.Distinct(StringComparer.OrdinalIgnoreCase)],
            QuarterlyRestoreTest = QuarterlyRestoreTest,
            TestBench = TestBench,
            SecretScript = secrets,
            LogFolder = LogFolder is null ? Schedulers.DefaultLogFolder : FilePaths.Resolve(SessionState, LogFolder),
            Account = Credential?.UserName ?? Account,
            IsEnabled = !Disabled,
            Program = shell.Path,
            ProgramArguments = shell.Arguments,
            Script = ModuleFiles.ScheduledRun,
        };
    }

    private static bool IsFixedDrive(char letter) =>
        new DriveInfo(letter.ToString()).DriveType is DriveType.Fixed or DriveType.Removable or DriveType.Ram;

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
            Kind = Kind,
            At = AtTime,
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
        Emit(BackupSchedule.Of(schedule with
        {
            ApplianceNames = [located.Description.Name],
            Hypervisor = located.Hypervisor.Name,
        }, located.Hypervisor.Session.Kind));
    }
}
