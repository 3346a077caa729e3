using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// A running VM of QEMU that carries one of the simulated cluster: with the processors, memory, disks and adapters that
/// its configuration names, in the words with which qemu-server starts one (config_to_command). It is emulated, nothing
/// is flushed to the disk below, and no adapter leads anywhere.
/// </summary>
internal sealed class RealMachine : IDisposable
{
    internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    /// <summary>How long qemu-server waits for the answer to a ping.</summary>
    private static readonly TimeSpan s_pingLimit = TimeSpan.FromSeconds(3);
    /// <summary>A guest that writes much freezes slowly.</summary>
    private static readonly TimeSpan s_freezeLimit = TimeSpan.FromMinutes(2);
    private static readonly Regex s_disk = new(@"^(?<bus>scsi|virtio|sata|ide)(?<number>\d+)$");
    private readonly Lock _agentGate = new(), _monitorGate = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("pve-").FullName;
    private readonly Process _process;
    private readonly JsonPeer? _monitor;
    private JsonPeer? _farewell;

    /// <summary>Starts it.</summary>
    /// <param name="config">The VM's configuration.</param>
    /// <param name="images">The image of each of its disks, by the disk's key.</param>
    /// <param name="hasPorts">Whether a bridge of its node has a way out.</param>
    /// <exception cref="InvalidOperationException">QEMU does not start it, and says why.</exception>
    internal RealMachine(IReadOnlyDictionary<string, string> config, IReadOnlyDictionary<string, string> images,
        Func<string, bool> hasPorts)
    {
        // Bounded, should this process be killed: QEMU knows nothing of who started it.
        var start = new ProcessStartInfo("timeout", ["--signal=KILL", "1800", "qemu-system-x86_64",
            .. CommandLine(config, images, hasPorts)])
        {
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        try
        {
            while (_monitor is null)
            {
                if (_process.WaitForExit(20))
                    throw new InvalidOperationException(_process.StandardError.ReadToEnd().Trim());
                try
                {
                    _monitor = JsonPeer.Monitor(Path.Combine(_folder, "monitor"), Limit);
                }
                catch (SocketException)
                {
                    // Nobody listens there yet.
                }
            }
            foreach (KeyValuePair<string, string> net in config.Where(c => IsAdapter(c.Key)))
                if (net.Value.Split(',').Contains("link_down=1"))
                    Monitor("set_link", new JsonObject { ["name"] = net.Key, ["up"] = false });
            Monitor("cont");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The number of its process on this machine.</summary>
    internal int ProcessId => _process.Id;

    /// <summary>Whether its process is there: a guest may switch itself off.</summary>
    internal bool IsRunning => !_process.HasExited;

    /// <summary>What its agent was asked and what it said, in this order; without what programs printed.</summary>
    internal ConcurrentQueue<string> Asked { get; } = [];

    /// <summary>Whether its agent answers within the time that qemu-server gives it.</summary>
    internal bool Answers()
    {
        try
        {
            Agent("guest-ping");
            return true;
        }
        catch (SimulatorRefusal)
        {
            return false;
        }
    }

    /// <summary>Freezes its file systems.</summary>
    /// <returns>Why it is not frozen; null when it is.</returns>
    internal string? Freeze() => Try("guest-fsfreeze-freeze");

    /// <summary>Thaws its file systems.</summary>
    /// <returns>Why it did not; null when it did.</returns>
    internal string? Thaw() => Try("guest-fsfreeze-thaw");

    /// <summary>Asks its agent.</summary>
    /// <exception cref="SimulatorRefusal">In the server's words: it does not answer, or it says no.</exception>
    internal JsonNode? Agent(string what, JsonObject? arguments = null)
    {
        lock (_agentGate)
        {
            try
            {
                using JsonPeer agent = JsonPeer.Agent(Path.Combine(_folder, "agent"), s_pingLimit);
                JsonNode? answer = agent.Ask(what, arguments,
                    what.StartsWith("guest-fsfreeze", StringComparison.Ordinal) ? s_freezeLimit : Limit);
                Asked.Enqueue(answer is JsonValue ? $"{what}: {answer}" : what);
                return answer;
            }
            catch (RefusedException e)
            {
                Asked.Enqueue($"{what}: {e.Message}");
                throw new SimulatorRefusal(500, $"Agent error: {e.Message}");
            }
            catch (Exception e) when (e is TimeoutException or IOException or SocketException)
            {
                throw new SimulatorRefusal(500, "QEMU guest agent is not running");
            }
        }
    }

    /// <summary>Asks QEMU.</summary>
    /// <exception cref="RefusedException">It says no.</exception>
    /// <exception cref="IOException">It is gone.</exception>
    internal JsonNode? Monitor(string what, JsonObject? arguments = null)
    {
        lock (_monitorGate) return _monitor!.Ask(what, arguments, Limit);
    }

    /// <summary>Asks the guest to switch itself off; whether it does is seen by <see cref="IsRunning"/>.</summary>
    internal void Shutdown()
    {
        lock (_agentGate)
        {
            try
            {
                // There is no answer to this, and what was not read yet is lost when the connection ends: it stays.
                _farewell ??= JsonPeer.Agent(Path.Combine(_folder, "agent"), s_pingLimit);
                _farewell.Send("guest-shutdown");
            }
            catch (Exception e) when (e is TimeoutException or IOException or SocketException)
            {
                Monitor("system_powerdown");
            }
        }
    }

    /// <summary>Ends its process and waits until it is gone: asked first, by its number where it does not go.</summary>
    public void Dispose()
    {
        try
        {
            if (_monitor is not null) Monitor("quit");
        }
        catch (Exception e) when (e is IOException or SocketException or TimeoutException)
        {
            // It is gone already, or hangs.
        }
        if (_monitor is null || !_process.WaitForExit(Limit)) _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _monitor?.Dispose();
        _farewell?.Dispose();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    internal static string Node(string disk) => "drive-" + disk;

    private string? Try(string what)
    {
        try
        {
            Agent(what);
            return null;
        }
        catch (SimulatorRefusal e)
        {
            return e.Message;
        }
    }

    private List<string> CommandLine(IReadOnlyDictionary<string, string> config,
        IReadOnlyDictionary<string, string> images, Func<string, bool> hasPorts)
    {
        int processors = Number(config.GetValueOrDefault("cores", "1"))
            * Number(config.GetValueOrDefault("sockets", "1"));
        List<string> line =
        [
            "-S", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", processors.ToString(CultureInfo.InvariantCulture),
            "-m", config.GetValueOrDefault("memory", "512"), "-rtc", "base=utc",
            "-qmp", $"unix:{_folder}/monitor,server=on,wait=off",
            "-serial", $"file:{_folder}/console",
            "-device", "virtio-rng-pci",
            "-device", "virtio-scsi-pci,id=scsihw0",
            "-device", "ahci,id=ahci0",
        ];
        if (IsOn(config.GetValueOrDefault("agent", "0")))
            line.AddRange(["-chardev", $"socket,path={_folder}/agent,server=on,wait=off,id=qga0",
                "-device", "virtio-serial,id=qga0",
                "-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"]);
        string order = config.GetValueOrDefault("boot", "");
        List<string> boot = [.. order[(order.IndexOf('=') + 1)..].Split(';')];
        foreach (KeyValuePair<string, string> image in images.OrderBy(i => i.Key, StringComparer.Ordinal))
        {
            line.AddRange(["-blockdev", new JsonObject
            {
                ["driver"] = "raw",
                ["node-name"] = Node(image.Key),
                ["discard"] = "unmap",
                ["cache"] = new JsonObject { ["no-flush"] = true },
                ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = image.Value },
            }.ToJsonString()]);
            Match disk = s_disk.Match(image.Key);
            string number = disk.Groups["number"].Value;
            string device = disk.Groups["bus"].Value switch
            {
                "scsi" => $"scsi-hd,bus=scsihw0.0,scsi-id={number}",
                "virtio" => "virtio-blk-pci",
                "sata" => $"ide-hd,bus=ahci0.{number}",
                _ => $"ide-hd,bus=ide.{Number(number) / 2},unit={Number(number) % 2}",
            };
            int place = boot.IndexOf(image.Key);
            line.AddRange(["-device", $"{device},drive={Node(image.Key)},id={image.Key}"
                + (place < 0 ? "" : $",bootindex={100 + place}")]);
        }
        foreach (KeyValuePair<string, string> net in config.Where(c => IsAdapter(c.Key)))
            line.AddRange(Adapter(net.Key, net.Value, hasPorts));
        return line;
    }

    /// <summary>
    /// A bridge without ports is a hub that nothing else is connected to. One with ports answers the guest as a network
    /// does, and lets nothing out either: what is simulated must not reach what is real.
    /// </summary>
    private static IEnumerable<string> Adapter(string key, string value, Func<string, bool> hasPorts)
    {
        var parts = value.Split(',').Select(p => p.Split('=', 2)).ToDictionary(p => p[0], p => p[^1]);
        (string model, string address) = (value.Split('=', 2)[0], value.Split(',')[0].Split('=', 2)[^1]);
        string bridge = parts.GetValueOrDefault("bridge", "");
        return ["-netdev", hasPorts(bridge)
                ? $"user,id={key},restrict=on"
                : $"hubport,id={key},hubid={key[3..]}",
            "-device", $"{(model == "virtio" ? "virtio-net-pci" : model)},id={key},netdev={key},mac={address}"];
    }

    private static bool IsAdapter(string key) => Regex.IsMatch(key, @"^net\d+$");

    private static bool IsOn(string agent) => agent.StartsWith('1') || agent.Contains("enabled=1");

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
