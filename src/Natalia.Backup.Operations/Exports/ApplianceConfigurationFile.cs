using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Exports;

/// <summary>An appliance's configuration as a JSON file that a person reads and a script parses.</summary>
internal static class ApplianceConfigurationFile
{
    private const string Format = "natalia-appliance-configuration";

    /// <summary>The file's bytes: UTF-8, indented.</summary>
    /// <param name="appliance">The configuration.</param>
    /// <param name="timeUtc">Of what time it is, UTC.</param>
    /// <param name="restorePointId">The point that it was kept with; null for a live VM.</param>
    internal static byte[] Write(ApplianceDescription appliance, DateTime timeUtc, string? restorePointId)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, ReadableJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", 1);
            json.WriteString("timeUtc",
                timeUtc.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture));
            json.WriteString("restorePointId", restorePointId);
            json.WriteString("applianceId", appliance.ApplianceId);
            json.WriteString("name", appliance.Name);
            json.WriteString("hypervisorKind", appliance.HypervisorKind);
            json.WriteString("nativeId", appliance.NativeId);
            WriteNumber(json, "processorCount", appliance.ProcessorCount);
            WriteNumber(json, "memoryBytes", appliance.MemoryBytes);
            json.WriteStartArray("networks");
            foreach (ApplianceNetwork network in appliance.Networks)
            {
                json.WriteStartObject();
                json.WriteString("name", network.Name);
                WriteNumber(json, "vlan", network.Vlan);
                json.WriteString("macAddress", network.MacAddress);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("disks");
            foreach (ApplianceDisk disk in appliance.Disks)
            {
                json.WriteStartObject();
                json.WriteString("id", disk.DiskId);
                json.WriteString("role", disk.Role.ToString());
                WriteNumber(json, "sizeBytes", disk.SizeBytes);
                json.WriteString("location", disk.Location);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteString("nativeFormat", appliance.NativeFormat);
            json.WriteString("nativeConfiguration", appliance.NativeConfiguration);
            json.WriteEndObject();
        }
        return memory.ToArray();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, long? value)
    {
        if (value is long number) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }
}
