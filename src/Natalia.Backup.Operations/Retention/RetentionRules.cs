using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Operations.Retention;

/// <summary>The rules as a user gives them: what is null was not given.</summary>
internal sealed record RetentionRules(int? Last, int? Hourly, int? Daily, int? Weekly, int? Monthly, int? Yearly,
    string? TimeZone)
{
    internal bool AnyRule => (Last ?? Hourly ?? Daily ?? Weekly ?? Monthly ?? Yearly) is not null;

    /// <summary>The policy of these rules alone.</summary>
    /// <param name="timeZone">The zone when none was given; null for the default one.</param>
    internal RetentionPolicy ToPolicy(string? timeZone = null) => new()
    {
        Last = Last,
        Hourly = Hourly,
        Daily = Daily,
        Weekly = Weekly,
        Monthly = Monthly,
        Yearly = Yearly,
        TimeZoneId = TimeZone ?? timeZone ?? RetentionPolicy.DefaultTimeZoneId,
    };

    /// <summary>Another policy with what was given in place of its own.</summary>
    internal RetentionPolicy Over(RetentionPolicy policy) => policy with
    {
        Last = Last ?? policy.Last,
        Hourly = Hourly ?? policy.Hourly,
        Daily = Daily ?? policy.Daily,
        Weekly = Weekly ?? policy.Weekly,
        Monthly = Monthly ?? policy.Monthly,
        Yearly = Yearly ?? policy.Yearly,
        TimeZoneId = TimeZone ?? policy.TimeZoneId,
    };
}
