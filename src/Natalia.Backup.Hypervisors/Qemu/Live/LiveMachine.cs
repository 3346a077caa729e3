using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>
/// A running VM, as far as backups deal with it over its monitor. The monitor takes one client at a time, so each deed
/// has a connection of its own; deeds that remove take what is gone already for done.
/// </summary>
internal sealed class LiveMachine(Machine machine, HostCalls calls)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30), s_imageLimit = TimeSpan.FromMinutes(1);

    internal Machine Machine => machine;

    /// <summary>
    /// Whether the VM runs: somebody listens behind its monitor's socket. A socket that nobody listens behind is what a
    /// VM that ended has left.
    /// </summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>: that cannot be told.</exception>
    internal static async Task<bool> IsRunningAsync(Machine machine, CancellationToken cancellationToken) =>
        machine.Monitor is string path
        && await UnixSocket.IsListeningAsync(path, cancellationToken).ConfigureAwait(false);

    /// <summary>The disks of the description that the running VM has.</summary>
    internal Task<IReadOnlyList<LiveDisk>> GetDisksAsync(CancellationToken cancellationToken) =>
        DoAsync("list disks", async monitor =>
    {
        JsonElement? blocks = await monitor.ExecuteAsync("query-block", null, cancellationToken).ConfigureAwait(false);
        JsonElement? nodes = await monitor.ExecuteAsync("query-named-block-nodes", null,
            cancellationToken).ConfigureAwait(false);
        List<JsonElement> inserted =
            [.. blocks.Items().Select(b => b.Member("inserted")).Where(i => i is not null).Select(i => i!.Value)];
        return (IReadOnlyList<LiveDisk>)[.. machine.Disks.Select(d => Find(d, inserted, nodes.Items()))
            .OfType<LiveDisk>()];
    }, cancellationToken);

    /// <summary>Makes the overlays that the frozen state needs; nothing is frozen by that.</summary>
    internal async Task AddOverlaysAsync(BackupNote note, IReadOnlyList<(LiveDisk Disk, string? Since)> disks,
        CancellationToken cancellationToken)
    {
        string program = QemuPrograms.Require(QemuPrograms.Image, "qemu-utils");
        await calls.MakeAsync("make overlays", async () =>
        {
            for (int i = 0; i < disks.Count; i++)
            {
                (int code, _, string errors) = await QemuPrograms.RunAsync(program,
                [
                    "create", "-q", "-f", "qcow2", note.OverlayOf(machine, i),
                    disks[i].Disk.SizeBytes.ToString(System.Globalization.CultureInfo.InvariantCulture),
                ], s_imageLimit, cancellationToken).ConfigureAwait(false);
                if (code != 0)
                    throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                        $"The overlay '{note.OverlayOf(machine, i)}' cannot be made: {errors}", machine.Folder,
                        "See whether there is room beside the VM's disks.");
            }
        }).ConfigureAwait(false);
        await DoAsync("add overlays", async monitor =>
        {
            for (int i = 0; i < disks.Count; i++)
                await monitor.ExecuteAsync("blockdev-add", Overlay(note, i, disks[i].Disk),
                    cancellationToken).ConfigureAwait(false);
            return true;
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// At one moment for all disks: begins the jobs that keep what is overwritten, the bitmaps that count from now on,
    /// and the copies of those that counted until now. One command only: a guest that holds its file systems meanwhile
    /// does so for seconds.
    /// </summary>
    internal Task FreezeAsync(BackupNote note, IReadOnlyList<(LiveDisk Disk, string? Since)> disks,
        CancellationToken cancellationToken) => DoAsync("freeze", async monitor =>
    {
        var actions = new JsonArray();
        for (int i = 0; i < disks.Count; i++) AddActions(actions, note, i, disks[i].Disk, disks[i].Since);
        await monitor.ExecuteAsync("transaction", new JsonObject { ["actions"] = actions },
            cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    /// <summary>Lets the frozen disks be read over a socket, which is the result.</summary>
    internal Task<string> ExportAsync(BackupNote note, IReadOnlyList<(LiveDisk Disk, string? Since)> disks,
        CancellationToken cancellationToken) => DoAsync("export", async monitor =>
    {
        string socket = BackupNote.ServerSocket(machine);
        if (!UnixSocket.Fits(socket)) throw UnixSocket.TooLong(socket);
        await EnsureServerAsync(monitor, socket, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < disks.Count; i++)
        {
            var export = new JsonObject
            {
                ["type"] = "nbd",
                ["id"] = note.NameOf(i),
                ["node-name"] = note.NameOf(i),
                ["name"] = note.NameOf(i),
                ["writable"] = false,
            };
            if (disks[i].Since is not null) export["bitmaps"] = new JsonArray(note.ChangesBitmap);
            await monitor.ExecuteAsync("block-export-add", export, cancellationToken).ConfigureAwait(false);
        }
        return socket;
    }, cancellationToken);

    /// <summary>Removes what makes the frozen state of a run: exports, jobs, overlays, the copies of bitmaps.</summary>
    internal async Task ReleaseAsync(BackupNote note, CancellationToken cancellationToken)
    {
        await DoAsync("remove exports", async monitor =>
        {
            IReadOnlyList<JsonElement> exports = await ExportsAsync(monitor, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < note.Disks.Count; i++)
            {
                if (exports.All(e => e.Text("id") != note.NameOf(i))) continue;
                await RemoveAsync(monitor, "block-export-del",
                    new JsonObject { ["id"] = note.NameOf(i), ["mode"] = "hard" },
                    cancellationToken).ConfigureAwait(false);
            }
            // The end of an export is told later than it is asked for.
            await WaitAsync(async () => (await ExportsAsync(monitor, cancellationToken).ConfigureAwait(false))
                .All(e => !IsOf(note, e.Text("id"))), $"the exports of the run {note.RunId} do not end",
                cancellationToken).ConfigureAwait(false);
            exports = await ExportsAsync(monitor, cancellationToken).ConfigureAwait(false);
            if (exports.Count == 0 && await IsListeningAsync(cancellationToken).ConfigureAwait(false))
                await RemoveAsync(monitor, "nbd-server-stop", null, cancellationToken).ConfigureAwait(false);
            return true;
        }, cancellationToken).ConfigureAwait(false);
        await DoAsync("end jobs", async monitor =>
        {
            for (int i = 0; i < note.Disks.Count; i++)
                await RemoveAsync(monitor, "block-job-cancel",
                    new JsonObject { ["device"] = note.NameOf(i), ["force"] = true },
                    cancellationToken).ConfigureAwait(false);
            await WaitAsync(async () => ((JsonElement?)await monitor.ExecuteAsync("query-jobs", null,
                cancellationToken).ConfigureAwait(false)).Items().All(j => !IsOf(note, j.Text("id"))),
                $"the jobs of the run {note.RunId} do not end", cancellationToken).ConfigureAwait(false);
            return true;
        }, cancellationToken).ConfigureAwait(false);
        await DoAsync("remove overlays", async monitor =>
        {
            for (int i = 0; i < note.Disks.Count; i++)
                await RemoveAsync(monitor, "blockdev-del", new JsonObject { ["node-name"] = note.NameOf(i) },
                    cancellationToken).ConfigureAwait(false);
            await RemoveBitmapsAsync(monitor, note.ChangesBitmap, cancellationToken).ConfigureAwait(false);
            await ResumeAsync(monitor, cancellationToken).ConfigureAwait(false);
            return true;
        }, cancellationToken).ConfigureAwait(false);
        calls.Make("delete overlays", () => DeleteOverlays(machine, note));
    }

    /// <summary>Removes the bitmaps that count from a run's state on.</summary>
    internal Task RemoveStateAsync(BackupNote note, CancellationToken cancellationToken) =>
        DoAsync("remove bitmaps", async monitor =>
    {
        await RemoveBitmapsAsync(monitor, note.Bitmap, cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    /// <summary>Whether anything of a run's frozen state stands: an export, a job, an overlay.</summary>
    internal Task<ISet<string>> GetFrozenNamesAsync(CancellationToken cancellationToken) =>
        DoAsync("look", async monitor =>
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (string command in new[] { "query-block-exports", "query-jobs" })
        {
            JsonElement? list = await monitor.ExecuteAsync(command, null, cancellationToken).ConfigureAwait(false);
            names.UnionWith(list.Items().Select(e => e.Text("id")).OfType<string>());
        }
        JsonElement? nodes = await monitor.ExecuteAsync("query-named-block-nodes", null,
            cancellationToken).ConfigureAwait(false);
        names.UnionWith(nodes.Items().Select(n => n.Text("node-name")).OfType<string>());
        return (ISet<string>)names;
    }, cancellationToken);

    /// <summary>Deletes a run's overlay files; only those that no process writes any more.</summary>
    internal static void DeleteOverlays(Machine machine, BackupNote note)
    {
        for (int i = 0; i < note.Disks.Count; i++)
        {
            string path = note.OverlayOf(machine, i);
            if (File.Exists(path)) File.Delete(path);
        }
    }

    private static bool IsOf(BackupNote note, string? name) =>
        Enumerable.Range(0, note.Disks.Count).Any(i => note.NameOf(i) == name);

    private JsonObject Overlay(BackupNote note, int number, LiveDisk disk) => new()
    {
        ["driver"] = "qcow2",
        ["node-name"] = note.NameOf(number),
        // It is of no use after a power failure.
        ["cache"] = new JsonObject { ["no-flush"] = true },
        ["file"] = new JsonObject
        {
            ["driver"] = "file",
            ["filename"] = note.OverlayOf(machine, number),
            ["cache"] = new JsonObject { ["no-flush"] = true },
        },
        ["backing"] = disk.Node,
    };

    private static void AddActions(JsonArray actions, BackupNote note, int number, LiveDisk disk, string? since)
    {
        actions.Add(Action("block-dirty-bitmap-add", new()
        {
            ["node"] = disk.Node,
            ["name"] = note.Bitmap,
            ["persistent"] = disk.IsPersistent,
        }));
        if (since is not null)
        {
            actions.Add(Action("block-dirty-bitmap-add", new()
            {
                ["node"] = disk.Node,
                ["name"] = note.ChangesBitmap,
                ["disabled"] = true,
            }));
            actions.Add(Action("block-dirty-bitmap-merge", new()
            {
                ["node"] = disk.Node,
                ["target"] = note.ChangesBitmap,
                ["bitmaps"] = new JsonArray(since),
            }));
        }
        actions.Add(Action("blockdev-backup", new()
        {
            ["job-id"] = note.NameOf(number),
            ["device"] = disk.Node,
            ["target"] = note.NameOf(number),
            ["sync"] = "none",
        }));
    }

    private static JsonObject Action(string type, JsonObject data) => new() { ["type"] = type, ["data"] = data };

    /// <summary>
    /// The disk of a description: what the VM has inserted whose image is that file. While a job keeps what is
    /// overwritten, a filter stands above; the node that holds the image and its bitmaps is found by the file.
    /// </summary>
    private LiveDisk? Find(MachineDisk disk, IReadOnlyList<JsonElement> inserted, IReadOnlyList<JsonElement> nodes)
    {
        string path = RealPath.Of(machine.FullPath(disk.Path)) ?? machine.FullPath(disk.Path);
        if (!inserted.Any(i => i.Member("image") is JsonElement image && IsAt(image.Text("filename"), path)))
            return null;
        foreach (JsonElement node in nodes)
        {
            string? driver = node.Text("drv");
            if (driver is not ("raw" or "qcow2") || !IsAt(node.Text("file"), path)) continue;
            if (node.Text("node-name") is not string name
                || node.Member("image")?.Number("virtual-size") is not (> 0 and long size)) continue;
            return new LiveDisk(disk.Id, name, size, driver == "qcow2",
                node.Member("image")?.Member("snapshots").Items().Count > 0,
                [.. node.Member("dirty-bitmaps").Items().Select(b => new LiveBitmap(b.Text("name") ?? "",
                    b.Flag("recording") == true, b.Flag("inconsistent") == true))]);
        }
        return null;
    }

    private static bool IsAt(string? stated, string path) =>
        stated is { Length: > 0 } && stated[0] == '/' && (RealPath.Of(stated) ?? stated) == path;

    private async Task EnsureServerAsync(QmpClient monitor, string socket, CancellationToken cancellationToken)
    {
        // Backups of this VM share one server, because QEMU has one only; who is the last ends it.
        if (await IsListeningAsync(cancellationToken).ConfigureAwait(false)) return;
        if (File.Exists(socket)) File.Delete(socket);
        try
        {
            await monitor.ExecuteAsync("nbd-server-start", new JsonObject
            {
                ["addr"] = new JsonObject
                {
                    ["type"] = "unix",
                    ["data"] = new JsonObject { ["path"] = socket },
                },
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (QmpException e) when (e.ServerText.IndexOf("already running", StringComparison.Ordinal) >= 0)
        {
            throw new NataliaException(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy,
                $"The VM '{machine.Name}' serves its disks to another program at this time, and QEMU has one server "
                + "only.",
                machine.Name, "Wait for the other backup to end (nbd-server-stop ends its server).", e);
        }
    }

    private Task<bool> IsListeningAsync(CancellationToken cancellationToken) =>
        UnixSocket.IsListeningAsync(BackupNote.ServerSocket(machine), cancellationToken);

    private async Task RemoveBitmapsAsync(QmpClient monitor, string name, CancellationToken cancellationToken)
    {
        JsonElement? nodes = await monitor.ExecuteAsync("query-named-block-nodes", null,
            cancellationToken).ConfigureAwait(false);
        foreach (JsonElement node in nodes.Items())
        {
            if (node.Text("node-name") is not string id) continue;
            if (node.Member("dirty-bitmaps").Items().All(b => b.Text("name") != name)) continue;
            await monitor.ExecuteAsync("block-dirty-bitmap-remove", new JsonObject { ["node"] = id, ["name"] = name },
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Where there was no room for an overlay, QEMU halts the VM rather than to lose its write. Now there is.
    /// </summary>
    private static async Task ResumeAsync(QmpClient monitor, CancellationToken cancellationToken)
    {
        JsonElement status = await monitor.ExecuteAsync("query-status", null, cancellationToken).ConfigureAwait(false);
        if (status.Text("status") == "io-error")
            await monitor.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<IReadOnlyList<JsonElement>> ExportsAsync(QmpClient monitor,
        CancellationToken cancellationToken) =>
        ((JsonElement?)await monitor.ExecuteAsync("query-block-exports", null, cancellationToken)
            .ConfigureAwait(false)).Items();

    /// <summary>A command that removes something; what is not there is removed.</summary>
    private static async Task RemoveAsync(QmpClient monitor, string command, JsonObject? arguments,
        CancellationToken cancellationToken)
    {
        try
        {
            await monitor.ExecuteAsync(command, arguments, cancellationToken).ConfigureAwait(false);
        }
        catch (QmpException e)
            when (e.ErrorClass == "DeviceNotActive" || IsAbsence(e.ServerText))
        {
            // It is gone.
        }
    }

    private static bool IsAbsence(string text) =>
        new[] { "not found", "Failed to find", "Cannot find", "not running", "does not exist" }
            .Any(t => text.IndexOf(t, StringComparison.OrdinalIgnoreCase) >= 0);

    private async Task WaitAsync(Func<Task<bool>> isOver, string otherwise, CancellationToken cancellationToken)
    {
        var since = System.Diagnostics.Stopwatch.StartNew();
        while (!await isOver().ConfigureAwait(false))
        {
            if (since.Elapsed > s_patience)
                throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                    $"On the VM '{machine.Name}' {otherwise}.", machine.Name);
            await Task.Delay(20, cancellationToken).ConfigureAwait(false);
        }
    }

    private Task<T> DoAsync<T>(string call, Func<QmpClient, Task<T>> deed, CancellationToken cancellationToken) =>
        calls.MakeAsync(call, async () =>
    {
        using QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, s_patience,
            cancellationToken).ConfigureAwait(false);
        return await deed(monitor).ConfigureAwait(false);
    });
}
