using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How a VM is built.</summary>
public sealed record BuildRequest
{
    /// <summary>The VM's name. It must be free.</summary>
    public required string Name { get; init; }
    /// <summary>
    /// The building's id: recorded with the VM from its first moment, so that what a crash leaves is found again.
    /// </summary>
    public string BuildId { get; init; } = Guid.NewGuid().ToString("N");
    /// <summary>Where it is put.</summary>
    public Placement Placement { get; init; } = new();
    /// <summary>
    /// For every network of the description, the network to connect instead; those that are not named stay as they
    /// were. Without meaning under <see cref="Isolation"/>, which has one network for all.
    /// </summary>
    public IReadOnlyDictionary<string, string> Networks { get; init; } = new Dictionary<string, string>();
    /// <summary>The isolation of a test VM; null for a VM that is to stay.</summary>
    public Isolation? Isolation { get; init; }
    /// <summary>
    /// Whether the VM is to be switched on when it is complete: what would stand in the way of that is then refused
    /// before anything is made, as far as the builder can know.
    /// </summary>
    public bool IsToStart { get; init; }
    /// <summary>Memory in bytes, or null for as much as the description says.</summary>
    public long? MemoryBytes { get; init; }
    /// <summary>
    /// What belongs to the VM and is no disk; only those that the hypervisor's <see cref="IAttachmentBuilder"/> takes.
    /// </summary>
    public IReadOnlyList<ApplianceAttachment> Attachments { get; init; } = [];
    /// <summary>
    /// The disks that are served and not written; null for none. Only for an <see cref="IServedDiskBuilder"/>. Of such
    /// a disk the writer begins and completes the target, and writes nothing.
    /// </summary>
    public ServedDisks? ServedDisks { get; init; }
}
