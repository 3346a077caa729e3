using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>A VM's configuration, whole, and in an order that does not depend on the answer's.</summary>
internal sealed class GuestConfig
{
    private static readonly Regex s_drive = new(@"^((ide|sata|scsi|virtio)\d+|efidisk0|tpmstate0)$",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_network = new(@"^net\d+$", RegexOptions.CultureInvariant);
    private static readonly Regex s_passthrough = new(@"^(hostpci|usb|serial|parallel|virtiofs)\d+$",
        RegexOptions.CultureInvariant);
    private readonly List<KeyValuePair<string, string>> _entries = [];

    private GuestConfig() { }

    /// <summary>Of a VM of which nothing can be read now.</summary>
    internal static GuestConfig Unknown { get; } = new();

    internal static GuestConfig FromAnswer(JsonElement data)
    {
        var config = new GuestConfig();
        if (data.ValueKind == JsonValueKind.Object)
            foreach (JsonProperty entry in data.EnumerateObject())
                if (entry.Value.AsText() is string text) config._entries.Add(new(entry.Name, text));
        return config.Sorted();
    }

    /// <summary>
    /// Reads the text of a configuration file as an archive holds it: the part before the first snapshot section;
    /// leading comments are the description.
    /// </summary>
    internal static GuestConfig FromText(string text)
    {
        var config = new GuestConfig();
        var description = new StringBuilder();
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.TrimEnd('\r');
            if (line.StartsWith("[", StringComparison.Ordinal)) break;
            if (line.StartsWith("#", StringComparison.Ordinal))
            {
                // "#qmdump#" lines are the archiver's own notes of where each drive lies.
                if (!line.StartsWith("#qmdump#", StringComparison.Ordinal))
                    description.Append(Uri.UnescapeDataString(line.Substring(1))).Append('\n');
                continue;
            }
            int colon = line.IndexOf(':');
            if (colon > 0) config._entries.Add(new(line.Substring(0, colon), line.Substring(colon + 1).Trim()));
        }
        if (description.Length > 0 && config["description"] is null)
            config._entries.Add(new("description", description.ToString()));
        return config.Sorted();
    }

    internal string? this[string key] => _entries.Where(e => e.Key == key).Select(e => e.Value).FirstOrDefault();

    internal string? Digest => this["digest"];

    internal string Description => this["description"] ?? "";

    internal IEnumerable<GuestDrive> Drives =>
        _entries.Where(e => s_drive.IsMatch(e.Key)).Select(e => new GuestDrive(e.Key, PropertyString.Parse(e.Value)));

    /// <summary>Drives that hold data: no CD-ROM, no firmware.</summary>
    internal IEnumerable<GuestDrive> Disks => Drives.Where(d => !d.IsCdRom && !d.IsFirmware);

    internal IEnumerable<KeyValuePair<string, PropertyString>> Networks =>
        _entries.Where(e => s_network.IsMatch(e.Key))
            .Select(e => new KeyValuePair<string, PropertyString>(e.Key, PropertyString.Parse(e.Value)));

    /// <summary>Devices of the host that the VM would take hold of.</summary>
    internal IEnumerable<string> PassedThrough => _entries.Where(e => s_passthrough.IsMatch(e.Key)).Select(e => e.Key);

    /// <summary>The agent option is <c>1</c>, <c>enabled=1</c>, or either with more keys.</summary>
    internal bool IsAgentEnabled =>
        this["agent"] is string agent
        && JsonTolerance.ParseFlag(PropertyString.Parse(agent)["enabled"] ?? PropertyString.Parse(agent).Bare) == true;

    /// <summary>False when the agent may not freeze file systems. The option had two older names.</summary>
    internal bool IsFreezeAllowed
    {
        get
        {
            PropertyString agent = PropertyString.Parse(this["agent"] ?? "");
            return JsonTolerance.ParseFlag(agent["freeze-fs"] ?? agent["freeze-fs-on-backup"]
                ?? agent["guest-fsfreeze"]) != false;
        }
    }

    /// <summary>
    /// The drive that the VM boots from: the first disk of the boot order, else of the older option, else the first one
    /// that the server tries (<see cref="ConfigOrder"/>).
    /// </summary>
    internal string? BootDrive
    {
        get
        {
            var disks = Disks.Select(d => d.Key).ToList();
            PropertyString boot = PropertyString.Parse(this["boot"] ?? "");
            foreach (string device in (boot["order"] ?? "").Split(';'))
                if (disks.Contains(device)) return device;
            if (this["bootdisk"] is string old && disks.Contains(old)) return old;
            // An order that names no disk means that none of them boots.
            return boot["order"] is null ? disks.FirstOrDefault() : null;
        }
    }

    /// <summary>When the VM was made, where the configuration says so.</summary>
    internal DateTime? CreatedUtc =>
        long.TryParse(PropertyString.Parse(this["meta"] ?? "")["ctime"], System.Globalization.NumberStyles.None,
            System.Globalization.CultureInfo.InvariantCulture, out long s)
            ? DateTimeOffset.FromUnixTimeSeconds(s).UtcDateTime
            : null;

    /// <summary>The configuration as text, one entry a line, without the password that cloud-init may hold.</summary>
    internal string ToText()
    {
        var text = new StringBuilder();
        foreach (string line in Description.TrimEnd('\n').Split('\n'))
            if (Description.Length > 0) text.Append('#').Append(line).Append('\n');
        foreach (KeyValuePair<string, string> entry in _entries)
            if (entry.Key is not ("description" or "digest" or "cipassword" or "lock"))
                text.Append(entry.Key).Append(": ").Append(entry.Value).Append('\n');
        return text.ToString();
    }

    private GuestConfig Sorted()
    {
        _entries.Sort((a, b) => ConfigOrder.Instance.Compare(a.Key, b.Key));
        return this;
    }
}
