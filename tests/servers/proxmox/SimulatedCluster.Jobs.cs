using System.Globalization;

namespace Natalia.Backup.ProxmoxSimulator;

internal sealed partial class SimulatedCluster
{
    private SimulatorReply JobRequest(SimulatorRequest request)
    {
        switch (request.Method, request.Segments)
        {
            case ("GET", ["cluster", "jobs", "schedule-analyze"]):
                DateTimeOffset first = new(Clock.GetUtcNow().Date.AddDays(1), TimeSpan.Zero);
                return SimulatorReply.Ok(Enumerable.Range(0,
                    int.Parse(request["iterations"] ?? "10", CultureInfo.InvariantCulture))
                    .Select(i => new { timestamp = first.AddHours(6 * i).ToUnixTimeSeconds(), utc = "" }));
            case ("GET", ["cluster", "backup-info", "not-backed-up"]):
                Need("/", "Sys.Audit");
                return SimulatorReply.Ok(Guests.Where(g => !Jobs.Values.Any(j => Takes(j, g)))
                    .Select(g => new { vmid = g.Vmid, name = g.Name, type = "qemu" }));
            case ("GET", ["cluster", "backup"]):
                Need("/", "Sys.Audit");
                // Only the list foresees the next run.
                return SimulatorReply.Ok(Jobs.Values.Select(j => new Dictionary<string, object>(Shown(j))
                {
                    ["next-run"] = new DateTimeOffset(Clock.GetUtcNow().Date.AddDays(1),
                        TimeSpan.Zero).ToUnixTimeSeconds(),
                }));
            case ("POST", ["cluster", "backup"]):
                Need("/", "Sys.Modify");
                Need($"/storage/{request["storage"]}", "Datastore.Allocate");
                string id = request["id"] ?? "backup-" + Guid.NewGuid().ToString("N")[..12];
                if (Jobs.ContainsKey(id)) throw new SimulatorRefusal(500, $"Job '{id}' already exists");
                Jobs[id] = request.Arguments.ToDictionary(a => a.Key, a => (object)a.Value[0]);
                Jobs[id]["id"] = id;
                // The id that was made up is not told.
                return SimulatorReply.Ok(null);
        }
        string name = request.Segments[2];
        if (!Jobs.TryGetValue(name, out Dictionary<string, object>? job))
            throw request.Method == "PUT"
                ? new SimulatorRefusal(500, "no such vzdump job")
                : SimulatorRefusal.Parameter("id", $"No such job '{name}'");
        switch (request.Method, request.Segments.Length)
        {
            case ("GET", 3):
                Need("/", "Sys.Audit");
                return SimulatorReply.Ok(Shown(job));
            case ("PUT", 3):
                Need("/", "Sys.Modify");
                foreach (string key in (request["delete"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
                    job.Remove(key);
                foreach (KeyValuePair<string, List<string>> a in request.Arguments.Where(a => a.Key != "delete"))
                    job[a.Key] = a.Value[0];
                if (request["vmid"] is not null) foreach (string key in new[] { "all", "exclude", "pool" })
                    job.Remove(key);
                return SimulatorReply.Ok(null);
            case ("DELETE", 3):
                Need("/", "Sys.Modify");
                Jobs.Remove(name);
                return SimulatorReply.Ok(null);
            case ("GET", 4):
                Need("/", "Sys.Audit");
                return SimulatorReply.Ok(new
                {
                    children = Guests.Where(g => Takes(job, g)).Select(g => new
                    {
                        id = g.Vmid,
                        name = g.Name,
                        type = "qemu",
                        children = g.Config.Where(c => IsDisk(c.Key))
                            .Select(c => new
                            {
                                id = $"{g.Vmid}:{c.Key}",
                                name = c.Value.Split(',')[0],
                                included = IsBackedUp(c.Value) && !c.Value.Contains("media=cdrom") ? 1 : 0,
                                reason = IsBackedUp(c.Value) ? "enabled" : "disabled"
                            }),
                    }),
                });
            default:
                return SimulatorReply.Fail(501, "not implemented");
        }
    }

    /// <summary>Retention goes in as text and comes out as an object whose numbers are text.</summary>
    private static Dictionary<string, object> Shown(Dictionary<string, object> job)
    {
        var shown = new Dictionary<string, object>(job) { ["type"] = "vzdump" };
        if (job.TryGetValue("prune-backups", out object? prune))
            shown["prune-backups"] = ((string)prune).Split(',')
                .ToDictionary(p => p.Split('=')[0], p => p.Split('=')[1]);
        if (job.TryGetValue("enabled", out object? enabled))
            shown["enabled"] = int.Parse((string)enabled, CultureInfo.InvariantCulture);
        return shown;
    }

    private static bool Takes(Dictionary<string, object> job, SimulatedGuest guest)
    {
        string vmid = guest.Vmid.ToString(CultureInfo.InvariantCulture);
        if (job.TryGetValue("node", out object? node) && (string)node != guest.Node) return false;
        if (job.TryGetValue("all", out object? all) && all is "1" or 1)
            return !((string)job.GetValueOrDefault("exclude", "")).Split(',').Contains(vmid);
        if (job.TryGetValue("pool", out object? pool)) return (string)pool == guest.Pool;
        return ((string)job.GetValueOrDefault("vmid", "")).Split(',').Contains(vmid);
    }

    private SimulatorReply ReplicationRequest(SimulatorRequest request)
    {
        if (request is { Method: "GET", Segments.Length: 2 }) return SimulatorReply.Ok(ReplicationJobs.Values);
        string id = request.Segments.Length == 3 ? request.Segments[2] : request["id"]!;
        int vmid = int.Parse(id.Split('-')[0], CultureInfo.InvariantCulture);
        Need($"/vms/{vmid}", "VM.Replicate");
        if (request.Method == "POST")
        {
            if (ReplicationJobs.ContainsKey(id))
                throw new SimulatorRefusal(500, $"replication job '{id}' already exists");
            ReplicationJobs[id] = new Dictionary<string, object>
            {
                ["id"] = id,
                ["type"] = "local",
                ["guest"] = vmid,
                ["jobnum"] = int.Parse(id.Split('-')[1], CultureInfo.InvariantCulture),
                ["target"] = request["target"]!,
                ["digest"] = "d1",
            };
            foreach (string key in new[] { "schedule", "rate", "comment" })
                if (request[key] is string value) ReplicationJobs[id][key] = value;
            ReplicationStates[id] = new Dictionary<string, object>(ReplicationJobs[id])
            {
                ["source"] = Guest(vmid).Node,
                ["last_sync"] = 0,
                ["last_try"] = 0,
                ["fail_count"] = 0,
                ["vmtype"] = "qemu",
                // Counted from the last attempt, and that was never: a time in 1970.
                ["next_sync"] = 60 * int.Parse((request["schedule"] ?? "*/15")[2..], CultureInfo.InvariantCulture)
            };
            return SimulatorReply.Ok(null);
        }
        if (!ReplicationJobs.TryGetValue(id, out Dictionary<string, object>? job))
            throw new SimulatorRefusal(500, $"no such job '{id}'");
        if (request.Method == "PUT")
        {
            if (request["digest"] is string digest && digest != (string)job["digest"])
                throw new SimulatorRefusal(500,
                    "detected modified configuration - file changed by other user? Try again.");
            foreach (string key in (request["delete"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
                job.Remove(key);
            foreach (KeyValuePair<string, List<string>> a in request.Arguments
                .Where(a => a.Key is not ("delete" or "digest")))
                job[a.Key] = a.Value[0];
            return SimulatorReply.Ok(null);
        }
        // Only a mark: the node removes the job and its copies in the background.
        job["remove_job"] = request["keep"] == "1" ? "local" : "full";
        return SimulatorReply.Ok(null);
    }
}
