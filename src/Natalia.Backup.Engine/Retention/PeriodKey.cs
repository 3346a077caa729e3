using System.Globalization;

namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// Names one period of one kind. The kind is part of the identity: week 1 of 2026 and January 2026 are different keys
/// however they are written.
/// </summary>
/// <param name="Kind">The rule whose period this is, <see cref="RetentionRule.Last"/> to
/// <see cref="RetentionRule.Yearly"/>.</param>
/// <param name="Year">The calendar year; for weeks the ISO year; 0 for <see cref="RetentionRule.Last"/>.</param>
/// <param name="Number">Hour of the year from 0, day of the year, ISO week, month; 0 for a year; the ticks of the time
/// for <see cref="RetentionRule.Last"/>.</param>
internal readonly record struct PeriodKey(RetentionRule Kind, int Year, long Number)
{
    /// <summary>The period of a kind in which a point lies.</summary>
    /// <param name="kind">The kind of period.</param>
    /// <param name="utc">The point's time.</param>
    /// <param name="local">The same in the policy's zone. The hour that is repeated when summer time ends is one
    /// hour.</param>
    internal static PeriodKey Of(RetentionRule kind, DateTime utc, DateTime local)
    {
        switch (kind)
        {
            case RetentionRule.Last: return new PeriodKey(kind, 0, utc.Ticks);
            case RetentionRule.Hourly: return new PeriodKey(kind, local.Year, (local.DayOfYear - 1) * 24 + local.Hour);
            case RetentionRule.Daily: return new PeriodKey(kind, local.Year, local.DayOfYear);
            case RetentionRule.Weekly:
                (int year, int week) = IsoWeek.Of(local);
                return new PeriodKey(kind, year, week);
            case RetentionRule.Monthly: return new PeriodKey(kind, local.Year, local.Month);
            case RetentionRule.Yearly: return new PeriodKey(kind, local.Year, 0);
            default: throw new ArgumentOutOfRangeException(nameof(kind), kind, "There are no periods of this kind.");
        }
    }

    /// <summary>
    /// The period as a person writes it: <c>2026-03-04 18:00</c>, <c>2026-03-04</c>, <c>2026-W10</c>, <c>2026-03</c>,
    /// <c>2026</c>.
    /// </summary>
    public override string ToString() => Kind switch
    {
        RetentionRule.Hourly =>
            new DateTime(Year, 1, 1).AddHours(Number).ToString("yyyy-MM-dd HH':00'", CultureInfo.InvariantCulture),
        RetentionRule.Daily =>
            new DateTime(Year, 1, 1).AddDays(Number - 1).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        RetentionRule.Weekly =>
            Year.ToString("0000", CultureInfo.InvariantCulture) + "-W"
            + Number.ToString("00", CultureInfo.InvariantCulture),
        RetentionRule.Monthly =>
            Year.ToString("0000", CultureInfo.InvariantCulture) + "-"
            + Number.ToString("00", CultureInfo.InvariantCulture),
        RetentionRule.Yearly => Year.ToString("0000", CultureInfo.InvariantCulture),
        _ => new DateTime(Number, DateTimeKind.Utc).ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture),
    };
}
