using Natalia.Backup.Engine;
using Natalia.Backup.Operations.BusinessDays;

namespace Natalia.Backup.Cmdlets.Tests.BusinessDays;

public sealed class BusinessCalendarTests
{
    [Theory]
    [InlineData("", "2026-11-30T01:00", "2026-11-27")]
    [InlineData("", "2026-11-28T23:59", "2026-11-27")]
    [InlineData("", "2026-11-27T00:00", "2026-11-26")]
    [InlineData("zone: Europe/Paris", "2026-11-26T22:59", "2026-11-25")]
    [InlineData("zone: Europe/Paris", "2026-11-26T23:00", "2026-11-26")]
    [InlineData("zone: Pacific/Kiritimati", "2026-11-26T10:00", "2026-11-26")]
    [InlineData("weekend: Friday, Sat", "2026-11-29T12:00", "2026-11-26")]
    [InlineData("weekend: none", "2026-11-30T12:00", "2026-11-29")]
    [InlineData("2026-12-25 Christmas; 2026-12-24", "2026-12-28T06:00", "2026-12-23")]
    [InlineData("12-25 # every year\n01-01\n", "2027-01-02T06:00", "2026-12-31")]
    [InlineData("02-29", "2028-03-01T06:00", "2028-02-28")]
    public void The_last_business_day_that_was_over(string text, string utc, string day) =>
        Assert.Equal(day, BusinessCalendar.Text(BusinessCalendar.Parse(text).PreviousBusinessDay(
            DateTime.Parse(utc, System.Globalization.CultureInfo.InvariantCulture))));

    [Fact]
    public void What_is_kept_reads_as_the_same_calendar()
    {
        string kept = BusinessCalendar.Parse("zone: Europe/Paris\nweekend: fri,sat\n2026-12-25\n05-01\n01-01").ToString();

        Assert.Equal("zone: Europe/Paris; weekend: Friday, Saturday; 2026-12-25; 01-01; 05-01", kept);
        Assert.Equal(kept, BusinessCalendar.Parse(kept).ToString());
    }

    /// <summary>The longest list that is taken, in either way of naming a day.</summary>
    [Theory]
    [InlineData("yyyy-MM-dd")]
    [InlineData("MM-dd")]
    public void What_was_taken_is_read_when_it_was_kept(string format)
    {
        DateTime day = new(2024, 1, 1);
        string text = "zone:UTC";
        while (text.Length + 1 + format.Length <= BusinessCalendar.MaximumLength)
        {
            text += "\n" + day.ToString(format, System.Globalization.CultureInfo.InvariantCulture);
            day = day.AddDays(1);
        }

        string kept = BusinessCalendar.Parse(text).ToString();

        Assert.Equal(kept, BusinessCalendar.ParseKept(kept).ToString());
    }

    [Theory]
    [InlineData("2026-13-01", ErrorIds.BusinessCalendarInvalid)]
    [InlineData("tomorrow", ErrorIds.BusinessCalendarInvalid)]
    [InlineData("weekend: Caturday", ErrorIds.BusinessCalendarInvalid)]
    [InlineData("weekend: S", ErrorIds.BusinessCalendarInvalid)]
    [InlineData("weekend: mon,tue,wed,thu,fri,sat,sun", ErrorIds.BusinessCalendarInvalid)]
    [InlineData("holiday: 2026-01-01", ErrorIds.BusinessCalendarInvalid)]
    [InlineData("zone: Europe/Atlantis", ErrorIds.TimeZoneNotFound)]
    public void What_cannot_be_read_is_refused(string text, string id) =>
        Assert.Equal(id, Assert.Throws<NataliaException>(() => BusinessCalendar.Parse(text)).ErrorId);

    [Fact]
    public void A_file_of_something_else_is_refused() =>
        Assert.Equal(ErrorIds.BusinessCalendarInvalid,
            Assert.Throws<NataliaException>(() => BusinessCalendar.Parse(new string('7', 5000))).ErrorId);
}
