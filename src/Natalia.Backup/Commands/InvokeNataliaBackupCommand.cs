using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Backup;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Pipeline;

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
/// Import-NataliaProfile C:\ProgramData\natalia.json
/// Get-NataliaAppliance | Invoke-NataliaBackup</code>
/// <para>A scheduled run: every enrolled appliance goes to its repository. The script fails at its end when one of them
/// failed; the others are protected.</para>
/// </example>
/// <example>
/// <code>Invoke-NataliaBackup -Appliance natalia-paris-restored -ApplianceId 0c1f52a6f5bd4d1b9d3f9a3f1d7f7c11 -Repository nas</code>
/// <para>Goes on with the history of an appliance whose VM was restored, and so has a new id on its hypervisor.</para>
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
    [ApplianceReference]
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

    /// <summary>How many appliances run at once: 1 to 64, 2 by default.</summary>
    [Parameter]
    [ValidateRange(1, 64)]
    public int ThrottleLimit { get; set; } = 2;

    /// <summary>Whether the user said where from or where to; what is piped in has not been bound yet.</summary>
    private protected override Task BeginAsync(CancellationToken cancellationToken)
    {
        _namesPlaces = IsBound(nameof(Repository)) || IsBound(nameof(Hypervisor));
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
            IsBound(nameof(DataDiskOnly)) ? DataDiskOnly : null);
        var planner = new BackupPlanner(Registry, wishes, DeferError, EmitWarning);
        List<PlannedRun> confirmed = [];
        foreach (PlannedRun run in await planner.PlanAsync(_requests, cancellationToken).ConfigureAwait(false))
        {
            if (await ShouldProcessAsync(run.Target.Name,
                $"Back up {string.Join(", ", run.Disks)} to repository '{run.Repository.Name}'").ConfigureAwait(false))
                confirmed.Add(run);
        }
        await RunAllAsync(confirmed, cancellationToken).ConfigureAwait(false);
    }

    private async Task RunNativeAsync(PlannedRun run, INativeRepository native, CancellationToken cancellationToken)
    {
        NativeBackupResult result;
        try
        {
            using ProgressReporter progress = StartProgress($"Backing up {run.Target.Name} to {run.Repository.Name}");
            result = await native.BackupAsync(run.Located.Description, run.NativeRequest!, progress,
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            DeferError(e, run.Target);
            return;
        }
        catch (NataliaException e)
        {
            // Stopped by the user, and then something could not be put back: that must be seen.
            EmitLeftover($"{run.Target.Name}: {e.Message}");
            throw;
        }
        RestorePoint point = result.Point;
        await Evidence.RecordAsync(run.Repository, NativeEvent.PointMade, point, point.Reason,
        [
            new("type", point.Type.ToString()), new("requestedType", point.RequestedType.ToString()),
            new("consistency", point.Consistency.ToString()), new("run", run.NativeRequest!.RunId),
            new("disks", string.Join(", ", result.Disks.Where(d => d.IsIncluded).Select(d => d.DiskId))),
            new("sizeBytes", EvidenceBook.Text(point.SizeBytes)), new("readBytes", EvidenceBook.Text(point.ReadBytes)),
            new("seconds", EvidenceBook.Text(point.Duration?.TotalSeconds, "0")),
            new("warnings", result.Warnings.Count == 0 ? null : EvidenceBook.Text(result.Warnings.Count)),
        ]).ConfigureAwait(false);
        foreach (string warning in result.Warnings) EmitLeftover(warning);
        if (result.Point.Reason is string reason
            && (result.Point.Consistency == Consistency.Crash || Type == RequestedBackupType.Incremental))
            EmitWarning($"{run.Target.Name}: {reason}");
        Registry.Completion.Remember(result.Point);
        Emit(result.Point);
    }

    private async Task RunAllAsync(IReadOnlyList<PlannedRun> runs, CancellationToken cancellationToken)
    {
        using var room = new SemaphoreSlim(ThrottleLimit);
        // One VM is never frozen twice at once: its runs follow each other.
        await Task.WhenAll(runs.GroupBy(r => r.Located.Description.ApplianceId).Select(async group =>
        {
            foreach (PlannedRun run in group)
            {
                await room.WaitAsync(cancellationToken).ConfigureAwait(false);
                try
                {
                    await RunAsync(run, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    room.Release();
                }
            }
        })).ConfigureAwait(false);
    }

    private async Task RunAsync(PlannedRun run, CancellationToken cancellationToken)
    {
        EmitVerbose($"{run.Target.Name}: backing up to repository '{run.Repository.Name}'.");
        if (run.Repository.Native is INativeRepository native)
        {
            await RunNativeAsync(run, native, cancellationToken).ConfigureAwait(false);
            return;
        }
        // Before anything is frozen: it can take its time.
        LockRenewal? renewal = await LockRenewals.RunAsync(run.Repository, run.ApplianceId, run.Target.Name,
            EmitVerbose, EmitWarning, cancellationToken).ConfigureAwait(false);
        RunOutcome outcome;
        using (ProgressReporter progress = StartProgress($"Backing up {run.Target.Name} to {run.Repository.Name}"))
            outcome = await BackupRunner.RunAsync(run, Type, run.Repository.Repository, progress,
                cancellationToken).ConfigureAwait(false);
        // Also after Ctrl-C: what was left, and what nobody knows, is told then of all times.
        foreach (string warning in outcome.Warnings) EmitLeftover(warning);
        if (outcome.Point is not null)
        {
            if (cancellationToken.IsCancellationRequested)
                EmitLeftover($"{run.Target.Name}: the restore point {outcome.Point.RestorePointId} was made before the "
                    + "stop took effect.");
            Registry.Completion.Remember(outcome.Point);
            if (outcome.Point.Requests is long requests)
                EmitVerbose(string.Format(CultureInfo.InvariantCulture, "{0}: {1} requests to the bucket.",
                    run.Target.Name, requests + (renewal?.Requests ?? 0)));
            if (outcome.Point is { LockedObjects: int locked, ImmutableUntilUtc: DateTime until })
                EmitVerbose(string.Format(CultureInfo.InvariantCulture,
                    "{0}: {1} objects were stored, each locked and its lock read back. All that the point needs is "
                    + "locked until {2:yyyy-MM-dd HH:mm} UTC at the least.",
                    run.Target.Name, locked, until));
            Emit(outcome.Point with { Requests = outcome.Point.Requests + (renewal?.Requests ?? 0) });
        }
        if (outcome.ReleaseFailure is not null)
        {
            EmitLeftover($"{run.Target.Name}: what was frozen on hypervisor '{run.Located.Hypervisor.Name}' could not "
                + $"be released and may still be there: {outcome.ReleaseFailure.Message}");
            DeferError(outcome.ReleaseFailure, run.Target);
        }
        cancellationToken.ThrowIfCancellationRequested();
        if (outcome.Failure is not null) DeferError(outcome.Failure, run.Target);
    }
}
