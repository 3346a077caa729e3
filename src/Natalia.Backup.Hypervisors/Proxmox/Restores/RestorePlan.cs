namespace Natalia.Backup.Hypervisors.Proxmox.Restores;

/// <summary>A restore as the server is asked for it.</summary>
internal sealed record RestorePlan
{
    internal required string Node { get; init; }
    /// <summary>The number to restore to; null for the next free one.</summary>
    internal string? Vmid { get; init; }
    internal bool OverExisting { get; init; }
    internal string? Storage { get; init; }
    internal string? Pool { get; init; }
    internal string? Name { get; init; }
    internal string? Description { get; init; }
    internal bool? OnBoot { get; init; }
    internal long? MemoryMib { get; init; }
    /// <summary>The adapters to set in the same call, by key.</summary>
    internal IReadOnlyDictionary<string, string> Adapters { get; init; } = new Dictionary<string, string>();
    internal TimeSpan Timeout { get; init; }
    /// <summary>What a person should know of it; full sentences.</summary>
    internal IReadOnlyList<string> Warnings { get; init; } = [];
}
