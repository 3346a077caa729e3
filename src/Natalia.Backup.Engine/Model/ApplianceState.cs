namespace Natalia.Backup.Engine.Model;

/// <summary>How a VM is doing on its hypervisor, at the time it was listed. Not kept with restore points.</summary>
public sealed record ApplianceState
{
    /// <summary>The VM host that it is on; null when unknown.</summary>
    public string? VMHost { get; init; }
    /// <summary>Whether it runs, in the hypervisor's word: <c>running</c>, <c>stopped</c>; null when unknown.</summary>
    public string? Power { get; init; }
    /// <summary>What is known of the guest agent.</summary>
    public GuestAgentState GuestAgent { get; init; }
    /// <summary>Its state in high availability in the hypervisor's word; null when it is not managed.</summary>
    public string? HighAvailability { get; init; }
    /// <summary>The operation that holds it, in the hypervisor's word; null when it is free.</summary>
    public string? Lock { get; init; }
    /// <summary>The generation of its virtual hardware, 1 or 2; null where the hypervisor has none.</summary>
    public int? Generation { get; init; }
    /// <summary>The services by which its hypervisor and its guest work together; empty when unknown.</summary>
    public IReadOnlyList<IntegrationService> IntegrationServices { get; init; } = [];
    /// <summary>How the hypervisor replicates it; null when it does not, or that is unknown.</summary>
    public ApplianceReplication? Replication { get; init; }
    /// <summary>Whether what snapshots left of its disks is merged.</summary>
    public MergeState MergeState { get; init; }
    /// <summary>The pool that it is in, or null.</summary>
    public string? Pool { get; init; }
    /// <summary>The labels that people gave it.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];
    /// <summary>True when it is a template, which never runs.</summary>
    public bool IsTemplate { get; init; }
}
