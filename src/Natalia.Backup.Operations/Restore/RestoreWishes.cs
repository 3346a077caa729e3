using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Restore;

/// <summary>How a VM is to be restored from a point of a repository of this product.</summary>
internal sealed record RestoreWishes
{
    /// <summary>The new VM's name; null keeps the old one. It must be free.</summary>
    internal string? NewName { get; init; }
    /// <summary>Where it is put.</summary>
    internal Placement Placement { get; init; } = new();
    /// <summary>For each network of the point, the network to connect instead.</summary>
    internal IReadOnlyDictionary<string, string> Networks { get; init; } = new Dictionary<string, string>();
    /// <summary>The ids of the VMs whose copy it is: all that stood for the point's appliance.</summary>
    internal IReadOnlyList<string> OriginalIds { get; init; } = [];
    /// <summary>Whether the VM is started when it is complete.</summary>
    internal bool Start { get; init; }
}
