using System.Globalization;

namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// What a retention plan says about one point, and why. Immutable; every property survives a job or a remote session.
/// </summary>
public sealed record RetentionPlanRow
{
    private readonly DateTime _local;

    internal RetentionPlanRow(RetentionPoint point, DateTime utc, DateTime local, string policy, string timeZoneId)
    {
        RestorePointId = point.RestorePointId;
        ApplianceId = point.ApplianceId;
        ApplianceName = point.ApplianceName;
        RepositoryId = point.RepositoryId;
        Repository = point.Repository;
        LockedUntilUtc = point.LockedUntilUtc;
        TimeUtc = utc;
        Policy = policy;
        TimeZoneId = timeZoneId;
        _local = local;
    }

    /// <summary>The point's time, UTC.</summary>
    public DateTime TimeUtc { get; }
    /// <summary>What happens to the point.</summary>
    public RetentionAction Action { get; init; }
    /// <summary>The rule that decided.</summary>
    public RetentionRule Rule { get; init; }
    /// <summary>Which slot of the rule the point takes, from 1; null when it takes none.</summary>
    public int? Slot { get; init; }
    /// <summary>How many slots the rule has; null when the point takes none.</summary>
    public int? SlotLimit { get; init; }
    /// <summary>Why, in a full sentence. Times in it are in the policy's zone.</summary>
    public required string Reason { get; init; }
    /// <summary>The point's hour in the policy's zone: <c>2026-03-04 18:00</c>.</summary>
    public string Hour => Label(RetentionRule.Hourly);
    /// <summary>The point's day in the policy's zone: <c>2026-03-04</c>.</summary>
    public string Day => Label(RetentionRule.Daily);
    /// <summary>The point's ISO week in the policy's zone: <c>2026-W10</c>.</summary>
    public string Week => Label(RetentionRule.Weekly);
    /// <summary>The point's month in the policy's zone: <c>2026-03</c>.</summary>
    public string Month => Label(RetentionRule.Monthly);
    /// <summary>The point's year in the policy's zone: <c>2026</c>.</summary>
    public string Year => Label(RetentionRule.Yearly);
    /// <summary>The point's time in the policy's zone, for the eye: <c>2026-03-04 18:00:00</c>.</summary>
    public string LocalTime => _local.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
    /// <summary>The policy in one line: <c>daily 7, weekly 4, monthly 3 (Europe/Paris)</c>.</summary>
    public string Policy { get; }
    /// <summary>The policy's zone.</summary>
    public string TimeZoneId { get; }
    /// <summary>Until when an object lock holds the point, UTC; null when none does.</summary>
    public DateTime? LockedUntilUtc { get; }
    /// <summary>
    /// For a kept point: when its object lock ends while the policy still keeps it, UTC, so that it could be deleted
    /// from then on; in the past when it has ended. Null when that does not happen, or nothing is locked.
    /// </summary>
    public DateTime? ExposedFromUtc { get; init; }
    /// <summary>The point's id, or null on paper.</summary>
    public string? RestorePointId { get; }
    /// <summary>The appliance's id, or null.</summary>
    public string? ApplianceId { get; }
    /// <summary>What the appliance is called, or null.</summary>
    public string? ApplianceName { get; }
    /// <summary>The repository's id, or null.</summary>
    public string? RepositoryId { get; }
    /// <summary>The name of the repository's session, or null.</summary>
    public string? Repository { get; }

    /// <summary>Of which point, the action and its reason.</summary>
    public override string ToString() =>
        $"{(ApplianceName is null ? "" : ApplianceName + " ")}{LocalTime} {Action}: {Reason}";

    private string Label(RetentionRule kind) => PeriodKey.Of(kind, TimeUtc, _local).ToString();
}
