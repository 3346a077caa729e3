using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Retention;

/// <summary>What a plan must know about a restore point. Immutable.</summary>
public sealed record RetentionPoint
{
    /// <summary>The point's id, or null on paper.</summary>
    public string? RestorePointId { get; init; }
    /// <summary>
    /// Whose point it is. Points of different appliances never compete; null is an appliance of its own.
    /// </summary>
    public string? ApplianceId { get; init; }
    /// <summary>What the appliance is called, or null.</summary>
    public string? ApplianceName { get; init; }
    /// <summary>
    /// Where it lies. Points of different repositories never compete; null is a repository of its own.
    /// </summary>
    public string? RepositoryId { get; init; }
    /// <summary>The name of the repository's session, or null.</summary>
    public string? Repository { get; init; }
    /// <summary>The time of the state that it holds, UTC. A time of unspecified kind is taken as UTC.</summary>
    public required DateTime TimeUtc { get; init; }
    /// <summary>The order among points of the same time: a later point has a higher number; or null.</summary>
    public long? Sequence { get; init; }
    /// <summary>
    /// True when retention must not take it. Such a point uses no slot, and does not stand for its period.
    /// </summary>
    public bool IsProtected { get; init; }
    /// <summary>Until when an object lock holds it, UTC; null when none does.</summary>
    public DateTime? LockedUntilUtc { get; init; }
    /// <summary>How many bytes its making added to the repository; null where unknown.</summary>
    public long? StoredBytes { get; init; }
    /// <summary>False when the point is known to be damaged, or is not known to be restorable.</summary>
    public bool IsGood { get; init; } = true;
    /// <summary>False while a backup writes it, and for ever when that backup was broken off.</summary>
    public bool IsFinished { get; init; } = true;
    /// <summary>
    /// True when its time lies in the future and so cannot be true. Such a point is older than every other one, uses no
    /// slot, stands for no period, and is not removed by a rule.
    /// </summary>
    public bool IsInFuture { get; init; }
    /// <summary>
    /// True when its time is not certain, because its file was renamed or copied by hand. Such a point is older than
    /// every other one, uses no slot, stands for no period, and is not removed by a rule.
    /// </summary>
    public bool IsRenamed { get; init; }
    /// <summary>True while a restore reads it.</summary>
    public bool IsInUse { get; init; }

    /// <summary>A restore point as a plan sees it.</summary>
    /// <param name="point">The point.</param>
    public static RetentionPoint From(RestorePoint point) => new()
    {
        RestorePointId = point.RestorePointId,
        ApplianceId = point.ApplianceId,
        ApplianceName = point.ApplianceName,
        RepositoryId = point.RepositoryId,
        Repository = point.Repository,
        TimeUtc = point.TimeUtc,
        Sequence = point.Sequence,
        IsFinished = point.IsFinished,
        IsInFuture = point.IsInFuture,
        IsRenamed = point.IsRenamed,
        IsProtected = point.IsProtected,
        LockedUntilUtc = point.ImmutableUntilUtc,
        StoredBytes = point.StoredBytes,
        IsGood = point.IsReadable && point.Verification != VerificationState.Failed,
    };

    /// <summary>
    /// A total order, newest first, so that nothing depends on the order of input. Of points with one time the better
    /// one comes first, then the one made later.
    /// </summary>
    internal static int NewestFirst(RetentionPoint a, RetentionPoint b)
    {
        int order = a.IsRenamed.CompareTo(b.IsRenamed);
        if (order == 0) order = a.IsInFuture.CompareTo(b.IsInFuture);
        if (order == 0) order = RetentionPlanner.AsUtc(b.TimeUtc).CompareTo(RetentionPlanner.AsUtc(a.TimeUtc));
        // Two points hold one state where a damaged one was copied here again.
        if (order == 0) order = b.IsGood.CompareTo(a.IsGood);
        if (order == 0) order = Nullable.Compare(b.Sequence, a.Sequence);
        if (order == 0) order = b.IsFinished.CompareTo(a.IsFinished);
        if (order == 0) order = Nullable.Compare(b.LockedUntilUtc, a.LockedUntilUtc);
        if (order == 0) order = b.IsInUse.CompareTo(a.IsInUse);
        if (order == 0) order = b.IsProtected.CompareTo(a.IsProtected);
        return order != 0 ? order : string.CompareOrdinal(b.RestorePointId, a.RestorePointId);
    }
}
