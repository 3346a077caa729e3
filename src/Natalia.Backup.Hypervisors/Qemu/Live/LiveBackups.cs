using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Machines;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>Freezes disks of running VMs, and knows what backups have left on them.</summary>
internal sealed class LiveBackups(HostCalls calls, TimeProvider clock)
{
    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(10);

    /// <summary>Freezes disks of a running VM.</summary>
    internal async Task<IFrozenDisks> FreezeAsync(Machine vm, ApplianceDescription appliance, FreezeRequest how,
        Func<CancellationToken, Task<IReadOnlyList<ApplianceAttachment>>> readAttachments,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!BackupNote.IsUsable(how.RunId)) throw new ArgumentException("The run's id is not usable.", nameof(how));
        var machine = new LiveMachine(vm, calls);
        IReadOnlyList<LiveDisk> there = await machine.GetDisksAsync(cancellationToken).ConfigureAwait(false);
        List<(LiveDisk Disk, string? Since)> disks = [.. how.DiskIds.Distinct(StringComparer.Ordinal)
            .Select(id => Choose(vm, there, id, how))];
        var note = new BackupNote
        {
            RunId = how.RunId,
            RepositoryId = how.RepositoryId,
            HistoryId = how.HistoryId,
            CreatedUtc = clock.UtcNow(),
            Disks = [.. disks.Select(d => d.Disk.DiskId)],
        };
        await ForgetStaleAsync(machine, there, how, cancellationToken).ConfigureAwait(false);
        calls.Make("note", () => note.Write(vm));
        try
        {
            FrozenState state = await FreezeAsync(machine, note, disks, appliance, how, cancellationToken)
                .ConfigureAwait(false);
            string socket = await machine.ExportAsync(note, disks, cancellationToken).ConfigureAwait(false);
            Dictionary<string, NbdDiskSource> sources = disks.Select((d, i) => new NbdDiskSource(d.Disk, socket,
                    note.NameOf(i), TrackingTokens.Create(note, d.Disk), d.Since is null ? null : note.ChangesBitmap,
                    how.KnownTokens.TryGetValue(d.Disk.DiskId, out string? known) ? known : null))
                .Zip(disks, (s, d) => (d.Disk.DiskId, Source: s))
                .ToDictionary(s => s.DiskId, s => s.Source, StringComparer.Ordinal);
            return new QemuFrozenDisks(this, note, machine, sources, state, readAttachments);
        }
        catch (Exception failure)
        {
            if (await ClearAsync(machine, note, failure).ConfigureAwait(false) is NataliaException left) throw left;
            throw;
        }
    }

    /// <summary>What stands of all backups of a VM.</summary>
    internal async Task<IReadOnlyList<Leftover>> FindAsync(Machine vm, string applianceId,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<BackupNote> notes = BackupNote.GetAll(vm);
        if (notes.Count == 0) return [];
        var found = new List<Leftover>();
        bool isRunning = await LiveMachine.IsRunningAsync(vm, cancellationToken).ConfigureAwait(false);
        var machine = new LiveMachine(vm, calls);
        ISet<string> frozen = isRunning
            ? await machine.GetFrozenNamesAsync(cancellationToken).ConfigureAwait(false)
            : new HashSet<string>();
        IReadOnlyList<LiveDisk> disks = isRunning
            ? await machine.GetDisksAsync(cancellationToken).ConfigureAwait(false)
            : [];
        foreach (BackupNote note in notes)
        {
            if (IsFrozen(vm, note, frozen, disks))
                found.Add(Describe(note, applianceId, "a frozen state", "frozen/", []));
            List<string> tokens = [.. disks.Where(d => d.Bitmaps.Any(b => b.Name == note.Bitmap))
                .Select(d => TrackingTokens.Create(note, d))];
            if (tokens.Count > 0) found.Add(Describe(note, applianceId, "a bitmap of changes", "state/", tokens));
        }
        return found;
    }

    /// <summary>
    /// What may be in the images of a VM that is switched off: who has a note, and is looked for when it runs again.
    /// </summary>
    internal static async Task<IReadOnlyList<Leftover>> FindUnreachableAsync(Machine vm, string applianceId,
        CancellationToken cancellationToken)
    {
        if (!KeepsBitmaps(vm) || BackupNote.GetAll(vm) is not { Count: > 0 } notes
            || await LiveMachine.IsRunningAsync(vm, cancellationToken).ConfigureAwait(false))
            return [];
        return [.. notes.Select(n => Describe(n, applianceId, "a bitmap of changes", "state/", []))];
    }

    /// <summary>Removes what stands of one backup.</summary>
    internal async Task RemoveAsync(Machine vm, Leftover leftover, CancellationToken cancellationToken)
    {
        if (BackupNote.GetAll(vm).FirstOrDefault(n => n.RunId == leftover.RunId) is not BackupNote note) return;
        bool isState = leftover.Id.StartsWith("state/", StringComparison.Ordinal);
        var machine = new LiveMachine(vm, calls);
        if (isState)
        {
            await machine.RemoveStateAsync(note, cancellationToken).ConfigureAwait(false);
            await ForgetAsync(machine, note, cancellationToken).ConfigureAwait(false);
        }
        else if (await LetGoAsync(machine, note, isStateKept: true, cancellationToken).ConfigureAwait(false)
            is string held)
            throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout, held, vm.Name,
                "See whether the guest works. The next backup tells it again.");
    }

    /// <summary>Removes the states of the same history in the same repository that other runs made.</summary>
    internal async Task RemoveOthersAsync(LiveMachine machine, BackupNote note, CancellationToken cancellationToken)
    {
        foreach (BackupNote other in BackupNote.GetAll(machine.Machine))
        {
            if (other.RunId == note.RunId || other.RepositoryId != note.RepositoryId
                || other.HistoryId != note.HistoryId) continue;
            await machine.RemoveStateAsync(other, cancellationToken).ConfigureAwait(false);
            await ForgetAsync(machine, other, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Lets go of a run's frozen state, and of what would count from it unless that is kept. What takes room goes
    /// before anything is written.
    /// </summary>
    /// <returns>Why the guest's file systems may still be held, in a full sentence; null when they are not.</returns>
    internal async Task<string?> LetGoAsync(LiveMachine machine, BackupNote note, bool isStateKept,
        CancellationToken cancellationToken)
    {
        bool wasHeld = BackupNote.GetAll(machine.Machine).FirstOrDefault(n => n.RunId == note.RunId)?.IsGuestFrozen
            == true;
        string? held = wasHeld
            ? (await new GuestFreezer(machine.Machine, calls, clock).ThawAsync().ConfigureAwait(false)).StillHeld
            : null;
        if (await LiveMachine.IsRunningAsync(machine.Machine, cancellationToken).ConfigureAwait(false))
        {
            await machine.ReleaseAsync(note, cancellationToken).ConfigureAwait(false);
            if (!isStateKept) await machine.RemoveStateAsync(note, cancellationToken).ConfigureAwait(false);
        }
        // With the VM's process everything has ended but the files.
        else calls.Make("delete overlays", () => LiveMachine.DeleteOverlays(machine.Machine, note));
        BackupNote now = note with { IsGuestFrozen = held is not null };
        if (!await ForgetAsync(machine, now, cancellationToken).ConfigureAwait(false) && wasHeld && held is null)
            calls.Make("note thaw", () => now.Write(machine.Machine));
        return held;
    }

    /// <summary>Removes what a failed freeze made, without hiding why it failed.</summary>
    /// <returns>Null when it is gone; else the failure, which says now what may still be there.</returns>
    private async Task<NataliaException?> ClearAsync(LiveMachine machine, BackupNote note, Exception failure)
    {
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        try
        {
            await LetGoAsync(machine, note, isStateKept: false, limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception left) when (left is NataliaException or OperationCanceledException or IOException
            or UnauthorizedAccessException)
        {
            string name = machine.Machine.Name;
            return FailedFreeze.Tell(failure, left, $"the frozen state of '{name}'", name,
                $"What run {note.RunId} made in '{machine.Machine.Folder}' may still be there, because it could not be "
                + $"removed: {left.Message}", "The next backup removes it.");
        }
    }

    private async Task<FrozenState> FreezeAsync(LiveMachine machine, BackupNote note,
        List<(LiveDisk Disk, string? Since)> disks, ApplianceDescription appliance, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        // Before the guest holds anything: files are made, and programs started, as slowly as the machine is busy.
        await machine.AddOverlaysAsync(note, disks, cancellationToken).ConfigureAwait(false);
        var guest = new GuestFreezer(machine.Machine, calls, clock);
        bool asks = how.Quiescing != Quiescing.Skip, mayFreeze = asks && machine.Machine.Agent is not null;
        // Who finds the note after a death lets the guest go on, and takes none for frozen that was never asked.
        if (mayFreeze) calls.Make("note freeze", () => (note with { IsGuestFrozen = true }).Write(machine.Machine));
        string? reason = null;
        var warnings = new List<string>();
        DateTime time;
        try
        {
            if (asks)
                reason = await guest.FreezeAsync(cancellationToken).ConfigureAwait(false);
            RefuseUnquiesced(reason, appliance, how);
            time = clock.UtcNow();
            await machine.FreezeAsync(note, disks, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            GuestThaw thaw = guest.MayHold ? await guest.ThawAsync().ConfigureAwait(false) : default;
            reason ??= thaw.LetGo;
            if (thaw.StillHeld is not null) warnings.Add(thaw.StillHeld);
            else if (mayFreeze && NoteThaw(machine.Machine, note) is string trouble) warnings.Add(trouble);
        }
        RefuseUnquiesced(reason, appliance, how);
        bool isQuiesced = asks && reason is null;
        return new FrozenState(time, isQuiesced ? Consistency.FileSystem : Consistency.Crash, reason, warnings);
    }

    private static void RefuseUnquiesced(string? reason, ApplianceDescription appliance, FreezeRequest how)
    {
        if (reason is null || how.Quiescing != Quiescing.Require) return;
        throw new NataliaException(ErrorIds.QuiesceFailed, NataliaErrorKind.InvalidOperation,
            $"The guest of '{appliance.Name}' was to put its data in order, and did not. {reason}",
            appliance.Name, "See whether qemu-guest-agent runs in the guest, or do not require it.");
    }

    /// <summary>
    /// Notes that the guest goes on. Where that cannot be written nothing else depends on it: the guest is told once
    /// more to go on when the frozen state goes.
    /// </summary>
    /// <returns>Why it is not noted, in a full sentence; null when it is.</returns>
    private string? NoteThaw(Machine vm, BackupNote note)
    {
        try
        {
            calls.Make("note thaw", () => note.Write(vm));
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"That the guest's file systems are held no longer could not be noted in '{vm.Folder}': {e.Message}";
        }
    }

    /// <summary>Takes the note of a run away when nothing stands for it any more.</summary>
    /// <returns>False when something stands still, or may.</returns>
    private async Task<bool> ForgetAsync(LiveMachine machine, BackupNote note, CancellationToken cancellationToken)
    {
        Machine vm = machine.Machine;
        if (await LiveMachine.IsRunningAsync(vm, cancellationToken).ConfigureAwait(false))
        {
            IReadOnlyList<LiveDisk> disks = await machine.GetDisksAsync(cancellationToken).ConfigureAwait(false);
            ISet<string> frozen = await machine.GetFrozenNamesAsync(cancellationToken).ConfigureAwait(false);
            if (disks.Any(d => d.Bitmaps.Any(b => b.Name == note.Bitmap)) || IsFrozen(vm, note, frozen, disks))
                return false;
        }
        // What is kept in an image of a VM that is switched off is looked for when it runs again.
        else if (KeepsBitmaps(vm)) return false;
        calls.Make("forget", () => note.Delete(vm));
        return true;
    }

    /// <summary>Notes of runs of this history that died before anything stood for them.</summary>
    private async Task ForgetStaleAsync(LiveMachine machine, IReadOnlyList<LiveDisk> disks, FreezeRequest how,
        CancellationToken cancellationToken)
    {
        List<BackupNote> ours = [.. BackupNote.GetAll(machine.Machine)
            .Where(n => n.RepositoryId == how.RepositoryId && n.HistoryId == how.HistoryId)
            .Where(n => disks.All(d => d.Bitmaps.All(b => b.Name != n.Bitmap)))];
        if (ours.Count == 0) return;
        ISet<string> frozen = await machine.GetFrozenNamesAsync(cancellationToken).ConfigureAwait(false);
        foreach (BackupNote note in ours.Where(n => !IsFrozen(machine.Machine, n, frozen, disks)))
            calls.Make("forget stale", () => note.Delete(machine.Machine));
    }

    /// <summary>Whether the images of a VM keep bitmaps when its process ends.</summary>
    private static bool KeepsBitmaps(Machine vm) => vm.Disks.Any(d => d.Format == Engine.Disks.ImageFormat.Qcow2);

    private static bool IsFrozen(Machine vm, BackupNote note, ISet<string> names, IReadOnlyList<LiveDisk> disks) =>
        note.IsGuestFrozen
        || Enumerable.Range(0, note.Disks.Count).Any(i => names.Contains(note.NameOf(i))
            || File.Exists(note.OverlayOf(vm, i)))
        || disks.Any(d => d.Bitmaps.Any(b => b.Name == note.ChangesBitmap));

    private static (LiveDisk Disk, string? Since) Choose(Machine vm, IReadOnlyList<LiveDisk> there, string diskId,
        FreezeRequest how)
    {
        LiveDisk disk = there.FirstOrDefault(d => d.DiskId == diskId)
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"The running VM '{vm.Name}' has no disk '{diskId}'.", vm.Name,
                there.Count > 0
                    ? $"It has: {string.Join(", ", there.Select(d => d.DiskId))}."
                    : "See whether vm.json names the images that QEMU was started with.");
        bool isKnown = how.KnownTokens.TryGetValue(diskId, out string? token)
            & TrackingTokens.Refuse(disk, token ?? "", out string bitmap) is null;
        return (disk, isKnown ? bitmap : null);
    }

    private static Leftover Describe(BackupNote note, string applianceId, string what, string prefix,
        IReadOnlyList<string> tokens) => new()
        {
            Id = prefix + note.RunId,
            Description = what,
            ApplianceId = applianceId,
            RepositoryId = note.RepositoryId,
            HistoryId = note.HistoryId,
            RunId = note.RunId,
            Tokens = tokens,
            CreatedUtc = note.CreatedUtc,
        };
}
