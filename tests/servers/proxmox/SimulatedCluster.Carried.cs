using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>VMs that are carried by real ones: power, the agent inside, and what becomes of their disks.</summary>
internal sealed partial class SimulatedCluster
{
    /// <summary>How long a guest has to switch itself off, where the request does not say it.</summary>
    private static readonly TimeSpan s_shutdownLimit = TimeSpan.FromMinutes(1);

    /// <summary>What is real below the cluster; null where it is tables alone.</summary>
    internal RealHost? Host { get; set; }

    /// <summary>Switches a VM on.</summary>
    /// <param name="log">Takes what QEMU says of a start that fails.</param>
    /// <returns>What it failed with; null when it did not.</returns>
    internal string? SwitchOn(SimulatedGuest guest, List<string>? log = null)
    {
        if (guest.Running) return $"VM {guest.Vmid} already running";
        SwitchOff(guest);
        if (Host?.ImagesOf(guest) is not null)
        {
            try
            {
                guest.Machine = Host.Start(guest, bridge => !string.IsNullOrEmpty(Bridges.GetValueOrDefault(bridge)));
            }
            catch (Exception e) when (e is InvalidOperationException or IOException or RefusedException)
            {
                log?.Add($"kvm: {e.Message}");
                return "start failed: QEMU exited with code 1";
            }
        }
        guest.Running = true;
        return null;
    }

    /// <summary>Ends a VM at once.</summary>
    internal void SwitchOff(SimulatedGuest guest)
    {
        if (guest.Machine is RealMachine machine)
        {
            guest.Machine = null;
            Host!.End(machine);
        }
        guest.Running = false;
    }

    /// <summary>A VM that switches itself off; one that does not in time goes on.</summary>
    private SimulatorReply Shutdown(SimulatorRequest request, SimulatedGuest guest, string user)
    {
        SimulatedTask task = NewTask(guest.Node, "qmshutdown", guest.Vmid.ToString(CultureInfo.InvariantCulture), user);
        if (!guest.Running)
        {
            task.Steps.Add((TimeSpan.FromSeconds(1), null, () => task.ExitStatus = $"VM {guest.Vmid} not running"));
            return SimulatorReply.Ok(task.Upid);
        }
        TimeSpan limit = request["timeout"] is string seconds
            ? TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture))
            : s_shutdownLimit;
        var since = Stopwatch.StartNew();
        guest.Machine?.Shutdown();
        task.Until = () => guest.Machine is not { IsRunning: true } || since.Elapsed > limit;
        task.Steps.Add((TimeSpan.FromSeconds(3), null, () =>
        {
            if (guest.Machine is not { IsRunning: true } || request["forceStop"] == "1") SwitchOff(guest);
            else task.ExitStatus = "VM quit/powerdown failed - got timeout";
        }
        ));
        return SimulatorReply.Ok(task.Upid);
    }

    private static SimulatorReply CurrentStatus(SimulatedGuest guest)
    {
        var status = new Dictionary<string, object>
        {
            ["vmid"] = guest.Vmid,
            ["name"] = guest.Name,
            ["status"] = guest.Running ? "running" : "stopped",
            ["qmpstatus"] = guest.Machine is { IsRunning: true } machine
                ? (string)machine.Monitor("query-status")!["status"]!
                : guest.Running ? "running" : "stopped",
            ["ha"] = new { managed = 0 },
        };
        if (guest.Machine is { IsRunning: true } real) status["pid"] = real.ProcessId;
        if (guest.Config.GetValueOrDefault("agent", "0") is var agent
            && (agent.StartsWith('1') || agent.Contains("enabled=1")))
            status["agent"] = 1;
        if (guest.Lock is not null) status["lock"] = guest.Lock;
        return SimulatorReply.Ok(status);
    }

    /// <summary>
    /// A request that the agent inside answers. The answer is fetched outside of the cluster's lock, since a guest
    /// takes its time.
    /// </summary>
    private SimulatorReply AskAgent(SimulatorRequest request, SimulatedGuest guest)
    {
        const string audit = "VM.GuestAgent.Audit", all = "VM.GuestAgent.Unrestricted",
            files = "VM.GuestAgent.FileSystemMgmt";
        string what = request.Method + " " + request.Segments[5];
        (string[] rights, Func<RealMachine, SimulatorReply>? ask) = what switch
        {
            "POST ping" => ([audit, all], m => Result(m, "guest-ping")),
            "POST fsfreeze-status" => ([audit, files, all], m => Result(m, "guest-fsfreeze-status")),
            "POST fsfreeze-freeze" => ([files, all], m => Result(m, "guest-fsfreeze-freeze")),
            "POST fsfreeze-thaw" => ([files, all], m => Result(m, "guest-fsfreeze-thaw")),
            "GET network-get-interfaces" => ([audit, all], m => Result(m, "guest-network-get-interfaces")),
            "POST exec" => ([all], m => Execute(m, request)),
            "GET exec-status" => ([all], m => ExecutionStatus(m, request)),
            "GET file-read" => (["VM.GuestAgent.FileRead", all], m => ReadFile(m, request)),
            "POST file-write" => (["VM.GuestAgent.FileWrite", all], m => WriteFile(m, request)),
            _ => ((string[])[], (Func<RealMachine, SimulatorReply>?)null),
        };
        if (ask is null) return SimulatorReply.Fail(501, "not implemented");
        Need($"/vms/{guest.Vmid}", rights);
        NeedAgent(guest);
        RealMachine machine = guest.Machine!;
        return SimulatorReply.Later(() => ask(machine));
    }

    private static SimulatorReply Result(RealMachine machine, string what, JsonObject? arguments = null) =>
        SimulatorReply.Ok(new { result = machine.Agent(what, arguments) });

    private static SimulatorReply Execute(RealMachine machine, SimulatorRequest request)
    {
        List<string> command = request.Arguments["command"];
        var arguments = new JsonObject
        {
            ["path"] = command[0],
            ["arg"] = new JsonArray([.. command.Skip(1).Select(a => (JsonNode)a)]),
            ["capture-output"] = true,
        };
        if (request["input-data"] is string input) arguments["input-data"] = Encode(input);
        return SimulatorReply.Ok(machine.Agent("guest-exec", arguments));
    }

    private static SimulatorReply ExecutionStatus(RealMachine machine, SimulatorRequest request)
    {
        JsonObject status = machine.Agent("guest-exec-status",
            new JsonObject { ["pid"] = long.Parse(request["pid"]!, CultureInfo.InvariantCulture) })!.AsObject();
        foreach (string name in new[] { "out-data", "err-data" })
            if ((string?)status[name] is string data) status[name] = Encoding.UTF8.GetString(
                Convert.FromBase64String(data));
        foreach (string name in new[] { "exited", "out-truncated", "err-truncated" })
            if (status[name] is JsonValue flag) status[name] = flag.GetValue<bool>() ? 1 : 0;
        return SimulatorReply.Ok(status);
    }

    private static SimulatorReply ReadFile(RealMachine machine, SimulatorRequest request)
    {
        long handle = (long)machine.Agent("guest-file-open", new JsonObject { ["path"] = request["file"] })!;
        try
        {
            JsonNode read = machine.Agent("guest-file-read",
                new JsonObject { ["handle"] = handle, ["count"] = 1 << 20 })!;
            string content = Encoding.UTF8.GetString(Convert.FromBase64String((string)read["buf-b64"]!));
            return SimulatorReply.Ok((bool)read["eof"]!
                ? new JsonObject { ["content"] = content }
                : new JsonObject { ["content"] = content, ["truncated"] = 1 });
        }
        finally
        {
            machine.Agent("guest-file-close", new JsonObject { ["handle"] = handle });
        }
    }

    private static SimulatorReply WriteFile(RealMachine machine, SimulatorRequest request)
    {
        long handle = (long)machine.Agent("guest-file-open",
            new JsonObject { ["path"] = request["file"], ["mode"] = "w" })!;
        try
        {
            machine.Agent("guest-file-write", new JsonObject
            {
                ["handle"] = handle,
                ["buf-b64"] = request["encode"] == "0" ? request["content"] : Encode(request["content"]!),
            });
            return SimulatorReply.Ok(null);
        }
        finally
        {
            machine.Agent("guest-file-close", new JsonObject { ["handle"] = handle });
        }
    }

    private static string Encode(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    /// <summary>Whether the agent of a VM that is on answers.</summary>
    private static bool AgentAnswers(SimulatedGuest guest) => guest.Machine?.Answers() ?? guest.AgentAnswers;

    private static string? Freeze(SimulatedGuest guest) =>
        guest.Machine is RealMachine machine ? machine.Freeze() : guest.FreezeError;

    private static string? Thaw(SimulatedGuest guest) =>
        guest.Machine is RealMachine machine ? machine.Thaw() : guest.ThawError;

    /// <summary>
    /// Begins to copy the disks of a VM as they are now. The task is not over before that is; what fails is in what the
    /// result gives then.
    /// </summary>
    /// <returns>What it failed with, to be asked when the task is over; null where the VM has no images.</returns>
    private Func<string?>? BeginCopies(SimulatedGuest guest, IEnumerable<string> disks, string name,
        SimulatedTask task)
    {
        if (Host?.ImagesOf(guest) is not Dictionary<string, string> images) return null;
        RealHost host = Host;
        Dictionary<string, string> targets = host.MakeKept(name, disks.Where(images.ContainsKey));
        if (guest.Machine is { IsRunning: true } machine)
        {
            var copies = new DiskCopies(machine, images, targets);
            task.Until = copies.AreOver;
            task.OnStop += () =>
            {
                copies.Cancel();
                host.RemoveKept(name);
            };
            return () => copies.Error;
        }
        return CopyAside(images, targets, task, () => host.RemoveKept(name));
    }

    /// <summary>Begins to write the images of a VM that is restored; see <see cref="BeginCopies"/>.</summary>
    private Func<string?>? BeginRestore(string archive, IReadOnlyDictionary<string, string> config, SimulatedTask task)
    {
        if (Host?.FindKept(archive) is not Dictionary<string, string> kept) return null;
        RealHost host = Host;
        var targets = config.Where(c => kept.ContainsKey(c.Key))
            .ToDictionary(c => c.Key, c => host.Volume(c.Value.Split(',')[0]));
        return CopyAside(kept, targets, task, () =>
        {
            foreach (string image in targets.Values) File.Delete(image);
        });
    }

    private static Func<string?> CopyAside(Dictionary<string, string> sources, Dictionary<string, string> targets,
        SimulatedTask task, Action undo)
    {
        Task copying = Task.Run(() => RealHost.Copy(sources, targets));
        task.Until = () => copying.IsCompleted;
        task.OnStop += () =>
        {
            copying.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
            undo();
        };
        return () => copying.Exception?.InnerException?.Message;
    }

    /// <summary>Removes a VM's volumes, those that its configuration names.</summary>
    private void RemoveVolumes(SimulatedGuest guest)
    {
        if (Host is null) return;
        foreach (KeyValuePair<string, string> disk in guest.Config.Where(c => IsDisk(c.Key)))
            File.Delete(Host.Volume(disk.Value.Split(',')[0]));
    }

    /// <summary>Removes a point, and what it holds.</summary>
    private void Remove(SimulatedStorage storage, SimulatedPoint point)
    {
        storage.Points.Remove(point);
        Host?.RemoveKept(point.Volid);
    }

    private static string SnapshotName(SimulatedGuest guest, string name) => $"snapshot/{guest.Vmid}/{name}";
}
