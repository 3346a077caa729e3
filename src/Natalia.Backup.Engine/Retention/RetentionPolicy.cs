using System.Globalization;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// How many points of which kind are kept. The rules are applied in the order last, hourly, daily, weekly, monthly,
/// yearly, each to what the rules before it left open; a period that has a kept point already is not counted again.
/// Immutable.
/// </summary>
/// <remarks>
/// A limit is 1 or more; null switches the rule off, and 0 is read as null. With every rule off, everything is kept.
/// </remarks>
public sealed record RetentionPolicy
{
    /// <summary>The zone of a policy that names none: the same on every machine.</summary>
    public const string DefaultTimeZoneId = "UTC";

    /// <summary>How many of the newest points are kept; null when off.</summary>
    /// <exception cref="NataliaException"><c>RetentionPolicyInvalid</c>.</exception>
    public int? Last { get; init => field = Limit(value, nameof(Last)); }
    /// <summary>How many hours keep their newest point; null when off.</summary>
    /// <exception cref="NataliaException"><c>RetentionPolicyInvalid</c>.</exception>
    public int? Hourly { get; init => field = Limit(value, nameof(Hourly)); }
    /// <summary>How many days keep their newest point; null when off.</summary>
    /// <exception cref="NataliaException"><c>RetentionPolicyInvalid</c>.</exception>
    public int? Daily { get; init => field = Limit(value, nameof(Daily)); }
    /// <summary>How many ISO weeks keep their newest point; null when off.</summary>
    /// <exception cref="NataliaException"><c>RetentionPolicyInvalid</c>.</exception>
    public int? Weekly { get; init => field = Limit(value, nameof(Weekly)); }
    /// <summary>How many months keep their newest point; null when off.</summary>
    /// <exception cref="NataliaException"><c>RetentionPolicyInvalid</c>.</exception>
    public int? Monthly { get; init => field = Limit(value, nameof(Monthly)); }
    /// <summary>How many years keep their newest point; null when off.</summary>
    /// <exception cref="NataliaException"><c>RetentionPolicyInvalid</c>.</exception>
    public int? Yearly { get; init => field = Limit(value, nameof(Yearly)); }
    /// <summary>
    /// The time zone in which hours, days, weeks, months and years begin: an IANA or a Windows id, as it was given.
    /// Never empty.
    /// </summary>
    public string TimeZoneId
    {
        get;
        init => field = string.IsNullOrWhiteSpace(value) ? DefaultTimeZoneId : value.Trim();
    } = DefaultTimeZoneId;

    /// <summary>True when no rule is on, so that everything is kept.</summary>
    public bool KeepsEverything =>
        Last is null && Hourly is null && Daily is null && Weekly is null && Monthly is null && Yearly is null;

    /// <summary>
    /// What suits a strategy: 7 daily, 4 weekly, 3 monthly; for the six-hourly one also the last 4, so that today's
    /// points survive.
    /// </summary>
    /// <param name="strategy">How often the appliance is backed up.</param>
    public static RetentionPolicy For(BackupStrategy strategy) =>
        new() { Last = strategy == BackupStrategy.SixHourly ? 4 : null, Daily = 7, Weekly = 4, Monthly = 3 };

    /// <summary>The rules that are on, in the order of their application.</summary>
    internal IEnumerable<(RetentionRule Rule, int Limit)> Rules()
    {
        if (Last is int last) yield return (RetentionRule.Last, last);
        if (Hourly is int hourly) yield return (RetentionRule.Hourly, hourly);
        if (Daily is int daily) yield return (RetentionRule.Daily, daily);
        if (Weekly is int weekly) yield return (RetentionRule.Weekly, weekly);
        if (Monthly is int monthly) yield return (RetentionRule.Monthly, monthly);
        if (Yearly is int yearly) yield return (RetentionRule.Yearly, yearly);
    }

    /// <summary>
    /// The rules and the zone in one line: <c>last 4, daily 7, weekly 4, monthly 3 (Europe/Paris)</c>.
    /// </summary>
    public override string ToString()
    {
        string rules = KeepsEverything
            ? "everything"
            : string.Join(", ",
                Rules().Select(
                    r => r.Rule.ToString().ToLowerInvariant() + " " + r.Limit.ToString(CultureInfo.InvariantCulture)));
        return $"{rules} ({TimeZoneId})";
    }

    private static int? Limit(int? value, string rule) => value switch
    {
        0 => null,
        < 0 => throw new NataliaException(ErrorIds.RetentionPolicyInvalid, NataliaErrorKind.InvalidArgument,
            $"A retention policy cannot keep {value.Value.ToString(CultureInfo.InvariantCulture)} points by its rule "
            + $"'{rule}'.",
            rule,
            "Give 1 or more, or 0 to switch the rule off."),
        _ => value,
    };
}
