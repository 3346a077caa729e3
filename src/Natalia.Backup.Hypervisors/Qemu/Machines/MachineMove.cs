using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
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
    private const string Concluded = "concluded", OutOfRoom = "nospace", Halted = "io-error";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30), s_look = TimeSpan.FromSeconds(1);

    private readonly MachineStart _start = new(calls);

    /// <summary>The same VM with its disks in its own images.</summary>
    internal static Machine Moved(Machine machine) => machine with
    {
        Disks = [.. machine.Disks.Select(d => d with { Export = null })],
        Building = null,
    };

    /// <summary>Starts it, and returns when all its disks are its own and were flushed.</summary>
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
            await MoveAsync(machine, served, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            string why = failure is OperationCanceledException ? "This was stopped." : failure.Message;
            throw new NataliaException(ErrorIds.DiskMoveFailed, NataliaErrorKind.InvalidOperation,
                $"The VM '{machine.Name}' ran from the restore point, and its disks were not moved to "
                + $"'{machine.Folder}'. {why} It is switched off and removed; what it wrote since its start is lost.",
                machine.Id, "The restore point is as it was: restore it again.", failure);
        }
    }

    /// <summary>
    /// Whether a VM with the record of such a building runs from its own images alone: its building died after that was
    /// reached.
    /// </summary>
    internal async Task<bool> IsMovedAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.Disks.All(d => d.Export is null) || machine.Monitor is not string socket
            || calls.Make("look for process", () => MachineProcess.Find(machine.Id!)) is null)
            return false;
        try
        {
            using QmpClient monitor = await QmpClient.ConnectAsync(socket, s_patience,
                cancellationToken).ConfigureAwait(false);
            return await monitor.IsOfAsync(machine.Id!, cancellationToken).ConfigureAwait(false)
                && await FindForeignAsync(machine, monitor, cancellationToken).ConfigureAwait(false) is null;
        }
        catch (NataliaException)
        {
            // It has just ended, or hangs: nothing says that it has all of its disks.
            return false;
        }
    }

    private async Task MoveAsync(Machine machine, ServedDisks served, CancellationToken cancellationToken)
    {
        List<int> moving = [.. Enumerable.Range(0, machine.Disks.Count)
            .Where(i => machine.Disks[i].Export is not null)];
        await DoAsync(machine, "begin to move", async monitor =>
        {
            foreach (int disk in moving)
            {
                await monitor.ExecuteAsync("blockdev-add", Target(machine, disk), cancellationToken)
                    .ConfigureAwait(false);
                await monitor.ExecuteAsync("blockdev-mirror", new JsonObject
                {
                    ["job-id"] = JobOf(disk),
                    ["device"] = MachineCommandLine.NodeOf(disk),
                    ["target"] = TargetOf(disk),
                    ["sync"] = "full",
                    // A disk that is full is waited for; the VM goes on meanwhile.
                    ["on-target-error"] = "enospc",
                    // So that it is seen how it ended.
                    ["auto-dismiss"] = false,
                }, cancellationToken).ConfigureAwait(false);
            }
            return true;
        }).ConfigureAwait(false);
        await WaitAsync(machine, served, moving, j => j.Flag("ready") == true || j.Text("status") == Concluded,
            cancellationToken).ConfigureAwait(false);
        // From here on it is a matter of moments, in which nobody's stop may come between.
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        await DoAsync(machine, "take own disks", async monitor =>
        {
            foreach (int disk in moving)
                await monitor.ExecuteAsync("block-job-complete", new JsonObject { ["device"] = JobOf(disk) },
                    limit.Token).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        await WaitAsync(machine, served, moving, j => j.Text("status") == Concluded, limit.Token).ConfigureAwait(false);
        await DoAsync(machine, "let go of served disks", async monitor =>
        {
            foreach (int disk in moving)
            {
                await monitor.ExecuteAsync("job-dismiss", new JsonObject { ["id"] = JobOf(disk) }, limit.Token)
                    .ConfigureAwait(false);
                await monitor.ExecuteAsync("blockdev-del",
                    new JsonObject { ["node-name"] = MachineCommandLine.NodeOf(disk) }, limit.Token)
                    .ConfigureAwait(false);
            }
            if (await FindForeignAsync(machine, monitor, limit.Token).ConfigureAwait(false) is string foreign)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"QEMU said that all disks were moved, and its device {foreign} is not.", machine.Id);
            // Where there was no room for what the guest wrote, QEMU halted it rather than to lose its write.
            if (await monitor.GetStatusAsync(limit.Token).ConfigureAwait(false) == Halted)
                await monitor.ExecuteAsync("cont", null, limit.Token).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
        calls.Make("flush disks", () =>
        {
            foreach (int disk in moving)
            {
                using var image = new FileStream(machine.FullPath(machine.Disks[disk].Path), FileMode.Open,
                    FileAccess.ReadWrite, FileShare.ReadWrite, 1);
                image.Flush(flushToDisk: true);
            }
        });
    }

    /// <summary>Until it is so with all jobs.</summary>
    /// <exception cref="NataliaException"><c>TaskFailed</c>: one of them failed.</exception>
    private async Task WaitAsync(Machine machine, ServedDisks served, List<int> moving, Func<JsonElement, bool> isSo,
        CancellationToken cancellationToken)
    {
        bool isTold = false;
        while (true)
        {
            bool isOver = await DoAsync(machine, "look at jobs", async monitor =>
            {
                IReadOnlyList<JsonElement> all = ((JsonElement?)await monitor.ExecuteAsync("query-block-jobs", null,
                    cancellationToken).ConfigureAwait(false)).Items();
                List<JsonElement> jobs = [.. moving.Select(d => Job(machine, all, d))];
                served.Progress?.Report(new OperationProgress($"Moving the disks of {machine.Name}",
                    jobs.Sum(j => j.Number("offset") ?? 0), jobs.Sum(j => j.Number("len") ?? 0)));
                foreach (JsonElement job in jobs.Where(j => j.Text("io-status") == OutOfRoom
                    && j.Flag("paused") == true))
                {
                    if (!isTold)
                        served.Tell?.Invoke($"There is no room in '{machine.Folder}' for the disks of the VM "
                            + $"'{machine.Name}'. It runs on; make room, and the move goes on by itself.");
                    isTold = true;
                    await monitor.ExecuteAsync("block-job-resume", new JsonObject { ["device"] = job.Text("device") },
                        cancellationToken).ConfigureAwait(false);
                }
                return jobs.TrueForAll(j => isSo(j));
            }).ConfigureAwait(false);
            if (isOver) return;
            await clock.WaitAsync(s_look, cancellationToken).ConfigureAwait(false);
        }
    }

    private static JsonElement Job(Machine machine, IReadOnlyList<JsonElement> all, int disk)
    {
        foreach (JsonElement job in all)
        {
            if (job.Text("device") != JobOf(disk)) continue;
            return job.Text("error") is string error ? throw Failed(error) : job;
        }
        throw Failed("its job is gone");

        NataliaException Failed(string why) => new(ErrorIds.TaskFailed, NataliaErrorKind.WriteFailed,
            $"The disk '{machine.Disks[disk].Id}' could not be copied: {why}.", machine.Id);
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
