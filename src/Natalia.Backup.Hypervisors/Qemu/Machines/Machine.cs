using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// A VM in its folder, as its <c>vm.json</c> tells: what a folder of exports knows, and what QEMU needs besides. What
/// this hypervisor itself makes carries its records in the same file, which appears in one step.
/// </summary>
internal sealed record Machine
{
    /// <summary>The socket in a VM's folder behind which disks are served to it.</summary>
    private const string DiskSocketFile = "disks.sock";

    private const string FileName = "vm.json";

    /// <summary>The folder, a full path.</summary>
    internal required string Folder { get; init; }
    internal string? Id { get; init; }
    internal required string Name { get; init; }
    internal int ProcessorCount { get; init; } = 2;
    internal long MemoryBytes { get; init; } = 2L << 30;
    internal IReadOnlyList<ApplianceNetwork> Networks { get; init; } = [];
    internal IReadOnlyList<MachineDisk> Disks { get; init; } = [];
    internal Firmware Firmware { get; init; }
    internal DiskBus Bus { get; init; }
    /// <summary>The file with the UEFI variables, relative to the folder; null for a BIOS.</summary>
    internal string? Nvram { get; init; }
    /// <summary>The monitor's socket as stated, or null.</summary>
    internal string? MonitorSocket { get; init; }
    /// <summary>The socket of the guest agent's channel as stated, or null.</summary>
    internal string? AgentSocket { get; init; }
    internal BuildRecord? Building { get; init; }
    internal TestMark? Test { get; init; }

    /// <summary>The monitor's socket, a full path; null when none is stated.</summary>
    internal string? Monitor => MonitorSocket is null ? null : FullPath(MonitorSocket);

    /// <summary>The socket of the guest agent's channel, a full path; null when none is stated.</summary>
    internal string? Agent => AgentSocket is null ? null : FullPath(AgentSocket);

    /// <summary>The socket behind which disks are served to it, a full path.</summary>
    internal string DiskSocket => FullPath(DiskSocketFile);

    /// <summary>The full path of what lies in the folder, or is stated with its full path.</summary>
    internal string FullPath(string stated) => Path.GetFullPath(Path.Combine(Folder, stated));

    /// <summary>The VM of a folder; null when the folder has no description that can be read.</summary>
    internal static Machine? Find(string folder)
    {
        try
        {
            return DescriptionFile.Read(folder) is DescriptionFile file ? From(folder, file) : null;
        }
        catch (NataliaException)
        {
            // What cannot be read carries no record of ours; the inventory tells what is wrong with it.
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The VM that a description tells of.</summary>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>.</exception>
    internal static Machine From(string folder, DescriptionFile file)
    {
        string path = Path.Combine(folder, FileName);
        using JsonDocument document = DescriptionFile.Open(file.Text);
        var root = new JsonMember(path, "", document.RootElement);
        Dictionary<string, string?> exports = (root.OptionalArray("disks") ?? [])
            .ToDictionary(d => d.Text("id"), d => d.OptionalText("export"), StringComparer.Ordinal);
        return new Machine
        {
            Folder = folder,
            Id = file.Id,
            Name = file.Name ?? Path.GetFileName(folder),
            ProcessorCount = file.ProcessorCount ?? 2,
            MemoryBytes = file.MemoryBytes ?? 2L << 30,
            Networks = file.Networks,
            Disks = [.. (file.Disks ?? []).Select(d => new MachineDisk(d.Id, d.Path, d.Role,
                d.Format ?? ImageFormats.FromName(d.Path)) { Export = exports[d.Id] })],
            Firmware = ReadChoice(root, "firmware", Firmware.Bios),
            Bus = ReadChoice(root, "bus", DiskBus.Virtio),
            Nvram = root.OptionalText("nvram"),
            MonitorSocket = root.OptionalText("monitorSocket"),
            AgentSocket = root.OptionalText("agentSocket"),
            Building = root.OptionalObject("building") is JsonMember building
                ? new BuildRecord(building.Text("id"), ReadTime(building, "startedUtc"))
                {
                    MovedUtc = building.OptionalText("movedUtc") is null ? null : ReadTime(building, "movedUtc"),
                }
                : null,
            Test = root.OptionalObject("test") is JsonMember test
                ? new TestMark(test.Text("runId"), test.Text("network"), ReadTime(test, "createdUtc"))
                : null,
        };
    }

    /// <summary>
    /// Writes the description, in one step: a reader sees the old one or the new one, also after a loss of power. When
    /// this returns it is on stable storage.
    /// </summary>
    internal void Write()
    {
        string path = Path.Combine(Folder, FileName), next = path + ".new";
        byte[] text = Encoding.UTF8.GetBytes(ToJson());
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            file.Write(text, 0, text.Length);
            StableFile.Flush(file);
        }
        FileMove.Replace(next, path);
        StableFile.FlushFolder(Folder);
    }

    /// <summary>As <see cref="Write"/>, when the name that the folder was given is on stable storage, too.</summary>
    internal void WriteNamed()
    {
        StableFile.FlushFolder(Path.GetDirectoryName(Folder)!);
        Write();
    }

    private string ToJson()
    {
        var root = new JsonObject
        {
            ["id"] = Id,
            ["name"] = Name,
            ["processorCount"] = ProcessorCount,
            ["memoryBytes"] = MemoryBytes,
            ["firmware"] = Firmware == Firmware.Uefi ? "uefi" : "bios",
            ["bus"] = Bus == DiskBus.Sata ? "sata" : "virtio",
            ["networks"] = new JsonArray([.. Networks.Select(ToJson)]),
            ["disks"] = new JsonArray([.. Disks.Select(ToJson)]),
        };
        if (Nvram is not null) root["nvram"] = Nvram;
        if (MonitorSocket is not null) root["monitorSocket"] = MonitorSocket;
        if (AgentSocket is not null) root["agentSocket"] = AgentSocket;
        if (Building is BuildRecord building)
        {
            var record = new JsonObject
            {
                ["id"] = building.BuildId,
                ["startedUtc"] = Time(building.StartedUtc),
            };
            if (building.MovedUtc is DateTime moved) record["movedUtc"] = Time(moved);
            root["building"] = record;
        }
        if (Test is TestMark test)
            root["test"] = new JsonObject
            {
                ["runId"] = test.RunId,
                ["network"] = test.Network,
                ["createdUtc"] = Time(test.CreatedUtc),
            };
        return root.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";
    }

    private static JsonObject ToJson(ApplianceNetwork network)
    {
        var json = new JsonObject { ["name"] = network.Name };
        if (network.Vlan is int vlan) json["vlan"] = vlan;
        if (network.MacAddress is string address) json["macAddress"] = address;
        return json;
    }

    private static JsonObject ToJson(MachineDisk disk)
    {
        var json = new JsonObject
        {
            ["id"] = disk.Id,
            ["path"] = disk.Path,
            ["role"] = disk.Role.ToString(),
            ["format"] = disk.Format == ImageFormat.Qcow2 ? "qcow2" : "raw",
        };
        if (disk.Export is not null) json["export"] = disk.Export;
        return json;
    }

    private static T ReadChoice<T>(JsonMember root, string name, T otherwise) where T : struct, Enum
    {
        if (root.OptionalText(name) is not string text) return otherwise;
        return Enum.GetNames(typeof(T)).FirstOrDefault(n => n.Equals(text, StringComparison.OrdinalIgnoreCase)) is
            string known
            ? (T)Enum.Parse(typeof(T), known)
            : throw root.Invalid(
                $"'{name}' must be one of {string.Join(", ", Enum.GetNames(typeof(T))).ToLowerInvariant()}");
    }

    private static DateTime ReadTime(JsonMember from, string name) =>
        DateTime.TryParse(from.Text(name), CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime time)
            ? time
            : throw from.Invalid($"'{name}' must be a time");

    private static string Time(DateTime utc) => utc.ToString("o", CultureInfo.InvariantCulture);
}
