using Natalia.Backup.Engine.Format;

namespace Natalia.Backup.Engine.Model;

/// <summary>One network adapter of an appliance.</summary>
/// <param name="Name">The network it is connected to.</param>
/// <param name="Vlan">Its VLAN id, 1 to 4094; null when untagged or unknown.</param>
/// <param name="MacAddress">Its MAC address as the hypervisor writes it, or null.</param>
public sealed record ApplianceNetwork(string Name, int? Vlan = null, string? MacAddress = null)
{
    /// <summary>The network and its VLAN.</summary>
    public override string ToString() => Vlan is int v ? $"{Name} (VLAN {v})" : Name;
}

/// <summary>One virtual disk of an appliance, as its hypervisor describes it.</summary>
/// <param name="DiskId">The hypervisor's id of the disk, unique within the appliance.</param>
/// <param name="Role">What the disk is for; Unknown where nothing says so.</param>
/// <param name="SizeBytes">Its virtual size in bytes, or null when unknown.</param>
/// <param name="Location">Where the hypervisor keeps it, for the eye; or null.</param>
public sealed record ApplianceDisk(string DiskId, DiskRole Role, long? SizeBytes, string? Location = null)
{
    /// <summary>The disk's id and role.</summary>
    public override string ToString() => $"{DiskId} ({Role})";
}

/// <summary>
/// A VM's configuration at one time: what is needed to build a machine around a restored disk. Kept with every restore
/// point.
/// </summary>
public sealed record ApplianceDescription
{
    /// <summary>The appliance's id: 32 lowercase hexadecimal digits, made by <see cref="ApplianceIdentity"/>.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>Its name on the hypervisor; a label, not an identity.</summary>
    public required string Name { get; init; }
    /// <summary>The kind of hypervisor: <c>Folder</c>, <c>VMware</c>, <c>Proxmox</c>, <c>HyperV</c>.</summary>
    public required string HypervisorKind { get; init; }
    /// <summary>The hypervisor's own id of the VM, or null.</summary>
    public string? NativeId { get; init; }
    /// <summary>How many virtual processors it has; null when unknown.</summary>
    public int? ProcessorCount { get; init; }
    /// <summary>Its memory in bytes; null when unknown.</summary>
    public long? MemoryBytes { get; init; }
    /// <summary>Its network adapters.</summary>
    public IReadOnlyList<ApplianceNetwork> Networks { get; init; } = [];
    /// <summary>All its virtual disks, backed up or not.</summary>
    public IReadOnlyList<ApplianceDisk> Disks { get; init; } = [];
    /// <summary>
    /// The format of <see cref="NativeConfiguration"/>: <c>vm.json</c>, <c>vim25-config</c>, <c>qemu-server</c>, …;
    /// null when there is none.
    /// </summary>
    public string? NativeFormat { get; init; }
    /// <summary>The hypervisor's own description, word for word, so that nothing it knows is lost; or null.</summary>
    public string? NativeConfiguration { get; init; }
    /// <summary>How it is doing now, where the hypervisor says so; null in what a restore point keeps.</summary>
    public ApplianceState? State { get; init; }
}
