namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How a point is restored.</summary>
public sealed record NativeRestoreRequest
{
    /// <summary>The new VM's name; null keeps the old one. It must be free.</summary>
    public string? NewName { get; init; }
    /// <summary>The hypervisor's number for the new VM; null takes the next free one.</summary>
    public string? NativeId { get; init; }
    /// <summary>
    /// The VM host to restore on; null takes the one where the VM is, or any that reaches the storage.
    /// </summary>
    public string? VMHost { get; init; }
    /// <summary>The storage for the disks; null takes those that the point names.</summary>
    public string? Storage { get; init; }
    /// <summary>
    /// For every network of the point, the network to connect instead. Networks that are not named stay as they were;
    /// one that the original VM still uses must be named, if only with itself.
    /// </summary>
    public IReadOnlyDictionary<string, string> Networks { get; init; } = new Dictionary<string, string>();
    /// <summary>
    /// Over the VM that the point was made of. Disks that the point holds are replaced, others are detached, snapshots
    /// and replication are lost.
    /// </summary>
    public bool OverExisting { get; init; }
    /// <summary>Whether the VM is started when it is restored and its configuration was read back.</summary>
    public bool Start { get; init; }
    /// <summary>How long it may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(24);
}
