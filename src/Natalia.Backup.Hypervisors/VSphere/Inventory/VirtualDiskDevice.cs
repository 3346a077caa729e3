using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>A virtual disk, as a VM's or a snapshot's list of devices describes it.</summary>
internal sealed record VirtualDiskDevice
{
    /// <summary>The device's key; constant as long as the disk is attached.</summary>
    internal required int Key { get; init; }

    /// <summary>Where it is attached: <c>scsi0:1</c>.</summary>
    internal required string DiskId { get; init; }

    internal required DiskRole Role { get; init; }

    internal required long? SizeBytes { get; init; }

    /// <summary>The descriptor, <c>[datastore] folder/name.vmdk</c>; null where the backing has no file.</summary>
    internal required string? FileName { get; init; }

    internal required VimReference? Datastore { get; init; }

    internal required string? Uuid { get; init; }

    internal required string? ChangeId { get; init; }

    /// <summary>The type of the backing.</summary>
    internal required string BackingType { get; init; }

    /// <summary>The descriptors of the images below this one, the nearest first.</summary>
    internal required IReadOnlyList<string> Parents { get; init; }

    /// <summary>How many images lie below this one.</summary>
    internal int ParentCount => Parents.Count;

    /// <summary>Why it can be in no snapshot, or not be read from one, in the third person; null when it can.</summary>
    internal required string? Obstacle { get; init; }

    /// <summary>The disks of a list of devices.</summary>
    /// <param name="config">A VirtualMachineConfigInfo.</param>
    internal static IReadOnlyList<VirtualDiskDevice> Read(XElement? config)
    {
        List<XElement> devices = [.. config.At("hardware").Members("device")];
        var controllers = new Dictionary<long, XElement>();
        foreach (XElement device in devices)
            if (device.Number("key") is long key && device.Number("busNumber") is not null) controllers[key] = device;
        string? boots = config.At("bootOptions").Members("bootOrder")
            .FirstOrDefault(b => VimXml.TypeOf(b) == "VirtualMachineBootOptionsBootableDiskDevice").Text("deviceKey");
        return [.. devices.Where(d => VimXml.TypeOf(d) == "VirtualDisk").Select(d => Read(d, controllers, boots))];
    }

    private static VirtualDiskDevice Read(XElement device, Dictionary<long, XElement> controllers, string? boots)
    {
        XElement? backing = device.Member("backing");
        XElement? controller = device.Number("controllerKey") is long key
            && controllers.TryGetValue(key, out XElement? found) ? found : null;
        return new VirtualDiskDevice
        {
            Key = (int)(device.Number("key") ?? 0),
            DiskId = Place(device, controller),
            Role = boots is not null && boots == device.Text("key") ? DiskRole.System : DiskRole.Unknown,
            SizeBytes = device.Number("capacityInBytes") ?? device.Number("capacityInKB") * 1024,
            FileName = backing.Text("fileName") is { Length: > 0 } name ? name : null,
            Datastore = VimXml.ReferenceOf(backing.Member("datastore")),
            Uuid = backing.Text("uuid") is { Length: > 0 } uuid ? uuid : null,
            ChangeId = backing.Text("changeId") is { Length: > 0 } change ? change : null,
            BackingType = VimXml.TypeOf(backing) ?? "",
            Parents = ReadParents(backing),
            Obstacle = FindObstacle(backing, controller),
        };
    }

    /// <summary>How ids of disks call the bus of a type of controllers; null for one that is not known.</summary>
    internal static string? BusOf(string controllerType) => controllerType switch
    {
        "VirtualIDEController" => "ide",
        "VirtualNVMEController" => "nvme",
        "VirtualAHCIController" or "VirtualSATAController" => "sata",
        "ParaVirtualSCSIController" or "VirtualLsiLogicController" or "VirtualLsiLogicSASController"
            or "VirtualBusLogicController" or "VirtualSCSIController" => "scsi",
        _ => null,
    };

    private static string Place(XElement device, XElement? controller)
    {
        string? bus = VimXml.TypeOf(controller) is string type ? BusOf(type) ?? "scsi" : null;
        return bus is null || device.Number("unitNumber") is not long unit
            ? "disk" + device.Text("key")
            : string.Format(CultureInfo.InvariantCulture, "{0}{1}:{2}", bus, controller.Number("busNumber"), unit);
    }

    private static List<string> ReadParents(XElement? backing)
    {
        var files = new List<string>();
        for (XElement? parent = backing.Member("parent"); parent is not null; parent = parent.Member("parent"))
            files.Add(parent.Text("fileName") ?? "");
        return files;
    }

    private static string? FindObstacle(XElement? backing, XElement? controller)
    {
        string type = VimXml.TypeOf(backing) ?? "";
        string mode = backing.Text("diskMode") ?? "persistent";
        if (type.IndexOf("RawDisk", StringComparison.Ordinal) >= 0)
            return "is a raw device mapping, whose bytes lie outside the datastore";
        if (mode.StartsWith("independent", StringComparison.Ordinal))
            return $"is independent ({mode}), so that snapshots leave it out";
        if (mode != "persistent") return $"has the mode {mode}, which gives up what is written";
        if (backing.Text("sharing") is string sharing and not "sharingNone")
            return $"is shared with other VMs ({sharing})";
        if (controller.Text("sharedBus") is string bus and not "noSharing")
            return $"is on a controller that is shared with other VMs ({bus})";
        if (backing.Member("keyId") is not null) return "is encrypted";
        return type.Length > 0 && backing.Text("fileName") is not { Length: > 0 } ? "has no file" : null;
    }
}
