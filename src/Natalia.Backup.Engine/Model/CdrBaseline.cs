namespace Natalia.Backup.Engine.Model;

/// <summary>
/// How many call records the appliance had of one business day when a point was made: what a restore test of the point
/// compares its own count with. Immutable and job-safe.
/// </summary>
public sealed record CdrBaseline
{
    /// <summary>How many, 0 or more.</summary>
    public required long Count { get; init; }
    /// <summary>The day, <c>yyyy-MM-dd</c>: the last business day before the point's time.</summary>
    public required string BusinessDay { get; init; }
    /// <summary>The time zone in which that day is meant: an IANA or Windows id.</summary>
    public required string TimeZone { get; init; }
    /// <summary>True when it was counted in the appliance while the point was made; false when somebody gave it.
    /// </summary>
    public bool IsCounted { get; init; }

    /// <summary>The number, the day and its zone.</summary>
    public override string ToString() => $"{Count} on {BusinessDay} ({TimeZone})";
}
