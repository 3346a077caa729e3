using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Immutability;

/// <summary>
/// What a retention policy and the locks of a repository come to together, for one appliance: what stays locked
/// although the policy lets it go, which costs storage, and what the policy keeps although its lock has ended, which
/// somebody could delete. Told before either is saved, because a lock cannot be taken back. Immutable and job-safe.
/// </summary>
/// <remarks>
/// It is a forecast: it goes on making a point as often as the last ones were made, and applies the policy after each.
/// Bytes are those that the making of a point added.
/// </remarks>
public sealed record LockEffect
{
    /// <summary>The policy in one line.</summary>
    public required string Policy { get; init; }
    /// <summary>For how many days points are locked; with <see cref="WhileKept"/>, how many days ahead.</summary>
    public required int Days { get; init; }
    /// <summary>Whether the locks of kept points are extended.</summary>
    public required bool WhileKept { get; init; }
    /// <summary>How often points are made: the usual time between the last ones, or what was given.</summary>
    public required TimeSpan PointEvery { get; init; }

    /// <summary>How many of the points that are there stay locked after the policy has let them go.</summary>
    public int LockedPastRetention { get; init; }
    /// <summary>How many bytes the making of those added; null where unknown.</summary>
    public long? LockedPastRetentionBytes { get; init; }
    /// <summary>How much longer than the policy wants the longest of them stays, at most.</summary>
    public TimeSpan LongestPastRetention { get; init; }
    /// <summary>
    /// How many points will be locked at any time although the policy has let them go, when this goes on.
    /// </summary>
    public int ExpectedLockedPastRetention { get; init; }
    /// <summary>How many bytes that will be, at the usual size of the last points; null where there are none.</summary>
    public long? ExpectedLockedPastRetentionBytes { get; init; }

    /// <summary>How many of the points that are there lose their locks while the policy keeps them.</summary>
    public int Exposed { get; init; }
    /// <summary>When the first of them does, UTC; in the past for one that has lost it. Null when none does.</summary>
    public DateTime? FirstExposedUtc { get; init; }
    /// <summary>
    /// For how long the longest of them is kept without a lock; at least that, where the forecast ends before.
    /// </summary>
    public TimeSpan LongestExposure { get; init; }
    /// <summary>How many kept points will be without a lock at any time, when this goes on.</summary>
    public int ExpectedExposed { get; init; }

    /// <summary>
    /// Why locks and policy cannot work together at all, in a sentence with the numbers; null when they can.
    /// </summary>
    public string? Conflict { get; init; }

    /// <summary>When each kept point of those that are there loses its lock: by the point's id.</summary>
    internal IReadOnlyDictionary<string, DateTime> ExposedFrom { get; init; } = new Dictionary<string, DateTime>();

    /// <summary>
    /// True when lock and policy leave each other nothing: no point is locked longer than it is kept, nor kept longer
    /// than it is locked.
    /// </summary>
    public bool IsEven =>
        LockedPastRetention == 0 && ExpectedLockedPastRetention == 0 && Exposed == 0 && ExpectedExposed == 0;

    /// <summary>Finds out what a policy and locks come to. Pure: the same input gives the same answer.</summary>
    /// <param name="points">The points of one appliance, in any order; may be empty.</param>
    /// <param name="policy">The policy.</param>
    /// <param name="immutability">The locks.</param>
    /// <param name="nowUtc">The time from which the forecast goes, UTC.</param>
    /// <param name="pointEvery">How often points are made; null takes the usual time between the last twenty, and a day
    /// where there are fewer than three.</param>
    /// <exception cref="NataliaException"><c>TimeZoneNotFound</c>.</exception>
    public static LockEffect Compute(IReadOnlyCollection<RetentionPoint> points, RetentionPolicy policy,
        ImmutabilityPolicy immutability, DateTime nowUtc, TimeSpan? pointEvery = null) =>
        new LockForecast(points, policy, immutability, RetentionPlanner.AsUtc(nowUtc), pointEvery).Run();

    /// <summary>The effect on several appliances together; the longest times, the sums of the rest.</summary>
    /// <param name="effects">The effects, at least one; those of one policy and one repository.</param>
    public static LockEffect Sum(IReadOnlyList<LockEffect> effects) => effects.Count == 1 ? effects[0] : effects[0] with
    {
        PointEvery = effects.Min(e => e.PointEvery),
        LockedPastRetention = effects.Sum(e => e.LockedPastRetention),
        LockedPastRetentionBytes = effects.All(e => e.LockedPastRetentionBytes is null)
            ? null
            : effects.Sum(e => e.LockedPastRetentionBytes ?? 0),
        LongestPastRetention = effects.Max(e => e.LongestPastRetention),
        ExpectedLockedPastRetention = effects.Sum(e => e.ExpectedLockedPastRetention),
        ExpectedLockedPastRetentionBytes = effects.All(e => e.ExpectedLockedPastRetentionBytes is null)
            ? null
            : effects.Sum(e => e.ExpectedLockedPastRetentionBytes ?? 0),
        Exposed = effects.Sum(e => e.Exposed),
        FirstExposedUtc = effects.Min(e => e.FirstExposedUtc),
        LongestExposure = effects.Max(e => e.LongestExposure),
        ExpectedExposed = effects.Sum(e => e.ExpectedExposed),
        Conflict = effects.FirstOrDefault(e => e.Conflict is not null)?.Conflict,
        ExposedFrom = effects.SelectMany(e => e.ExposedFrom)
            .ToDictionary(e => e.Key, e => e.Value, StringComparer.Ordinal),
    };

    /// <summary>Marks the rows of a plan whose points lose their locks while they are kept.</summary>
    /// <param name="rows">The rows of the same points.</param>
    public IReadOnlyList<RetentionPlanRow> Mark(IReadOnlyList<RetentionPlanRow> rows) =>
        [.. rows.Select(
            r => r.RestorePointId is string id && r.Action is RetentionAction.Keep or RetentionAction.Protected
                && ExposedFrom.TryGetValue(r.RestorePointId!, out DateTime from)
                ? r with { ExposedFromUtc = from }
                : r)];

    /// <summary>The numbers, short.</summary>
    public override string ToString() =>
        $"{LockedPastRetention} locked past retention, {Exposed} kept past their locks";
}
