using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>A replication and how it is doing. Immutable and job-safe.</summary>
public sealed record ReplicationState
{
    /// <summary>The hypervisor's id of it.</summary>
    public required string ReplicationId { get; init; }
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>Its name; null when the VM is not to be seen.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>The name of the hypervisor session that it was read through, or null.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>The VM host where the VM runs now; null when unknown.</summary>
    public string? SourceVMHost { get; init; }
    /// <summary>The VM host that gets the copy.</summary>
    public required string TargetVMHost { get; init; }
    /// <summary>When, in the hypervisor's own words.</summary>
    public string? Expression { get; init; }
    /// <summary>Every how many minutes; null when the expression is of another kind.</summary>
    public int? IntervalMinutes { get; init; }
    /// <summary>
    /// When the last good run began, UTC: the age of the copy counts from here. Null when there was none.
    /// </summary>
    public DateTime? LastSyncUtc { get; init; }
    /// <summary>When the last attempt began, UTC, or null.</summary>
    public DateTime? LastTryUtc { get; init; }
    /// <summary>
    /// When the next one is due, UTC; null before the first attempt, which comes within a minute, and where nothing is
    /// known.
    /// </summary>
    public DateTime? NextSyncUtc { get; init; }
    /// <summary>How long the last run took, or null.</summary>
    public TimeSpan? Duration { get; init; }
    /// <summary>How far the copy is behind; null when there is none.</summary>
    public TimeSpan? Lag { get; init; }
    /// <summary>How many attempts failed since the last good run.</summary>
    public int FailureCount { get; init; }
    /// <summary>What the last attempt said, or null.</summary>
    public string? Error { get; init; }
    /// <summary>False when it is switched off.</summary>
    public bool IsEnabled { get; init; }
    /// <summary>True when it is being removed.</summary>
    public bool IsBeingRemoved { get; init; }
    /// <summary>True while a run is on its way.</summary>
    public bool IsRunning { get; init; }
    /// <summary>
    /// Passed while the copy is younger than three intervals and nothing failed, Warning when it failed but is young,
    /// Failed when it is too old, NotEvidenced when there was no run yet or nothing is known.
    /// </summary>
    public CheckOutcome Health { get; init; }
    /// <summary>The verdict in a full sentence.</summary>
    public string? Detail { get; init; }

    /// <summary>The id and the target.</summary>
    public override string ToString() => $"{ReplicationId} to {TargetVMHost}";
}
