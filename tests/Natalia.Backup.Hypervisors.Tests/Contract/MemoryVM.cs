namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>A VM of a memory hypervisor.</summary>
internal sealed class MemoryVM
{
    internal required string Name { get; init; }

    internal List<string> Networks { get; init; } = [];

    internal Dictionary<string, byte[]> Disks { get; } = [];

    /// <summary>The building that has not ended, and since when.</summary>
    internal (string BuildId, DateTime StartedUtc)? Building { get; set; }

    /// <summary>The test that it was made for, and on which network it must be.</summary>
    internal (string RunId, string Network, DateTime CreatedUtc)? Test { get; set; }

    internal bool IsRunning { get; set; }
}
