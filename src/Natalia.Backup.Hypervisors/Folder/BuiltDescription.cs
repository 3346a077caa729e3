using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>The <c>vm.json</c> of a VM that was built.</summary>
internal static class BuiltDescription
{
    /// <summary>
    /// How the VM starts. What else a description says beyond the known members is not taken over: it comes from a
    /// repository, and a member may command whoever starts the VM.
    /// </summary>
    private static readonly Dictionary<string, string[]> s_carried = new(StringComparer.Ordinal)
    {
        ["firmware"] = ["bios", "uefi"],
        ["bus"] = ["virtio", "sata"],
    };

    internal static byte[] Write(string nativeId, ApplianceDescription like, BuildRequest how,
        IReadOnlyList<(ApplianceDisk Disk, string File)> disks, string attachmentFolder)
    {
        var root = new JsonObject { ["id"] = nativeId, ["name"] = how.Name };
        if (like.ProcessorCount is int processors and >= 1) root["processorCount"] = processors;
        if ((how.MemoryBytes ?? like.MemoryBytes) is long memory and >= 1) root["memoryBytes"] = memory;
        foreach (KeyValuePair<string, string> member in Carried(like)) root[member.Key] = member.Value;
        root["networks"] = new JsonArray([.. like.Networks.Select(n => Network(n, how))]);
        root["disks"] = new JsonArray([.. InOrder(like, disks).Select(Disk)]);
        if (how.Attachments.Count > 0)
            root["attachments"] = new JsonArray([.. how.Attachments.Select(a => Attachment(a, attachmentFolder))]);
        string text = root.ToJsonString(new JsonSerializerOptions
        {
            WriteIndented = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        });
        return Encoding.UTF8.GetBytes(text + "\n");
    }

    /// <summary>The disks as the VM had them, in whatever order they were written.</summary>
    internal static IEnumerable<(ApplianceDisk Disk, string File)> InOrder(ApplianceDescription like,
        IReadOnlyList<(ApplianceDisk Disk, string File)> disks)
    {
        List<string> order = [.. like.Disks.Select(d => d.DiskId)];
        return disks.OrderBy(d => order.IndexOf(d.Disk.DiskId) is var at && at < 0 ? int.MaxValue : at);
    }

    /// <summary>
    /// A new VM gets new addresses from whoever starts it; another network has no VLAN of the old one.
    /// </summary>
    private static JsonNode Network(ApplianceNetwork network, BuildRequest how)
    {
        if (how.Networks.TryGetValue(network.Name, out string? other) && other != network.Name)
            return new JsonObject { ["name"] = other };
        var json = new JsonObject { ["name"] = network.Name };
        if (network.Vlan is int vlan) json["vlan"] = vlan;
        return json;
    }

    private static JsonNode Disk((ApplianceDisk Disk, string File) disk) => new JsonObject
    {
        ["id"] = disk.Disk.DiskId,
        ["path"] = disk.File,
        ["role"] = disk.Disk.Role.ToString(),
        // Stated, for a raw disk may hold what looks like an image of another format.
        ["format"] = "raw",
    };

    private static JsonNode Attachment(ApplianceAttachment attachment, string folder) => new JsonObject
    {
        ["name"] = attachment.Name,
        ["path"] = folder + "/" + attachment.Name,
        ["kind"] = attachment.Kind.ToString(),
    };

    private static Dictionary<string, string> Carried(ApplianceDescription like)
    {
        var carried = new Dictionary<string, string>(StringComparer.Ordinal);
        if (like.NativeFormat != DescriptionFile.FileName || like.NativeConfiguration is not string text)
            return carried;
        try
        {
            using JsonDocument document = DescriptionFile.Open(text);
            var root = new JsonMember(DescriptionFile.FileName, "", document.RootElement);
            foreach (KeyValuePair<string, string[]> member in s_carried)
            {
                if (root.OptionalText(member.Key)?.ToLowerInvariant() is string value && member.Value.Contains(value))
                    carried[member.Key] = value;
            }
        }
        catch (Exception e) when (e is JsonException or NataliaException)
        {
            // Of another make: nothing of it can be taken over.
        }
        return carried;
    }
}
