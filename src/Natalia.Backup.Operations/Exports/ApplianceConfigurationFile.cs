using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Exports;

/// <summary>
/// An appliance's configuration as a JSON file that a person reads and a script parses. Called vm.json, in a folder
/// with the images that <c>Export-NataliaDisk</c> wrote there, it describes a VM of the Folder hypervisor.
/// </summary>
internal static class ApplianceConfigurationFile
{
    private const string Format = "natalia-appliance-configuration";

    /// <summary>The kind of hypervisor that this file can describe a VM for.</summary>
    private const string FolderKind = "Folder";

    /// <summary>The file's bytes: UTF-8, indented.</summary>
    /// <param name="appliance">The configuration.</param>
    /// <param name="timeUtc">Of what time it is, UTC.</param>
    /// <param name="restorePointId">The point that it was kept with; null for a live VM.</param>
    /// <param name="attachments">The attachments that lie beside it, each with its file's name.</param>
    internal static byte[] Write(ApplianceDescription appliance, DateTime timeUtc, string? restorePointId,
        IReadOnlyList<(ApplianceAttachment Attachment, string FileName)>? attachments = null)
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
            // What a VM of a folder calls itself stays, so that its history goes on; what another hypervisor calls one
            // is not unique, and the appliance's own id is.
            json.WriteString("id",
                appliance is { HypervisorKind: FolderKind, NativeId: string own } ? own : appliance.ApplianceId);
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
                json.WriteString("path", PathOf(appliance, disk, timeUtc, restorePointId));
                if (restorePointId is not null) json.WriteString("format", "raw");
                json.WriteString("role", disk.Role.ToString());
                WriteNumber(json, "sizeBytes", disk.SizeBytes);
                json.WriteString("location", disk.Location);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteStartArray("attachments");
            foreach ((ApplianceAttachment attachment, string fileName) in attachments ?? [])
            {
                json.WriteStartObject();
                json.WriteString("name", attachment.Name);
                json.WriteString("kind", attachment.Kind.ToString());
                json.WriteNumber("sizeBytes", attachment.Content.Length);
                json.WriteString("path", fileName);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteString("nativeFormat", appliance.NativeFormat);
            json.WriteString("nativeConfiguration", appliance.NativeConfiguration);
            json.WriteEndObject();
        }
        return memory.ToArray();
    }

    /// <summary>
    /// Of a point: the name that its exported image gets beside this file. Of a live VM: where its image lies, if it is
    /// one of a folder.
    /// </summary>
    private static string PathOf(ApplianceDescription appliance, ApplianceDisk disk, DateTime timeUtc,
        string? restorePointId) =>
        restorePointId is not null
            ? ImageName(appliance.Name, timeUtc, disk.DiskId, restorePointId)
            : appliance.HypervisorKind == FolderKind && disk.Location is { Length: > 0 } location
                ? location.Substring(location.LastIndexOfAny(['/', '\\']) + 1)
                : ExportName.Create([appliance.Name, disk.DiskId], ".raw", appliance.ApplianceId);

    /// <summary>The name of an exported image.</summary>
    internal static string ImageName(string applianceName, DateTime timeUtc, string diskId, string restorePointId,
        bool withId = false, string extension = ".raw") => ExportName.Create(
            [applianceName, ExportDestination.Stamp(timeUtc), diskId], extension, restorePointId, withId);

    private static void WriteNumber(Utf8JsonWriter json, string name, long? value)
    {
        if (value is long number) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }
}
