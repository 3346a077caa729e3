namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>A VM of a memory hypervisor.</summary>
public sealed class MemoryVM
{
    public required string Name { get; init; }

    public List<string> Networks { get; init; } = [];

    public Dictionary<string, byte[]> Disks { get; } = [];

    /// <summary>The building that has not ended, and since when.</summary>
    public (string BuildId, DateTime StartedUtc)? Building { get; set; }

    /// <summary>The test that it was made for, and on which network it must be.</summary>
    public (string RunId, string Network, DateTime CreatedUtc)? Test { get; set; }

    public bool IsRunning { get; set; }
}
