namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>For what the prerequisites are checked.</summary>
public sealed record PrerequisiteRequest
{
    /// <summary>The storages that take restore points; null for those that the caller's schedules name.</summary>
    public IReadOnlyList<string>? Storages { get; init; }
    /// <summary>The VM host for replication, or null when there is to be none.</summary>
    public string? ReplicationTarget { get; init; }
    /// <summary>The isolated network for restore tests, or null when there are to be none.</summary>
    public string? IsolatedNetwork { get; init; }
}
