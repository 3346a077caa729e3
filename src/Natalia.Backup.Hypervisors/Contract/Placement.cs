namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Where a VM is put. What is left out, the hypervisor chooses.</summary>
public sealed record Placement
{
    /// <summary>The VM host (a node, an ESXi host), or null.</summary>
    public string? VMHost { get; init; }
    /// <summary>
    /// The storage for the disks (a storage, a datastore, a folder), or null for those that the source names.
    /// </summary>
    public string? Storage { get; init; }
    /// <summary>What groups VMs there (a pool, a resource pool), where rights are given by it; or null.</summary>
    public string? Group { get; init; }
}
