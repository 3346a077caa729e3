using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Guests;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Operations.Schedules;

namespace Natalia.Backup.Commands;

/// <summary>Enrols a VM as an appliance, or changes its settings.</summary>
/// <remarks>
/// <para>The settings are kept with the repository, or, for a storage of a Proxmox VE cluster, in a line of the VM's
/// notes there; so that every machine that backs the appliance up uses the same ones. A parameter that is left out
/// leaves its setting as it is.</para>
/// <para>On Proxmox VE a whole VM is backed up, its system disk with it; -IncludeSystemDisk:$false enrols it for points
/// of the data disk alone, which need a storage of their own. A VM that Register-NataliaSchedule has scheduled is
/// enrolled by that already.</para>
/// <para>An enrolled appliance is listed by Get-NataliaAppliance alone, and Invoke-NataliaBackup knows where it
/// goes.</para>
/// <para>A VM that was restored has a new id on its hypervisor. With -ApplianceId it takes the place of the lost one:
/// the appliance keeps its id, its points, its retention and its settings, and backups go on with its history; the
/// first one reads everything. The audit log tells of it. While the VM that stands for the appliance until now is
/// there, that is the error ApplianceStillExists. In each repository where the appliance is enrolled it is said
/// once; until then nothing goes there. Where both VMs have one name, name the VM by the id that it has by itself.
/// </para>
/// <para>Unregister-NataliaAppliance ends an enrolment.</para>
/// <para>Whether the data disk can be told is checked now, not in the first scheduled night; and so is a system image,
/// a calendar and everything else of restore tests.</para>
/// </remarks>
/// <example>
/// <code>Set-NataliaAppliance natalia-paris -Repository nas</code>
/// <para>Enrols a VM in the repository "nas".</para>
/// </example>
/// <example>
/// <code>Set-NataliaAppliance natalia-lyon -DataDisk scsi1 -IncludeSystemDisk -PassThru</code>
/// <para>Says which disk holds the data, has the system disk backed up too, and shows the result.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name * | Set-NataliaAppliance -Repository nas -Strategy SixHourly</code>
/// <para>Enrols every VM, to be backed up every six hours.</para>
/// </example>
/// <example>
/// <code>Set-NataliaAppliance natalia-paris -TestBench bench -SystemImage /srv/natalia/system.qcow2 -BusinessCalendar 'zone: Europe/Paris; 12-25; 01-01'</code>
/// <para>Says how Test-NataliaRestore tests it: where, with which system disk, and which days are business days.</para>
/// </example>
/// <example>
/// <code>Set-NataliaAppliance natalia-01 -IsolatedNetwork natalia-test -GuestCredential natalia-guest -SshHost natalia-01.example.com</code>
/// <para>Says how commands run in its restore tests, and takes the host key from the production VM, once.</para>
/// </example>
/// <example>
/// <code>Set-NataliaAppliance natalia-paris -ApplianceId 0c1f52a6f5bd4d1b9d3f9a3f1d7f7c11 -Repository nas</code>
/// <para>Lets the restored VM natalia-paris take the place of the lost one, whose points have that id.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAppliance -Name 'natalia-*' | Where-Object { -not $_.IsEnrolled } | Set-NataliaAppliance -Repository nas</code>
/// <para>Enrols every appliance that is not enrolled yet.</para>
/// </example>
[Cmdlet(VerbsCommon.Set, "NataliaAppliance", DefaultParameterSetName = ApplianceSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Appliance))]
public sealed class SetNataliaApplianceCommand : RepositoryWriterCommand
{
    private const string ApplianceSet = "Appliance";
    private const string IdSet = "Id";
    private const string SuccessorSet = "Successor";

    private readonly HashSet<string> _chosen = new(StringComparer.Ordinal);
    private ApplianceDirectory? _directory;
    private SshEndpoint? _sshHost;

    /// <summary>The id of the appliance whose place the VM takes; null when nothing was said of that.</summary>
    private string? TakesPlaceOf => ParameterSetName == SuccessorSet ? ApplianceId[0] : null;

    /// <summary>The VM: an object of Get-NataliaAppliance, a name or a wildcard.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ApplianceSet, ValueFromPipeline = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = SuccessorSet, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference(MeansVM = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[] Appliance { get; set; } = [];

    /// <summary>
    /// The appliance's id. Bound from what is piped in. Together with -Appliance: the id of the appliance whose place
    /// the VM takes, as its restore points have it.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = SuccessorSet)]
    [Parameter(Mandatory = true, ParameterSetName = IdSet, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string[] ApplianceId { get; set; } = [];

    /// <summary>
    /// With -ApplianceId beside the VM: take the place also of a VM that is still there. That one is not backed up
    /// under this id any more.
    /// </summary>
    [Parameter(ParameterSetName = SuccessorSet)]
    public SwitchParameter Force { get; set; }

    /// <summary>
    /// The id of the disk that holds the data, as Get-NataliaAppliance shows it under Disks. An empty text leaves it to
    /// the hypervisor's description again.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(DiskCompleter))]
    public string? DataDisk { get; set; }

    /// <summary>Back up the system disk with every run. -IncludeSystemDisk:$false ends it.</summary>
    [Parameter]
    public SwitchParameter IncludeSystemDisk { get; set; }

    /// <summary>
    /// What a backup does when the guest does not put its data in order: Crash makes a crash-consistent point and tells
    /// the reason, Fail makes none. Not for Proxmox VE, which decides by itself.
    /// </summary>
    [Parameter]
    public QuiesceFailure OnQuiesceFailure { get; set; }

    /// <summary>
    /// For Hyper-V: switch the VM's integration service "Backup (volume checkpoint)" on, by which the guest is asked to
    /// put its data in order. It is read back; a guest that does not answer all the same is told as a warning.
    /// </summary>
    [Parameter]
    public SwitchParameter EnableVss { get; set; }

    /// <summary>
    /// How often it is backed up, and so what Measure-NataliaRecovery holds it against. Daily: RPO 24 h, RTO 4 h.
    /// SixHourly: RPO 6 h, RTO 2 h. Replication, every five minutes beside a daily backup: RPO 5 min, RTO 30 min. It
    /// starts no backup: a scheduled task or Register-NataliaSchedule does. $null leaves it open again; then it is
    /// measured as Daily.
    /// </summary>
    [Parameter]
    public BackupStrategy? Strategy { get; set; }

    /// <summary>
    /// Never ask the guest to put its data in order: every point is crash-consistent, and says that this was wished.
    /// For a guest that hangs when its file systems are frozen. -NeverQuiesce:$false ends it. Not for Proxmox VE.
    /// </summary>
    [Parameter]
    public SwitchParameter NeverQuiesce { get; set; }

    /// <summary>
    /// Switch on that the hypervisor tracks which parts of the disks change, so that incrementals read no more than
    /// those. For VMware, which does not do so by itself; the VM must have no snapshots. A VM that runs stands still
    /// for a moment (a stun, as with every snapshot). The next backup is a full; nothing is done where tracking is
    /// on.
    /// </summary>
    [Parameter]
    public SwitchParameter EnableChangeTracking { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the hypervisor that the appliance is tested on; its session or name. An empty text
    /// leaves it open again, here and with the other settings of restore tests.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    [HypervisorReference]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string? TestBench { get; set; }

    /// <summary>
    /// For Test-NataliaRestore and Restore-NataliaAppliance: the absolute path of the OVA that appliances are deployed
    /// from, or of an image of a freshly deployed appliance's system disk (raw, qcow2, VMDK, VHDX or VHD), on the
    /// machine that restores. It boots points that hold the data disk alone.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    public string? SystemImage { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the network that leads nowhere, as the test bench calls it.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public string? IsolatedNetwork { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the name of the secret (a PSCredential) with which commands run in the guest, where the
    /// way into it asks for one. The secret itself is kept nowhere.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    public string? GuestCredential { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the host key of the appliance's SSH server, as a fingerprint (SHA256:...) or a public
    /// key; its fingerprint is kept. With it commands in the guest go over SSH, and to no server with another key. See
    /// it on the appliance's console with 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub'.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    public string? SshHostKey { get; set; }

    /// <summary>
    /// Take the host key from the appliance's own SSH server, at this name or address (HOST, HOST:PORT or
    /// [ADDRESS]:PORT), and keep it; for one appliance alone. Who answers there is believed once, which a warning
    /// tells; compare the key on the appliance's console. A key that is kept already is compared, and another one is
    /// refused. Left out, an appliance on Hyper-V that gets a guest credential or a key file, and has no host key, is
    /// asked at the addresses that its guest tells the host. When nobody answers, that is told, and everything else is
    /// kept.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SshHost { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the absolute path of a private key that logs in over SSH, on the machine that tests.
    /// The password of the guest credential is then the key's own. The key itself is kept nowhere.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    public string? SshKeyFile { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the program that checks the data's integrity, and its arguments. Default: natalia-cli
    /// check-integrity, as the procedure writes it.
    /// </summary>
    [Parameter]
    [AllowEmptyCollection]
    [AllowEmptyString]
    public string[]? IntegrityCommand { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: the program that verifies the appliance's audit log. Default: natalia-cli audit verify.
    /// </summary>
    [Parameter]
    [AllowEmptyCollection]
    [AllowEmptyString]
    public string[]? AuditCommand { get; set; }

    /// <summary>
    /// The program that counts the call records of a day and prints one number; {day} (yyyy-MM-dd) and {zone} are
    /// filled in. With it set, Invoke-NataliaBackup counts when it makes a point, where the hypervisor has a way into
    /// the guest. The default of the test, natalia-cli cdr count --day {day} --zone {zone}, is an assumption.
    /// </summary>
    [Parameter]
    [AllowEmptyCollection]
    [AllowEmptyString]
    public string[]? CdrCountCommand { get; set; }

    /// <summary>
    /// The business calendar: a text such as 'zone: Europe/Paris; weekend: Saturday, Sunday; 2026-12-25; 01-01', a
    /// table @{ TimeZone = ...; Weekend = ...; Holidays = ... }, or a file with the text, whose content is kept.
    /// Default: Monday to Friday, UTC, no holidays.
    /// </summary>
    [Parameter]
    [AllowEmptyString]
    [BusinessCalendarArgument]
    public string? BusinessCalendar { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: by how much the count of call records may differ from the baseline, in percent of it; 0
    /// to 100. Default: 0.5. $null leaves it to the default again.
    /// </summary>
    [Parameter]
    public decimal? Tolerance { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: how many minutes the restore of the test VM may take; 0 leaves it to the default, 240.
    /// </summary>
    [Parameter]
    [ValidateRange(0, 1440)]
    public int RestoreTimeoutMinutes { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: how many minutes the guest may take until it answers; 0 leaves it to the default, 10.
    /// </summary>
    [Parameter]
    [ValidateRange(0, 1440)]
    public int BootTimeoutMinutes { get; set; }

    /// <summary>
    /// For Test-NataliaRestore: how many minutes each command may take; 0 leaves it to the default, 10.
    /// </summary>
    [Parameter]
    [ValidateRange(0, 1440)]
    public int CommandTimeoutMinutes { get; set; }

    /// <summary>Write the appliance with its new settings to the pipeline.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override async Task BeginAsync(CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(BusinessCalendar))
            BusinessCalendar = await OnPipelineAsync(() => BusinessCalendars.Read(SessionState,
                BusinessCalendar!)).ConfigureAwait(false);
        if (SshHost is not null) _sshHost = SshEndpoint.Parse(SshHost);
        if (!string.IsNullOrEmpty(TestBench))
            Registry.Hypervisors.Get(TestBench!).Hypervisor.Require<ITestBench>("test bench");
        await new RestoreTestWishes
        {
            SystemImage = Text(SystemImage),
            SshHostKey = Text(SshHostKey),
            SshKeyFile = Text(SshKeyFile),
            IntegrityCommand = Command(IntegrityCommand),
            AuditCommand = Command(AuditCommand),
            CdrCountCommand = Command(CdrCountCommand),
            Tolerance = Tolerance,
        }.CheckAsync(cancellationToken).ConfigureAwait(false);
    }

    private protected override string MissedWithoutInput => "no appliance was enrolled or changed";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        if (!string.IsNullOrEmpty(Repository)) Registry.Repositories.Get(Repository!);
        if (TakesPlaceOf is not null && ApplianceId.Length > 1)
            throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
                $"{ApplianceId.Length} appliances cannot have one VM.", null, "Name one with -ApplianceId.");
        _directory ??= new ApplianceDirectory(Registry, DeferError, EmitWarning);
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(ParameterSetName == IdSet
            ? ApplianceId
            : Appliance);
        if (_sshHost is not null && selectors.Count > 1) throw OfOneOnly();
        IReadOnlyList<HypervisorConnection> hypervisors = HypervisorsToRead();
        StandingVMs standing = await _directory.StandingAsync(hypervisors, cancellationToken).ConfigureAwait(false);
        // Beside the id of an appliance a name or an id means the VM itself, whatever it stands for.
        IReadOnlyList<LocatedAppliance> appliances = await _directory.FindAsync(hypervisors, selectors,
            cancellationToken, TakesPlaceOf is null ? standing : StandingVMs.None).ConfigureAwait(false);
        foreach (ApplianceSelector selector in selectors)
        {
            try
            {
                List<LocatedAppliance> chosen = [.. ApplianceDirectory.SelectForChange(appliances, selector,
                    meansVM: ParameterSetName != IdSet)];
                _chosen.UnionWith(chosen.Select(a => a.Description.ApplianceId));
                if (_sshHost is not null && _chosen.Count > 1) throw OfOneOnly();
                if (TakesPlaceOf is not null && _chosen.Count > 1)
                    throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
                        $"{_chosen.Count} VMs cannot take the place of one appliance, {TakesPlaceOf}.", TakesPlaceOf,
                        "Name one VM.");
                foreach (LocatedAppliance located in chosen)
                {
                    RepositoryConnection repository = Registry.RepositoryFor(located.Hypervisor, Repository,
                        located.Description.Name);
                    IReadOnlyList<Enrolment> enrolments = await _directory.ListEnrolmentsAsync([repository],
                        cancellationToken).ConfigureAwait(false);
                    string? goesOn = TakesPlaceOf
                        ?? FindHistory(repository, located, enrolments, standing);
                    if (goesOn is not null)
                    {
                        Succession succession = await Succession.PlanAsync(repository, goesOn, located, enrolments,
                            standing, cancellationToken).ConfigureAwait(false);
                        await SetAsync(repository, located, succession.Settings, succession, standing,
                            cancellationToken).ConfigureAwait(false);
                        continue;
                    }
                    await SetAsync(repository, located, enrolments.FirstOrDefault(e => e.IsOf(located))?.Settings, null,
                        standing, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (NataliaException e)
            {
                EmitError(e, selector.Text);
            }
        }
    }

    /// <summary>
    /// The appliance with whose history a VM goes on that is not enrolled here: one for which it stands in another
    /// repository, or stood until its enrolment ended. Null for a VM that is enrolled, or stands for itself.
    /// </summary>
    /// <exception cref="NataliaException"><c>ApplianceReplaced</c>.</exception>
    private static string? FindHistory(RepositoryConnection repository, LocatedAppliance located,
        IReadOnlyList<Enrolment> enrolments, StandingVMs standing)
    {
        string vmId = located.Description.ApplianceId;
        if (!repository.IsOwn) return null;
        if (standing.ReplacementOf(vmId) is Enrolment by) throw Succession.Replaced(located.Description, by);
        string id = standing.IdOf(vmId);
        if (id == vmId || enrolments.Any(e => e.IsOf(located))) return null;
        if (enrolments.FirstOrDefault(e => e.Settings.ApplianceId == id) is Enrolment other)
            throw Succession.NotTold(located.Description, other, standing.Of(id)!);
        return id;
    }

    private NataliaException OfOneOnly() => new(ErrorIds.SshHostInvalid, NataliaErrorKind.InvalidArgument,
        $"Several appliances are named, and '{SshHost}' is the place of one: the others would be given its host key.",
        SshHost, "Name one appliance with -SshHost.");

    /// <summary>The settings of restore tests, with what was said now; null when nothing is set.</summary>
    private RestoreTestSettings? Change(RestoreTestSettings? before)
    {
        RestoreTestSettings known = before ?? new RestoreTestSettings();
        RestoreTestSettings after = known with
        {
            TestBench = Text(nameof(TestBench), TestBench, known.TestBench),
            SystemImage = Text(nameof(SystemImage), SystemImage, known.SystemImage),
            IsolatedNetwork = Text(nameof(IsolatedNetwork), IsolatedNetwork, known.IsolatedNetwork),
            GuestCredential = Text(nameof(GuestCredential), GuestCredential, known.GuestCredential),
            SshHostKey = Text(nameof(SshHostKey), Fingerprint(SshHostKey), known.SshHostKey),
            SshKeyFile = Text(nameof(SshKeyFile), SshKeyFile, known.SshKeyFile),
            IntegrityCommand = Command(nameof(IntegrityCommand), IntegrityCommand, known.IntegrityCommand),
            AuditCommand = Command(nameof(AuditCommand), AuditCommand, known.AuditCommand),
            CdrCountCommand = Command(nameof(CdrCountCommand), CdrCountCommand, known.CdrCountCommand),
            BusinessCalendar = Text(nameof(BusinessCalendar), BusinessCalendar, known.BusinessCalendar),
            Tolerance = IsBound(nameof(Tolerance)) ? Tolerance : known.Tolerance,
            RestoreTimeoutMinutes = Minutes(nameof(RestoreTimeoutMinutes), RestoreTimeoutMinutes,
                known.RestoreTimeoutMinutes),
            BootTimeoutMinutes = Minutes(nameof(BootTimeoutMinutes), BootTimeoutMinutes, known.BootTimeoutMinutes),
            CommandTimeoutMinutes = Minutes(nameof(CommandTimeoutMinutes), CommandTimeoutMinutes,
                known.CommandTimeoutMinutes),
        };
        if (RestoreTestSettingsJson.AreSame(before, after)) return before;
        return after.IsEmpty ? null : after;
    }

    private static string? Text(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static string? Fingerprint(string? hostKey) =>
        Text(hostKey) is string said ? Hypervisors.Contract.SshHostKey.Parse(said).Fingerprint : null;

    private static string[]? Command(string[]? command) =>
        command is null || command.All(string.IsNullOrWhiteSpace) ? null : command;

    private string? Text(string parameter, string? said, string? known) => IsBound(parameter) ? Text(said) : known;

    private IReadOnlyList<string>? Command(string parameter, string[]? said, IReadOnlyList<string>? known) =>
        !IsBound(parameter) ? known
        : Command(said) is string[] command ? GuestCommandLine.Parse(command, parameter) : null;

    private int? Minutes(string parameter, int said, int? known) =>
        IsBound(parameter) ? (said == 0 ? null : said) : known;

    private async Task SetAsync(RepositoryConnection repository, LocatedAppliance located, ApplianceSettings? before,
        Succession? succession, StandingVMs standing, CancellationToken cancellationToken)
    {
        ApplianceDescription description = located.Description;
        if ((IsBound(nameof(OnQuiesceFailure)) || IsBound(nameof(NeverQuiesce))) && !repository.IsOwn)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"Whether '{description.Name}' is backed up without its guest's help is the hypervisor's own decision.",
                description.Name, "Leave -OnQuiesceFailure and -NeverQuiesce out.");
        ApplianceSettings known = before ?? new ApplianceSettings
        {
            ApplianceId = description.ApplianceId,
            Name = description.Name,
            HypervisorKind = description.HypervisorKind,
            IncludeSystemDisk = !repository.IsOwn,
        };
        ApplianceSettings after = known with
        {
            Name = description.Name,
            DataDiskId = IsBound(nameof(DataDisk))
                ? (string.IsNullOrEmpty(DataDisk) ? null : DataDisk)
                : known.DataDiskId,
            IncludeSystemDisk = IsBound(nameof(IncludeSystemDisk)) ? IncludeSystemDisk : known.IncludeSystemDisk,
            OnQuiesceFailure = IsBound(nameof(OnQuiesceFailure)) ? OnQuiesceFailure : known.OnQuiesceFailure,
            Strategy = IsBound(nameof(Strategy)) ? Strategy : known.Strategy,
            NeverQuiesce = IsBound(nameof(NeverQuiesce)) ? NeverQuiesce : known.NeverQuiesce,
            RestoreTest = Change(known.RestoreTest),
        };
        bool isTakeover = succession is { IsInPlace: false };
        if (isTakeover && !IsBound(nameof(DataDisk)) && after.DataDiskId is string lost
            && !description.Disks.Any(d => d.DiskId == lost))
        {
            EmitWarning($"'{description.Name}' has no disk '{lost}', which held the data of the lost VM: its data disk "
                + "is found anew. -DataDisk names another one.");
            after = after with { DataDiskId = null };
        }
        IReadOnlyList<ApplianceDisk> disks = DiskSelection.Select(description, after.DataDiskId,
            after.IncludeSystemDisk);
        if (after.DataDiskId is not null) after = after with { DataDiskId = disks[0].DiskId };
        IQuiescingControl? quiescing = EnableVss
            ? located.Hypervisor.Hypervisor.Require<IQuiescingControl>("switch for a guest's integration service")
            : null;
        IChangeTrackingControl? tracking = EnableChangeTracking
            ? located.Hypervisor.Hypervisor.Require<IChangeTrackingControl>("change tracking to switch on")
            : null;
        bool isNew = succession is null ? before is null : succession.Before is null;
        LocatedAppliance? old = null;
        string action = isNew
            ? $"Enrol in repository '{repository.Name}'"
            : $"Change its settings in repository '{repository.Name}'";
        if (succession is not null && isTakeover)
        {
            old = await succession.CheckAsync(_directory!, Registry.Hypervisors.ForReading(null),
                Force, cancellationToken).ConfigureAwait(false);
            action = $"Take the place of the appliance '{succession.FormerName}' ({after.ApplianceId}) in repository "
                + $"'{repository.Name}'" + (old is null ? "" : $", although its VM is still there on "
                    + $"'{old.Hypervisor.Name}' and is backed up no more");
        }
        if (quiescing is not null) action += ", and switch the integration service for backups on";
        if (tracking is not null) action += ", and switch change tracking on, for which the VM stands still a moment";
        if (!await ShouldProcessAsync(description.Name, action).ConfigureAwait(false)) return;
        after = await WithHostKeyAsync(located, after, isNew, cancellationToken).ConfigureAwait(false);
        if (quiescing is not null) await EnableAsync(quiescing, description, cancellationToken).ConfigureAwait(false);
        if (succession is not null)
        {
            await succession.ExecuteAsync(repository, after == succession.Before ? null : after, EmitWarning,
                cancellationToken).ConfigureAwait(false);
            await TellAsync(repository, succession, after, standing, cancellationToken).ConfigureAwait(false);
            // Backups look for it where VMs followed each other.
            await ClearAsync(located, repository, h => h != after.ApplianceId, after.FormerIds.Count > 0
                ? " The next backup tries again."
                : $" Set-NataliaAppliance '{description.Name}' -ApplianceId {after.ApplianceId} tries again.",
                cancellationToken).ConfigureAwait(false);
            if (old is not null)
                await ClearAsync(old, repository, h => h == after.ApplianceId, "", cancellationToken)
                    .ConfigureAwait(false);
        }
        // In a hypervisor's storage also when nothing differs: a VM that is enrolled by its schedule alone stays so
        // without it.
        else if (!repository.IsOwn || after != before)
            await Evidence.Over(repository)
                .SetApplianceSettingsAsync(description, after, cancellationToken).ConfigureAwait(false);
        if (tracking is not null && await tracking.EnableChangeTrackingAsync(description,
            repository.Session.RepositoryId, cancellationToken).ConfigureAwait(false))
            EmitWarning($"{description.Name}: change tracking was switched on, for which the VM stood still a moment. "
                + "The next backup reads everything, and those after it what has changed.");
        if (PassThru) Emit(ApplianceView.Create(located, new Enrolment(repository, after)));
    }

    /// <summary>
    /// Removes what backups left on a VM for histories with which it does not go on from now on. What cannot be
    /// removed hinders nothing.
    /// </summary>
    private async Task ClearAsync(LocatedAppliance located, RepositoryConnection repository,
        Func<string, bool> isOver, string then, CancellationToken cancellationToken)
    {
        (IReadOnlyList<string> removed, IReadOnlyList<string> kept) = await Leftovers.RemoveFormerAsync(
            located.Hypervisor.Hypervisor, located.Description, repository.Repository, isOver,
            cancellationToken).ConfigureAwait(false);
        foreach (string one in removed) EmitVerbose(one);
        foreach (string one in kept) EmitWarning(one + then);
    }

    /// <summary>What the user has to do besides, now that another VM stands for the appliance.</summary>
    private async Task TellAsync(RepositoryConnection repository, Succession succession, ApplianceSettings after,
        StandingVMs standing, CancellationToken cancellationToken)
    {
        if (!succession.IsInPlace)
            EmitVerbose($"'{after.Name}' goes on with the history of {after.ApplianceId}. Its next backup reads "
                + "everything, because the tracking of the lost VM says nothing of this one.");
        foreach (Enrolment other in standing.WordsOf(after.ApplianceId).Where(e => !e.IsEnded
            && e.Repository != repository && e.Settings.VMId != after.VMId))
            EmitWarning(Succession.NotToldWarning(after.VMId, other));
        if (string.Equals(succession.FormerName, after.Name, StringComparison.OrdinalIgnoreCase)) return;
        IReadOnlyList<string>? schedules = await NamingSchedules.FindAsync([succession.FormerName],
            cancellationToken).ConfigureAwait(false);
        if (schedules is null) EmitWarning(NamingSchedules.Unseen(succession.FormerName));
        else if (schedules.Count > 0)
            EmitWarning($"'{after.Name}' was called '{succession.FormerName}' until now, and so it is named by "
                + $"{string.Join(", ", schedules.Select(s => $"'{s}'"))}, whose runs do not find it any more. Give the "
                + "VM its old name on the hypervisor, or register the schedule again with the new one.");
    }

    /// <summary>The settings with the host key that the appliance itself shows, where it is to be asked.</summary>
    private async Task<ApplianceSettings> WithHostKeyAsync(LocatedAppliance located, ApplianceSettings settings,
        bool isNew, CancellationToken cancellationToken)
    {
        RestoreTestSettings test = settings.RestoreTest ?? new RestoreTestSettings();
        if (_sshHost is null && (test.SshHostKey is not null || !IsKeyMissed(located, test, isNew))) return settings;
        TakenHostKey taken = await new HostKeyEnrolment(TimeProvider.System).TakeAsync(located.Hypervisor.Hypervisor,
            located.Description, _sshHost, test.SshHostKey is string known
                ? Hypervisors.Contract.SshHostKey.Parse(known)
                : null, cancellationToken).ConfigureAwait(false);
        if (taken.Key is null)
        {
            EmitWarning($"'{settings.Name}': its SSH host key was not "
                + $"{(test.SshHostKey is null ? "taken" : "compared")}: {taken.Trouble}. "
                + (test.SshHostKey is null ? "Everything else is kept; name it with -SshHostKey, or say where the "
                    + "appliance is reached with -SshHost." : "The one that is kept stays."));
            return settings;
        }
        if (test.SshHostKey is not null)
        {
            EmitVerbose($"The SSH server of '{settings.Name}' at {taken.At} has the host key that is kept.");
            return settings;
        }
        EmitWarning($"'{settings.Name}': its SSH host key {taken.Key} was taken from {taken.At} and is believed from "
            + "now on (trust on first use). Compare it on the appliance's own console: ssh-keygen -lf "
            + "/etc/ssh/ssh_host_ed25519_key.pub");
        return settings with { RestoreTest = test with { SshHostKey = taken.Key.Fingerprint } };
    }

    /// <summary>
    /// Whether commands in the guest were asked for now, with whom, and would go over SSH without a host key.
    /// </summary>
    private bool IsKeyMissed(LocatedAppliance located, RestoreTestSettings test, bool isNew)
    {
        bool isAsked = isNew || IsBound(nameof(GuestCredential)) || IsBound(nameof(SshKeyFile));
        if (!isAsked || IsBound(nameof(SshHostKey)) || (test.GuestCredential ?? test.SshKeyFile) is null) return false;
        IHypervisor? bench = test.TestBench is string name
            ? Registry.Hypervisors.Find(name)?.Hypervisor
            : located.Hypervisor.Hypervisor;
        return bench?.Find<IGuestChannel>() is ISshGuestChannel
            && located.Hypervisor.Hypervisor.Find<IGuestAddresses>() is not null;
    }

    private async Task EnableAsync(IQuiescingControl quiescing, ApplianceDescription appliance,
        CancellationToken cancellationToken)
    {
        QuiescingService now = await quiescing.EnableQuiescingAsync(appliance, cancellationToken)
            .ConfigureAwait(false);
        EmitVerbose(now.WasEnabled
            ? $"The integration service for backups of '{appliance.Name}' was on already."
            : $"The integration service for backups of '{appliance.Name}' is switched on.");
        if (now.Trouble is string trouble) EmitWarning($"'{appliance.Name}': {trouble}");
    }
}
