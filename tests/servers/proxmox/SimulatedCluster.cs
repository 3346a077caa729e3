using System.Globalization;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// A Proxmox VE cluster as far as this product talks to one: its state, its tasks and its ways of surprising a client.
/// </summary>
internal sealed partial class SimulatedCluster(JumpingClock clock)
{
    private readonly Lock _gate = new();
    private int _pid = 1000;

    internal JumpingClock Clock => clock;
    internal List<string> Nodes { get; } = ["pve1", "pve2", "pve3"];
    internal SimulatedOutages OfflineNodes { get; } = new(clock);
    /// <summary>How many processors each host has; the overview never shows more for a VM.</summary>
    internal int HostProcessors { get; set; } = 8;
    internal List<SimulatedGuest> Guests { get; } = [];
    internal List<SimulatedStorage> Storages { get; } = [];
    internal List<SimulatedTask> Tasks { get; } = [];
    internal Dictionary<string, Dictionary<string, object>> Jobs { get; } = [];
    internal Dictionary<string, Dictionary<string, object>> ReplicationJobs { get; } = [];
    internal Dictionary<string, Dictionary<string, object>> ReplicationStates { get; } = [];
    /// <summary>
    /// What a command prints in any guest, restored ones too, by the command line; null for what is not there.
    /// </summary>
    internal Func<string, SimulatedProcess?>? ProgramsOfAll { get; set; }

    internal Dictionary<string, string> Bridges { get; } = new() { ["vmbr0"] = "eno1", ["vmbr9"] = "" };
    internal string TimeZone { get; set; } = "Europe/Moscow";
    /// <summary>
    /// How a node refuses a change of a configuration that has changed since it was read. The words differ between
    /// versions and between operations.
    /// </summary>
    internal string DigestRefusal { get; set; } = "checksum mismatch (file change by other user?)";
    /// <summary>Whether freezing is spoken of in the words of before September 2025.</summary>
    internal bool HasOldFreezeWords { get; set; }
    /// <summary>The retention of each node's vzdump.conf; where there is none, a run keeps everything.</summary>
    internal Dictionary<string, string> NodeRetention { get; } = [];
    internal string Version { get; set; } = "9.2.6";
    internal string AuthorityFingerprint { get; set; } = "";
    internal SimulatedAccounts Accounts { get; } = new(clock);
    /// <summary>Rights by path; null for all. True is passed on to what lies below.</summary>
    internal Dictionary<string, Dictionary<string, bool>>? Rights { get; set; }
    /// <summary>How long a backup reads.</summary>
    internal TimeSpan BackupDuration { get; set; } = TimeSpan.FromMinutes(3);
    /// <summary>What a backup dies of; null when it works.</summary>
    internal string? BackupFailure { get; set; }
    /// <summary>Whether the point is there although the backup said that it failed.</summary>
    internal bool FailureLeavesPoint { get; set; }
    internal int BackupWarnings { get; set; }
    internal string? RestoreFailure { get; set; }
    /// <summary>What a failed restore's log says of its cause, before it tells of clearing up.</summary>
    internal string RestoreFailureCause { get; set; } = "vma: restore failed - short vma extent (3338240 < 3797504)";
    /// <summary>What the removal of a VM answers; null when it works.</summary>
    internal string? DestroyError { get; set; }
    /// <summary>Told when a vzdump task is about to begin.</summary>
    internal Action? OnBackupStart { get; set; }
    /// <summary>A number that nextid gives although it is taken: somebody was quicker.</summary>
    internal int? StaleNextId { get; set; }
    internal int MaximumBackupsWithoutAllocate { get; set; } = 5;

    internal SimulatedGuest Guest(int vmid) => Guests.First(g => g.Vmid == vmid);

    internal SimulatedStorage Storage(string name) =>
        Storages.FirstOrDefault(s => s.Name == name)
        ?? throw new SimulatorRefusal(500, $"storage '{name}' does not exist");

    internal SimulatorReply Answer(SimulatorRequest request)
    {
        SimulatorReply reply;
        lock (_gate) reply = Serve(request);
        return reply.Fetch?.Invoke() ?? reply;
    }

    private SimulatorReply Serve(SimulatorRequest request)
    {
        RunTasks();
        if (request is { Method: "POST", Path: "/access/ticket" }) return Accounts.Login(request);
        string user = Accounts.Authenticate(request);
        string[] s = request.Segments;
        if (s is ["nodes", var node, ..] && s.Length > 2)
        {
            if (!Nodes.Contains(node))
                return SimulatorReply.Fail(500, $"hostname lookup '{node}' failed - failed to get address info");
            if (OfflineNodes.Contains(node)) return SimulatorReply.Fail(595, "Network is unreachable");
        }
        return (request.Method, s) switch
        {
            ("GET", ["version"]) =>
                SimulatorReply.Ok(new { version = Version, release = Version, repoid = "0123456789abcdef" }),
            ("GET", ["nodes"]) =>
                SimulatorReply.Ok(Nodes
                    .Select(n => new
                    {
                        node = n,
                        status = OfflineNodes.Contains(n) ? "offline" : "online",
                        type = "node"
                    })),
            ("GET", ["nodes", _, "certificates",
                "info"]) =>
                SimulatorReply.Ok(
                    new[] { new { filename = "pve-root-ca.pem",
                        fingerprint = AuthorityFingerprint },
                        new { filename = "pve-ssl.pem", fingerprint = AuthorityFingerprint.Replace('A', 'B') } }),
            ("GET", ["cluster", "resources"]) => Resources(request),
            ("GET", ["cluster",
                "nextid"]) =>
                SimulatorReply.Ok(
                    (StaleNextId
                        ?? Enumerable.Range(100, 100000)
                            .First(i => Guests.All(g => g.Vmid != i))).ToString(CultureInfo.InvariantCulture)),
            ("GET", ["access",
                "permissions"]) =>
                SimulatorReply.Ok(Rights is null
                    ? new Dictionary<string, object> { ["/"] = AllRights }
                    : Rights.ToDictionary(r => r.Key,
                        r => (object)r.Value.ToDictionary(p => p.Key, p => p.Value ? 1 : 0))),
            (_, ["nodes", _, "tasks", ..]) => TaskRequest(request, user),
            (_, ["nodes", _, "qemu", ..]) => GuestRequest(request, user),
            (_, ["nodes", _, "storage", ..]) => StorageRequest(request, user),
            ("POST", ["nodes", var n, "vzdump"]) => Vzdump(request, n, user),
            ("GET", ["nodes", _, "vzdump", "extractconfig"]) => ExtractConfig(request),
            ("GET", ["nodes", var n, "vzdump", "defaults"]) => BackupDefaults(request, n),
            ("GET", ["storage"]) =>
                SimulatorReply.Ok(Storages
                    .Where(s => Has($"/storage/{s.Name}", "Datastore.Audit", "Datastore.AllocateSpace"))
                    .Select(StorageConfigOf)),
            ("GET", ["nodes", var n,
                "replication"]) =>
                SimulatorReply.Ok(ReplicationStates
                    .Where(r => Guest(int.Parse(r.Key.Split('-')[0])).Node == n
                        && (request["guest"] is null || r.Key.StartsWith(request["guest"] + "-")))
                    .Select(r => r.Value)),
            ("GET", ["nodes", _,
                "time"]) =>
                SimulatorReply.Ok(new
                {
                    timezone = TimeZone,
                    time = clock.GetUtcNow().ToUnixTimeSeconds(),
                    localtime = clock.GetUtcNow().ToUnixTimeSeconds()
                }),
            ("GET", ["nodes", _,
                "network"]) =>
                SimulatorReply.Ok(Bridges
                    .Where(b => Has($"/sdn/zones/localnetwork/{b.Key}", "SDN.Use", "SDN.Audit"))
                    .Select(b => new { iface = b.Key, type = "bridge", bridge_ports = b.Value, active = 1 })),
            (_, ["cluster", "backup" or "backup-info" or "jobs", ..]) => JobRequest(request),
            (_, ["cluster", "replication", ..]) => ReplicationRequest(request),
            _ => SimulatorReply.Fail(501, $"Method '{request.Method} {request.Path}' not implemented"),
        };
    }

    /// <summary>Runs what is due.</summary>
    internal void RunTasks()
    {
        DateTimeOffset now = clock.GetUtcNow();
        for (int t = 0; t < Tasks.Count; t++)
        {
            SimulatedTask task = Tasks[t];
            while (task.End is null && task.NextStep < task.Steps.Count
                && task.Start + task.Steps[task.NextStep].After <= now
                && (task.NextStep < task.Steps.Count - 1 || task.Until?.Invoke() != false))
            {
                (TimeSpan after, string? line, Action? effect) = task.Steps[task.NextStep++];
                if (line is not null) task.Log.Add(line);
                effect?.Invoke();
                if (task.NextStep == task.Steps.Count)
                {
                    task.End = task.Until is null ? task.Start + after : now;
                    task.ExitStatus ??= "OK";
                    if (task.ExitStatus != "OK")
                        task.Log.Add("TASK " + (task.ExitStatus.StartsWith("WARNINGS") ? "" : "ERROR: ")
                            + task.ExitStatus);
                    else task.Log.Add("TASK OK");
                }
            }
        }
    }

    internal SimulatedTask NewTask(string node, string type, string id, string user)
    {
        DateTimeOffset now = clock.GetUtcNow();
        int pid = Interlocked.Increment(ref _pid);
        var task = new SimulatedTask
        {
            Upid = $"UPID:{node}:{pid:X8}:{pid * 7:X8}:{now.ToUnixTimeSeconds():X8}:{type}:{id}:{user}:",
            Node = node,
            Type = type,
            Id = id,
            User = user,
            Start = now,
        };
        Tasks.Add(task);
        return task;
    }

    internal bool Has(string path, params string[] anyOf)
    {
        if (Rights is null) return true;
        if (Rights.TryGetValue(path, out Dictionary<string, bool>? exact)) return anyOf.Any(exact.ContainsKey);
        for (string at = path; at != "/";)
        {
            at = at.LastIndexOf('/') is > 0 and int slash ? at[..slash] : "/";
            if (Rights.TryGetValue(at, out Dictionary<string, bool>? rights))
                return anyOf.Any(r => rights.TryGetValue(r, out bool passed) && passed);
        }
        return false;
    }

    internal void Need(string path, params string[] anyOf)
    {
        if (!Has(path, anyOf))
            throw new SimulatorRefusal(403, $"Permission check failed ({path}, {string.Join('|', anyOf)})");
    }

    private static readonly Dictionary<string, int> s_all = new[]
    {
        "VM.Audit", "VM.Backup", "VM.Snapshot", "VM.Allocate", "VM.PowerMgmt", "VM.Config.Disk", "VM.Config.Options",
        "VM.Config.Network", "VM.Config.Memory", "VM.Config.HWType", "VM.GuestAgent.Audit",
        "VM.GuestAgent.Unrestricted",
        "VM.Replicate", "Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.Audit", "Sys.Audit", "Sys.Modify",
        "SDN.Use",
    }.ToDictionary(r => r, _ => 1);

    private static Dictionary<string, int> AllRights => s_all;

    private SimulatorReply Resources(SimulatorRequest request)
    {
        if (request["type"] == "storage")
            return SimulatorReply.Ok(from s in Storages
                                     from n in s.Nodes.Count > 0 ? s.Nodes : Nodes
                                     where Has($"/storage/{s.Name}", "Datastore.Audit")
                                     select new
                                     {
                                         id = $"storage/{n}/{s.Name}",
                                         type = "storage",
                                         storage = s.Name,
                                         node = n,
                                         plugintype = s.Type,
                                         shared = s.Shared ? 1 : 0,
                                         content = s.Content,
                                         status = s.InactiveNodes.Contains(n) || OfflineNodes.IsForgotten(n)
                                             ? "unknown"
                                             : "available"
                                     });
        return SimulatorReply.Ok(Guests.Where(g => Has($"/vms/{g.Vmid}", "VM.Audit")).Select(g =>
        {
            var row = new Dictionary<string, object>
            {
                ["id"] = $"qemu/{g.Vmid}",
                ["type"] = "qemu",
                ["vmid"] = g.Vmid,
                ["node"] = g.ListedNode ?? g.Node,
                ["status"] = "unknown",
            };
            if (!OfflineNodes.IsForgotten(g.Node))
            {
                int processors = Math.Min(HostProcessors,
                    int.Parse(g.Config.GetValueOrDefault("cores",
                        "1")) * int.Parse(g.Config.GetValueOrDefault("sockets", "1")));
                (row["name"], row["status"]) = (g.Name,
                    g.ListedStatus ?? (g.Running ? "running" : "stopped"));
                // Numbers come as text from some versions.
                (row["maxcpu"], row["maxmem"], row["template"]) = (g.Vmid % 2 == 0
                    ? processors
                    : processors.ToString(CultureInfo.InvariantCulture), 8L << 30, 0);
            }
            if (g.Lock is not null) row["lock"] = g.Lock;
            if (g.Pool is not null) row["pool"] = g.Pool;
            if (g.HaState is not null) row["hastate"] = g.HaState;
            if (g.Config.TryGetValue("tags", out string? tags)) row["tags"] = tags;
            return row;
        }).Concat([new Dictionary<string, object>
        {
            ["id"] = "lxc/9000",
            ["type"] = "lxc",
            ["vmid"] = 9000,
            ["name"] = "container",
            ["node"] = "pve1",
            ["status"] = "running",
        }]));
    }

    private SimulatorReply TaskRequest(SimulatorRequest request, string user)
    {
        string node = request.Segments[1];
        if (request.Segments.Length == 3)
        {
            // Without a source only what has ended is listed, fifty at most.
            string source = request["source"] ?? "archive";
            int limit = int.Parse(request["limit"] ?? "50");
            var rows = Tasks
                .Where(t => t.Node == node && !t.IsLost
                // Those of others are left out, without a word.
                && (t.User == user || Has($"/nodes/{node}", "Sys.Audit"))
                && (source == "all" || (source == "active") == (t.End is null))
                && (request["typefilter"] is null || t.Type == request["typefilter"])
                && (request["vmid"] is null || t.Id == request["vmid"])
                && (request["since"] is null || t.Start.ToUnixTimeSeconds() >= long.Parse(request["since"]!))).ToList();
            return SimulatorReply.Ok(rows.OrderByDescending(t => t.Start).Take(limit)
                .Select(t => new
                {
                    upid = t.Upid,
                    node,
                    type = t.Type,
                    id = t.Id,
                    user = t.User.Split('!')[0],
                    starttime = t.Start.ToUnixTimeSeconds(),
                    status = t.End is null ? "RUNNING" : t.ExitStatus
                }),
                rows.Count);
        }
        SimulatedTask? known = Tasks.FirstOrDefault(t => t.Upid == request.Segments[3] && t.Node == node && !t.IsLost);
        // The log of a task that nobody knows is an answer like any other, with one line in it.
        if (known is null && request is { Method: "GET", Segments.Length: 5 } && request.Segments[4] == "log")
            return SimulatorReply.Ok(new[] { new { n = 1, t = "unable to open file - No such file or directory" } }, 1);
        SimulatedTask task = known ?? throw SimulatorRefusal.Parameter("upid", "no such task");
        if (task.User != user && !Has($"/nodes/{node}", "Sys.Audit"))
            throw new SimulatorRefusal(403, $"Permission check failed (/nodes/{node}, Sys.Audit)");
        switch (request.Method, request.Segments.Length == 4 ? "" : request.Segments[4])
        {
            case ("GET", "status"):
                return task.End is null
                    ? SimulatorReply.Ok(new
                    {
                        upid = task.Upid,
                        node,
                        pid = 1,
                        pstart = 1,
                        starttime = task.Start.ToUnixTimeSeconds(),
                        type = task.Type,
                        id = task.Id,
                        user,
                        status = "running"
                    })
                    : SimulatorReply.Ok(new
                    {
                        upid = task.Upid,
                        node,
                        pid = 1,
                        pstart = 1,
                        starttime = task.Start.ToUnixTimeSeconds(),
                        type = task.Type,
                        id = task.Id,
                        user,
                        status = "stopped",
                        exitstatus = task.ExitStatus
                    });
            case ("GET", "log"):
                int start = int.Parse(request["start"] ?? "0"), limit = int.Parse(request["limit"] ?? "50");
                if (task.Log.Count == 0) return SimulatorReply.Ok(new[] { new { n = 1, t = "no content" } }, 1);
                return SimulatorReply.Ok(task.Log.Select((t, i) => new { n = i + 1, t }).Skip(start)
                    .Take(limit == 0 ? int.MaxValue : limit),
                    task.Log.Count);
            case ("DELETE", ""):
                if (task.End is null)
                {
                    task.End = clock.GetUtcNow();
                    task.ExitStatus = "interrupted by signal";
                    task.OnStop?.Invoke();
                }
                return SimulatorReply.Ok(null);
            default:
                return SimulatorReply.Fail(501, "not implemented");
        }
    }
}
