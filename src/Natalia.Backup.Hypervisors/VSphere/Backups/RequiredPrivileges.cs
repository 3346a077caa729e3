namespace Natalia.Backup.Hypervisors.VSphere.Backups;

/// <summary>What the user needs, by the names of the vSphere API; docs/vmware.md has them as a role.</summary>
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
}
