using System.Globalization;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Tests.Retention;

public sealed class IsoWeekTests
{
    [Fact]
    public void Every_day_from_2000_to_2100_is_in_the_week_of_the_standard()
    {
        for (var day = new DateTime(1999, 12, 25); day.Year <= 2100; day = day.AddDays(1))
            Assert.Equal((ISOWeek.GetYear(day), ISOWeek.GetWeekOfYear(day)), IsoWeek.Of(day));
    }

    [Theory]
    [InlineData("2020-12-31", 2020, 53)]
    [InlineData("2021-01-03", 2020, 53)]
    [InlineData("2021-01-04", 2021, 1)]
    [InlineData("2025-12-28", 2025, 52)]
    [InlineData("2025-12-29", 2026, 1)]
    [InlineData("2027-01-01", 2026, 53)]
    [InlineData("2024-02-29", 2024, 9)]
    [InlineData("0001-01-01", 1, 1)]
    [InlineData("9999-12-31", 9999, 52)]
    public void A_week_belongs_to_the_year_of_its_thursday(string date, int year, int week) =>
        Assert.Equal((year, week), IsoWeek.Of(DateTime.Parse(date, CultureInfo.InvariantCulture)));

    [Fact]
    public void Keys_of_different_kinds_never_meet()
    {
        var time = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        RetentionRule[] kinds = [RetentionRule.Last, RetentionRule.Hourly, RetentionRule.Daily, RetentionRule.Weekly,
            RetentionRule.Monthly, RetentionRule.Yearly];
        Assert.Equal(kinds.Length, kinds.Select(k => PeriodKey.Of(k, time, time)).Distinct().Count());
        Assert.NotEqual(PeriodKey.Of(RetentionRule.Weekly, time, time),
            PeriodKey.Of(RetentionRule.Monthly, time, time));
    }
}
