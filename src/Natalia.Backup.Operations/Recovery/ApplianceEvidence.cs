using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.RestoreTests;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// Everything that is known about how well one appliance is protected, and the verdicts on it. Immutable.
/// </summary>
public sealed record ApplianceEvidence
{
    /// <summary>The appliance's id.</summary>
    public required string ApplianceId { get; init; }
    /// <summary>What it is called.</summary>
    public required string ApplianceName { get; init; }
    /// <summary>The kind of hypervisor that it runs on; null when unknown.</summary>
    public string? HypervisorKind { get; init; }
    /// <summary>The name of the hypervisor's session that shows it; null when none that is connected does.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>The VM host that it is on; null when unknown.</summary>
    public string? VMHost { get; init; }
    /// <summary>The name of the session of the repository that it is enrolled in, else of the newest point's.</summary>
    public string? Repository { get; init; }
    /// <summary>That repository's id.</summary>
    public string? RepositoryId { get; init; }
    /// <summary>Whether a repository that was measured keeps settings for it.</summary>
    public bool IsEnrolled { get; init; }
    /// <summary>When it was enrolled or its settings last changed, UTC; null where that is not known.</summary>
    public DateTime? EnrolledUtc { get; init; }
    /// <summary>The strategy that it is measured against.</summary>
    public BackupStrategy Strategy { get; init; }
    /// <summary>False when nobody said which; then it is Daily.</summary>
    public bool IsStrategySet { get; init; }
    /// <summary>Where the period begins, UTC.</summary>
    public required DateTime SinceUtc { get; init; }
    /// <summary>When it was measured, UTC: the end of the period.</summary>
    public required DateTime MeasuredUtc { get; init; }
    /// <summary>
    /// The virtual size of the disks of its newest good point, in bytes: what a restore would write today. Null when
    /// unknown.
    /// </summary>
    public long? SizeBytes { get; init; }
    /// <summary>
    /// The points of the period, and all that are kept, oldest first; also the removed and the damaged ones.
    /// </summary>
    public IReadOnlyList<EvidencePoint> Points { get; init; } = [];
    /// <summary>The times between good points that follow each other, oldest first; the last one is open.</summary>
    public IReadOnlyList<EvidenceGap> Gaps { get; init; } = [];

    /// <summary>From when on points count: the first gap may begin before the period does.</summary>
    internal static DateTime PointsFrom(IReadOnlyList<EvidenceGap> gaps, DateTime sinceUtc) =>
        gaps.Count == 0 || gaps[0].FromUtc > sinceUtc ? sinceUtc : gaps[0].FromUtc;
    /// <summary>The restore tests that are kept, newest first; also those from before the period.</summary>
    public IReadOnlyList<RestoreTest> RestoreTests { get; init; } = [];
    /// <summary>The replications of the VM, as its hypervisor knows them now.</summary>
    public IReadOnlyList<ReplicationState> Replications { get; init; } = [];
    /// <summary>The schedules of the hypervisor that take the VM.</summary>
    public IReadOnlyList<NativeSchedule> Schedules { get; init; } = [];
    /// <summary>The days, weeks and months that should have a point, newest first within each rule.</summary>
    public IReadOnlyList<EvidenceHolding> Holdings { get; init; } = [];
    /// <summary>The repositories that were measured.</summary>
    public IReadOnlyList<RepositoryEvidence> Repositories { get; init; } = [];
    /// <summary>What could not be read or asked, each in a full sentence; empty when everything could.</summary>
    public IReadOnlyList<string> Troubles { get; init; } = [];
    /// <summary>The verdicts, one for each objective, in the order of <see cref="RecoveryObjective"/>.</summary>
    public IReadOnlyList<RecoveryMeasurement> Measurements { get; init; } = [];

    /// <summary>The appliance's name.</summary>
    public override string ToString() => ApplianceName;
}
