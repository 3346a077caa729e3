using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Appliances;

/// <summary>
/// A VM as its hypervisor shows it, together with what a repository keeps about it. Immutable; every property survives
/// a job or a remote session.
/// </summary>
public sealed record Appliance
{
    /// <summary>
    /// The appliance's id: 32 lowercase hexadecimal digits, the same on every machine that backs it up.
    /// </summary>
    public required string ApplianceId { get; init; }
    /// <summary>
    /// The id that its VM has by itself, where that took the place of the appliance's first VM; else null.
    /// </summary>
    public string? SuccessorId { get; init; }
    /// <summary>Its name on the hypervisor; a label, not an identity.</summary>
    public required string Name { get; init; }
    /// <summary>The kind of hypervisor: <c>Folder</c>, <c>VMware</c>, <c>Proxmox</c>, <c>HyperV</c>.</summary>
    public required string HypervisorKind { get; init; }
    /// <summary>The name of the session that shows the VM; null when no connected hypervisor has it.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>The name of the repository session that it is enrolled in; null when it is not enrolled.</summary>
    public string? Repository { get; init; }
    /// <summary>True when a connected repository keeps settings for it.</summary>
    public bool IsEnrolled => Repository is not null;
    /// <summary>How many virtual processors it has; null when unknown.</summary>
    public int? ProcessorCount { get; init; }
    /// <summary>Its memory in bytes; null when unknown.</summary>
    public long? MemoryBytes { get; init; }
    /// <summary>Its network adapters.</summary>
    public IReadOnlyList<ApplianceNetwork> Networks { get; init => field = ItemList.Of(value); } =
        ItemList.Of<ApplianceNetwork>([]);
    /// <summary>All its virtual disks.</summary>
    public IReadOnlyList<ApplianceDisk> Disks { get; init => field = ItemList.Of(value); } =
        ItemList.Of<ApplianceDisk>([]);
    /// <summary>
    /// The id of the disk that a backup takes; null when that cannot be said without <c>-DataDisk</c>.
    /// </summary>
    public string? DataDisk { get; init; }
    /// <summary>Whether every backup takes the system disk too.</summary>
    public bool IncludeSystemDisk { get; init; }
    /// <summary>What a backup does when the guest does not put its data in order.</summary>
    public QuiesceFailure OnQuiesceFailure { get; init; }
    /// <summary>How often it is backed up, as far as somebody said so; null where nobody did.</summary>
    public BackupStrategy? Strategy { get; init; }
    /// <summary>Whether the guest is never asked to put its data in order.</summary>
    public bool NeverQuiesce { get; init; }
    /// <summary>How it is restore-tested, as far as somebody said so; null where nobody did.</summary>
    public RestoreTestSettings? RestoreTest { get; init; }
    /// <summary>The hypervisor's own id of the VM, or null.</summary>
    public string? NativeId { get; init; }

    /// <summary>The VM host that it is on; null when unknown.</summary>
    public string? VMHost { get; init; }
    /// <summary>Whether the VM runs, in the hypervisor's word; null when unknown.</summary>
    public string? State { get; init; }
    /// <summary>What is known of its guest agent.</summary>
    public GuestAgentState GuestAgent { get; init; }
    /// <summary>Its state in high availability, in the hypervisor's word; null when it is not managed.</summary>
    public string? HighAvailability { get; init; }
    /// <summary>The generation of its virtual hardware, 1 or 2; null where the hypervisor has none.</summary>
    public int? Generation { get; init; }
    /// <summary>The services by which its hypervisor and its guest work together; empty when unknown.</summary>
    public IReadOnlyList<IntegrationService> IntegrationServices { get; init => field = ItemList.Of(value); } =
        ItemList.Of<IntegrationService>([]);
    /// <summary>How the hypervisor replicates it; null when it does not, or that is unknown.</summary>
    public ApplianceReplication? Replication { get; init; }
    /// <summary>Whether what snapshots left of its disks is merged.</summary>
    public MergeState MergeState { get; init; }

    /// <summary>The appliance's name.</summary>
    public override string ToString() => Name;
}
