namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>The schedule that is wanted.</summary>
public sealed record NativeScheduleRequest
{
    /// <summary>The storage's name.</summary>
    public required string Storage { get; init; }
    /// <summary>How often.</summary>
    public ScheduleKind Kind { get; init; } = ScheduleKind.Daily;
    /// <summary>When the first run of the day begins, in the time of the hypervisor: 00:00 to 23:59.</summary>
    public TimeSpan At { get; init; } = TimeSpan.FromHours(1);
    /// <summary>
    /// What the schedule keeps; null leaves it to the storage's own setting, or to what the schedule has already.
    /// </summary>
    public RetentionLimits? Retention { get; init; }
    /// <summary>False keeps it, but never starts it.</summary>
    public bool IsEnabled { get; init; } = true;
    /// <summary>Whether a run that was missed is made up for when the hypervisor is back.</summary>
    public bool RunMissed { get; init; } = true;
}
