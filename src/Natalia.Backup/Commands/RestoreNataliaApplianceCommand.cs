using System.Collections;
using System.Globalization;
using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Operations.Mounts;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.Restore;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Builds a VM from a restore point: a new one, or over the old one where that is said.</summary>
/// <remarks>
/// <para>A restore point of a repository of this product is restored on any connected hypervisor that builds VMs,
/// whatever hypervisor it came from. On a Folder hypervisor that is a folder with raw images and a vm.json, which is
/// there complete or not at all. A point in a storage of a Proxmox VE cluster is restored by that cluster. The new VM
/// is an appliance of its own: it gets a new id and new network addresses. Set-NataliaAppliance -ApplianceId lets it
/// take the place of the lost one, with whose history, schedules and settings it goes on.</para>
/// <para>A name that a VM there has already is refused (ApplianceNameInUse): give the copy one with -NewName. While the
/// VM that the point was made of exists there, the copy must not join its networks by accident, for it has the same
/// addresses inside: each network that both would use must be named in -Network (NetworkChoiceRequired). Where the VM
/// is gone, as after a disaster, nothing needs to be named. Where its node is down, every network of the point must be
/// named, for the VM may come back; it is restored on another node.</para>
/// <para>-Network names, for each network of the point, the network to connect instead. Networks and storages are
/// checked before anything is made; afterwards the VM is read back. A restore that fails or is stopped removes what it
/// made of a new VM, or says that it could not; what a process that died left unfinished, the next restore on that
/// hypervisor removes. On Proxmox VE a copy beside its original does not start with its node, whatever the original
/// does.</para>
/// <para>A point that holds the data disk alone does not boot by itself: -SystemImage gives the system disk. Or deploy
/// an appliance from the vendor's OVA, leave it switched off, and name it with -TargetAppliance: its data disk is
/// replaced. The new disk is complete before the old one goes, and everything else of the VM stays.</para>
/// <para>UEFI variables and the state of a TPM that the point holds are put back where the hypervisor takes them; a
/// warning says where it does not.</para>
/// <para>With -Immediate, on QEMU, the VM runs before anything is copied: from the repository, while its disks are
/// moved to images of its own. What it writes meanwhile is moved as well. It is an appliance, and the restore is
/// recorded, only when it has all of its disks; until then it ends with this session.</para>
/// <para>-OverExisting, on Proxmox VE, replaces the VM that the point was made of, which must be switched off: the
/// disks that the point holds are replaced, others are detached, and snapshots and replication are lost.</para>
/// <para>-TargetAppliance and -OverExisting ask before they replace anything; in a script, -Confirm:$false answers
/// that, and where nobody can answer it is the error NotConfirmed. They take one point for a VM: of several that are
/// piped in for the same one, as -Latest gives with several repositories, none is restored (InputRefused).</para>
/// </remarks>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-01 -Latest -Repository pbs | Restore-NataliaAppliance -NewName natalia-01-copy -Network @{ vmbr0 = 'vmbr9' }</code>
/// <para>Builds a copy from the newest point, on another network.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Restore-NataliaAppliance -Hypervisor vms -SystemImage D:\images\natalia.ova</code>
/// <para>Builds a VM from a point that holds the data disk alone, with the system disk of a freshly deployed
/// appliance.</para>
/// </example>
/// <example>
/// <code>Restore-NataliaAppliance -RestorePointId 3fa9c1 -TargetAppliance natalia-new -Confirm:$false</code>
/// <para>Puts the data disk of a point into an appliance that was just deployed and is switched off.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Restore-NataliaAppliance -Hypervisor lab -Immediate</code>
/// <para>Starts the appliance in seconds, and copies its disks while it runs.</para>
/// </example>
/// <example>
/// <code>Restore-NataliaAppliance -RestorePointId 3fa9c1 -OverExisting -Start -Confirm:$false</code>
/// <para>Puts an appliance on Proxmox VE back to an earlier state and starts it.</para>
/// </example>
[Cmdlet(VerbsData.Restore, "NataliaAppliance", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Appliance))]
public sealed class RestoreNataliaApplianceCommand : RestorePointCommand
{
    /// <summary>How long other repositories are waited for, which only tell what the VM would disturb.</summary>
    private static readonly TimeSpan s_othersLimit = TimeSpan.FromSeconds(20);

    /// <summary>
    /// The new VM's name. Left out, it is called like the old one. A name that a VM there has is refused.
    /// </summary>
    [Parameter]
    [ValidatePattern("^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
    public string? NewName { get; set; }

    /// <summary>
    /// The hypervisor to restore on: the session that Connect-NataliaHypervisor returned, or its name. Left out, the
    /// one whose storage holds the point; for a point of a repository of this product the only connected one that
    /// builds VMs.
    /// </summary>
    [Parameter]
    [HypervisorReference]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string? Hypervisor { get; set; }

    /// <summary>
    /// For each network of the point, the network to connect instead: @{ vmbr0 = 'vmbr9' }. Networks that are not named
    /// stay; one that the VM itself still uses must be named, with itself where that is meant: @{ vmbr0 = 'vmbr0' }.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable Network { get; set; } = [];

    /// <summary>
    /// The storage for the disks. Left out, those that the point names. A Folder hypervisor has none.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(DiskStorageCompleter))]
    public string? Storage { get; set; }

    /// <summary>
    /// The VM host to restore on (on Proxmox VE, the node). Left out, the one where the VM is, or any that reaches the
    /// storages.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [Alias("Node")]
    [ArgumentCompleter(typeof(VMHostCompleter))]
    public string? VMHost { get; set; }

    /// <summary>
    /// The OVA that appliances are deployed from, or an image of the system disk of a freshly deployed one (raw, qcow2,
    /// VMDK, VHDX or VHD), on this machine, for a point that holds the data disk alone. It takes the place of the
    /// system disk also where the point holds one. Left out, a point that needs one gets the image that
    /// Set-NataliaAppliance -SystemImage keeps. For points of a repository of this product.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SystemImage { get; set; }

    /// <summary>
    /// The VM whose data disk is replaced by that of the point, instead of building a VM: an object of
    /// Get-NataliaAppliance, its name or its id. It must be switched off, and its data disk must have the size of the
    /// point's.
    /// </summary>
    [Parameter]
    [ApplianceReference(MeansVM = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string? TargetAppliance { get; set; }

    /// <summary>Replace the VM that the point was made of. For points in a storage of Proxmox VE.</summary>
    [Parameter]
    public SwitchParameter OverExisting { get; set; }

    /// <summary>
    /// Start the VM when it is restored and was read back. On Proxmox VE and on QEMU, where it runs on when this
    /// session has ended.
    /// </summary>
    [Parameter]
    public SwitchParameter Start { get; set; }

    /// <summary>
    /// Start the VM at once: it runs from the repository, and its disks are moved to images of its own while it runs.
    /// The command returns when that is done. Until then the VM needs this session: where the command fails or is
    /// stopped, the VM is removed, and what it wrote is lost (DiskMoveFailed). On QEMU, for points of a repository of
    /// this product.
    /// </summary>
    [Parameter]
    public SwitchParameter Immediate { get; set; }

    private readonly List<Replacement> _replacements = [];

    /// <summary>The points that were to go into each VM, also those that were refused.</summary>
    private readonly List<(string VM, RestorePoint Point)> _meant = [];

    private protected override string MissedWithoutInput => "nothing was restored";

    // Where one repository is connected at several places, the point is the same: it is restored once.
    private protected override IEnumerable<LocatedPoint> Choose(IReadOnlyList<LocatedPoint> copies) => copies.Take(1);

    private protected override Task ProcessPointAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        if (point.Repository.Hypervisor is HypervisorConnection own)
        {
            Refuse(SystemImage is not null, nameof(SystemImage), point, "holds its system disk, or has none");
            Refuse(TargetAppliance is not null, nameof(TargetAppliance), point,
                "is restored by its cluster as a whole VM");
            Refuse(Immediate, nameof(Immediate), point, "is restored by its cluster, which copies it first");
            return RestoreNativelyAsync(own, point, cancellationToken);
        }
        Refuse(OverExisting, nameof(OverExisting), point, "is restored to a new VM, or into one with -TargetAppliance");
        if (TargetAppliance is null) return BuildAsync(point, cancellationToken);
        Refuse(NewName is not null, nameof(NewName), point, "goes into a VM that is there");
        Refuse(Network.Count > 0, nameof(Network), point, "goes into a VM that is there");
        Refuse(SystemImage is not null, nameof(SystemImage), point, "goes into a VM that has its system disk");
        Refuse(Storage is not null, nameof(Storage), point, "goes into a VM that is there");
        Refuse(VMHost is not null, nameof(VMHost), point, "goes into a VM that is there");
        Refuse(Immediate, nameof(Immediate), point, "goes into a VM that is there");
        return ReplaceAsync(point, cancellationToken);
    }

    private static void Refuse(bool isGiven, string parameter, LocatedPoint point, string why)
    {
        if (isGiven)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.InvalidArgument,
                $"-{parameter} has no meaning for the restore point {point.Point}: it {why}.",
                point.Point.RestorePointId, $"Leave -{parameter} out.");
    }

    private IReadOnlyDictionary<string, string> NetworkChoices() =>
        Network.Cast<DictionaryEntry>().ToDictionary(e => $"{e.Key}", e => $"{e.Value}");

    /// <summary>A point of a repository of this product, as a new VM.</summary>
    private async Task BuildAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        HypervisorConnection hypervisor = ChooseBuilder(point);
        (RestoreSource.PointImage image, bool hasSystemImage) =
            await CreateImageAsync(point, cancellationToken).ConfigureAwait(false);
        // What the VM writes until it has disks of its own must find room, however much it is.
        await using PointServing? serving = Immediate
            ? new PointServing(point.OpenAsync, null, TimeProvider.System, EmitWarning)
            : null;
        StandingVMs standing = await new ApplianceDirectory(Registry, DeferError, EmitWarning)
            .StandingAsync(point.Point.ApplianceId, s_othersLimit, cancellationToken).ConfigureAwait(false);
        var restore = new ApplianceRestore(hypervisor, image, new RestoreWishes
        {
            NewName = NewName,
            Placement = new Placement { VMHost = VMHost, Storage = Storage },
            Networks = NetworkChoices(),
            Start = Start,
            OriginalIds = standing.VMsOf(point.Point.ApplianceId),
        }, new BuildJournal(BuildJournal.DefaultFolder),
            serving is null ? null : (serving, PointImages.OwnDisks(image, hasSystemImage)));
        // Before the question, so that -WhatIf tells of what would be refused.
        await restore.CheckAsync(cancellationToken).ConfigureAwait(false);
        if (!await ShouldProcessAsync(Target(point),
            $"Restore to a new VM '{restore.Name}' on '{hypervisor.Name}'"
                + (Immediate ? ", and start it before its disks are copied" : "")).ConfigureAwait(false))
            return;
        RestoredAppliance restored = await RunAsync(point,
            progress => restore.ExecuteAsync(progress, EmitWarning, cancellationToken),
            cancellationToken).ConfigureAwait(false);
        await TellAsync(hypervisor, point, restored, null).ConfigureAwait(false);
    }

    /// <summary>
    /// The point, with a system disk from the image that was named, or from the one that is kept; and whether it is.
    /// </summary>
    private async Task<(RestoreSource.PointImage Image, bool HasSystemImage)> CreateImageAsync(LocatedPoint point,
        CancellationToken cancellationToken)
    {
        string? path = SystemImage is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, SystemImage)).ConfigureAwait(false);
        try
        {
            return await CreateImageAsync(path).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.SystemImageRequired)
        {
            IReadOnlyList<ApplianceSettings> enrolled = await point.Repository.Points
                .GetApplianceSettingsAsync(null, cancellationToken).ConfigureAwait(false);
            path = enrolled.FirstOrDefault(s => s.ApplianceId == point.Point.ApplianceId)?.RestoreTest?.SystemImage;
            if (path is null) throw;
        }
        return await CreateImageAsync(path).ConfigureAwait(false);

        async Task<(RestoreSource.PointImage Image, bool HasSystemImage)> CreateImageAsync(string? systemImage) =>
            (await PointImages.CreateAsync(point, systemImage is null
                ? null
                : await Operations.Restore.SystemImage.FindAsync(systemImage, cancellationToken)
                    .ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false), systemImage is not null);
    }

    /// <summary>The data disk of a point of a repository of this product, into a VM that is there.</summary>
    private async Task ReplaceAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        _meant.Add((TargetAppliance!, point.Point));
        var directory = new ApplianceDirectory(Registry, DeferError, EmitWarning);
        IReadOnlyList<LocatedAppliance> all = await directory.ListAsync(
            Registry.Hypervisors.ForReading(Hypervisor is { Length: > 0 } named ? [named] : null),
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<LocatedAppliance> meant =
            ApplianceDirectory.SelectForChange(all, Wildcards.Selectors([TargetAppliance!])[0]);
        LocatedAppliance target = meant.Count == 1
            ? meant[0]
            : throw new NataliaException(ErrorIds.ApplianceAmbiguous, NataliaErrorKind.InvalidArgument,
                $"{meant.Count} VMs are meant by '{TargetAppliance}', and a disk goes into one.", TargetAppliance,
                "Name the one, by its name or id.");
        RestoreSource.PointImage image = await PointImages.CreateOfOwnDisksAsync(point, cancellationToken)
            .ConfigureAwait(false);
        var replacement = new DiskReplacement(target, image);
        replacement.Check();
        if (Start) target.Hypervisor.Hypervisor.Require<IPowerControl>("way to switch a VM on");
        _replacements.Add(new Replacement(point, TargetAppliance!, target.Description.Name,
            $"Replace the disk '{replacement.Replaced.DiskId}' of the VM '{target.Description.Name}' on "
                + $"'{target.Hypervisor.Name}' by the point's '{replacement.Source.DiskId}'",
            "What the disk holds now is lost.",
            async () =>
            {
                RestoredAppliance restored = await RunAsync(point,
                    progress => replacement.ExecuteAsync(progress, Start, cancellationToken),
                    cancellationToken).ConfigureAwait(false);
                await TellAsync(target.Hypervisor, point, restored,
                    replacement.Replaced.DiskId).ConfigureAwait(false);
            }));
    }

    /// <summary>
    /// What is replaced is replaced when all points are known: of several for one VM the last would stay, which may
    /// well be the oldest.
    /// </summary>
    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        foreach (Replacement one in _replacements.GroupBy(r => r.VM).Select(r => r.First()))
        {
            try
            {
                List<RestorePoint> points = [.. _meant.Where(m => m.VM == one.VM).Select(m => m.Point)
                    .GroupBy(p => p.RestorePointId).Select(p => p.First())];
                if (points.Count > 1)
                    throw new NataliaException(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
                        $"{points.Count} restore points would replace each other in the VM '{one.VMName}': "
                        + string.Join(", ", points.Select(
                            p => $"{p.RestorePointId} of {TimeText.Utc(p.TimeUtc)} in '{p.Repository}'"))
                        + ". None of them was restored.", one.VMName,
                        "Name one: Get-NataliaRestorePoint -Latest -Repository, or -RestorePointId.");
                if (await ShouldProcessAsync(Target(one.Point), one.Action).ConfigureAwait(false)
                    && await ConfirmAsync(one).ConfigureAwait(false))
                    await one.ExecuteAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                Report(e, one.Point.Point);
            }
        }
    }

    /// <summary>A new VM takes nothing away; a replaced one, or its disk, is gone, and is asked for.</summary>
    private async Task<bool> ConfirmAsync(Replacement replacement)
    {
        if (await OnPipelineAsync(HasAnswered).ConfigureAwait(false)) return true;
        return await OnPipelineAsync(() => HostQuestion.Ask(
            () => ShouldContinue(DisplayText.Clean($"{replacement.Action}: {Target(replacement.Point)}? "
                + replacement.Loss), "Replace what a VM holds"),
            silent => new NataliaException(ErrorIds.NotConfirmed, NataliaErrorKind.InvalidOperation,
                $"'{replacement.Action}' was not done with {Target(replacement.Point)}: it has to be confirmed, and "
                + "nobody is here to do that.", replacement.VMName,
                "Say -Confirm:$false where that is meant. -WhatIf shows what would be done.",
                silent))).ConfigureAwait(false);
    }

    /// <summary>The hypervisor that was named, or the only one that builds VMs.</summary>
    private HypervisorConnection ChooseBuilder(LocatedPoint point)
    {
        if (Hypervisor is { Length: > 0 } named) return Registry.Hypervisors.Get(named);
        IReadOnlyList<HypervisorConnection> all = Registry.Hypervisors.ForReading(null);
        List<HypervisorConnection> able = [.. all.Where(h => h.Hypervisor.Find<IApplianceBuilder>() is not null)];
        if (able.Count == 0) all[0].Hypervisor.Require<IApplianceBuilder>("building of VMs");
        return able.Count == 1
            ? able[0]
            : throw new NataliaException(ErrorIds.HypervisorAmbiguous, NataliaErrorKind.InvalidOperation,
                $"Where is the restore point {point.Point} restored to? These build VMs: "
                + $"{string.Join(", ", able.Select(h => $"'{h.Name}'"))}.",
                point.Point.RestorePointId, "Name one with -Hypervisor.");
    }

    private async Task<RestoredAppliance> RunAsync(LocatedPoint point,
        Func<IProgress<OperationProgress>, Task<RestoredAppliance>> executeAsync, CancellationToken cancellationToken)
    {
        try
        {
            using ProgressReporter progress = StartProgress($"Restoring {PointTitle.Of(point.Point)}");
            return await ReadAsync(point, null, () => executeAsync(progress), cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (cancellationToken.IsCancellationRequested)
        {
            // Stopped by the user, and then something could not be cleared: that must be seen.
            EmitLeftover($"{point.Point}: {e.Message} {e.RecommendedAction}");
            throw;
        }
    }

    private async Task TellAsync(HypervisorConnection hypervisor, LocatedPoint point, RestoredAppliance restored,
        string? replacedDisk)
    {
        await Evidence.RecordRestoreAsync(point.Repository, point.Point,
            [new("vm", restored.Appliance.NativeId), new("name", restored.Appliance.Name),
                new("hypervisor", hypervisor.Name), new("replaced", replacedDisk),
                new("seconds", EvidenceBook.Text(restored.Duration.TotalSeconds, "0.0"))]).ConfigureAwait(false);
        foreach (string warning in restored.Warnings) EmitWarning(warning);
        EmitVerbose(string.Format(CultureInfo.InvariantCulture, "VM {0} was restored in {1:0} seconds.",
            restored.Appliance.NativeId, restored.Duration.TotalSeconds));
        Emit(ApplianceView.Create(new LocatedAppliance(hypervisor, restored.Appliance), null));
        if (restored.StartFailure is Exception failure) DeferError(failure, restored.Appliance.Name);
    }

    private static string Target(LocatedPoint point) =>
        string.Format(CultureInfo.InvariantCulture, "{0} ({1})", point.Point, point.Point.RestorePointId);

    /// <summary>A point in a storage of a hypervisor, which restores it itself.</summary>
    private async Task RestoreNativelyAsync(HypervisorConnection own, LocatedPoint point,
        CancellationToken cancellationToken)
    {
        HypervisorConnection hypervisor = string.IsNullOrEmpty(Hypervisor)
            ? own
            : Registry.Hypervisors.Get(Hypervisor!);
        if (hypervisor != own)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The restore point lies in a storage of '{own.Name}'; '{hypervisor.Name}' cannot restore from there.",
                hypervisor.Name);
        INativeRestore restore = hypervisor.Hypervisor.Require<INativeRestore>("restore of its own");
        var request = new NativeRestoreRequest
        {
            NewName = NewName,
            VMHost = VMHost,
            Storage = Storage,
            OverExisting = OverExisting,
            Start = Start,
            Networks = NetworkChoices(),
        };
        string vm = $"{hypervisor.Name} {point.Point.ApplianceId}";
        if (OverExisting) _meant.Add((vm, point.Point));
        // Before the question, so that -WhatIf tells of what would be refused.
        await restore.CheckRestoreAsync(point.Point, request, cancellationToken).ConfigureAwait(false);
        if (OverExisting)
        {
            _replacements.Add(new Replacement(point, vm, point.Point.ApplianceName,
                $"Replace the VM '{point.Point.ApplianceName}' on '{hypervisor.Name}' by the restore point",
                "The disks that the point holds are replaced, others are detached, and snapshots and replication are "
                    + "lost.",
                () => RestoreNativelyAsync(restore, hypervisor, request, point, cancellationToken)));
            return;
        }
        if (await ShouldProcessAsync(Target(point),
            $"Restore to a new VM '{NewName ?? point.Point.ApplianceName}' on '{hypervisor.Name}'")
            .ConfigureAwait(false))
            await RestoreNativelyAsync(restore, hypervisor, request, point, cancellationToken).ConfigureAwait(false);
    }

    private async Task RestoreNativelyAsync(INativeRestore restore, HypervisorConnection hypervisor,
        NativeRestoreRequest request, LocatedPoint point, CancellationToken cancellationToken)
    {
        NativeRestoreResult result;
        try
        {
            using ProgressReporter progress = StartProgress($"Restoring {PointTitle.Of(point.Point)}");
            result = await restore.RestoreAsync(point.Point, request, progress,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e is RemainingVMException or OverwrittenVMException
            || cancellationToken.IsCancellationRequested)
        {
            // The point's data may lie in a VM now: that is evidence, whatever the command ends with.
            if (e is RemainingVMException or OverwrittenVMException)
                await Evidence.RecordOpenAsync(point.Repository, NativeEvent.PointRestored, point.Point, null,
                    e).ConfigureAwait(false);
            // Stopped by the user, and then something could not be cleared: that must be seen.
            if (cancellationToken.IsCancellationRequested)
                EmitLeftover($"{point.Point}: {e.Message} {e.RecommendedAction}");
            throw;
        }
        await Evidence.RecordAsync(point.Repository, NativeEvent.PointRestored, point.Point, null,
            [new("vm", result.Appliance.NativeId), new("name", result.Appliance.Name),
                new("over", OverExisting ? "the existing VM" : null),
                new("seconds", EvidenceBook.Text(result.Duration.TotalSeconds, "0"))]).ConfigureAwait(false);
        foreach (string warning in result.Warnings) EmitWarning(warning);
        EmitVerbose(string.Format(CultureInfo.InvariantCulture, "VM {0} was restored in {1:0} seconds.",
            result.Appliance.NativeId, result.Duration.TotalSeconds));
        Emit(ApplianceView.Create(new LocatedAppliance(hypervisor, result.Appliance), null));
        if (result.Failure is not NataliaException failure) return;
        if (cancellationToken.IsCancellationRequested)
            EmitLeftover($"{point.Point}: {failure.Message} {failure.RecommendedAction}");
        DeferError(failure, result.Appliance.Name);
    }

    /// <summary>A point that is to replace what a VM holds.</summary>
    /// <param name="Point">The point.</param>
    /// <param name="VM">What tells the VM from others.</param>
    /// <param name="VMName">Its name.</param>
    /// <param name="Action">What is done with it, without a full stop.</param>
    /// <param name="Loss">What is lost by that, in a full sentence.</param>
    /// <param name="ExecuteAsync">Does it.</param>
    private sealed record Replacement(LocatedPoint Point, string VM, string VMName, string Action, string Loss,
        Func<Task> ExecuteAsync);

    private protected override void Report(Exception exception, object target) => DeferError(exception, target);
}
