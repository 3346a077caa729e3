namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>A schedule of the hypervisor. Immutable and job-safe.</summary>
public sealed record NativeSchedule
{
    /// <summary>The hypervisor's id of it.</summary>
    public required string ScheduleId { get; init; }
    /// <summary>True when this product made it.</summary>
    public bool IsOwn { get; init; }
    /// <summary>The VMs that it takes, as the hypervisor numbers them; empty when it takes all or a pool.</summary>
    public string[] NativeIds { get; init; } = [];
    /// <summary>What the VMs that it takes are called, as far as it is known.</summary>
    public string[] ApplianceNames { get; init; } = [];
    /// <summary>The name of the hypervisor session that it was read through, or null.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>The storage it writes to, or null.</summary>
    public string? Storage { get; init; }
    /// <summary>How often.</summary>
    public ScheduleKind Kind { get; init; }
    /// <summary>When, in the hypervisor's own words.</summary>
    public string? Expression { get; init; }
    /// <summary>The next runs that the hypervisor foresees, UTC.</summary>
    public DateTime[] NextRunsUtc { get; init; } = [];
    /// <summary>
    /// What its runs keep, whoever says so: the schedule, else the storage, else the host. Null when that is not known.
    /// </summary>
    public RetentionLimits? Retention { get; init; }
    /// <summary>Who says it.</summary>
    public NativeRetentionSource RetentionSource { get; init; }
    /// <summary>False when it is switched off.</summary>
    public bool IsEnabled { get; init; }
    /// <summary>The disks that it takes, as <c>VM:disk</c>; null when that was not asked.</summary>
    public string[]? IncludedDisks { get; init; }
    /// <summary>
    /// The disks that it leaves out with the reason, as <c>VM:disk (reason)</c>; null when that was not asked.
    /// </summary>
    public string[]? OmittedDisks { get; init; }
    /// <summary>
    /// False when the last <see cref="INativeSchedules.SetScheduleAsync"/> found everything as wanted.
    /// </summary>
    public bool WasChanged { get; init; }

    /// <summary>What should be known besides, each a full sentence.</summary>
    public string[] Warnings { get; init; } = [];

    /// <summary>The id and the expression.</summary>
    public override string ToString() => $"{ScheduleId} ({Expression})";
}
