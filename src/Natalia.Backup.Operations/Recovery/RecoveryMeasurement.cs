using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// One objective of one appliance, held against the evidence. What is null is not known. Immutable; every property
/// survives a job or a remote session.
/// </summary>
public sealed record RecoveryMeasurement
{
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What the appliance is called.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>
    /// The name of the session of the repository that the appliance is enrolled in, else of the one that has its newest
    /// point. The evidence of all repositories that were measured counts.
    /// </summary>
    public string? Repository { get; init; }
    /// <summary>That repository's id.</summary>
    public string? RepositoryId { get; init; }
    /// <summary>The strategy that gave the target.</summary>
    public BackupStrategy Strategy { get; init; }
    /// <summary>What is measured.</summary>
    public required RecoveryObjective Objective { get; init; }
    /// <summary>What the evidence says.</summary>
    public required RecoveryVerdict Verdict { get; init; }
    /// <summary>What should be, for the eye: <c>6 h</c>.</summary>
    public required string Target { get; init; }
    /// <summary>The worst of the period, for the eye; null without evidence.</summary>
    public string? Attained { get; init; }
    /// <summary>What is usual: the median of the period, for the eye; null where there is no such thing.</summary>
    public string? Typical { get; init; }
    /// <summary>What is now, for the eye; null without evidence.</summary>
    public string? Now { get; init; }
    /// <summary>The target as a time; null for an objective that is no time.</summary>
    public TimeSpan? TargetTime { get; init; }
    /// <summary>The worst of the period as a time; null without evidence, and for what is no time.</summary>
    public TimeSpan? AttainedTime { get; init; }
    /// <summary>The median of the period as a time; null as above.</summary>
    public TimeSpan? TypicalTime { get; init; }
    /// <summary>What is now, as a time; null as above.</summary>
    public TimeSpan? NowTime { get; init; }
    /// <summary>Why the verdict is what it is, in full sentences. Times in it are UTC.</summary>
    public required string Reason { get; init; }
    /// <summary>What to do about it, in a full sentence; null when nothing has to be done.</summary>
    public string? RecommendedAction { get; init; }
    /// <summary>The records that the verdict rests on; those that decide, not all that were looked at.</summary>
    public IReadOnlyList<EvidenceRecord> Records { get; init => field = ItemList.Of(value); } =
        ItemList.Of<EvidenceRecord>([]);
    /// <summary>Where the period begins, UTC.</summary>
    public required DateTime SinceUtc { get; init; }
    /// <summary>When it was measured, UTC: the end of the period.</summary>
    public required DateTime MeasuredUtc { get; init; }

    /// <summary>The appliance, the objective and the verdict.</summary>
    public override string ToString() => $"{ApplianceName} {Objective}: {Verdict}";
}
