namespace Natalia.Backup.Engine.Model;

/// <summary>
/// What <c>Set-NataliaAppliance</c> keeps with a repository about an enrolled appliance. Immutable; a change is a new
/// record of the log.
/// </summary>
public sealed record ApplianceSettings
{
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>Its name when it was enrolled or last changed.</summary>
    public required string Name { get; init; }
    /// <summary>The kind of hypervisor that it runs on.</summary>
    public required string HypervisorKind { get; init; }
    /// <summary>
    /// The id of the disk that holds the data, where the user said so; null leaves it to the hypervisor's description.
    /// </summary>
    public string? DataDiskId { get; init; }
    /// <summary>Whether every backup takes the system disk too.</summary>
    public bool IncludeSystemDisk { get; init; }
    /// <summary>What a backup does when the guest does not put its data in order.</summary>
    public QuiesceFailure OnQuiesceFailure { get; init; }
    /// <summary>How often it is backed up, and so what it is measured against; null where nobody said so.</summary>
    public BackupStrategy? Strategy { get; init; }
    /// <summary>Whether the guest is never asked to put its data in order; every point is Crash-consistent
    /// then.</summary>
    public bool NeverQuiesce { get; init; }
    /// <summary>How it is restore-tested; null where nothing was said of that.</summary>
    public RestoreTestSettings? RestoreTest { get; init; }

    /// <summary>
    /// The id that another VM has by itself which took the place of the appliance's first VM, after a restore for
    /// instance; null while the first one stands for it.
    /// </summary>
    public string? SuccessorId { get; init; }

    /// <summary>
    /// The ids of the VMs that stood for the appliance until other ones took their place, in the order in which that
    /// happened; one that was given the place back is there, too. Empty while its first VM was never replaced.
    /// </summary>
    public IReadOnlyList<string> FormerIds { get; init; } = Array.Empty<string>();

    /// <summary>The id that the VM which stands for the appliance has by itself.</summary>
    public string VMId => SuccessorId ?? ApplianceId;

    /// <summary>
    /// The time, UTC, of the restore point that tells them, where they cannot be read now: they are as they were then,
    /// and the enrolment may have ended since. Null where they are as they are.
    /// </summary>
    public DateTime? AsOfUtc { get; init; }

    /// <summary>Members that a newer version of this product wrote, as JSON; kept as they are.</summary>
    internal string? UnknownMembers { get; init; }
}
