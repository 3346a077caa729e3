using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Says beforehand what would fail: rights, guest agent, storages, leftovers.</summary>
/// <remarks>
/// <para>For Proxmox VE, Hyper-V and VMware. Of a Folder hypervisor it is checked what can be there: whether each image
/// can be opened and read (Images), and without an appliance whether every folder is listed (Inventory). Qemu offers
/// no such check of its own: without an appliance that is the error CapabilityMissing.</para>
/// <para>Also disks that are left out of backups, and VMs that no schedule takes. Nothing is changed. Each check is an
/// object of its own; a right that is missing is named with its path. NotEvidenced means that a check could not be
/// made, and is no success.</para>
/// <para>FirmwareState says whether points hold the VM's UEFI variables and the state of its TPM. Where a hypervisor
/// does not give them, a VM that is built of a point begins with fresh ones.</para>
/// <para>With -AsScheduled the schedules of this machine are tried instead: as its account and by what will start it,
/// each runs once, connects with its profile, and reports; nothing is backed up. Where that cannot be, as in a
/// container without systemd, the check is NotEvidenced and says why.</para>
/// <para>Without an appliance only what concerns the hypervisor is checked. With -Quiet one Boolean is written for all
/// appliances together: True when something was checked and no check failed.</para>
/// </remarks>
/// <example>
/// <code>Test-NataliaPrerequisite -Appliance natalia-01 -Repository pbs -ReplicationTarget pve2 -IsolatedNetwork vmbr9 | Where-Object Result -ne Passed</code>
/// <para>Shows what is not as it should be for backups, replication and restore tests.</para>
/// </example>
/// <example>
/// <code>Test-NataliaPrerequisite -AsScheduled</code>
/// <para>Tries whether the accounts of this machine's schedules get their secrets and reach everything.</para>
/// </example>
/// <example>
/// <code>if (-not (Test-NataliaPrerequisite -Appliance natalia-01 -Repository pbs -Quiet)) { throw 'A backup would fail.' }</code>
/// <para>A runbook that looks before it leaps.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaPrerequisite")]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaPrerequisiteCommand : ApplianceCommand
{
    /// <summary>
    /// The storages that take restore points: sessions that Connect-NataliaRepository -ProxmoxStorage returned, or
    /// their names. Left out, those of the appliance's schedules.
    /// </summary>
    [Parameter]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>The VM host for replication, when there is to be one.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(VMHostCompleter))]
    public string? ReplicationTarget { get; set; }

    /// <summary>
    /// The isolated network for restore tests, when there are to be some. Left out, those that Set-NataliaAppliance
    /// -IsolatedNetwork keeps for the appliance in the connected repositories are checked.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public string? IsolatedNetwork { get; set; }

    /// <summary>
    /// Try the schedules of this machine that have a profile, each as its account: those of -ScheduleId, or all.
    /// </summary>
    [Parameter]
    public SwitchParameter AsScheduled { get; set; }

    /// <summary>With -AsScheduled: the schedules to try.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? ScheduleId { get; set; }

    /// <summary>
    /// With -AsScheduled, on Windows: the password of a schedule's account, which the Task Scheduler does not give
    /// back.
    /// </summary>
    [Parameter]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>With -AsScheduled, on Linux: the folder of the unit files, where it is not systemd's own.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? UnitFolder { get; set; }

    private const string SaysNothing = "says nothing to a trial of schedules";

    private static readonly string[] s_notScheduled = [nameof(Appliance), nameof(ApplianceId), nameof(Hypervisor),
        nameof(Repository), nameof(ReplicationTarget), nameof(IsolatedNetwork)];

    private readonly Verdict _verdict = new();

    /// <summary>
    /// Write every check by itself. Left out, what passed is told together, one row for each appliance, behind what did
    /// not; CheckCount says how many checks a row stands for.
    /// </summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    /// <summary>
    /// Write only one True or False, for all appliances together. What is not evidenced does not count against it, save
    /// with -AsScheduled.
    /// </summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "nothing was checked";

    private protected override Task ProcessApplianceAsync(LocatedAppliance located,
        CancellationToken cancellationToken) =>
        TestAsync(located.Hypervisor, located.Description, cancellationToken);

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        // What is piped in is bound here first.
        if (!AsScheduled) return base.ProcessAsync(cancellationToken);
        if (s_notScheduled.FirstOrDefault(IsBound) is string piped) throw Alone($"-{piped} {SaysNothing}");
        return TrySchedulesAsync(cancellationToken);
    }

    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        string? alone = AsScheduled
            ? s_notScheduled.FirstOrDefault(IsBound) is string other ? $"-{other} {SaysNothing}" : null
            : new[] { nameof(ScheduleId), nameof(Credential), nameof(UnitFolder) }
                .FirstOrDefault(IsBound) is string missing ? $"-{missing} needs -AsScheduled" : null;
        return alone is null ? Task.CompletedTask : throw Alone(alone);
    }

    private static NataliaException Alone(string why) =>
        new(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument, $"Nothing was checked: {why}.", null,
            "Leave one of them out.");

    private protected override async Task ProcessNoneAsync(CancellationToken cancellationToken)
    {
        foreach ((HypervisorConnection hypervisor, _) in HypervisorsAbleTo<IPrerequisites>("check of prerequisites"))
            await TestAsync(hypervisor, null, cancellationToken).ConfigureAwait(false);
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (Quiet) Emit(_verdict.IsGood && !HasErrors);
        return Task.CompletedTask;
    }

    private async Task TrySchedulesAsync(CancellationToken cancellationToken)
    {
        string? folder = UnitFolder is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, UnitFolder)).ConfigureAwait(false);
        IScheduler scheduler = Schedulers.For(Registry, folder, TimeProvider.System);
        IReadOnlyList<(BackupSchedule Schedule, ScheduleDefinition? Definition)> all =
            await scheduler.ListAsync(cancellationToken).ConfigureAwait(false);
        string? absent = ScheduleId?.FirstOrDefault(id => all.All(s => s.Schedule.ScheduleId != id));
        if (absent is not null || all.Count == 0)
            throw new NataliaException(ErrorIds.ScheduleNotFound, NataliaErrorKind.NotFound,
                absent is null ? "This machine has no schedule to try." : $"There is no schedule '{absent}'.", absent,
                "Get-NataliaSchedule lists them; Register-NataliaSchedule -ProfilePath makes one.");
        foreach ((BackupSchedule schedule, ScheduleDefinition? definition) in all
            .Where(s => ScheduleId is null || ScheduleId.Contains(s.Schedule.ScheduleId)))
        {
            using ProgressReporter progress = StartProgress($"Trying the schedule {schedule.ScheduleId}");
            progress.Report(new OperationProgress("Waiting for its account's answer", 0, null));
            try
            {
                Tell(definition is null
                    ? [new CheckResult
                    {
                        Name = "ScheduledAccount",
                        Result = CheckOutcome.Failed,
                        Target = schedule.ScheduleId,
                        Detail = string.Join(" ", schedule.Warnings),
                    }]
                    : await ScheduleProbe.ExecuteAsync(scheduler, definition, Credential?.Password, TimeProvider.System,
                        cancellationToken).ConfigureAwait(false));
            }
            catch (NataliaException e)
            {
                DeferError(e, schedule);
            }
        }

        // What was not evidenced is no success, and with -Quiet there is nothing else to tell it.
        void Tell(IReadOnlyList<CheckResult> checks)
        {
            if (Quiet) _verdict.Add(checks.All(c => c.Result == CheckOutcome.Passed));
            else EmitAll([.. checks]);
        }
    }

    private async Task TestAsync(HypervisorConnection hypervisor, ApplianceDescription? appliance,
        CancellationToken cancellationToken)
    {
        IPrerequisites? prerequisites = hypervisor.Hypervisor.Find<IPrerequisites>();
        if (prerequisites is null && (appliance is null || hypervisor.Hypervisor.Find<IImageSource>() is null))
            prerequisites = hypervisor.Hypervisor.Require<IPrerequisites>("check of prerequisites");
        IReadOnlyList<string>? storages =
            References.Clean(Repository)?.Select(r => Registry.Repositories.Get(r).Native?.Storage
            ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{r}' is not a hypervisor's own storage.", r,
                "Here -Repository is for the storages of Proxmox VE that take restore points: leave it out. "
                + "Test-NataliaRepository checks a repository."))
            .ToList();
        using ProgressReporter progress =
            StartProgress($"Checking {appliance?.Name ?? "everything"} on {hypervisor.Name}");
        progress.Report(new OperationProgress("Looking for what a backup needs", 0, null));
        IReadOnlyList<(HypervisorConnection Bench, string Network)> networks = await FindNetworksAsync(hypervisor,
            appliance, cancellationToken).ConfigureAwait(false);
        var request = new PrerequisiteRequest
        {
            Storages = storages,
            ReplicationTarget = ReplicationTarget,
            IsolatedNetwork = IsolatedNetwork ?? networks.FirstOrDefault(n => n.Bench == hypervisor).Network,
        };
        List<CheckResult> checks = prerequisites is null
            ? []
            : [.. await prerequisites.TestPrerequisitesAsync(appliance, request,
                cancellationToken).ConfigureAwait(false)];
        List<CheckResult> elsewhere = [];
        foreach ((HypervisorConnection bench, string network) in networks
            .Where(n => n.Bench != hypervisor || n.Network != request.IsolatedNetwork))
        {
            progress.Report(new OperationProgress($"Looking at the network {network} of {bench.Name}", 0, null));
            elsewhere.AddRange(await TestNetworkAsync(bench, network, cancellationToken).ConfigureAwait(false));
        }
        if (appliance is not null)
            checks.Add(await FirmwareStateCheck.ExecuteAsync(hypervisor.Hypervisor, appliance,
                cancellationToken).ConfigureAwait(false));
        if (Quiet)
        {
            _verdict.Add(checks.Concat(elsewhere).All(c => c.Result != CheckOutcome.Failed));
            return;
        }
        List<CheckResult> named =
        [
            .. checks.Select(c => c with
            {
                Hypervisor = hypervisor.Name,
                ApplianceName = c.ApplianceId is null ? null : appliance?.Name,
            }),
            .. elsewhere,
        ];
        if (Detailed)
        {
            EmitAll(named);
            return;
        }
        EmitAll([.. named.Where(c => c.Result != CheckOutcome.Passed)]);
        EmitAll(CheckSummary.Of(named.Where(c => c.Result == CheckOutcome.Passed), _ => "Prerequisites",
            perAppliance: false));
    }

    /// <summary>
    /// Where the appliance's restore tests will put their VMs, as the connected repositories keep it. What a name was
    /// said for is asked of the appliance's own hypervisor.
    /// </summary>
    private async Task<IReadOnlyList<(HypervisorConnection Bench, string Network)>> FindNetworksAsync(
        HypervisorConnection hypervisor, ApplianceDescription? appliance, CancellationToken cancellationToken)
    {
        if (appliance is null || IsolatedNetwork is not null) return [];
        IReadOnlyList<Enrolment> enrolments = await Lookup.ListEnrolmentsAsync(
            [.. Registry.Repositories.Each.Where(c => !c.IsLimited)], cancellationToken).ConfigureAwait(false);
        return [.. enrolments.Where(e => e.Settings.VMId == appliance.ApplianceId)
            .Select(e => e.Settings.RestoreTest)
            .Where(t => t?.IsolatedNetwork is not null)
            .Select(t => (Bench: t!.TestBench is string bench ? Registry.Hypervisors.Find(bench) : hypervisor,
                Network: t.IsolatedNetwork!))
            .Where(n => n.Bench?.Hypervisor.Find<IPrerequisites>() is not null)
            .Select(n => (n.Bench!, n.Network)).Distinct()];
    }

    /// <summary>What another test bench says of a network, and nothing else of it.</summary>
    private static async Task<IReadOnlyList<CheckResult>> TestNetworkAsync(HypervisorConnection bench, string network,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CheckResult> checks = await bench.Hypervisor.Require<IPrerequisites>("check of prerequisites")
            .TestPrerequisitesAsync(null, new PrerequisiteRequest { IsolatedNetwork = network }, cancellationToken)
            .ConfigureAwait(false);
        return [.. checks.Where(c => c.Name is "IsolatedNetwork" or "NoWayOut").Select(c => c with
        {
            Hypervisor = bench.Name,
        })];
    }
}
