using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>One vzdump run of one VM into one storage, from finding the node to reading the point back.</summary>
internal sealed class VzdumpRun(ProxmoxCluster cluster, StoredPoints points, LeftOutDisks leftOut, string storage,
    string label)
{
    private const int MaximumNoOps = 3;
    private const int MaximumStops = 3;
    private static readonly TimeSpan s_lookLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_readBackLimit = TimeSpan.FromMinutes(10);
    private readonly List<string> _started = [];

    internal async Task<NativeBackupResult> RunAsync(string vmid, NativeBackupRequest request,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var warnings = new List<string>();
        var others = new OtherBackups(cluster, vmid);
        Preparation run = await PrepareAsync(vmid, request, warnings, cancellationToken).ConfigureAwait(false);
        // Half an hour later the VM may have other disks, the storage other points, and another run the VM. A disk that
        // needs no switching needs no waiting.
        while (run.DisksToLeaveOut.Count > 0
            && await others.WaitAsync(request.LockTimeout, progress, cancellationToken).ConfigureAwait(false))
            run = await PrepareAsync(vmid, request, warnings, cancellationToken).ConfigureAwait(false);
        ClusterGuest guest = run.Guest;
        long watch = cluster.Client.Clock.GetTimestamp();
        if (run.DisksToLeaveOut.Count == 0)
            return await DumpAsync(vmid, run, request, warnings, watch, progress,
                cancellationToken).ConfigureAwait(false);

        LeftOutMark mark = await leftOut.LeaveOutAsync(vmid, run.DisksToLeaveOut, request.RunId,
            cancellationToken).ConfigureAwait(false);
        NativeBackupResult result;
        try
        {
            result = await DumpAsync(vmid, run, request, warnings, watch, progress,
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            await leftOut.PutBackAsync(vmid, mark, null, failure).ConfigureAwait(false);
            if (await others.FindAsync(mark, _started).ConfigureAwait(false) is not string missed) throw;
            var known = failure as NataliaException;
            if (known is null && failure is not OperationCanceledException) throw;
            throw new NataliaException(known?.ErrorId ?? ErrorIds.TaskFailed,
                known?.Kind ?? NataliaErrorKind.InvalidOperation,
                $"{known?.Message ?? $"The backup of VM {vmid} ('{guest.Name}') was stopped."} {missed}",
                known?.Target ?? vmid, known?.RecommendedAction, failure);
        }
        await leftOut.PutBackAsync(vmid, mark, result.Point, null).ConfigureAwait(false);
        return await others.FindAsync(mark, _started).ConfigureAwait(false) is string other
            ? result with { Warnings = [.. result.Warnings, other] }
            : result;
    }

    /// <summary>Repairs what a dead run left, reads what decides about a run, and refuses what cannot be.</summary>
    private async Task<Preparation> PrepareAsync(string vmid, NativeBackupRequest request, List<string> warnings,
        CancellationToken cancellationToken)
    {
        if (await leftOut.RepairAsync(vmid, cancellationToken).ConfigureAwait(false) is string repaired)
            warnings.Add(repaired);
        ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
        GuestConfig config = await cluster.GetConfigAsync(vmid, cancellationToken).ConfigureAwait(false);
        string dataDisk = FindDataDisk(vmid, guest, config, request);
        CheckDisksAreIncluded(vmid, guest, config, dataDisk, request, warnings);
        // Rights are checked before anything is changed; the same list tells what is there already.
        IReadOnlyList<StoredPoint> before = await points.ListAsync(storage, label, vmid,
            cancellationToken).ConfigureAwait(false);
        CheckKinds(guest, before, request);

        Dictionary<string, DiskRole> roles = GuestDescriber.Describe("", vmid, guest.Name, config,
            guest).Disks.ToDictionary(d => d.DiskId,
                d => d.DiskId == dataDisk && (request.DataDiskId is not null || d.Role == DiskRole.Data)
                    ? DiskRole.Data
                    : d.Role,
                StringComparer.Ordinal);
        List<string> disksToLeaveOut = request.DataDiskOnly
            ? config.Disks.Where(d => d.Key != dataDisk && d.IsBackedUp).Select(d => d.Key).ToList()
            : [];
        List<string> expected =
            [.. config.Disks.Where(d => d.IsBackedUp && !disksToLeaveOut.Contains(d.Key)).Select(d => d.Key)];
        return new Preparation(guest, roles, before, disksToLeaveOut, expected);
    }

    private async Task<NativeBackupResult> DumpAsync(string vmid, Preparation run, NativeBackupRequest request,
        List<string> warnings, long watch, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        ClusterGuest guest = run.Guest;
        BackupLog log = new();
        string what = $"The backup of VM {vmid} ('{guest.Name}') to '{storage}'";
        TaskOutcome outcome;
        long since = cluster.Client.Clock.GetTimestamp();
        while (true)
        {
            // A run that found the VM held by something else wrote a log of its own.
            log = new BackupLog();
            BackupLog current = log;
            var options = new TaskWaitOptions
            {
                Timeout = request.Timeout,
                MaximumInterval = TimeSpan.FromSeconds(10),
                OnLogLine = line =>
                {
                    current.Read(line);
                    progress?.Report(new OperationProgress($"Backing up {guest.Name} to {storage}", current.DoneBytes,
                        current.TotalBytes));
                },
            };
            Upid task = await StartAsync(vmid, request, progress, cancellationToken).ConfigureAwait(false);
            _started.Add(task.Text);
            try
            {
                outcome = await cluster.Tasks.WaitAsync(task, options, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                (outcome, log) = await StopAsync(task, what, vmid).ConfigureAwait(false);
                // Then the point is there, and is noted and told like any other.
                if (!outcome.Succeeded) throw;
            }
            string words = outcome.ExitStatus + "\n" + string.Join("\n", log.Errors);
            if (outcome.State != TaskState.Failed || log.Archive is not null
                || !ProxmoxCluster.IsLockText(words, out string by))
                break;
            if (cluster.Client.Clock.GetElapsedTime(since) >= request.LockTimeout)
                throw await cluster.LockedAsync(vmid, by, request.LockTimeout, cancellationToken).ConfigureAwait(false);
            progress?.Report(new OperationProgress(ProxmoxCluster.WaitingText(vmid, by), 0, null));
            await cluster.Client.Clock.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken).ConfigureAwait(false);
        }

        // A task that was looked for may be an earlier one, where the clocks differ; its point is not this run's.
        if (log.Archive is string old
            && run.Before.Any(b => b.Volid.EndsWith("/" + old, StringComparison.Ordinal)))
            throw MayRun(new ApiException(ErrorIds.RequestOutcomeUnknown, NataliaErrorKind.Connection,
                $"Whether {TaskOutcome.Decapitalize(what)} was started is not known: the task {outcome.Task.Text}, "
                + "which was found, is an earlier one.", vmid, "Look at the node's task list before repeating it."),
                vmid, outcome.Task.Node, "");
        // What has ended is read back also when the caller stops now: a point that is there is noted and told.
        using var limit = new CancellationTokenSource(s_readBackLimit);
        // After a failure too, the storage tells what is there: pruning may have failed although the point is good.
        IReadOnlyList<StoredPoint> after = outcome.State == TaskState.Running
            ? []
            : await points.ListAsync(storage, label, vmid, limit.Token).ConfigureAwait(false);
        StoredPoint? made =
            after.FirstOrDefault(
                p => log.Archive is string archive && (p.Volid.EndsWith("/" + archive, StringComparison.Ordinal)))
            ?? (log.Archive is null
                ? null
                : after.FirstOrDefault(
                    p => run.Before.All(b => b.Volid != p.Volid) && p.Point is { IsRenamed: false, IsFinished: true }
                        && p.Point.TimeUtc >= outcome.Task.StartUtc.AddSeconds(-1)));
        string? note = outcome.Succeeded || made is null
            ? log.Errors.LastOrDefault()
            : $"A point is in the storage nevertheless: '{made.Volid}'. Verify it before relying on it.";
        outcome.ThrowUnlessDone(what, note);
        if (made is null)
            throw new NataliaException(ErrorIds.NothingWasBackedUp, NataliaErrorKind.InvalidOperation,
                $"{what} was reported as done, but the storage holds no new point of it.", vmid,
                $"Look at the log of the task {outcome.Task.Text} on node '{outcome.Task.Node}'.");
        if (outcome.State == TaskState.Warnings)
            warnings.Add($"The task gave {Plural.Count(outcome.WarningCount, "warning")}: "
                + string.Join(" | ", outcome.LogTail.Where(l => l.StartsWith("WARN", StringComparison.Ordinal))
                    .DefaultIfEmpty("see its log")));

        // Whoever switched a disk off since this run began has taken it out of its point.
        warnings.AddRange(log.Disks.Where(d => !d.IsIncluded && run.Expected.Contains(d.DiskId)).Select(d =>
            $"The disk '{d.DiskId}' of VM {vmid} ('{guest.Name}') was left out by the backup, although it was to be "
            + $"in it when this run began (another run may have switched it off): it is not in the point "
            + $"'{made.Volid}'."));

        (Consistency consistency, string? reason) = log.Freeze.Conclude(log.WasRunning, outcome.IsLogWhole);
        (BackupType type, string? typeReason) = Classify(request.RequestedType, log);
        CdrBaseline? baseline = request.CdrBaseline?.Invoke(made.Point.TimeUtc);
        var notes = new PointNotes(request.RunId, request.DataDiskOnly, consistency, type, request.RequestedType)
        {
            CdrBaseline = baseline,
        };
        await WriteNotesAsync(made, $"{guest.Name} {notes}", warnings, limit.Token).ConfigureAwait(false);
        IReadOnlyList<NativeBackupDisk> disks = log.Disks;
        RestorePoint point = made.Point with
        {
            Type = type,
            RequestedType = request.RequestedType,
            Consistency = consistency,
            Reason = string.Join(" ", new[] { typeReason, reason }.OfType<string>()) is { Length: > 0 } text
                ? text
                : null,
            ReadBytes = disks.All(d => !d.IsIncluded || d.DirtyBytes is not null || d.SizeBytes is not null)
                && disks.Count > 0
                ? disks.Where(d => d.IsIncluded).Sum(d => d.DirtyBytes ?? d.SizeBytes ?? 0)
                : null,
            Duration = cluster.Client.Clock.GetElapsedTime(watch),
            Disks = disks.Where(d => d.IsIncluded && d.SizeBytes is not null)
                .Select(d => new RestorePointDisk(d.DiskId,
                    run.Roles.TryGetValue(d.DiskId, out DiskRole role) ? role : DiskRole.Unknown,
                    d.SizeBytes!.Value, 0))
                .ToArray(),
            IsDataDiskOnly = request.DataDiskOnly,
            CdrBaseline = baseline,
            Note = null,
        };
        return new NativeBackupResult(point, disks, [.. warnings]);
    }

    /// <summary>
    /// Starts vzdump where the VM is. An answer that is no task means that nothing ran: the VM is elsewhere by now.
    /// </summary>
    private async Task<Upid> StartAsync(string vmid, NativeBackupRequest request,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        long since = cluster.Client.Clock.GetTimestamp();
        string answer = "";
        for (int tries = 0; tries < MaximumNoOps;)
        {
            ClusterGuest guest = await cluster.GetGuestAsync(vmid, cancellationToken).ConfigureAwait(false);
            if (guest.Lock is string by)
            {
                if (cluster.Client.Clock.GetElapsedTime(since) >= request.LockTimeout)
                    throw await cluster.LockedAsync(vmid, by, request.LockTimeout,
                        cancellationToken).ConfigureAwait(false);
                progress?.Report(new OperationProgress(ProxmoxCluster.WaitingText(vmid, by), 0, null));
                await cluster.Client.Clock.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken).ConfigureAwait(false);
                continue;
            }
            var arguments = new ApiArguments
            {
                { "vmid", vmid },
                { "storage", storage },
                { "mode", "snapshot" },
                { "compress", "zstd" },
                // Without this, even a run by hand prunes the VM's points by the storage's policy.
                { "prune-backups", "keep-all=1" },
                { "notes-template", PointNotes.Template(request.RunId, request.DataDiskOnly, request.RequestedType) },
            };
            DateTime startUtc = cluster.UtcNow;
            ApiAnswer reply;
            try
            {
                reply = await cluster.Client.PostAsync(ApiPath.Of($"/nodes/{guest.Node}/vzdump"), arguments,
                    cancellationToken, new RequiredRight("VM.Backup", $"/vms/{vmid}")).ConfigureAwait(false);
            }
            catch (ApiException e) when (e.ErrorId == ErrorIds.RequestOutcomeUnknown)
            {
                // It may have started: a second run beside it would be worse than looking.
                return await FindStartedAsync(guest.Node, vmid, startUtc, e).ConfigureAwait(false);
            }
            if (Upid.TryParse(reply.Text, out Upid upid)) return upid;
            answer = reply.Text ?? "";
            tries++;
            await cluster.Client.Clock.WaitAsync(TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(false);
        }
        throw new NataliaException(ErrorIds.NothingWasBackedUp, NataliaErrorKind.InvalidOperation,
            $"Nothing was backed up: the server answered '{answer}' without starting a task, {MaximumNoOps} times. It "
            + $"does so when VM {vmid} does not run on the node that was asked.",
            vmid,
            "The VM may be migrating; try again when it has settled.");
    }

    /// <summary>
    /// Looks for a backup whose start was not confirmed, also when the caller wants to stop: it must be known to be
    /// stopped.
    /// </summary>
    private async Task<Upid> FindStartedAsync(string node, string vmid, DateTime startUtc, ApiException unknown)
    {
        string trouble = "";
        using var limit = new CancellationTokenSource(s_lookLimit);
        try
        {
            if (await cluster.Tasks.FindStartedAsync(node, "vzdump", vmid, startUtc.AddSeconds(-2),
                limit.Token, _started).ConfigureAwait(false) is { } started)
                return started;
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            trouble = $" Looking for it failed: {e.Message}";
        }
        throw MayRun(unknown, vmid, node, trouble);
    }

    private static ApiException MayRun(ApiException unknown, string vmid, string node, string trouble) =>
        new(unknown.ErrorId, unknown.Kind,
            $"{unknown.Message}{trouble} A backup of VM {vmid} may run on node '{node}', and make a point.", vmid,
            unknown.RecommendedAction, unknown)
        { Status = unknown.Status, ServerText = unknown.ServerText };

    /// <summary>Stops a backup that is not waited for any more.</summary>
    /// <returns>How it ended, and its log.</returns>
    /// <exception cref="NataliaException"><c>TaskNotFinished</c>: it may run on. <c>TaskLost</c>: nobody
    /// knows.</exception>
    private async Task<(TaskOutcome Outcome, BackupLog Log)> StopAsync(Upid task, string what, string vmid)
    {
        string trouble = "";
        for (int tries = 0; tries < MaximumStops; tries++)
        {
            if (tries > 0)
                await cluster.Client.Clock.WaitAsync(TimeSpan.FromSeconds(5),
                    CancellationToken.None).ConfigureAwait(false);
            // It is read from its beginning.
            var log = new BackupLog();
            try
            {
                TaskOutcome end = await cluster.Tasks.StopAsync(task, log.Read).ConfigureAwait(false);
                if (end.State == TaskState.Lost) end.ThrowUnlessDone(what, "It was to be stopped.");
                if (end.State != TaskState.Running) return (end, log);
                trouble = "it does not end";
            }
            catch (Exception e)
                when (e is NataliaException { ErrorId: not ErrorIds.TaskLost } or OperationCanceledException)
            {
                trouble = e.Message.TrimEnd('.');
            }
        }
        throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
            $"{what} could not be stopped, and may run on at node '{task.Node}' and make a point: {trouble}.", vmid,
            $"Look at the task {task.Text} on the node, and stop it there if it is not wanted.");
    }

    private string FindDataDisk(string vmid, ClusterGuest guest, GuestConfig config, NativeBackupRequest request)
    {
        ApplianceDescription described = GuestDescriber.Describe(cluster.ApplianceIdOf(vmid), vmid, guest.Name, config,
            guest);
        if (request.DataDiskOnly || request.DataDiskId is not null)
            return DataDiskRule.Choose(described, request.DataDiskId).DiskId;
        // A whole point holds the data wherever it lies; only a partial one must know.
        return DataDiskRule.TryChoose(described)?.DiskId ?? config.BootDrive
            ?? config.Disks.Select(d => d.Key).FirstOrDefault()
            ?? throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound,
                $"VM {vmid} ('{guest.Name}') has no disk.", vmid);
    }

    private static void CheckDisksAreIncluded(string vmid, ClusterGuest guest, GuestConfig config, string dataDisk,
        NativeBackupRequest request, List<string> warnings)
    {
        foreach (GuestDrive drive in config.Disks.Where(d => !d.IsBackedUp))
        {
            if (drive.Key == dataDisk)
                throw new NataliaException(ErrorIds.DiskExcluded, NataliaErrorKind.InvalidOperation,
                    $"The data disk '{drive.Key}' of VM {vmid} ('{guest.Name}') is excluded from backups by its own "
                    + "setting (backup=0), so no backup would hold it.",
                    vmid,
                    $"Switch on 'Backup' for {drive.Key} in the VM's hardware.");
            if (!request.DataDiskOnly)
                warnings.Add($"The disk '{drive.Key}' of VM {vmid} ('{guest.Name}') is excluded from backups by its "
                    + "own setting (backup=0), and is not in the point.");
        }
    }

    /// <summary>
    /// Whole and partial points in one group would make retention keep the newest of the day, whichever kind it is.
    /// </summary>
    private void CheckKinds(ClusterGuest guest, IReadOnlyList<StoredPoint> before, NativeBackupRequest request)
    {
        StoredPoint? other =
            // One that is unfinished has no notes yet.
            before.FirstOrDefault(p => p.Point is { IsRenamed: false, IsFinished: true }
                && p.Point.IsDataDiskOnly != request.DataDiskOnly);
        if (other is null) return;
        throw new NataliaException(ErrorIds.StorageMixesKinds, NataliaErrorKind.InvalidOperation,
            request.DataDiskOnly
                ? $"The storage '{storage}' holds whole points of '{guest.Name}' (the newest of "
                    + $"{other.Point.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC); points of the data disk alone do not go "
                    + "there, since retention cannot tell the two apart."
                : $"The storage '{storage}' holds points of the data disk alone of '{guest.Name}' (the newest of "
                    + $"{other.Point.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC); whole points do not go there, since retention "
                    + "cannot tell the two apart.",
            storage,
            "Make a second storage entry with a namespace of its own on the backup server, and use that for points of "
            + "the data disk alone.");
    }

    private static (BackupType Type, string? Reason) Classify(RequestedBackupType requested, BackupLog log)
    {
        var included = log.Disks.Where(d => d.IsIncluded).ToList();
        var readWhole = included
            .Where(d => d.DirtyBytes is null && !d.DiskId.StartsWith("efidisk", StringComparison.Ordinal)
                && !d.DiskId.StartsWith("tpmstate", StringComparison.Ordinal))
            .ToList();
        BackupType type = included.Count > 0 && readWhole.Count == 0 ? BackupType.Incremental : BackupType.Full;
        if (requested == RequestedBackupType.Incremental && type == BackupType.Full)
            return (type, "Everything was read: " + (readWhole.Any(d => d.ChangeTracking is not null)
                ? string.Join(", ",
                    readWhole.Where(d => d.ChangeTracking is not null).Select(d => $"{d.DiskId}: {d.ChangeTracking}"))
                    + "."
                : "this storage keeps no dirty bitmap."));
        if (requested == RequestedBackupType.Full && type == BackupType.Incremental)
            return (type, "Proxmox VE trusted its dirty bitmap and read only what had changed; it offers no way to "
                + "make it read everything.");
        return (type, null);
    }

    private async Task WriteNotesAsync(StoredPoint made, string notes, List<string> warnings,
        CancellationToken cancellationToken)
    {
        try
        {
            await cluster.Client.PutAsync(ApiPath.Of($"/nodes/{made.Node}/storage/{storage}/content/{made.Volid}"),
                new ApiArguments { { "notes", notes } }, cancellationToken,
                new RequiredRight("Datastore.AllocateSpace", $"/storage/{storage}")).ConfigureAwait(false);
        }
        catch (ApiException e)
        {
            // The point is good; only what later lists say about it is less.
            warnings.Add($"The notes of the point '{made.Volid}' could not be completed, so later lists will not show "
                + $"its consistency, nor a count of call records: {e.Message}");
        }
    }

    /// <summary>What was read before a run, and decides about it.</summary>
    /// <param name="Guest">The VM.</param>
    /// <param name="Roles">The roles of its disks.</param>
    /// <param name="Before">What of it is in the storage already.</param>
    /// <param name="DisksToLeaveOut">What is to be switched off.</param>
    /// <param name="Expected">What the point is to hold.</param>
    private sealed record Preparation(ClusterGuest Guest, Dictionary<string, DiskRole> Roles,
        IReadOnlyList<StoredPoint> Before, List<string> DisksToLeaveOut, List<string> Expected);
}
