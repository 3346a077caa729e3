namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How a test VM is made.</summary>
public sealed record TestApplianceRequest
{
    /// <summary>The network that leads nowhere; every adapter is put on it.</summary>
    public required string IsolatedNetwork { get; init; }
    /// <summary>The test's id; kept in the mark.</summary>
    public string RunId { get; init; } = Guid.NewGuid().ToString("N");
    /// <summary>The node, or null for any that reaches the storage.</summary>
    public string? Node { get; init; }
    /// <summary>The storage for the disks; null takes those that the point names.</summary>
    public string? Storage { get; init; }
    /// <summary>The pool to put it in, where rights are given by pool; or null.</summary>
    public string? Pool { get; init; }
    /// <summary>Memory in bytes, or null for as much as the original.</summary>
    public long? MemoryBytes { get; init; }
    /// <summary>How long the restore may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(4);
}
