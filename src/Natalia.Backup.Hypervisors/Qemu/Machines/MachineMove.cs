using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Starts a VM that is being built from disks that are served to it, and moves these to its images while it runs, by
/// QEMU's mirror (blockdev-mirror): what the guest writes meanwhile is in both, and at one moment the device is given
/// the image. The monitor is spoken to for moments only: others need it, too.
/// </summary>
internal sealed class MachineMove(HostCalls calls, TimeProvider clock)
{
    private const string Stop = "stop";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30), s_look = TimeSpan.FromSeconds(1),
        s_endLimit = TimeSpan.FromMinutes(5);

    private readonly MachineStart _start = new(calls);

    /// <summary>
    /// Starts it, and returns when all its disks are its own: it lives by itself from then on, and
    /// <see cref="EndAsync"/> is what is left.
    /// </summary>
    /// <param name="machine">The VM; its images are there, as large as its disks.</param>
    /// <param name="served">Its disks.</param>
    /// <exception cref="NataliaException"><c>DiskMoveFailed</c> when it ran already, also when it was stopped: what it
    /// wrote is lost when it is removed. Before, what a start throws.</exception>
    internal async Task RunAndMoveAsync(Machine machine, ServedDisks served, CancellationToken cancellationToken)
    {
        await _start.EnsureProcessAsync(machine, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<CheckResult> read = await _start.ReadBackAsync(machine, cancellationToken).ConfigureAwait(false);
        if (read.FirstOrDefault(c => c.Result != CheckOutcome.Passed) is CheckResult wrong)
            throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{machine.Name}' is not switched on: {wrong.Target}: {wrong.Actual} instead of "
                + $"{wrong.Expected}.", machine.Id, "See whether another program changed its description.");
        await _start.RunAsync(machine, cancellationToken).ConfigureAwait(false);
        served.Tell?.Invoke($"The VM '{machine.Name}' runs from the restore point. Its disks are moved to "
            + $"'{machine.Folder}' now; until that is done it needs this session.");
        try
        {
            await BeginAsync(machine, cancellationToken).ConfigureAwait(false);
            await MoveAsync(machine, served, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            string why = failure is OperationCanceledException && cancellationToken.IsCancellationRequested
                ? "This was stopped."
                : failure.Message;
            throw new NataliaException(ErrorIds.DiskMoveFailed, NataliaErrorKind.InvalidOperation,
                $"The VM '{machine.Name}' ran from the restore point, and its disks were not moved to "
                + $"'{machine.Folder}'. {why} It is switched off and removed; what it wrote since its start is lost.",
                machine.Id, "The restore point is as it was: restore it again.", failure);
        }
    }

    /// <summary>
    /// Writes down that a VM has all of its disks, first of all; lets go of those that were served; and ends its
    /// building.
    /// </summary>
    /// <exception cref="NataliaException"><c>RestoreNotRecorded</c>: it runs and is whole, and not all of this could
    /// be done. It must not be removed.</exception>
    internal async Task EndAsync(Machine machine, ServedDisks served)
    {
        try
        {
            // QEMU has flushed each image before it gave it to its device. So a VM with this record is whole, also
            // after a loss of power.
            Machine own = WithOwnDisks(machine);
            calls.Make("note move", own.Write);
            await LetGoAsync(machine, served).ConfigureAwait(false);
            calls.Make("flush disks", () => Flush(machine));
            calls.Make("end building", (own with { Building = null }).WriteNamed);
        }
        catch (Exception failure) when (failure is NataliaException or IOException or UnauthorizedAccessException
            or OperationCanceledException)
        {
            throw new NataliaException(ErrorIds.RestoreNotRecorded, NataliaErrorKind.WriteFailed,
                $"The VM '{machine.Name}' runs and has all of its disks in '{machine.Folder}', but the end of its "
                + $"restore could not be written down: {failure.Message} It was left as it is, and is not listed yet.",
                machine.Id, "See whether there is room in its folder. Leave it switched on until the next restore on "
                + "this hypervisor by this user, which makes it an appliance.", failure);
        }
    }

    /// <summary>
    /// Makes an appliance of a VM that has all of its disks, although who built it died before that was written. One
    /// that has noted it need not run; of another one its process is asked.
    /// </summary>
    /// <returns>Whether it was one.</returns>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerAnswerInvalid</c>: it runs, and cannot be
    /// asked. Nothing says that it has its disks, nor that it has not. <c>RestoreNotRecorded</c>.</exception>
    internal async Task<bool> TryEndAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.Building?.MovedUtc is null && !await IsMovedAsync(machine, cancellationToken).ConfigureAwait(false))
            return false;
        try
        {
            // What served the disks was killed with its socket open.
            calls.Make("remove socket", () => File.Delete(machine.DiskSocket));
            calls.Make("end building", (WithOwnDisks(machine) with { Building = null }).WriteNamed);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.RestoreNotRecorded, NataliaErrorKind.WriteFailed,
                $"It has all of its disks in '{machine.Folder}', and that could not be written down: "
                + failure.Message, machine.Id, "See whether there is room in its folder.", failure);
        }
    }

    private async Task<bool> IsMovedAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.Test is not null || machine.Disks.All(d => d.Export is null)
            || machine.Monitor is not string socket || !IsThere(machine))
            return false;
        try
        {
            return await calls.MakeAsync("ask for disks", async () =>
            {
                using QmpClient monitor = await QmpClient.ConnectAsync(socket, s_patience,
                    cancellationToken).ConfigureAwait(false);
                return await monitor.IsOfAsync(machine.Id!, cancellationToken).ConfigureAwait(false)
                    && await FindForeignAsync(machine, monitor, cancellationToken).ConfigureAwait(false) is null;
            }).ConfigureAwait(false);
        }
        catch (NataliaException) when (!IsThere(machine))
        {
            // It has just ended, and with it what its disks had.
            return false;
        }
    }

    private Machine WithOwnDisks(Machine machine) => machine with
    {
        Disks = [.. machine.Disks.Select(d => d with { Export = null })],
        Building = machine.Building is BuildRecord building ? building with { MovedUtc = clock.UtcNow() } : null,
    };

    private bool IsThere(Machine machine) =>
        calls.Make("look for process", () => MachineProcess.Find(machine.Id!)) is not null;

    private static List<int> Moving(Machine machine) => [.. Enumerable.Range(0, machine.Disks.Count)
        .Where(i => machine.Disks[i].Export is not null)];

    private Task BeginAsync(Machine machine, CancellationToken cancellationToken) =>
        DoAsync(machine, "begin to move", async monitor =>
    {
        foreach (int disk in Moving(machine))
        {
            await monitor.ExecuteAsync("blockdev-add", Target(machine, disk), cancellationToken)
                .ConfigureAwait(false);
            await BeginAsync(monitor, disk, cancellationToken).ConfigureAwait(false);
        }
        return true;
    });

    private static Task BeginAsync(QmpClient monitor, int disk, CancellationToken cancellationToken) =>
        monitor.ExecuteAsync("blockdev-mirror", new JsonObject
        {
            ["job-id"] = JobOf(disk),
            ["device"] = MachineCommandLine.NodeOf(disk),
            ["target"] = TargetOf(disk),
            ["sync"] = "full",
            // A store that is away, a folder that is full: the job pauses, and is let go on until it can.
            ["on-source-error"] = Stop,
            ["on-target-error"] = Stop,
            // So that it is seen how it ended.
            ["auto-dismiss"] = false,
        }, cancellationToken);

    /// <summary>Until each device has its image.</summary>
    /// <exception cref="NataliaException"><c>TaskFailed</c>: a job, the VM or what serves its disks is gone.
    /// <c>TaskNotFinished</c>: QEMU does not give it its images.</exception>
    private async Task MoveAsync(Machine machine, ServedDisks served, CancellationToken cancellationToken)
    {
        var words = new MoveWords(machine, served.Tell);
        var asked = new HashSet<string>(StringComparer.Ordinal);
        // From when on it is a matter of moments, in which nobody's stop may come between.
        long? endsSince = null;
        while (true)
        {
            CancellationToken stop = endsSince is null ? cancellationToken : CancellationToken.None;
            MoveLook? look = await LookAsync(machine, stop).ConfigureAwait(false);
            words.TellOf(look);
            if (look is not null) asked.ExceptWith(look.Failures);
            if (look is { IsOver: true }) return;
            if (look is not null)
                served.Progress?.Report(new OperationProgress($"Moving the disks of {machine.Name}", look.Bytes.Done,
                    look.Bytes.Of));
            if (look is { IsReady: true })
                await CompleteAsync(machine, look.Ready, asked).ConfigureAwait(false);
            if (look is null or { IsWaiting: true } || asked.Count == 0 && !look.IsReady) endsSince = null;
            else endsSince ??= clock.GetTimestamp();
            if (endsSince is long since && clock.GetElapsedTime(since) > s_endLimit)
                throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                    $"All was copied, and QEMU did not give the VM its own disks within {s_endLimit.TotalMinutes:0} "
                    + "minutes.", machine.Id);
            await clock.WaitAsync(s_look, endsSince is null ? cancellationToken : CancellationToken.None)
                .ConfigureAwait(false);
        }
    }

    /// <summary>Looks, lets go on what has paused, and begins anew what has failed.</summary>
    /// <returns>What was seen; null when the monitor did not answer, and the VM runs.</returns>
    private async Task<MoveLook?> LookAsync(Machine machine, CancellationToken cancellationToken)
    {
        try
        {
            return await DoAsync(machine, "look at jobs", async monitor =>
            {
                IReadOnlyList<JsonElement> jobs = ((JsonElement?)await monitor.ExecuteAsync("query-block-jobs", null,
                    cancellationToken).ConfigureAwait(false)).Items();
                List<int> moving = Moving(machine);
                var look = MoveLook.Of([.. moving.Select(JobOf)], jobs,
                    await monitor.GetStatusAsync(cancellationToken).ConfigureAwait(false));
                if (look.Missing is string missing)
                    throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.WriteFailed,
                        $"QEMU's job '{missing}' is gone.", machine.Id);
                if (!look.IsOver && (look.HasFailedRequest || look.IsHalted)
                    && !await UnixSocket.IsListeningAsync(machine.DiskSocket, cancellationToken).ConfigureAwait(false))
                    throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.ReadFailed,
                        "The restore point is not served to it any more.", machine.DiskSocket);
                foreach (int disk in moving.Where(d => look.Failures.Contains(JobOf(d))))
                {
                    await monitor.ExecuteAsync("job-dismiss", new JsonObject { ["id"] = JobOf(disk) },
                        cancellationToken).ConfigureAwait(false);
                    await BeginAsync(monitor, disk, cancellationToken).ConfigureAwait(false);
                }
                foreach (string paused in look.Paused)
                    await TryAsync(monitor, "block-job-resume", paused, cancellationToken).ConfigureAwait(false);
                if (look.IsHalted)
                    await monitor.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
                if (look.IsOver
                    && await FindForeignAsync(machine, monitor, cancellationToken).ConfigureAwait(false)
                        is string foreign)
                    throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                        $"QEMU said that all disks were moved, and its device {foreign} is not.", machine.Id);
                return look;
            }).ConfigureAwait(false);
        }
        catch (NataliaException silence) when (IsSilence(silence))
        {
            RequireThere(machine, silence);
            return null;
        }
    }

    /// <summary>Asks for the images, once for each job.</summary>
    private async Task CompleteAsync(Machine machine, IReadOnlyList<string> ready, HashSet<string> asked)
    {
        if (asked.IsSupersetOf(ready)) return;
        try
        {
            await DoAsync(machine, "take own disks", async monitor =>
            {
                foreach (string job in ready.Where(j => !asked.Contains(j)))
                {
                    // Refused when it has paused again a moment ago.
                    if (await TryAsync(monitor, "block-job-complete", job, CancellationToken.None)
                        .ConfigureAwait(false))
                        asked.Add(job);
                }
                return true;
            }).ConfigureAwait(false);
        }
        catch (NataliaException silence) when (IsSilence(silence))
        {
            // Whether it has heard it, the next look tells; to be asked twice does no harm.
            RequireThere(machine, silence);
        }
    }

    private static bool IsSilence(NataliaException failure) => failure.ErrorId == ErrorIds.ServerUnreachable;

    private void RequireThere(Machine machine, NataliaException silence)
    {
        if (!IsThere(machine))
            throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                "Its process has ended.", machine.Id, null, silence);
    }

    /// <summary>Says something to a job whose state may be another by now: then QEMU refuses, and the next look tells
    /// why.</summary>
    private static async Task<bool> TryAsync(QmpClient monitor, string command, string job,
        CancellationToken cancellationToken)
    {
        try
        {
            await monitor.ExecuteAsync(command, new JsonObject { ["device"] = job }, cancellationToken)
                .ConfigureAwait(false);
            return true;
        }
        catch (QmpException)
        {
            return false;
        }
    }

    private Task LetGoAsync(Machine machine, ServedDisks served) =>
        DoAsync(machine, "let go of served disks", async monitor =>
    {
        using var limit = new CancellationTokenSource(s_endLimit);
        foreach (int disk in Moving(machine))
        {
            await monitor.ExecuteAsync("job-dismiss", new JsonObject { ["id"] = JobOf(disk) }, limit.Token)
                .ConfigureAwait(false);
            await monitor.ExecuteAsync("blockdev-del",
                new JsonObject { ["node-name"] = MachineCommandLine.NodeOf(disk) }, limit.Token)
                .ConfigureAwait(false);
        }
        // Where there was no room for what the guest wrote, QEMU halted it rather than to lose its write.
        if (await monitor.GetStatusAsync(limit.Token).ConfigureAwait(false) == MoveLook.Halted)
        {
            await monitor.ExecuteAsync("cont", null, limit.Token).ConfigureAwait(false);
            await clock.WaitAsync(s_look, limit.Token).ConfigureAwait(false);
            if (await monitor.GetStatusAsync(limit.Token).ConfigureAwait(false) == MoveLook.Halted)
                new MoveWords(machine, served.Tell).TellHalted();
        }
        return true;
    });

    private static void Flush(Machine machine)
    {
        foreach (int disk in Moving(machine))
        {
            using var image = new FileStream(machine.FullPath(machine.Disks[disk].Path), FileMode.Open,
                FileAccess.ReadWrite, FileShare.ReadWrite, 1);
            StableFile.Flush(image);
        }
    }

    /// <summary>A device whose disk is not its own image; null when there is none.</summary>
    private static async Task<string?> FindForeignAsync(Machine machine, QmpClient monitor,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<JsonElement> blocks = ((JsonElement?)await monitor.ExecuteAsync("query-block", null,
            cancellationToken).ConfigureAwait(false)).Items();
        for (int i = 0; i < machine.Disks.Count; i++)
        {
            string device = MachineCommandLine.DeviceOf(i), own = machine.FullPath(machine.Disks[i].Path);
            if (!blocks.Any(b => b.Member("inserted")?.Text("file") == own && IsOf(b.Text("qdev"), device)))
                return device;
        }
        return null;

        // By its id, or by its path in QEMU's tree of objects, where a child of it may be what has the disk.
        static bool IsOf(string? path, string device) => path?.Split('/').Contains(device) == true;
    }

    private static JsonObject Target(Machine machine, int disk)
    {
        JsonObject node = MachineCommandLine.Image(machine, machine.Disks[disk], TargetOf(disk));
        // Without this, zeros are written where nothing was.
        node["discard"] = "unmap";
        ((JsonObject)node["file"]!)["discard"] = "unmap";
        return node;
    }

    private static string TargetOf(int disk) => "own" + disk.ToString(CultureInfo.InvariantCulture);

    private static string JobOf(int disk) => "move" + disk.ToString(CultureInfo.InvariantCulture);

    private Task<T> DoAsync<T>(Machine machine, string call, Func<QmpClient, Task<T>> deed) =>
        calls.MakeAsync(call, async () =>
    {
        using QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, s_patience,
            CancellationToken.None).ConfigureAwait(false);
        return await deed(monitor).ConfigureAwait(false);
    });
}
