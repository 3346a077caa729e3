using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// What a running VM's own monitor, and the system's list of processes, say of it: the raw answers, and the verdict on
/// each of the ways through which something could leave the VM. What is not known to be harmless is a failure.
/// </summary>
internal sealed record IsolationEvidence
{
    /// <summary>
    /// The devices that a test VM has (QEMU's names of their types). None of them leads out by itself.
    /// </summary>
    private static readonly HashSet<string> s_devices = new(StringComparer.Ordinal)
    {
        "VGA", "virtio-serial-pci", "virtserialport", "virtio-rng-pci", "virtio-blk-pci", "ide-hd", "ahci",
        "virtio-net-pci", "e1000e",
    };

    private static readonly Regex
        s_hub = new(@"^hub \d+$"),
        s_hubPort = new(@"^ \\ (?<port>[^:]+): (?<nic>[^:]+): index=\d+,type=nic,model=[\w-]+,macaddr=[0-9a-f:]+$"),
        s_adapter = new(@"^(?<nic>[^:]+): index=\d+,type=nic,model=[\w-]+,macaddr=[0-9a-f:]+$"),
        s_bridge = new(@"^ \\ (?<port>[^:]+): index=\d+,type=(tap|bridge),(.*,)?br=(?<bridge>[^,]+)$"),
        s_user = new(@"^ \\ (?<port>[^:]+): index=\d+,type=user,net=[0-9.]+,restrict=on$");

    /// <summary>The process's arguments, without the program.</summary>
    internal required IReadOnlyList<string> Arguments { get; init; }
    /// <summary>The answer of <c>info network</c>.</summary>
    internal required string Networks { get; init; }
    /// <summary>The answer of <c>info usernet</c>.</summary>
    internal required string Forwards { get; init; }
    /// <summary>The answers of <c>qom-list</c> for what was added to the machine.</summary>
    internal required IReadOnlyList<JsonElement> Devices { get; init; }
    /// <summary>The answer of <c>query-chardev</c>.</summary>
    internal required JsonElement Channels { get; init; }
    /// <summary>The answer of <c>query-named-block-nodes</c>.</summary>
    internal required JsonElement Disks { get; init; }

    /// <summary>One check for each adapter and for each other way out.</summary>
    internal IReadOnlyList<CheckResult> Judge(Machine machine, IReadOnlyList<IReadOnlyList<string>> expected) =>
    [
        .. JudgeAdapters(machine),
        Check("ForwardedPorts", machine, JudgeForwards(machine), "at most one, from this machine to the guest's SSH"),
        Check("Devices", machine, JudgeDevices(), "none of this machine's"),
        Check("Channels", machine, JudgeChannels(machine), "the monitor, the guest agent and the console alone"),
        Check("Disks", machine, JudgeDisks(machine), "the VM's own files alone"),
        Check("CommandLine", machine, expected.Any(e => e.SequenceEqual(Arguments, StringComparer.Ordinal))
            ? null
            : "another one", "the one of the VM's description"),
    ];

    /// <summary>A check; what is wrong is its actual value, null when nothing is.</summary>
    internal static CheckResult Check(string name, Machine machine, string? wrong, string expected,
        string? target = null) =>
        IsolationReading.Of(name, target ?? machine.Name, wrong is null, expected, wrong ?? expected);

    private IEnumerable<CheckResult> JudgeAdapters(Machine machine)
    {
        (Dictionary<string, string> adapters, List<string> strange) = ReadNetworks();
        foreach (string line in strange)
            yield return Check("NetworkIsolation", machine, line.Trim(), "no other network");
        for (int i = 0; i < machine.Networks.Count; i++)
        {
            string adapter = $"nic{i}";
            string actual = adapters.TryGetValue(adapter, out string? found) ? found : "not there";
            adapters.Remove(adapter);
            string network = QemuNetworks.Describe(machine.Test?.Network ?? machine.Networks[i].Name);
            yield return Check("NetworkIsolation", machine, actual == network ? null : actual, network, adapter);
        }
        foreach (KeyValuePair<string, string> more in adapters)
            yield return Check("NetworkIsolation", machine, more.Value, "no such adapter", more.Key);
        if (machine.Networks.Count == 0 && strange.Count == 0 && adapters.Count == 0)
            yield return Check("NetworkIsolation", machine, null, "no adapter");
    }

    /// <summary>The network of each adapter, and every line that is not understood.</summary>
    private (Dictionary<string, string> Adapters, List<string> Strange) ReadNetworks()
    {
        var adapters = new Dictionary<string, string>(StringComparer.Ordinal);
        var strange = new List<string>();
        string? alone = null;
        int inHub = -1;
        foreach (string line in Networks.Split('\n').Select(l => l.TrimEnd('\r')).Where(l => l.Length > 0))
        {
            if (s_hub.IsMatch(line)) (alone, inHub) = (null, 0);
            else if (s_adapter.Match(line) is { Success: true } adapter)
            {
                (alone, inHub) = (adapter.Groups["nic"].Value, -1);
                adapters[alone] = "no network that is known";
            }
            else if (inHub == 0 && s_hubPort.Match(line) is { Success: true } port)
            {
                // A second one in the same hub would be a way from one to the other, which nobody made.
                inHub++;
                adapters[port.Groups["nic"].Value] = QemuNetworks.None;
            }
            else if (alone is not null && s_user.IsMatch(line))
            {
                adapters[alone] = QemuNetworks.Restricted;
                alone = null;
            }
            else if (alone is not null && s_bridge.Match(line) is { Success: true } bridge)
            {
                adapters[alone] = QemuNetworks.BridgePrefix + bridge.Groups["bridge"].Value;
                alone = null;
            }
            else strange.Add(line);
        }
        return (adapters, strange);
    }

    private string? JudgeForwards(Machine machine)
    {
        IReadOnlyList<string> forwards = ForwardedSsh.LinesOf(Forwards);
        if (machine.Test?.Network == QemuNetworks.None) return forwards.Count == 0 ? null : forwards[0];
        return forwards.Count <= 1 && forwards.All(ForwardedSsh.IsSsh) ? null : string.Join("; ", forwards);
    }

    private string? JudgeDevices()
    {
        foreach (JsonElement list in Devices)
        {
            if (list.ValueKind != JsonValueKind.Array) return "unknown";
            foreach (JsonElement entry in list.EnumerateArray())
            {
                string type = Protocol.JsonAnswers.Text(entry, "type") ?? "unknown";
                if (type == "string") continue;
                string device = Regex.Replace(type, "^child<(.*)>$", "$1");
                if (!s_devices.Contains(device)) return device;
            }
        }
        return null;
    }

    private string? JudgeChannels(Machine machine)
    {
        if (Channels.ValueKind != JsonValueKind.Array) return "unknown";
        string[] ours = [$"unix:{machine.Monitor},server=on", $"unix:{machine.Agent},server=on"];
        foreach (JsonElement channel in Channels.EnumerateArray())
        {
            string name = Protocol.JsonAnswers.Text(channel, "filename") ?? "unknown";
            string plain = name.StartsWith("disconnected:", StringComparison.Ordinal) ? name.Substring(13) : name;
            if (plain is not "ringbuf" && !ours.Contains(plain, StringComparer.Ordinal)) return name;
        }
        return null;
    }

    private string? JudgeDisks(Machine machine)
    {
        if (Disks.ValueKind != JsonValueKind.Array) return "unknown";
        // As QEMU writes it (nbd_refresh_filename); the export is told by the command line.
        string served = machine.Disks.Any(d => d.Export is not null) ? "?socket=" + machine.DiskSocket : "\0";
        foreach (JsonElement node in Disks.EnumerateArray())
        {
            string driver = Protocol.JsonAnswers.Text(node, "drv") ?? "unknown";
            string file = Protocol.JsonAnswers.Text(node, "file") ?? "unknown";
            if (driver is "nbd" or "raw" && file.StartsWith("nbd+unix:///", StringComparison.Ordinal)
                && file.EndsWith(served, StringComparison.Ordinal))
                continue;
            if (driver is not ("raw" or "file" or "qcow2")) return $"{driver}: {file}";
            bool isOwn = Path.GetFullPath(file).StartsWith(machine.Folder + Path.DirectorySeparatorChar,
                StringComparison.Ordinal);
            // Firmware, and the image below an overlay, are read and not written.
            if (!isOwn && Protocol.JsonAnswers.Flag(node, "ro") != true) return file;
        }
        return null;
    }
}
