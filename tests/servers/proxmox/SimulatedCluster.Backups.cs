using System.Globalization;
using System.Text.RegularExpressions;

namespace Natalia.Backup.ProxmoxSimulator;

internal sealed partial class SimulatedCluster
{
    private SimulatorReply Vzdump(SimulatorRequest request, string node, string user)
    {
        OnBackupStart?.Invoke();
        int vmid = int.Parse(request["vmid"]!, CultureInfo.InvariantCulture);
        SimulatedStorage storage = Storage(request["storage"]!);
        SimulatedGuest? guest = Guests.FirstOrDefault(g => g.Vmid == vmid);
        if (guest is not null) Need($"/vms/{vmid}", "VM.Backup");
        Need($"/storage/{storage.Name}", "Datastore.AllocateSpace", "Datastore.Allocate");
        if (request["prune-backups"] is not null) Need($"/storage/{storage.Name}", "Datastore.Allocate");
        // vzdump serves the node's own guests only; others are no work, which is success.
        if (guest is null || guest.Node != node) return SimulatorReply.Ok("OK");
        return SimulatorReply.Ok(StartBackup(node, guest, storage, user, vmid.ToString(CultureInfo.InvariantCulture),
            request["notes-template"], request["protected"] == "1", request["prune-backups"]).Upid);
    }

    /// <summary>A run as the scheduler would start it: its task carries no VM number.</summary>
    internal SimulatedTask StartScheduledBackup(SimulatedGuest guest, SimulatedStorage storage) =>
        StartBackup(guest.Node, guest, storage, "root@pam", "", null, false, null);

    /// <summary>A job as the scheduler would run it: for each VM that it takes, on the node where that is.</summary>
    internal void RunJob(string id)
    {
        Dictionary<string, object> job = Jobs[id];
        foreach (SimulatedGuest guest in Guests.Where(g => Takes(job, g)))
            StartBackup(guest.Node, guest, Storage((string)job["storage"]), "root@pam", "",
                (string?)job.GetValueOrDefault("notes-template"), false,
                (string?)job.GetValueOrDefault("prune-backups"));
    }

    /// <summary>What a run keeps: what it brings, else what the storage says, else the node.</summary>
    private string RetentionOf(string? own, SimulatedStorage storage, string node) =>
        own ?? storage.PruneBackups ?? NodeRetention.GetValueOrDefault(node) ?? "keep-all=1";

    private SimulatorReply BackupDefaults(SimulatorRequest request, string node)
    {
        SimulatedStorage storage = Storage(request["storage"] ?? "local");
        Need($"/storage/{storage.Name}", "Datastore.Audit", "Datastore.AllocateSpace");
        if (!storage.Content.Contains("backup"))
            throw new SimulatorRefusal(500, $"can't use storage '{storage.Name}' for backups - wrong content type");
        return SimulatorReply.Ok(new Dictionary<string, object>
        {
            ["storage"] = storage.Name,
            ["mode"] = "snapshot",
            ["compress"] = "0",
            ["remove"] = 1,
            ["prune-backups"] = RetentionOf(null, storage, node),
        });
    }

    private static Dictionary<string, object> StorageConfigOf(SimulatedStorage storage)
    {
        var config = new Dictionary<string, object>
        {
            ["storage"] = storage.Name,
            ["type"] = storage.Type,
            ["content"] = storage.Content,
            ["digest"] = "d1",
        };
        if (storage.Nodes.Count > 0) config["nodes"] = string.Join(',', storage.Nodes);
        if (storage.PruneBackups is not null) config["prune-backups"] = storage.PruneBackups;
        return config;
    }

    private SimulatedTask StartBackup(string node, SimulatedGuest guest, SimulatedStorage storage, string user,
        string id, string? notes, bool protect, string? prune)
    {
        SimulatedTask task = NewTask(node, "vzdump", id, user);
        int vmid = guest.Vmid;
        task.Steps.Add(
            (TimeSpan.Zero, $"INFO: starting new backup job: vzdump {vmid} --storage {storage.Name} --mode snapshot "
                + "--compress zstd", null));
        if (guest.Lock is string held)
        {
            task.Steps.Add(
                (TimeSpan.FromSeconds(1), $"ERROR: Backup of VM {vmid} failed - VM is locked ({held})",
                    () => task.ExitStatus = "job errors"));
            return task;
        }
        DateTimeOffset at = Clock.GetUtcNow().AddSeconds(1);
        bool onServer = storage.Type == "pbs", freezes = false;
        Func<string?>? copies = null;
        string archive = onServer
            ? $"vm/{vmid}/{at.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}"
            : $"vzdump-qemu-{vmid}-{at.UtcDateTime.AddHours(3):yyyy_MM_dd-HH_mm_ss}.vma.zst";
        string volid = $"{storage.Name}:backup/{archive}";
        // Which disks are taken is read when the task begins, and never again.
        var included = guest.Config.Where(c => IsDisk(c.Key) && !c.Value.Contains("media=cdrom") && IsBackedUp(c.Value))
            .Select(c => c.Key).ToList();
        string configText = ConfigTextOf(guest);
        bool agent = guest.Config.GetValueOrDefault("agent", "0") is var a
            && (a.StartsWith('1') || a.Contains("enabled=1"));
        bool freezeAllowed = !a.Contains("freeze-fs-on-backup=0") && !a.Contains("freeze-fs=0");
        guest.Lock = "backup";
        long total = included.Sum(d => SizeOf(guest.Config[d]));
        TimeSpan s = TimeSpan.FromSeconds(1);
        Log(s, $"INFO: Starting Backup of VM {vmid} (qemu)");
        Log(s, $"INFO: Backup started at {at.UtcDateTime:yyyy-MM-dd HH:mm:ss}");
        Log(s, $"INFO: status = {(guest.Running ? "running" : "stopped")}");
        Log(s, $"INFO: VM Name: {guest.Name}");
        foreach (KeyValuePair<string, string> disk in guest.Config
            .Where(c => IsDisk(c.Key) && !c.Value.Contains("media=cdrom")))
            Log(s, included.Contains(disk.Key)
                ? $"INFO: include disk '{disk.Key}' '{disk.Value.Split(',')[0]}' "
                    + $"{Regex.Match(disk.Value, "size=([^,]+)").Groups[1].Value}"
                : $"INFO: exclude disk '{disk.Key}' '{disk.Value.Split(',')[0]}' (backup=no)");
        Log(s, "INFO: backup mode: snapshot");
        // From here on the server lists it, until the run ends; what a run leaves broken off it removes by itself.
        var making = new SimulatedPoint { Volid = volid, Vmid = vmid, Time = at, Size = 1, ConfigText = "" };
        Log(s, null, () =>
        {
            if (onServer) storage.Points.Add(making);
        });
        Log(s, onServer
            ? $"INFO: creating Proxmox Backup Server archive '{archive}'"
            : $"INFO: creating vzdump archive '/mnt/pve/{storage.Name}/dump/{archive}'");
        if (agent && guest.Running)
        {
            string skipping = HasOldFreezeWords
                ? "INFO: skipping guest-agent 'fs-freeze', "
                : "INFO: skipping guest filesystem freeze - ";
            if (!freezeAllowed) Log(s, skipping + "disabled in VM options");
            else if (!AgentAnswers(guest)) Log(s, skipping + "agent configured but not running?");
            else freezes = true;
        }
        if (freezes)
            Log(s, "INFO: issuing guest-agent 'fs-freeze' command", () =>
            {
                if (Freeze(guest) is string error)
                    task.Log.Add((HasOldFreezeWords
                        ? $"ERROR: VM {vmid} qmp command 'guest-fsfreeze-freeze' failed - "
                        : "ERROR: unable to freeze guest fs - ")
                        + error);
            });
        // What is read is the disks of this moment; the guest goes on before it is read.
        Log(s, freezes ? "INFO: issuing guest-agent 'fs-thaw' command" : null, () =>
        {
            string? thaw = null;
            try
            {
                copies = BeginCopies(guest, included, volid, task);
            }
            finally
            {
                if (freezes) thaw = Thaw(guest);
            }
            if (thaw is not null)
                task.Log.Add($"ERROR: VM {vmid} qmp command 'guest-fsfreeze-thaw' failed - {thaw}");
        });
        Log(s, "INFO: started backup task '68f74467-5ca9-402e-b37e-636455024850'");
        if (onServer)
            foreach (string disk in included)
                Log(s, $"INFO: {disk}: dirty-bitmap status: "
                    + $"{(guest.Bitmaps.Contains(disk) ? $"OK (1.5 GiB of {SizeOf(guest.Config[disk]) / 1073741824.0:0.0} GiB dirty)".Replace(',', '.') : "created new")}");
        for (int percent = 25; percent <= 100; percent += 25)
            Log(BackupDuration * percent / 100,
                string.Create(CultureInfo.InvariantCulture,
                    $"INFO: {percent,3}% ({total * percent / 100 / 1073741824.0:0.0} GiB of "
                    + $"{total / 1073741824.0:0.0} GiB) in {(int)(BackupDuration.TotalSeconds * percent / 100)}s, "
                    + $"read: 500.0 MiB/s, write: 90.0 MiB/s"));
        task.Steps.Add((BackupDuration + s, null, () =>
        {
            guest.Lock = null;
            storage.Points.Remove(making);
            string? failure = BackupFailure ?? copies?.Invoke();
            if (failure is null || FailureLeavesPoint)
            {
                storage.Points.Add(new SimulatedPoint
                {
                    Volid = volid,
                    Vmid = vmid,
                    Time = at,
                    Node = storage.Shared ? null : node,
                    Size = total,
                    Protected = protect,
                    IncludedDisks = included,
                    Notes = (notes ?? "").Replace("{{guestname}}", guest.Name),
                    ConfigText = configText,
                });
                if (onServer)
                {
                    // One memory per disk, whatever the target: only what was in this run keeps its bitmap.
                    guest.Bitmaps.RemoveWhere(b => !included.Contains(b));
                    guest.Bitmaps.UnionWith(included);
                }
            }
            else Host?.RemoveKept(volid);
            if (failure is not null)
            {
                task.Log.Add($"ERROR: Backup of VM {vmid} failed - {failure}");
                task.ExitStatus = "job errors";
                return;
            }
            string retention = RetentionOf(prune, storage, node);
            if (retention != "keep-all=1")
            {
                task.Log.Add($"INFO: prune older backups with retention: {retention.Replace(",", ", ")}");
                foreach ((SimulatedPoint point, string mark) in Prune(storage, node, vmid, retention))
                    if (mark == "remove") Remove(storage, point);
            }
            task.Log.Add($"INFO: Finished Backup of VM {vmid} (00:03:00)");
            for (int i = 0; i < BackupWarnings; i++) task.Log.Add("WARN: the EFI disk has an old certificate");
            if (BackupWarnings > 0) task.ExitStatus = $"WARNINGS: {BackupWarnings}";
        }
        ));
        task.OnStop += () =>
        {
            guest.Lock = null;
            storage.Points.Remove(making);
        };
        return task;

        void Log(TimeSpan after, string? line, Action? effect = null) => task.Steps.Add((after, line, effect));
    }

    internal static long SizeOf(string drive)
    {
        Match m = Regex.Match(drive, @"size=(\d+)([KMGT]?)");
        return m.Success
            ? long.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) << (m.Groups[2].Value switch
            {
                "K" =>
            10,
                "M" => 20,
                "G" => 30,
                "T" => 40,
                _ => 0
            }) : 0;
    }

    private SimulatorReply StorageRequest(SimulatorRequest request, string user)
    {
        string node = request.Segments[1];
        SimulatedStorage storage = Storage(request.Segments[3]);
        string path = $"/storage/{storage.Name}";
        if (storage.InactiveNodes.Contains(node))
            throw new SimulatorRefusal(500, $"storage '{storage.Name}' is not online");
        switch (request.Method, request.Segments[4], request.Segments.Length)
        {
            case ("GET", "content", 5):
                Need(path, "Datastore.Audit", "Datastore.AllocateSpace");
                return SimulatorReply.Ok(Visible(storage, node, request["vmid"]).Select(ContentRow));
            case (var method, "content", 6):
                SimulatedPoint point =
                    storage.Points.FirstOrDefault(
                        p => p.Volid == request.Segments[5] && (p.Node is null || p.Node == node))
                    ?? throw new SimulatorRefusal(500, $"volume '{request.Segments[5]}' does not exist");
                Need(path, "Datastore.AllocateSpace", "Datastore.Allocate");
                if (!Has(path, "Datastore.Allocate")) Need($"/vms/{point.Vmid}", "VM.Backup");
                if (method == "PUT")
                {
                    if (request["notes"] is string notes) point.Notes = notes;
                    if (request["protected"] is string mark) point.Protected = mark == "1";
                    return SimulatorReply.Ok(null);
                }
                if (point.Protected) throw new SimulatorRefusal(500, $"can't remove protected archive '{point.Volid}'");
                SimulatedTask removal = NewTask(node, "imgdel", $"{point.Vmid}@{storage.Name}", user);
                removal.Steps.Add((TimeSpan.FromSeconds(2), null, () =>
                {
                    if (storage.RemovalError is string error) removal.ExitStatus = error;
                    else Remove(storage, point);
                }
                ));
                return SimulatorReply.Ok(removal.Upid);
            case (var method, "prunebackups", 5):
                if (request["vmid"] is null || request["type"] is null)
                    throw new SimulatorRefusal(400, "a prune of everything");
                List<(SimulatedPoint Point, string Mark)> marks = Prune(storage, node,
                    int.Parse(request["vmid"]!, CultureInfo.InvariantCulture),
                    request["prune-backups"] ?? "keep-all=1");
                if (method == "GET")
                {
                    Need(path, "Datastore.Audit", "Datastore.AllocateSpace");
                    return SimulatorReply.Ok(marks
                        .Select(m => new
                        {
                            volid = m.Point.Volid,
                            ctime = m.Point.Time.ToUnixTimeSeconds(),
                            type = "qemu",
                            vmid = m.Point.Vmid,
                            mark = m.Mark
                        }));
                }
                Need(path, "Datastore.AllocateSpace", "Datastore.Allocate");
                SimulatedTask prune = NewTask(node, "prunebackups", $"{request["vmid"]}@{storage.Name}", user);
                prune.Steps.Add((TimeSpan.FromSeconds(5), null, () =>
                {
                    foreach ((SimulatedPoint Point, string Mark) m in marks.Where(m => m.Mark == "remove"))
                        Remove(storage, m.Point);
                }
                ));
                return SimulatorReply.Ok(prune.Upid);
            default:
                return SimulatorReply.Fail(501, "not implemented");
        }
    }

    private IEnumerable<SimulatedPoint> Visible(SimulatedStorage storage, string node, string? vmid) =>
        // Points of guests that the caller may not back up are left out, without a word.
        storage.Points
            .Where(p => (p.Node is null || p.Node == node)
                && (vmid is null || p.Vmid.ToString(CultureInfo.InvariantCulture) == vmid)
            && (Has($"/storage/{storage.Name}", "Datastore.Allocate")
                || (Has($"/storage/{storage.Name}", "Datastore.AllocateSpace") && Has($"/vms/{p.Vmid}", "VM.Backup"))));

    private static Dictionary<string, object> ContentRow(SimulatedPoint p)
    {
        var row = new Dictionary<string, object>
        {
            ["volid"] = p.Volid,
            ["ctime"] = p.Time.ToUnixTimeSeconds(),
            ["content"] = "backup",
            ["subtype"] = p.Subtype,
            ["vmid"] = p.Vmid % 2 == 0 ? p.Vmid : p.Vmid.ToString(CultureInfo.InvariantCulture),
            ["format"] = p.Volid.Contains("/vm/") ? "pbs-vm" : "vma.zst",
        };
        if (p.Size is long size) row["size"] = size;
        if (p.ApproximateSize is long approximate) row["approximate-size"] = approximate;
        if (p.Protected) row["protected"] = 1;
        if (p.Notes.Length > 0) row["notes"] = p.Notes.Split('\n')[0];
        if (p.Encrypted is not null) row["encrypted"] = p.Encrypted;
        if (p.VerifyState is not null) row["verification"] = new { state = p.VerifyState, upid = p.VerifyUpid };
        return row;
    }

    /// <summary>The server's own rules, in their order, in UTC.</summary>
    internal static List<(SimulatedPoint Point, string Mark)> Prune(SimulatedStorage storage, string node, int vmid,
        string policy)
    {
        var limits = policy.Split(',').Select(p => p.Split('='))
            .ToDictionary(p => p[0], p => int.Parse(p[1], CultureInfo.InvariantCulture));
        // A name that says nothing of its type is left out; one without a time in it is shown, and never counted.
        var points = storage.Points
            .Where(p => p.Vmid == vmid && (p.Node is null || p.Node == node) && p.Subtype == "qemu")
            .OrderByDescending(p => p.Time).ToList();
        var marks = points.ToDictionary(p => p, p => p.Protected ? "protected" : p.IsRenamed ? "renamed" : "");
        Func<DateTime, string>[] labels =
        [
            t => t.Ticks.ToString(CultureInfo.InvariantCulture),
            t => t.ToString("yyyyMMddHH", CultureInfo.InvariantCulture),
            t => t.ToString("yyyyMMdd", CultureInfo.InvariantCulture),
            t => $"{ISOWeek.GetYear(t)}-{ISOWeek.GetWeekOfYear(t)}",
            t => t.ToString("yyyyMM", CultureInfo.InvariantCulture),
            t => t.ToString("yyyy", CultureInfo.InvariantCulture),
        ];
        // A backup server keeps the newest of all where that is not finished, and removes the others that are not
        // (pbs-datastore, prune.rs: remove_incomplete_snapshots). Neither is counted.
        for (int i = 0; i < points.Count; i++)
            if (points[i].IsUnfinished && marks[points[i]].Length == 0)
                marks[points[i]] = i == 0 ? "keep-partial" : "remove";
        string[] names = ["keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly"];
        for (int i = 0; i < names.Length; i++)
        {
            if (!limits.TryGetValue(names[i], out int limit) || limit <= 0) continue;
            var covered = points.Where(p => marks[p] == "keep").Select(p => labels[i](p.Time.UtcDateTime)).ToHashSet();
            var taken = new HashSet<string>();
            foreach (SimulatedPoint p in points.Where(p => marks[p].Length == 0))
            {
                string label = labels[i](p.Time.UtcDateTime);
                if (covered.Contains(label)) continue;
                if (taken.Contains(label)) marks[p] = "remove";
                else if (taken.Count < limit)
                {
                    taken.Add(label);
                    marks[p] = "keep";
                }
                else break;
            }
        }
        bool all = limits.Values.All(v => v <= 0) || limits.ContainsKey("keep-all");
        return [.. points.Select(p => (p, marks[p].Length > 0 ? marks[p] : all ? "keep" : "remove"))];
    }
}
