namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// Evidence of what was done in a repository that keeps no log of its own, such as a storage of Proxmox VE. A
/// repository of this product keeps it in the appliance's log, where it is evidence and has no effect: it makes,
/// removes and protects nothing there. docs/format.md §9.
/// </summary>
public sealed record NativeRecord
{
    /// <summary>What was done.</summary>
    public required NativeEvent Event { get; init; }
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What it is called.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>The id of the repository that keeps no log, 32 lowercase hexadecimal digits.</summary>
    public required string RepositoryId { get; init; }
    /// <summary>Its kind: <c>Proxmox</c>.</summary>
    public required string RepositoryKind { get; init; }
    /// <summary>Where it is, without secrets.</summary>
    public required string Location { get; init; }
    /// <summary>The restore point concerned, or null.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>The hypervisor's own name of the restore point, or null.</summary>
    public string? NativeId { get; init; }
    /// <summary>The time of the restore point, UTC; or null.</summary>
    public DateTime? PointTimeUtc { get; init; }
    /// <summary>Why, in the user's or the policy's words; or null.</summary>
    public string? Reason { get; init; }
    /// <summary>
    /// More, as names and texts, different for each kind of event. What is null is left out. Never a secret.
    /// </summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Details { get; init; } = [];
}
