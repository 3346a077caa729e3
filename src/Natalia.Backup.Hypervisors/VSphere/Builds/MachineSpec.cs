using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>Configurations as they are sent. The order of members is the schema's.</summary>
internal static class MachineSpec
{
    private const int ControllerKey = 1000, FirstAdapterKey = -200, OwnUnit = 7;

    /// <summary>A VM without disks, with its records, its controller, and its adapters on their networks.</summary>
    /// <param name="like">What it is to be like.</param>
    /// <param name="how">How.</param>
    /// <param name="former">What is known of it beyond that.</param>
    /// <param name="site">Where.</param>
    /// <param name="options">Its extra configuration.</param>
    internal static XElement Create(ApplianceDescription like, BuildRequest how, FormerSettings former, Site site,
        IReadOnlyList<XElement> options)
    {
        long memory = Math.Max(4, (how.MemoryBytes ?? like.MemoryBytes ?? 2L << 30) >> 20) / 4 * 4;
        var devices = new List<object?> { Controller(former.Controller) };
        for (int i = 0; i < site.Adapters.Count; i++)
            devices.Add(Adapter(former.Adapter, FirstAdapterKey - i, site.Adapters[i](), how.Isolation is null));
        return VimXml.Group("config",
            VimXml.Element("name", how.Name),
            VimXml.Element("guestId", former.GuestId),
            VimXml.Element("annotation", how.Isolation is null ? null
                : "A restore test's VM of Natalia.Backup. It is destroyed when the test ends."),
            VimXml.Group("files", VimXml.Element("vmPathName", $"[{site.Datastore}]")),
            VimXml.Element("numCPUs", like.ProcessorCount ?? 1),
            VimXml.Element("memoryMB", memory),
            devices,
            options,
            former.Firmware == "efi"
                ? VimXml.Group("bootOptions", VimXml.Element("efiSecureBootEnabled", former.IsSecureBootOn))
                : null,
            VimXml.Element("firmware", former.Firmware));
    }

    /// <summary>An image that is there becomes a disk of the VM.</summary>
    /// <param name="fileName">The descriptor.</param>
    /// <param name="controllerKey">The controller.</param>
    /// <param name="unit">The place on it.</param>
    /// <param name="sizeBytes">The size, a multiple of 1024.</param>
    internal static XElement AddDisk(string fileName, int controllerKey, int unit, long sizeBytes) =>
        VimXml.Group("deviceChange",
            VimXml.Element("operation", "add"),
            VimXml.Typed("device", "VirtualDisk",
                VimXml.Element("key", -100 - unit),
                VimXml.Typed("backing", "VirtualDiskFlatVer2BackingInfo",
                    VimXml.Element("fileName", fileName),
                    VimXml.Element("diskMode", "persistent")),
                VimXml.Element("controllerKey", controllerKey),
                VimXml.Element("unitNumber", unit),
                VimXml.Element("capacityInKB", sizeBytes / 1024),
                VimXml.Element("capacityInBytes", sizeBytes)));

    /// <summary>A disk is taken from the VM; its files stay.</summary>
    internal static XElement RemoveDisk(XElement device) =>
        VimXml.Group("deviceChange",
            VimXml.Element("operation", "remove"),
            new XElement(VimXml.Vim + "device", device.Attributes().Where(a => !a.IsNamespaceDeclaration),
                device.Nodes()));

    /// <summary>
    /// Where each disk goes: where it was, if that is on the first SCSI controller, else to the first free place.
    /// </summary>
    internal static IReadOnlyDictionary<string, int> Places(IReadOnlyList<string> diskIds)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        var taken = new HashSet<int> { OwnUnit };
        foreach (string id in diskIds)
        {
            if (id.StartsWith("scsi0:", StringComparison.Ordinal)
                && int.TryParse(id.Substring("scsi0:".Length), NumberStyles.None, CultureInfo.InvariantCulture,
                    out int unit) && unit < 16 && taken.Add(unit))
                places[id] = unit;
        }
        foreach (string id in diskIds.Where(d => !places.ContainsKey(d)))
        {
            int free = 0;
            while (!taken.Add(free)) free++;
            places[id] = free;
        }
        return places;
    }

    private static XElement Controller(string type) =>
        VimXml.Group("deviceChange",
            VimXml.Element("operation", "add"),
            VimXml.Typed("device", type,
                VimXml.Element("key", ControllerKey),
                VimXml.Element("busNumber", 0),
                VimXml.Element("sharedBus", "noSharing")));

    private static XElement Adapter(string type, int key, XElement backing, bool isConnected) =>
        VimXml.Group("deviceChange",
            VimXml.Element("operation", "add"),
            VimXml.Typed("device", type,
                VimXml.Element("key", key),
                backing,
                VimXml.Group("connectable",
                    VimXml.Element("startConnected", isConnected),
                    VimXml.Element("allowGuestControl", isConnected),
                    VimXml.Element("connected", isConnected)),
                // The server gives a new address: the original may be on the network with the old one.
                VimXml.Element("addressType", "generated")));
}
