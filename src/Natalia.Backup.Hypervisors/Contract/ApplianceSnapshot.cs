using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>One snapshot of an appliance. Immutable and job-safe.</summary>
public sealed record ApplianceSnapshot
{
    /// <summary>The hypervisor's id of the snapshot, unique within the appliance.</summary>
    public required string SnapshotId { get; init; }
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>Its name.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>When it was made, UTC.</summary>
    public DateTime TimeUtc { get; init; }
    /// <summary>What was reached; Unknown where the snapshot does not say so.</summary>
    public Consistency Consistency { get; init; }
    /// <summary>Why the consistency is less than could be had, or null.</summary>
    public string? Reason { get; init; }
    /// <summary>True when this product made it.</summary>
    public bool IsOwn { get; init; }
    /// <summary>True when it holds the memory too.</summary>
    public bool IncludesMemory { get; init; }
    /// <summary>What people wrote about it, or null.</summary>
    public string? Note { get; init; }
    /// <summary>How long its making took; null for one that was only listed.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>The appliance and the snapshot.</summary>
    public override string ToString() => $"{ApplianceName}: {SnapshotId}";
}
