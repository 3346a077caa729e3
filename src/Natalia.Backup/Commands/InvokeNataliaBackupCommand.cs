using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;

namespace Natalia.Backup.Commands;

/// <summary>Makes a restore point of each appliance.</summary>
/// <remarks>
/// <para>Freezes the disks, reads what is needed, stores what differs, and makes the point visible when everything is
/// safely stored. The data disk is taken; with -IncludeSystemDisk the system disk, too. The VM's configuration is kept
/// with every point.</para>
/// <para>-Type Auto reads only what changed where the hypervisor knows it, and everything else otherwise. -Type Full
/// reads everything; run it daily, to catch what change tracking missed. Either way only what differs is stored, and
/// every point is complete in itself. When an incremental is asked for and is not possible, a full is made, with a
/// warning; the point's Reason says why.</para>
/// <para>A Proxmox VE cluster moves the data itself, into a storage that is connected with Connect-NataliaRepository
/// -ProxmoxStorage, and takes the whole VM unless -DataDiskOnly is said. It decides by itself whether it trusts its
/// record of changes; the point's Type and Reason say what it did.</para>
/// <para>Several appliances run side by side, as many as -ThrottleLimit allows. The failure of one is an error of its
/// own with the appliance as its target, written when the last one has run: even -ErrorAction Stop protects the
/// rest.</para>
/// <para>What Import-NataliaProfile could not connect is an error, too, after the last backup; unless -Repository or
/// -Hypervisor says that something else is meant.</para>
/// <para>Ctrl-C stops the run, releases what was frozen, and only then returns. What is stored by then is used by the
/// next run.</para>
/// <para>Without -Repository an appliance goes to the repository that it is enrolled in, or else to the only one that
/// is connected.</para>
/// </remarks>
/// <example>
/// <code>Invoke-NataliaBackup -Appliance natalia-paris -Repository nas -Type Full</code>
/// <para>Makes a full backup of one appliance.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $null = Import-NataliaProfile C:\ProgramData\natalia.json
/// Get-NataliaAppliance | Invoke-NataliaBackup</code>
/// <para>A scheduled run: every enrolled appliance goes to its repository. The script fails at its end when one of them
/// failed; the others are protected.</para>
/// </example>
/// <example>
/// <code>Invoke-NataliaBackup -Appliance natalia-paris-restored -ApplianceId 0c1f52a6f5bd4d1b9d3f9a3f1d7f7c11 -Repository nas</code>
/// <para>One point goes into the history of an appliance whose VM was restored, and so has a new id on its hypervisor.
/// For all of them Set-NataliaAppliance -ApplianceId lets the VM take the place of the lost one.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Invoke, "NataliaBackup", DefaultParameterSetName = ApplianceSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RestorePoint))]
public sealed class InvokeNataliaBackupCommand : RepositoryWriterCommand
{
    private const string ApplianceSet = "Appliance";
    private const string IdSet = "Id";

    private readonly List<WantedBackup> _requests = [];
    private bool _namesPlaces;

    /// <summary>The appliance: an object of Get-NataliaAppliance, a name or a wildcard.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ApplianceSet, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference(MeansVM = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[] Appliance { get; set; } = [];

    /// <summary>
    /// The appliance's id. Together with -Appliance: the id whose history goes on, for a VM that was restored and has a
    /// new one.
    /// </summary>
    [Parameter(ParameterSetName = ApplianceSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, ParameterSetName = IdSet, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>Auto, Full or Incremental. Auto is Incremental where change tracking allows it, else Full.</summary>
    [Parameter]
    public RequestedBackupType Type { get; set; } = RequestedBackupType.Auto;

    /// <summary>
    /// The id of the disk that holds the data, for this run. Left out, the appliance's settings say it, or the
    /// hypervisor's description.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(DiskCompleter))]
    public string? DataDisk { get; set; }

    /// <summary>Take the system disk, too. Left out, the appliance's settings say it.</summary>
    [Parameter]
    public SwitchParameter IncludeSystemDisk { get; set; }

    /// <summary>
    /// On a Proxmox VE cluster: leave the system disk out. A whole VM is taken otherwise. Such points need a storage
    /// entry of their own, since the cluster's retention cannot tell the two kinds apart; the VM's setting that leaves
    /// a disk out is changed for the run and changed back, also by the next run after a crash.
    /// </summary>
    [Parameter]
    public SwitchParameter DataDiskOnly { get; set; }

    /// <summary>
    /// How many call records the appliance has of the last business day, 0 or more: Test-NataliaRestore compares its
    /// count with it. For one appliance alone. Left out, it is counted where the appliance's settings have a
    /// -CdrCountCommand and the hypervisor has a way into the guest. Which days are business days, its
    /// -BusinessCalendar says.
    /// </summary>
    [Parameter]
    public long CdrBaseline { get; set; }

    /// <summary>How many appliances run at once: 1 to 64, 2 by default.</summary>
    [Parameter]
    [ValidateRange(1, 64)]
    public int ThrottleLimit { get; set; } = 2;

    /// <summary>Whether the user said where from or where to; what is piped in has not been bound yet.</summary>
    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        _namesPlaces = IsBound(nameof(Repository)) || IsBound(nameof(Hypervisor));
        if (CdrBaseline < 0)
            throw new NataliaException(ErrorIds.CdrBaselineInvalid, NataliaErrorKind.InvalidArgument,
                $"There cannot be {CdrBaseline} call records.", null, "Give the count of the last business day.");
        return Task.CompletedTask;
    }

    private protected override string MissedWithoutInput => "nothing was backed up";

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        string? id = string.IsNullOrEmpty(ApplianceId) ? null : ApplianceId;
        IReadOnlyList<ApplianceSelector> appliances = Wildcards.Selectors(ParameterSetName == IdSet
            ? [id ?? ""]
            : Appliance);
        _requests.Add(new WantedBackup(appliances, id, string.IsNullOrEmpty(Repository) ? null : Repository,
            References.Clean(Hypervisor)));
        return Task.CompletedTask;
    }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        if (!_namesPlaces)
        {
            DeferAway(Registry.Hypervisors);
            DeferAway(Registry.Repositories);
        }
        var wishes = new BackupWishes(Type, DataDisk, IsBound(nameof(IncludeSystemDisk)) ? IncludeSystemDisk : null,
            IsBound(nameof(DataDiskOnly)) ? DataDiskOnly : null)
        {
            CdrBaseline = IsBound(nameof(CdrBaseline)) ? CdrBaseline : null,
        };
        var planner = new BackupPlanner(Registry, wishes, DeferError, EmitWarning);
        IReadOnlyList<PlannedRun> planned = await planner.PlanAsync(_requests,
            cancellationToken).ConfigureAwait(false);
        if (wishes.CdrBaseline is not null && planned.Select(r => r.ApplianceId).Distinct().Skip(1).Any())
            throw new NataliaException(ErrorIds.CdrBaselineInvalid, NataliaErrorKind.InvalidArgument,
                "A count of call records is that of one appliance, and "
                + $"{string.Join(", ", planned.Select(r => r.Target.Name).Distinct().Take(10))} are meant.", null,
                "Back them up one by one, or let -CdrCountCommand of their settings count.");
        List<PlannedRun> confirmed = [];
        foreach (PlannedRun run in planned)
        {
            if (await ShouldProcessAsync(run.Target.Name,
                $"Back up {string.Join(", ", run.Disks)} to repository '{run.Repository.Name}'").ConfigureAwait(false))
                confirmed.Add(run);
        }
        await new BackupRound(Registry.Completion, Evidence, this).RunAsync(confirmed, Type, ThrottleLimit,
            cancellationToken).ConfigureAwait(false);
    }
}
