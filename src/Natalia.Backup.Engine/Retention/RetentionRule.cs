namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// Which rule decided about a point. The first six are those of a policy, in the order in which they are applied.
/// </summary>
public enum RetentionRule
{
    /// <summary>No rule: none asked for the point, or none is set, or the point is protected.</summary>
    None = 0,
    /// <summary>The newest points, whatever their time.</summary>
    Last,
    /// <summary>One point per hour.</summary>
    Hourly,
    /// <summary>One point per day.</summary>
    Daily,
    /// <summary>One point per ISO week, which starts on Monday.</summary>
    Weekly,
    /// <summary>One point per month.</summary>
    Monthly,
    /// <summary>One point per year.</summary>
    Yearly,
    /// <summary>
    /// The newest good point is never removed, whatever the policy says; nor is the one that was made last, which is
    /// another one only where a clock went back.
    /// </summary>
    NewestGood,
    /// <summary>A point that a running restore reads is not removed.</summary>
    InUse,
    /// <summary>An unfinished point: kept while it is the newest, else removed. Neither counts.</summary>
    Unfinished,
}
