namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>The replication that is wanted.</summary>
public sealed record ReplicationRequest
{
    /// <summary>The VM host that gets the copy.</summary>
    public required string TargetVMHost { get; init; }
    /// <summary>Every how many minutes, 1 to 59. Each run freezes the guest's file systems for a moment.</summary>
    public int IntervalMinutes { get; init; } = 5;
    /// <summary>At most so many MB (10^6 bytes) a second; null for no limit.</summary>
    public double? RateLimitMegabytes { get; init; }
}
