namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>A VM made for a test, as its mark tells. Immutable and job-safe.</summary>
public sealed record TestVMInfo
{
    /// <summary>The hypervisor's id of the VM.</summary>
    public required string NativeId { get; init; }
    /// <summary>Its name.</summary>
    public required string Name { get; init; }
    /// <summary>The test's id.</summary>
    public required string RunId { get; init; }
    /// <summary>The network it must sit on.</summary>
    public required string IsolatedNetwork { get; init; }
    /// <summary>When it was made, UTC; null when unknown.</summary>
    public DateTime? CreatedUtc { get; init; }

    /// <summary>The id and the name.</summary>
    public override string ToString() => $"{NativeId} ({Name})";
}
