using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Snapshots;

/// <summary>A VM's state in a snapshot of ours, from which disks are read.</summary>
internal sealed record FrozenMachine
{
    /// <summary>The VM.</summary>
    internal required VimReference Machine { get; init; }

    /// <summary>Its name, for messages.</summary>
    internal required string Name { get; init; }

    /// <summary>The snapshot, <c>VirtualMachineSnapshot</c>.</summary>
    internal required VimReference Snapshot { get; init; }

    /// <summary>The host that runs the VM; null when the server does not say.</summary>
    internal VimReference? Host { get; init; }

    /// <summary>
    /// The inventory path of its datacenter without a leading slash, for the argument <c>dcPath</c>; null where there
    /// is none to name (ESXi).
    /// </summary>
    internal string? DatacenterPath { get; init; }

    /// <summary>The disks that are to be read.</summary>
    internal required IReadOnlyList<FrozenVirtualDisk> Disks { get; init; }
}

/// <summary>One disk as it is in the snapshot's own configuration.</summary>
internal sealed record FrozenVirtualDisk
{
    /// <summary>The product's id of the disk: <c>scsi0:1</c>.</summary>
    internal required string DiskId { get; init; }

    /// <summary>The device's key, by which changed areas are asked for.</summary>
    internal required int Key { get; init; }

    /// <summary>The size in bytes.</summary>
    internal required long SizeBytes { get; init; }

    /// <summary>The frozen image's descriptor, <c>[datastore] folder/name.vmdk</c>.</summary>
    internal required string FileName { get; init; }

    /// <summary>The datastore of the file; null when the backing names none.</summary>
    internal VimReference? Datastore { get; init; }

    /// <summary>
    /// What tells this disk from another one in its place: the backing's uuid; null when it has none.
    /// </summary>
    internal string? Uuid { get; init; }

    /// <summary>Where changes are counted from, opaque; null for a disk that is not tracked.</summary>
    internal string? ChangeId { get; init; }

    /// <summary>The backing's type: <c>VirtualDiskFlatVer2BackingInfo</c>.</summary>
    internal required string BackingType { get; init; }

    /// <summary>How many images lie below this one: 0 where the file alone is the whole state.</summary>
    internal int ParentCount { get; init; }
}
