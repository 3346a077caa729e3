using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>A disk that an OVF describes.</summary>
/// <param name="Id">Its id in the OVF.</param>
/// <param name="FileName">The file of the package that holds it.</param>
/// <param name="SizeBytes">The disk's size in bytes; null when it is not told in a way that is understood.</param>
internal sealed record OvfDisk(string Id, string FileName, long? SizeBytes);

/// <summary>
/// What an OVF says of the one VM in it (DMTF DSP0243; the numbers of resources are those of CIM_ResourceAllocation-
/// SettingData). Elements are known by their names whatever the version of their namespace.
/// </summary>
internal sealed record OvfFile
{
    /// <summary>A VM's takes some tens of KiB.</summary>
    internal const int MaxBytes = 4 * 1024 * 1024;
    private const int MostDepth = 64, MostDisks = 256;

    private const int Processors = 3, Memory = 4, NetworkAdapter = 10;

    internal required string Text { get; init; }
    internal string? Id { get; init; }
    internal string? Name { get; init; }
    internal int? ProcessorCount { get; init; }
    internal long? MemoryBytes { get; init; }
    internal IReadOnlyList<ApplianceNetwork> Networks { get; init; } = [];
    internal IReadOnlyList<OvfDisk> Disks { get; init; } = [];

    /// <summary>Reads the text of an OVF.</summary>
    /// <param name="path">Where it comes from, for errors.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="NataliaException"><c>ApplianceDescriptionInvalid</c>.</exception>
    internal static OvfFile Parse(string path, string text)
    {
        XElement root = Load(path, text);
        List<XElement> systems = [.. root.Descendants().Where(e => Is(e, "VirtualSystem"))];
        if (systems.Count != 1)
            throw Invalid(path, systems.Count == 0 ? "it describes no VM" : $"it describes {systems.Count} VMs, and a "
                + "folder holds one");
        XElement system = systems[0];
        List<XElement> items = [.. system.Descendants().Where(e => Is(e, "Item") || Is(e, "StorageItem")
            || Is(e, "EthernetPortItem"))];
        return new OvfFile
        {
            Text = text,
            Id = Attribute(system, "id"),
            Name = Child(system, "Name") ?? Attribute(system, "id"),
            ProcessorCount = (int?)Number(Of(Processors), 1, 4096),
            MemoryBytes = MemoryOf(Of(Memory)),
            Networks = [.. items.Where(i => Type(i) == NetworkAdapter)
                .Select(i => new ApplianceNetwork(Child(i, "Connection") ?? "unknown", null, Child(i, "Address")))],
            Disks = ReadDisks(path, root, system),
        };

        XElement? Of(int type) => items.Find(i => Type(i) == type);
    }

    private static XElement Load(string path, string text)
    {
        // Nothing outside the text is looked at, and nothing in it grows.
        var settings = new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            MaxCharactersInDocument = MaxBytes,
        };
        try
        {
            // A tree costs its depth for each of its nodes.
            using (var look = XmlReader.Create(new StringReader(text), settings))
            {
                while (look.Read())
                {
                    if (look.Depth > MostDepth) throw Invalid(path, "its elements lie too deep in each other");
                }
            }
            using var reader = XmlReader.Create(new StringReader(text), settings);
            return XDocument.Load(reader).Root!;
        }
        catch (XmlException e)
        {
            throw Invalid(path, $"line {e.LineNumber.ToString(CultureInfo.InvariantCulture)} is not XML that is "
                + "accepted here: " + e.Message.TrimEnd('.'), e);
        }
    }

    private static List<OvfDisk> ReadDisks(string path, XElement root, XElement system)
    {
        var files = new Dictionary<string, XElement>(StringComparer.Ordinal);
        foreach (XElement file in root.Descendants().Where(e => Is(e, "File")))
            if (Attribute(file, "id") is string id) files[id] = file;
        // Disks of the package that the VM does not use are none of its disks.
        const string Place = "/disk/";
        HashSet<string> used = new(system.Descendants().Where(e => Is(e, "HostResource")).Select(e => e.Value.Trim())
            .Where(v => v.Contains(Place))
            .Select(v => v.Substring(v.LastIndexOf(Place, StringComparison.Ordinal) + Place.Length)),
            StringComparer.Ordinal);
        var disks = new List<OvfDisk>();
        foreach (XElement disk in root.Descendants().Where(e => Is(e, "Disk") && Attribute(e, "diskId") is not null))
        {
            string id = Attribute(disk, "diskId")!;
            if (!used.Contains(id)) continue;
            if (Attribute(disk, "parentRef") is not null)
                throw Invalid(path, $"its disk '{id}' holds only what differs from another one");
            // A disk without a file is empty, and is made when the VM is.
            if (Attribute(disk, "fileRef") is not string reference) continue;
            if (!files.TryGetValue(reference, out XElement? file) || Attribute(file, "href") is not string name)
                throw Invalid(path, $"the file '{reference}' of its disk '{id}' is not named");
            if (Attribute(file, "chunkSize") is not null)
                throw Invalid(path, $"the file '{name}' of its disk '{id}' is cut into pieces");
            if (Attribute(file, "compression") is string how && how != "identity")
                throw Invalid(path, $"the file '{name}' of its disk '{id}' is compressed as a whole ({how})");
            if (disks.Count == MostDisks) throw Invalid(path, $"its VM has more than {MostDisks} disks");
            if (disks.Exists(d => d.Id.Equals(id, StringComparison.OrdinalIgnoreCase)))
                throw Invalid(path, $"it has the disk '{id}' twice");
            disks.Add(new OvfDisk(id, name, Units(Attribute(disk, "capacity"),
                Attribute(disk, "capacityAllocationUnits") ?? "byte")));
        }
        return disks;
    }

    private static long? MemoryOf(XElement? item) => item is null
        ? null
        : Units(Child(item, "VirtualQuantity"), Child(item, "AllocationUnits") ?? "byte * 2^20");

    /// <summary>
    /// A number with its unit, as in "byte * 2^20" (DSP0004, annex C) or, in older files, "MegaBytes".
    /// </summary>
    private static long? Units(string? number, string unit)
    {
        if (!long.TryParse(number?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long value))
            return null;
        string plain = unit.Replace(" ", "").ToLowerInvariant();
        int power = plain switch
        {
            "byte" or "bytes" => 0,
            "kilobytes" or "kilobyte" or "kb" => 10,
            "megabytes" or "megabyte" or "mb" => 20,
            "gigabytes" or "gigabyte" or "gb" => 30,
            _ => plain.StartsWith("byte*2^", StringComparison.Ordinal)
                && int.TryParse(plain.Substring(7), NumberStyles.None, CultureInfo.InvariantCulture, out int exponent)
                ? exponent
                : -1,
        };
        return power is >= 0 and < 62 && value > 0 && value <= long.MaxValue >> power ? value << power : null;
    }

    private static long? Number(XElement? item, long least, long most) =>
        item is not null && long.TryParse(Child(item, "VirtualQuantity")?.Trim(), NumberStyles.None,
            CultureInfo.InvariantCulture, out long value) && value >= least && value <= most
            ? value
            : null;

    private static int Type(XElement item) =>
        int.TryParse(Child(item, "ResourceType")?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture,
            out int type)
            ? type
            : -1;

    private static bool Is(XElement element, string name) => element.Name.LocalName == name;

    private static string? Child(XElement element, string name) =>
        element.Elements().FirstOrDefault(e => Is(e, name))?.Value.Trim() is { Length: > 0 } text ? text : null;

    private static string? Attribute(XElement element, string name) =>
        element.Attributes().FirstOrDefault(a => a.Name.LocalName == name)?.Value is { Length: > 0 } text ? text : null;

    internal static NataliaException Invalid(string path, string what, Exception? inner = null) => new(
        ErrorIds.ApplianceDescriptionInvalid, NataliaErrorKind.InvalidArgument,
        $"The OVF '{path}' cannot be used: {what}.", path,
        "Export the VM again as one package, or describe its images in a vm.json beside them.", inner);
}
