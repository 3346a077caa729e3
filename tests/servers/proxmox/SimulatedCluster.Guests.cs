using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Natalia.Backup.ProxmoxSimulator;

internal sealed partial class SimulatedCluster
{
    private SimulatorReply GuestRequest(SimulatorRequest request, string user)
    {
        string node = request.Segments[1];
        if (request is { Method: "POST", Segments: [_, _, "qemu"] }) return Restore(request, node, user);
        int vmid = int.Parse(request.Segments[3], CultureInfo.InvariantCulture);
        SimulatedGuest? guest = Guests.FirstOrDefault(g => g.Vmid == vmid && g.Node == node);
        if (guest is null)
            return SimulatorReply.Fail(500,
                $"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist");
        string path = $"/vms/{vmid}";
        if (guest.Machine is not null && request.Segments is [_, _, _, _, "agent", _]) return AskAgent(request, guest);
        switch (request.Method, string.Join('/',
            request.Segments.Skip(4).Select((s, i) => i == 1 && request.Segments[4] == "snapshot" ? "*" : s)))
        {
            case ("GET", "config"):
                Need(path, "VM.Audit");
                return SimulatorReply.Ok(ConfigOf(guest));
            case ("PUT", "config"):
                return ChangeConfig(request, guest);
            case ("DELETE", ""):
                Need(path, "VM.Allocate");
                if (DestroyError is not null) throw new SimulatorRefusal(500, DestroyError);
                if (guest.Running) throw new SimulatorRefusal(500, $"VM {vmid} is running - destroy failed");
                return Simple(node, "qmdestroy", vmid, user, _ =>
                {
                    Guests.Remove(guest);
                    SwitchOff(guest);
                    RemoveVolumes(guest);
                    if (request["purge"] == "1")
                        foreach (string id in ReplicationJobs.Keys.Where(k => k.StartsWith(vmid + "-")).ToList())
                            ReplicationJobs.Remove(id);
                });
            case ("POST", "status/start"):
                Need(path, "VM.PowerMgmt");
                return Simple(node, "qmstart", vmid, user, task => task.ExitStatus = SwitchOn(guest, task.Log));
            case ("POST", "status/stop"):
                Need(path, "VM.PowerMgmt");
                return Simple(node, "qmstop", vmid, user, _ => SwitchOff(guest));
            case ("POST", "status/shutdown"):
                Need(path, "VM.PowerMgmt");
                return Shutdown(request, guest, user);
            case ("GET", "status/current"):
                Need(path, "VM.Audit");
                return CurrentStatus(guest);
            case ("GET", "snapshot"):
                Need(path, "VM.Audit");
                return SimulatorReply.Ok(guest.Snapshots
                    .Select(s => (object)new
                    {
                        name = s.Name,
                        snaptime = s.Time.ToUnixTimeSeconds(),
                        vmstate = s.VmState ? 1 : 0,
                        description = s.Description + "\n"
                    })
                    .Append(new
                    {
                        name = "current",
                        description = "You are here!",
                        running = guest.Running ? 1 : 0,
                        digest = guest.Digest
                    }));
            case ("POST", "snapshot"):
                return Snapshot(request, guest, user);
            case ("DELETE", "snapshot/*"):
                Need(path, "VM.Snapshot");
                SimulatedSnapshot gone = guest.Snapshots.FirstOrDefault(s => s.Name == request.Segments[5])
                    ?? throw new SimulatorRefusal(500, $"snapshot '{request.Segments[5]}' does not exist");
                return Simple(node, "qmdelsnapshot", vmid, user, _ =>
                {
                    guest.Snapshots.Remove(gone);
                    Host?.RemoveKept(SnapshotName(guest, gone.Name));
                });
            case ("PUT", "snapshot/*/config"):
                Need(path, "VM.Snapshot");
                (guest.Snapshots.FirstOrDefault(s => s.Name == request.Segments[5])
                    ?? throw new SimulatorRefusal(500, "snapshot does not exist")).Description = request["description"]
                    ?? "";
                return SimulatorReply.Ok(null);
            case ("POST", "agent/ping"):
                Need(path, "VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted");
                NeedAgent(guest);
                return SimulatorReply.Ok(new { result = new { } });
            case ("POST", "agent/exec"):
                Need(path, "VM.GuestAgent.Unrestricted");
                NeedAgent(guest);
                string line = string.Join(' ', request.Arguments["command"]);
                int pid = ++_pid;
                guest.Processes[pid] = guest.Programs.TryGetValue(line, out SimulatedProcess? program)
                    ? program with { Polls = 0 }
                    : ProgramsOfAll?.Invoke(line) ?? new SimulatedProcess(127, "", "not found");
                return SimulatorReply.Ok(new { pid });
            case ("GET", "agent/exec-status"):
                Need(path, "VM.GuestAgent.Unrestricted");
                NeedAgent(guest);
                int asked = int.Parse(request["pid"]!, CultureInfo.InvariantCulture);
                if (!guest.Processes.TryGetValue(asked, out SimulatedProcess? process))
                    throw new SimulatorRefusal(500, $"Agent error: PID {asked} does not exist");
                if (++process.Polls <= process.PollsBeforeEnd) return SimulatorReply.Ok(new { exited = 0 });
                guest.Processes.Remove(asked);
                return SimulatorReply.Ok(process.ExitCode < 0
                    ? new Dictionary<string, object> { ["exited"] = 1, ["signal"] = -process.ExitCode }
                    : new Dictionary<string, object>
                    {
                        ["exited"] = 1,
                        ["exitcode"] = process.ExitCode,
                        ["out-data"] = process.Output,
                        ["err-data"] = process.Error,
                    });
            default:
                return SimulatorReply.Fail(501, "not implemented");
        }
    }

    private static Dictionary<string, object> ConfigOf(SimulatedGuest guest)
    {
        var config = guest.Config.ToDictionary(c => c.Key,
            c => c.Value.All(char.IsDigit) && c.Value.Length is > 0 and < 10
                ? int.Parse(c.Value, CultureInfo.InvariantCulture)
                : (object)c.Value);
        config["digest"] = guest.Digest;
        if (guest.Lock is not null) config["lock"] = guest.Lock;
        return config;
    }

    private static void NeedAgent(SimulatedGuest guest)
    {
        if (!guest.Config.TryGetValue("agent", out string? agent)
            || !(agent.StartsWith('1') || agent.Contains("enabled=1")))
            throw new SimulatorRefusal(500, "No QEMU guest agent configured");
        if (!guest.Running) throw new SimulatorRefusal(500, $"VM {guest.Vmid} is not running");
        if (guest.Machine is null && !guest.AgentAnswers)
            throw new SimulatorRefusal(500, "QEMU guest agent is not running");
    }

    private SimulatorReply ChangeConfig(SimulatorRequest request, SimulatedGuest guest)
    {
        string path = $"/vms/{guest.Vmid}";
        // One of these opens the request; which of them its arguments need is looked at then.
        Need(path, "VM.Config.Disk", "VM.Config.CDROM", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Network",
            "VM.Config.HWType", "VM.Config.Options", "VM.Config.Cloudinit");
        foreach (string key in request.Arguments.Keys)
            if (Regex.IsMatch(key, @"^(scsi|virtio|sata|ide)\d+$")) Need(path, "VM.Config.Disk");
            else if (key == "description") Need(path, "VM.Config.Options");
        if (request["digest"] is string digest && digest != guest.Digest)
            throw new SimulatorRefusal(500, DigestRefusal);
        if (guest.Lock is not null) throw new SimulatorRefusal(500, $"VM is locked ({guest.Lock})");
        foreach (string key in (request["delete"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
            guest.Config.Remove(key);
        foreach (KeyValuePair<string, List<string>> argument in request.Arguments
            .Where(a => a.Key is not ("digest" or "delete")))
            // The server ends a description with a line break.
            guest.Config[argument.Key] = argument.Key == "description" ? argument.Value[0] + "\n" : argument.Value[0];
        guest.Revision++;
        return SimulatorReply.Ok(null);
    }

    private SimulatorReply Simple(string node, string type, int vmid, string user, Action<SimulatedTask> effect)
    {
        SimulatedTask task = NewTask(node, type, vmid.ToString(CultureInfo.InvariantCulture), user);
        task.Steps.Add((TimeSpan.FromSeconds(3), null, () => effect(task)));
        return SimulatorReply.Ok(task.Upid);
    }

    private SimulatorReply Snapshot(SimulatorRequest request, SimulatedGuest guest, string user)
    {
        Need($"/vms/{guest.Vmid}", "VM.Snapshot");
        string name = request["snapname"]!;
        if (name is "current" or "pending" || !Regex.IsMatch(name, "^[A-Za-z][A-Za-z0-9_-]{1,39}$"))
            throw new SimulatorRefusal(400, "invalid snapshot name");
        bool state = request["vmstate"] == "1";
        SimulatedTask task = NewTask(guest.Node, "qmsnapshot", guest.Vmid.ToString(CultureInfo.InvariantCulture), user);
        if (guest.Lock is not null)
        {
            // The task begins and fails: the request itself says nothing.
            string held = guest.Lock;
            task.Steps.Add((TimeSpan.FromSeconds(1), null, () => task.ExitStatus = $"VM is locked ({held})"));
            return SimulatorReply.Ok(task.Upid);
        }
        bool agent = guest.Config.GetValueOrDefault("agent", "0") is var a
            && (a.StartsWith('1') || a.Contains("enabled=1"));
        guest.Lock = "snapshot";
        bool freezes = guest.Running && agent && !state;
        Func<string?>? copies = null;
        task.Steps.Add((TimeSpan.FromSeconds(1), null, () =>
        {
            string? trouble = freezes ? FreezeOf(guest, a) : null, thaw = null;
            if (trouble is not null) task.Log.Add(trouble);
            try
            {
                copies = BeginCopies(guest, guest.Config.Keys.Where(IsDisk), SnapshotName(guest, name), task);
            }
            finally
            {
                if (freezes) thaw = Thaw(guest);
            }
            if (thaw is not null) task.Log.Add($"guest-fsfreeze-thaw problems - {thaw}");
        }
        ));
        foreach (string disk in guest.Config.Keys.Where(IsDisk))
            task.Steps.Add(
                (TimeSpan.FromSeconds(2), $"snapshotting 'drive-{disk}' ({guest.Config[disk].Split(',')[0]})", null));
        task.Steps.Add((TimeSpan.FromSeconds(4), null, () =>
        {
            guest.Lock = null;
            if (copies?.Invoke() is string error)
            {
                Host!.RemoveKept(SnapshotName(guest, name));
                task.ExitStatus = error;
                return;
            }
            // A VM that is off has no memory to keep, and nobody says so.
            guest.Snapshots.Add(new SimulatedSnapshot(name, Clock.GetUtcNow(),
                state && guest.Running)
            { Description = request["description"] ?? "" });
        }
        ));
        task.OnStop += () => guest.Lock = null;
        return SimulatorReply.Ok(task.Upid);
    }

    /// <summary>
    /// What a snapshot's log says of a freeze that does not happen; null when it works, which leaves no line.
    /// </summary>
    private string? FreezeOf(SimulatedGuest guest, string agent) =>
        agent.Contains("freeze-fs=0") || agent.Contains("freeze-fs-on-backup=0")
            ? HasOldFreezeWords ? null : "skipping guest filesystem freeze - disabled in VM options"
        : !AgentAnswers(guest)
            ? HasOldFreezeWords ? null : "skipping guest filesystem freeze - agent configured but not running?"
        : Freeze(guest) is not string error ? null
        : (HasOldFreezeWords ? "guest-fsfreeze-freeze problems - " : "unable to freeze guest fs - ") + error;

    internal static bool IsDisk(string key) =>
        Regex.IsMatch(key, @"^(scsi|virtio|sata|ide)\d+$|^efidisk0$|^tpmstate0$");

    private static bool IsBackedUp(string drive) => !drive.Split(',').Any(p => p == "backup=0");

    private SimulatorReply Restore(SimulatorRequest request, string node, string user)
    {
        int vmid = int.Parse(request["vmid"]!, CultureInfo.InvariantCulture);
        string archive = request["archive"] ?? throw new SimulatorRefusal(400, "only restores are served");
        SimulatedStorage storage = Storage(archive.Split(':')[0]);
        SimulatedPoint point = storage.Points.FirstOrDefault(p => p.Volid == archive)
            ?? throw new SimulatorRefusal(500, $"can't find archive '{archive}'");
        if (request.Arguments.Keys.Any(k => IsDisk(k)))
            throw new SimulatorRefusal(400, "Parameter verification failed.",
                new Dictionary<string, string> { ["archive"] = "option conflicts with drive options" });
        Need(request["pool"] is string pool ? $"/pool/{pool}" : $"/vms/{vmid}", "VM.Allocate");
        Need($"/vms/{point.Vmid}", "VM.Backup");
        if (request["storage"] is string target) Need($"/storage/{target}", "Datastore.AllocateSpace");
        bool force = request["force"] == "1";
        SimulatedGuest? existing = Guests.FirstOrDefault(g => g.Vmid == vmid);
        StaleNextId = null;
        if (existing is not null && !force)
            throw new SimulatorRefusal(500,
                $"unable to create VM {vmid} - VM {vmid} already exists on node '{existing.Node}'");
        if (existing is { Running: true })
            throw new SimulatorRefusal(500, $"unable to restore VM {vmid} - VM {vmid} is running - destroy failed");
        SimulatedTask task = NewTask(node, "qmrestore", vmid.ToString(CultureInfo.InvariantCulture), user);
        SimulatedGuest guest = existing ?? new SimulatedGuest { Vmid = vmid, Node = node };
        if (existing is null) Guests.Add(guest);
        SwitchOff(guest);
        guest.Lock = "create";
        guest.Snapshots.Clear();
        var config = new Dictionary<string, string>();
        foreach (string line in point.ConfigText.Split('\n'))
        {
            if (line.StartsWith('#'))
                config["description"] = config.GetValueOrDefault("description", "") + Uri.UnescapeDataString(line[1..])
                    + "\n";
            else if (line.IndexOf(": ", StringComparison.Ordinal) is > 0 and int colon)
                config[line[..colon]] = line[(colon + 2)..];
        }
        foreach (string disk in config.Keys.Where(IsDisk).ToList())
        {
            // What the archive does not hold is commented out.
            if (point.IncludedDisks.Count > 0 && !point.IncludedDisks.Contains(disk)) config.Remove(disk);
            else
                config[disk] = Regex.Replace(config[disk], @"^([^:]+):vm-\d+",
                    $"{request["storage"] ?? "$1"}:vm-{vmid}");
        }
        foreach (string net in config.Keys
            .Where(k => k.StartsWith("net", StringComparison.Ordinal) && char.IsDigit(k[^1]))
            .ToList())
            if (request["unique"] == "1")
                config[net] = Regex.Replace(config[net], "=([0-9A-F]{2}:){5}[0-9A-F]{2}",
                    "=BC:24:11:00:00:" + (Random.Shared.Next(256)).ToString("X2"));
        foreach (KeyValuePair<string, List<string>> o in request.Arguments
            .Where(o => o.Key is not ("vmid" or "archive" or "storage" or "unique" or "force" or "pool" or "start")))
            config[o.Key] = o.Key.StartsWith("net", StringComparison.Ordinal) && !o.Value[0].Contains(":")
                ? o.Value[0].Split(',', 2)[0] + "=BC:24:11:AA:BB:0" + o.Key[3..] + "," + o.Value[0].Split(',', 2)[1]
                : o.Key == "description" ? o.Value[0] + "\n" : o.Value[0];
        config.Remove("lock");
        if (request["pool"] is string inPool) guest.Pool = inPool;
        task.Steps.Add((TimeSpan.FromSeconds(1), "restore vma archive: zstd -q -d -c", null));
        task.Steps.Add((TimeSpan.FromSeconds(20), "progress 50% (read 17179869184 bytes, duration 20 sec)", null));
        Func<string?>? copies = RestoreFailure is null ? BeginRestore(archive, config, task) : null;
        if (RestoreFailure is string failure)
        {
            // The cause comes first, and then what is cleared up, at length.
            task.Steps.Add((TimeSpan.FromSeconds(25), RestoreFailureCause, null));
            for (int percent = 1; percent <= 100; percent++)
                task.Steps.Add((TimeSpan.FromSeconds(26), $"Removing image: {percent}% complete...", null));
            for (int disk = 0; disk < 3; disk++)
                task.Steps.Add(
                    (TimeSpan.FromSeconds(27), $"temporary volume 'tank:vm-{vmid}-disk-{disk}' sucessfuly removed",
                        null));
            task.Steps.Add((TimeSpan.FromSeconds(28), "no lock found trying to remove 'create'  lock", null));
            task.Steps.Add((TimeSpan.FromSeconds(29), $"error before or during data restore, some or all disks were "
                + $"not completely restored. VM {vmid} state is NOT cleaned up.", null));
            task.Steps.Add((TimeSpan.FromSeconds(30), null, () =>
            {
                task.ExitStatus = failure;
                guest.Lock = null;
            }
            ));
        }
        else
            task.Steps.Add((TimeSpan.FromSeconds(60), "progress 100% (read 34359738368 bytes, duration 60 sec)", () =>
            {
                guest.Config.Clear();
                foreach (KeyValuePair<string, string> c in config) guest.Config[c.Key] = c.Value;
                guest.Revision++;
                guest.Lock = null;
                task.ExitStatus = copies?.Invoke();
            }
            ));
        task.OnStop += () => guest.Lock = null;
        return SimulatorReply.Ok(task.Upid);
    }

    private SimulatorReply ExtractConfig(SimulatorRequest request)
    {
        SimulatedPoint point =
            Storage(request["volume"]!.Split(':')[0]).Points.FirstOrDefault(p => p.Volid == request["volume"])
            ?? throw new SimulatorRefusal(500, "no such volume");
        Need($"/vms/{point.Vmid}", "VM.Backup");
        return SimulatorReply.Ok(point.ConfigText);
    }

    internal static string ConfigTextOf(SimulatedGuest guest)
    {
        var text = new StringBuilder();
        foreach (string line in guest.Config.GetValueOrDefault("description", "")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries))
            text.Append('#').Append(line.Replace(":", "%3A")).Append('\n');
        foreach (KeyValuePair<string, string> c in guest.Config.Where(c => c.Key != "description"))
            text.Append(c.Key).Append(": ").Append(c.Value).Append('\n');
        return text.ToString();
    }
}
