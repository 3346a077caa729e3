namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>What the user needs, by the names of the vSphere API; docs/vmware.md has them as two roles.</summary>
internal static class RequiredPrivileges
{
    /// <summary>For backups, on the VM.</summary>
    internal static IReadOnlyList<string> OnMachine { get; } =
    [
        "System.Read",
        "VirtualMachine.State.CreateSnapshot",
        "VirtualMachine.State.RemoveSnapshot",
        "VirtualMachine.Provisioning.DiskRandomRead",
        "VirtualMachine.Provisioning.GetVmFiles",
        "VApp.Export",
    ];

    /// <summary>To switch tracking on, on the VM.</summary>
    internal static IReadOnlyList<string> ForTracking { get; } = ["VirtualMachine.Config.ChangeTracking"];

    /// <summary>For ranged reads, on the datastores of the disks.</summary>
    internal static IReadOnlyList<string> OnDatastore { get; } = ["Datastore.Browse", "Datastore.FileManagement"];

    /// <summary>For restores, on the folder that new VMs go to, and with a replacement on the VM.</summary>
    internal static IReadOnlyList<string> ToRestoreOnFolder { get; } =
    [
        "VirtualMachine.Inventory.Create",
        "VirtualMachine.Inventory.Delete",
        "VirtualMachine.Config.AddExistingDisk",
        "VirtualMachine.Config.AddNewDisk",
        "VirtualMachine.Config.AddRemoveDevice",
        "VirtualMachine.Config.RemoveDisk",
        "VirtualMachine.Config.Settings",
        "VirtualMachine.Config.AdvancedConfig",
        "VirtualMachine.Interact.PowerOn",
        "VirtualMachine.Interact.PowerOff",
        "VirtualMachine.Interact.AnswerQuestion",
    ];

    /// <summary>For restores, on the resource pool of the host.</summary>
    internal static IReadOnlyList<string> ToRestoreOnPool { get; } = ["Resource.AssignVMToPool"];

    /// <summary>For restores, on the networks of the adapters.</summary>
    internal static IReadOnlyList<string> ToRestoreOnNetwork { get; } = ["Network.Assign"];

    /// <summary>For restores, on the datastores, besides those of ranged reads.</summary>
    internal static IReadOnlyList<string> ToRestoreOnDatastore { get; } = ["Datastore.AllocateSpace"];

    /// <summary>For the commands of restore tests, on the folder that new VMs go to.</summary>
    internal static IReadOnlyList<string> ToTestOnFolder { get; } =
    [
        "VirtualMachine.GuestOperations.Execute",
        "VirtualMachine.GuestOperations.Modify",
        "VirtualMachine.GuestOperations.Query",
    ];
}
