using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Checkpoints;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Tracking;

namespace Natalia.Backup.Hypervisors.HyperV.Backups;

/// <summary>Freezes VMs by recovery checkpoints, and finds again what dead runs left of them.</summary>
internal sealed class BackupService(HyperVSite site)
{
    private const string SnapshotId = "checkpoint:", ReferenceId = "reference:";
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    internal async Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Machine machine = await site.RequireAsync(appliance.NativeId, appliance.Name,
            cancellationToken).ConfigureAwait(false);
        MachineChecks.Require(machine);
        machine = await CheckpointService.WaitUntilFreeAsync(machine, cancellationToken).ConfigureAwait(false);
        // Read again: what was merged meanwhile has other files now.
        machine = await MachineReader.ReadAsync(machine.Host, machine.System, cancellationToken).ConfigureAwait(false)
            ?? machine;
        IReadOnlyList<DiskSlot> wanted = Choose(machine, how.DiskIds);
        string? deaf = how.Quiescing == Quiescing.Skip ? null
            : !machine.IsRunning ? "The VM does not run, so that its guest cannot be asked."
            : await GuestQuiescing.WhyNotAsync(machine, cancellationToken).ConfigureAwait(false);
        if (deaf is not null && how.Quiescing == Quiescing.Require) throw NotQuiesced(machine, deaf, null);

        List<MarkedDisk> marked = [];
        foreach (DiskSlot slot in wanted)
        {
            ImageInfo info = await ImageInfo.ReadAsync(machine.Host, slot.Path!, cancellationToken)
                .ConfigureAwait(false);
            marked.Add(new MarkedDisk(slot.DiskId, info.VirtualDiskId ?? "-", null));
        }
        IReadOnlyList<CimRow> applied = await machine.Host.AssociatorsAsync(machine.Path, "Msvm_LastAppliedSnapshot",
            Standing.SnapshotClass, cancellationToken).ConfigureAwait(false);
        var mark = new BackupMark
        {
            RunId = how.RunId,
            RepositoryId = how.RepositoryId,
            HistoryId = how.HistoryId,
            MachineId = machine.Id,
            StartedUtc = site.Clock.GetUtcNow().UtcDateTime,
            AppliedId = applied.Count > 0 ? applied[0].Text("InstanceID")?.Replace('\\', ':') : null,
            Host = (await HostRun.ReadAsync(machine.Host, cancellationToken).ConfigureAwait(false))?.ToText(),
            Disks = marked,
        };
        Standing standing = await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false);
        List<string> warnings = [];
        // Before our checkpoint is there, so that it can be merged when it goes.
        IReadOnlyList<CimRow> foreign = standing.Foreign(machine);
        if (await MergeSettings.EnsureOnAsync(machine, foreign.Any(Standing.IsOfBackup), cancellationToken)
            .ConfigureAwait(false) is string merging)
            warnings.Add(merging);
        var disks = new Dictionary<string, FrozenDisk>(StringComparer.Ordinal);
        try
        {
            await NoteBook.ChangeAsync(machine, n => Record(n, machine, mark, standing),
                cancellationToken).ConfigureAwait(false);
            bool isProduction = how.Quiescing != Quiescing.Skip && deaf is null;
            bool ignoreOthers = machine.Disks.Any(d => d.Obstacle is not null);
            CimRow snapshot;
            try
            {
                snapshot = await CheckpointService.CreateAsync(machine, mark, isProduction, ignoreOthers,
                    cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (isProduction && IsTheGuests(e))
            {
                deaf = $"The guest did not put its data in order: {e.Message}";
                if (how.Quiescing == Quiescing.Require) throw NotQuiesced(machine, deaf, e);
                isProduction = false;
                // Of the first one something may be there all the same.
                await CheckpointService.RemoveAsync(machine, mark, keepsReference: false,
                    mayCome: false, cancellationToken).ConfigureAwait(false);
                await NoteBook.ChangeAsync(machine, n => Record(n, machine, mark, standing),
                    cancellationToken).ConfigureAwait(false);
                snapshot = await CheckpointService.CreateAsync(machine, mark, isProduction, ignoreOthers,
                    cancellationToken).ConfigureAwait(false);
            }
            // Ours is there: whatever stands now and is older can take the VM back behind it.
            Standing beside = await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false);
            mark = mark with
            {
                SnapshotId = snapshot.Text("InstanceID"),
                Stood = beside.Snapshots.All(Standing.IsOfBackup) ? "no" : "yes",
            };
            await NoteBook.ChangeAsync(machine, n => NoteText.WithBackup(n, mark.RunId, mark),
                cancellationToken).ConfigureAwait(false);
            await OpenAsync(machine, snapshot, wanted, mark, disks, cancellationToken).ConfigureAwait(false);
            Consistency reached = isProduction
                ? await GuestQuiescing.ReachAsync(machine, cancellationToken).ConfigureAwait(false)
                : Consistency.Crash;
            // Nobody asked a machine that is off for more.
            string? reason = machine.IsRunning ? deaf : null;
            return new HyperVFrozenDisks(this, machine, mark, snapshot, disks,
                new FrozenState(reached, reason, warnings, foreign.Count));
        }
        catch (Exception failure)
        {
            foreach (FrozenDisk disk in disks.Values) disk.Close();
            if (await ClearAsync(machine, mark, failure).ConfigureAwait(false) is NataliaException left) throw left;
            throw;
        }
    }

    internal async Task<IReadOnlyList<Leftover>> FindLeftoversAsync(ApplianceDescription? appliance,
        CancellationToken cancellationToken)
    {
        var found = new List<Leftover>();
        if (appliance is not null)
        {
            Machine machine = await site.RequireAsync(appliance.NativeId, appliance.Name,
                cancellationToken).ConfigureAwait(false);
            await AddAsync(machine, found, cancellationToken).ConfigureAwait(false);
            return found;
        }
        IReadOnlyList<NataliaException> problems = await site.ForEachAsync((_, _) => true,
            m => AddAsync(m, found, cancellationToken), cancellationToken).ConfigureAwait(false);
        return problems.Count == 0 ? found : throw problems[0];
    }

    internal async Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken)
    {
        // What is of a VM that is gone is gone with it.
        Machine? machine = await FindMachineAsync(leftover.ApplianceId, cancellationToken).ConfigureAwait(false);
        if (machine is null) return;
        foreach (BackupMark mark in NoteText.Backups(machine.Settings.Texts("Notes"), machine.Id)
            .Where(m => m.RunId == leftover.RunId))
            await CheckpointService.RemoveAsync(machine, mark,
                keepsReference: leftover.Id.StartsWith(SnapshotId, StringComparison.Ordinal), mayCome: false,
                cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Removes what other runs into the same repository and history left: the point of this one is published, and
    /// nothing counts from theirs any more.
    /// </summary>
    internal async Task RemoveOthersAsync(Machine machine, BackupMark mine, CancellationToken cancellationToken)
    {
        CimRow? settings = await machine.Host.GetAsync(machine.SettingsPath, cancellationToken).ConfigureAwait(false);
        if (settings is null) return;
        foreach (BackupMark other in NoteText.Backups(settings.Texts("Notes"), machine.Id)
            .Where(m => m.RepositoryId == mine.RepositoryId && m.HistoryId == mine.HistoryId && m.RunId != mine.RunId))
            await CheckpointService.RemoveAsync(machine, other, keepsReference: false,
                mayCome: false, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what a failed freeze made, without hiding why it failed.</summary>
    /// <returns>Null when it is gone; else the failure, which says now what may still be there.</returns>
    private static async Task<NataliaException?> ClearAsync(Machine machine, BackupMark mark, Exception failure)
    {
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        // A call whose answer did not come may have begun its work all the same.
        bool mayCome = failure is OperationCanceledException or NataliaException
        {
            Kind: NataliaErrorKind.Connection
        } or NataliaException { ErrorId: ErrorIds.TaskLost or ErrorIds.TaskNotFinished };
        try
        {
            await CheckpointService.RemoveAsync(machine, mark, keepsReference: false, mayCome, limit.Token)
                .ConfigureAwait(false);
            return null;
        }
        catch (Exception left) when (left is NataliaException or OperationCanceledException)
        {
            return FailedFreeze.Tell(failure, left, $"the checkpoint of '{machine.Name}'", machine.Name,
                $"Its checkpoint '{mark.CheckpointName}' may still be there, because it could not be removed: "
                + left.Message, "The next backup removes it.");
        }
    }

    private static IReadOnlyList<DiskSlot> Choose(Machine machine, IReadOnlyList<string> diskIds)
    {
        IReadOnlyList<DiskSlot> slots = machine.Disks;
        return [.. diskIds.Distinct().Select(id =>
        {
            DiskSlot slot = slots.FirstOrDefault(s => s.DiskId == id)
                ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                    $"The VM '{machine.Name}' has no disk '{id}'.", machine.Name,
                    Offer.Of(slots.Select(s => s.DiskId)));
            return slot.Obstacle is null ? slot : throw slot.Refuse(machine.Name);
        })];
    }

    private static async Task OpenAsync(Machine machine, CimRow snapshot, IReadOnlyList<DiskSlot> wanted,
        BackupMark mark, Dictionary<string, FrozenDisk> disks, CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskSlot> frozen = DiskSlot.Read(await MachineReader.ComponentsAsync(machine.Host, snapshot.Path!,
            cancellationToken).ConfigureAwait(false));
        foreach (DiskSlot slot in wanted)
        {
            DiskSlot held = frozen.FirstOrDefault(f => f.Path is not null
                && string.Equals(f.Key, slot.Key, StringComparison.OrdinalIgnoreCase))
                ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.InvalidData,
                    $"The checkpoint of '{machine.Name}' does not hold the disk '{slot.DiskId}'.", machine.Name,
                    "Look whether the disk was taken away or changed at that moment, and run the backup again.");
            string identity = mark.Disks.First(d => d.DiskId == slot.DiskId).VirtualDiskId;
            bool isTracked = held.Path!.EndsWith("vhdx", StringComparison.OrdinalIgnoreCase);
            // The place is the VM's, the file that of the checkpoint.
            DiskSlot place = slot with { Path = held.Path };
            disks[slot.DiskId] = new FrozenDisk(place,
                await HostImages.OpenAsync(machine.Host.Files, held.Path, cancellationToken).ConfigureAwait(false),
                isTracked ? new RctTracker(machine, mark.AppliedId, HostRun.TryParse(mark.Host), place, identity)
                    : null);
        }
    }

    /// <summary>The notes with this run's line, and without lines of this history that nothing stands for.</summary>
    private static string Record(IReadOnlyList<string> notes, Machine machine, BackupMark mark, Standing standing)
    {
        foreach (BackupMark stale in NoteText.Backups(notes, machine.Id))
        {
            if (stale.RepositoryId == mark.RepositoryId && stale.HistoryId == mark.HistoryId
                && standing.SnapshotOf(stale) is null && standing.ReferenceOf(stale) is null)
                notes = [NoteText.WithBackup(notes, stale.RunId, null)];
        }
        return NoteText.WithBackup(notes, mark.RunId, mark);
    }

    private static async Task AddAsync(Machine machine, List<Leftover> found, CancellationToken cancellationToken)
    {
        IReadOnlyList<BackupMark> marks = NoteText.Backups(machine.Settings.Texts("Notes"), machine.Id);
        if (marks.Count == 0) return;
        await CheckpointService.WaitForCheckpointsAsync(machine, cancellationToken).ConfigureAwait(false);
        Standing standing = await Standing.ReadAsync(machine, cancellationToken).ConfigureAwait(false);
        foreach (BackupMark mark in marks)
        {
            var template = new Leftover
            {
                Id = mark.RunId,
                Description = "",
                ApplianceId = MachineReader.ApplianceIdOf(machine),
                RepositoryId = mark.RepositoryId,
                HistoryId = mark.HistoryId,
                RunId = mark.RunId,
                CreatedUtc = mark.StartedUtc,
            };
            if (standing.SnapshotOf(mark) is CimRow snapshot)
                found.Add(template with
                {
                    Id = SnapshotId + snapshot.Text("InstanceID"),
                    Description = "a checkpoint",
                });
            if (standing.ReferenceOf(mark) is CimRow reference)
                found.Add(template with
                {
                    Id = ReferenceId + reference.Text("InstanceID"),
                    Description = "a reference point",
                    Tokens = [.. RctToken.Of(mark, reference, machine.Disks).Values.Select(t => t.ToText())],
                });
        }
    }

    /// <summary>The VM; null when it is certain that it is gone.</summary>
    private async Task<Machine?> FindMachineAsync(string applianceId, CancellationToken cancellationToken)
    {
        Machine? found = null;
        IReadOnlyList<NataliaException> problems = await site.ForEachAsync(
            (_, system) => found is null && MachineReader.ApplianceIdOf(system.Text("Name")!,
                system.Number("ReplicationMode") is 2 or 3 or 4) == applianceId,
            m =>
            {
                found = m;
                return Task.CompletedTask;
            }, cancellationToken).ConfigureAwait(false);
        if (found is not null) return found;
        if (problems.Count > 0) throw problems[0];
        await site.RequireWholeAsync(applianceId, cancellationToken).ConfigureAwait(false);
        return null;
    }

    /// <summary>
    /// Whether the failure of a production checkpoint may be the guest's: then one without it may work. A host that is
    /// away, forbids it or still makes the first one is not asked again: both would have one name.
    /// </summary>
    private static bool IsTheGuests(NataliaException e) =>
        e.ErrorId is ErrorIds.TaskFailed or ErrorIds.ServerRefused or ErrorIds.ApplianceLocked;

    private static NataliaException NotQuiesced(Machine machine, string why, Exception? inner) =>
        new(ErrorIds.QuiesceFailed, NataliaErrorKind.InvalidOperation,
        $"'{machine.Name}' was not backed up, because its guest cannot put its data in order. {why}", machine.Name,
        "Enable the integration service for backups (Set-NataliaAppliance -EnableVss) and see that the guest runs its "
        + "part of it, or let crash-consistent points be made.", inner);
}
