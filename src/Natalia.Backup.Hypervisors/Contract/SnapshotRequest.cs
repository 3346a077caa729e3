using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How a snapshot is made.</summary>
public sealed record SnapshotRequest
{
    /// <summary>
    /// Whether the memory is kept too. The guest is not frozen then: its memory holds what was not written.
    /// </summary>
    public bool IncludeMemory { get; init; }
    /// <summary>A note for people, or null.</summary>
    public string? Note { get; init; }
    /// <summary>How long to wait for another operation on the VM to end, and then for the snapshot itself.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(30);
    /// <summary>Told what is waited for; or null.</summary>
    public IProgress<OperationProgress>? Progress { get; init; }
}
