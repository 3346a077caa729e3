using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>The VM configuration as it is kept with a point and exported for people. docs/format.md §6.</summary>
public static class ApplianceDescriptionJson
{
    /// <summary>As UTF-8 JSON; the same description always gives the same bytes.</summary>
    /// <param name="description">The description.</param>
    /// <param name="indented">For people: indented.</param>
    public static byte[] Encode(ApplianceDescription description, bool indented = false) => JsonText.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("applianceId", description.ApplianceId);
        json.WriteString("name", description.Name);
        json.WriteString("hypervisorKind", description.HypervisorKind);
        if (description.NativeId is not null) json.WriteString("nativeId", description.NativeId);
        if (description.ProcessorCount is int processors) json.WriteNumber("processorCount", processors);
        if (description.MemoryBytes is long memory) json.WriteNumber("memoryBytes", memory);
        json.WriteStartArray("networks");
        foreach (ApplianceNetwork network in description.Networks)
        {
            json.WriteStartObject();
            json.WriteString("name", network.Name);
            if (network.Vlan is int vlan) json.WriteNumber("vlan", vlan);
            if (network.MacAddress is not null) json.WriteString("macAddress", network.MacAddress);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("disks");
        foreach (ApplianceDisk disk in description.Disks)
        {
            json.WriteStartObject();
            json.WriteString("id", disk.DiskId);
            json.WriteString("role", disk.Role.ToString());
            if (disk.SizeBytes is long size) json.WriteNumber("sizeBytes", size);
            if (disk.Location is not null) json.WriteString("location", disk.Location);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (description.NativeFormat is not null) json.WriteString("nativeFormat", description.NativeFormat);
        if (description.NativeConfiguration is not null)
            json.WriteString("nativeConfiguration", description.NativeConfiguration);
        json.WriteEndObject();
    }, indented);

    /// <summary>Reads what <see cref="Encode"/> wrote.</summary>
    /// <param name="utf8">The bytes.</param>
    /// <exception cref="FormatException">They are not a description.</exception>
    public static ApplianceDescription Decode(ReadOnlyMemory<byte> utf8)
    {
        using JsonDocument document = JsonText.Parse(utf8);
        JsonElement root = document.RootElement;
        return new ApplianceDescription
        {
            ApplianceId = root.ReadString("applianceId"),
            Name = root.ReadString("name"),
            HypervisorKind = root.ReadString("hypervisorKind"),
            NativeId = root.ReadStringOrNull("nativeId"),
            ProcessorCount = (int?)root.ReadLongOrNull("processorCount", 0, int.MaxValue),
            MemoryBytes = root.ReadLongOrNull("memoryBytes"),
            Networks = root.ReadArray("networks")
                .Select(n => new ApplianceNetwork(n.ReadString("name"), (int?)n.ReadLongOrNull("vlan", 0, int.MaxValue),
                    n.ReadStringOrNull("macAddress")))
                .ToArray(),
            Disks = root.ReadArray("disks")
                .Select(d => new ApplianceDisk(d.ReadString("id"), d.ReadEnum<DiskRole>("role"),
                    d.ReadLongOrNull("sizeBytes"), d.ReadStringOrNull("location")))
                .ToArray(),
            NativeFormat = root.ReadStringOrNull("nativeFormat"),
            NativeConfiguration = root.ReadStringOrNull("nativeConfiguration"),
        };
    }
}
