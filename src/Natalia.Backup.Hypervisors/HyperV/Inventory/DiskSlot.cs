using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>A place on a controller of a VM, or of a checkpoint, that holds a disk.</summary>
/// <param name="DiskId">As people count: <c>scsi0:1</c>, <c>ide0:0</c>.</param>
/// <param name="Key">Controller, slot and unit, the same in the VM and in its checkpoints.</param>
/// <param name="Path">The image's file, as the host has it; null for a disk that is no image.</param>
/// <param name="Role">What the disk is for, where the machine itself says it.</param>
/// <param name="Obstacle">Why it cannot be backed up, the end of a sentence; null when nothing speaks against
/// it.</param>
internal sealed record DiskSlot(string DiskId, string Key, string? Path, DiskRole Role, string? Obstacle)
{
    private const long IdeController = 5, ScsiController = 6, DiskDrive = 17, LogicalDisk = 31;
    private const string Image = "Microsoft:Hyper-V:Virtual Hard Disk";
    private const string PassThrough = "Microsoft:Hyper-V:Physical Disk Drive";

    /// <summary>
    /// The disks among the settings of a VM or checkpoint: an image hangs on a drive, the drive on a controller.
    /// </summary>
    /// <param name="components">All settings of it.</param>
    internal static IReadOnlyList<DiskSlot> Read(IReadOnlyList<CimRow> components)
    {
        List<CimRow> controllers =
            [.. components.Where(c => c.Number("ResourceType") is IdeController or ScsiController)];
        var slots = new List<DiskSlot>();
        foreach (CimRow drive in components.Where(c => c.Number("ResourceType") == DiskDrive))
        {
            CimRow? controller = Parent(drive, controllers);
            CimRow? image = components.FirstOrDefault(c => c.Number("ResourceType") == LogicalDisk
                && c.Text("ResourceSubType") == Image && ReferenceEquals(Parent(c, [drive]), drive));
            bool isPassThrough = drive.Text("ResourceSubType") == PassThrough;
            // A DVD drive, or a drive without a disk.
            if (image is null && !isPassThrough) continue;
            string? path = image?.Texts("HostResource").FirstOrDefault();
            string diskId = NameOf(drive, controller, controllers);
            slots.Add(new DiskSlot(diskId, KeyOf(image ?? drive), path,
                diskId == "ide0:0" ? DiskRole.System : DiskRole.Unknown,
                isPassThrough ? "is a physical disk of the host (pass-through), which no checkpoint holds" : Why(image!,
                    path)));
        }
        return slots;
    }

    /// <summary>The part of a setting's id behind the id of the VM or checkpoint that it belongs to.</summary>
    internal static string KeyOf(string instanceId)
    {
        int end = instanceId.IndexOf('\\');
        return end < 0 ? instanceId : instanceId.Substring(end + 1);
    }

    private static string KeyOf(CimRow row) => KeyOf(row.Text("InstanceID") ?? "");

    private static string? Why(CimRow image, string? path) =>
        string.IsNullOrEmpty(path) ? "names no file"
        : path!.EndsWith(".vhds", StringComparison.OrdinalIgnoreCase)
            ? "is a VHD set, which several VMs share"
        : image.Flag("PersistentReservationsSupported") == true ? "is shared with other VMs"
        : null;

    private static CimRow? Parent(CimRow child, List<CimRow> among)
    {
        string? id = CimPath.TryParse(child.Text("Parent"), Wmi.HyperVHost.Namespace)?["InstanceID"];
        return id is null ? null : among.Find(p => string.Equals(p.Text("InstanceID"), id,
            StringComparison.OrdinalIgnoreCase));
    }

    private static string NameOf(CimRow drive, CimRow? controller, List<CimRow> controllers)
    {
        string place = drive.Text("AddressOnParent") ?? "?";
        if (controller is null) return "disk" + place;
        long kind = controller.Number("ResourceType")!.Value;
        // IDE controllers have an address; SCSI controllers are counted as the host lists them.
        string number = kind == IdeController && controller.Text("Address") is { Length: > 0 } address
            ? address
            : controllers.Where(c => c.Number("ResourceType") == kind).ToList().IndexOf(controller)
                .ToString(System.Globalization.CultureInfo.InvariantCulture);
        return $"{(kind == IdeController ? "ide" : "scsi")}{number}:{place}";
    }

    /// <summary>The error for a disk that cannot be backed up.</summary>
    internal NataliaException Refuse(string machine) => new(ErrorIds.DiskFormatNotSupported,
        NataliaErrorKind.NotSupported,
        $"The disk '{DiskId}' of '{machine}' cannot be backed up: it {Obstacle}.", machine,
        "Leave it out, or make it a virtual disk of this VM alone.");
}
