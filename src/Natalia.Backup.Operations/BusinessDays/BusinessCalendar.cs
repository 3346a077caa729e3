using System.Globalization;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Operations.BusinessDays;

/// <summary>
/// Which days are business days, and in which time zone a day begins. Pure: what it says depends on nothing but its
/// text. Thread-safe.
/// </summary>
/// <remarks>
/// The text is a list of entries, each on a line of its own or behind a semicolon; what follows # is a remark:
/// <c>zone: Europe/Paris</c>, <c>weekend: Saturday, Sunday</c> (<c>none</c> for no weekend), a holiday
/// <c>2026-12-25</c>, or one of every year <c>12-25</c>, each with a name behind it if wanted. Without text weekends
/// are Saturday and Sunday, there are no holidays, and the zone is UTC.
/// </remarks>
internal sealed class BusinessCalendar
{
    /// <summary>A list of holidays for decades has room; a file that is something else has not.</summary>
    internal const int MaximumLength = 4096;

    /// <summary>Nobody's holidays last longer.</summary>
    private const int LongestBreak = 366;

    private readonly HashSet<DayOfWeek> _weekend = [DayOfWeek.Saturday, DayOfWeek.Sunday];
    private readonly HashSet<DateTime> _holidays = [];
    private readonly HashSet<(int Month, int Day)> _yearly = [];

    private BusinessCalendar() { }

    /// <summary>Saturday and Sunday off, no holidays, UTC.</summary>
    internal static BusinessCalendar Default { get; } = new();

    /// <summary>The time zone's id: IANA or Windows.</summary>
    internal string TimeZoneId { get; private set; } = RetentionPolicy.DefaultTimeZoneId;

    /// <summary>Reads a calendar as a user gives it.</summary>
    /// <param name="text">The text; null or blank is the default.</param>
    /// <exception cref="NataliaException"><c>BusinessCalendarInvalid</c>, <c>TimeZoneNotFound</c>.</exception>
    internal static BusinessCalendar Parse(string? text) => text?.Length > MaximumLength
        ? throw Invalid($"it has more than {MaximumLength} characters, and longer ones are not read.")
        : ParseKept(text);

    /// <summary>
    /// Reads what <see cref="ToString"/> wrote: its length was judged when a user gave it, and it is a little longer.
    /// </summary>
    /// <param name="text">The text; null or blank is the default.</param>
    /// <exception cref="NataliaException"><c>BusinessCalendarInvalid</c>, <c>TimeZoneNotFound</c>.</exception>
    internal static BusinessCalendar ParseKept(string? text)
    {
        if (string.IsNullOrWhiteSpace(text)) return Default;
        var calendar = new BusinessCalendar();
        foreach (string entry in text!.Split('\n').Select(WithoutRemark).SelectMany(l => l.Split(';'))
            .Select(e => e.Trim()).Where(e => e.Length > 0))
            calendar.Read(entry);
        _ = TimeZones.Find(calendar.TimeZoneId);
        if (calendar._weekend.Count == 7) throw Invalid("every day of the week is a weekend.");
        return calendar;
    }

    /// <summary>The last business day that was over before a time, in the calendar's zone.</summary>
    /// <param name="utc">The time, UTC.</param>
    /// <exception cref="NataliaException"><c>BusinessCalendarInvalid</c>: there is none within a year.</exception>
    internal DateTime PreviousBusinessDay(DateTime utc)
    {
        DateTime local = TimeZoneInfo.ConvertTimeFromUtc(DateTime.SpecifyKind(utc, DateTimeKind.Utc),
            TimeZones.Find(TimeZoneId));
        DateTime day = local.Date;
        for (int back = 1; back <= LongestBreak; back++)
        {
            if (IsBusinessDay(day.AddDays(-back))) return DateTime.SpecifyKind(day.AddDays(-back),
                DateTimeKind.Unspecified);
        }
        throw Invalid($"in the year before {Text(day)} there is no business day.");
    }

    /// <summary>Whether a day is a business day.</summary>
    /// <param name="day">The day.</param>
    internal bool IsBusinessDay(DateTime day) =>
        !_weekend.Contains(day.DayOfWeek) && !_holidays.Contains(day.Date) && !_yearly.Contains((day.Month, day.Day));

    /// <summary>A day as it is kept and handed over: <c>yyyy-MM-dd</c>.</summary>
    internal static string Text(DateTime day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>The calendar as text that reads as the same calendar.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append("zone: ").Append(TimeZoneId).Append("; weekend: ")
            .Append(_weekend.Count == 0 ? "none" : string.Join(", ", _weekend.OrderBy(d => ((int)d + 6) % 7)));
        foreach (DateTime day in _holidays.OrderBy(d => d)) text.Append("; ").Append(Text(day));
        foreach ((int month, int day) in _yearly.OrderBy(d => d))
            text.Append(string.Format(CultureInfo.InvariantCulture, "; {0:00}-{1:00}", month, day));
        return text.ToString();
    }

    private void Read(string entry)
    {
        int colon = entry.IndexOf(':');
        if (colon >= 0)
        {
            string value = entry.Substring(colon + 1).Trim();
            switch (entry.Substring(0, colon).Trim().ToLowerInvariant())
            {
                case "zone" or "timezone" or "time zone" when value.Length > 0: TimeZoneId = value; return;
                case "weekend": ReadWeekend(value); return;
            }
            throw Unreadable(entry);
        }
        string date = entry.Split([' ', '\t', ','], 2)[0];
        if (DateTime.TryParseExact(date, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None,
            out DateTime day))
            _holidays.Add(day);
        // A leap year, so that the 29th of February can be one.
        else if (DateTime.TryParseExact("2024-" + date, "yyyy-MM-dd", CultureInfo.InvariantCulture,
            DateTimeStyles.None, out DateTime yearly))
            _yearly.Add((yearly.Month, yearly.Day));
        else throw Unreadable(entry);
    }

    private void ReadWeekend(string value)
    {
        _weekend.Clear();
        if (value.Equals("none", StringComparison.OrdinalIgnoreCase)) return;
        foreach (string name in value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries))
        {
            DayOfWeek[] meant = [.. Enum.GetValues(typeof(DayOfWeek)).Cast<DayOfWeek>()
                .Where(d => name.Length >= 2 && d.ToString().StartsWith(name, StringComparison.OrdinalIgnoreCase))];
            if (meant.Length != 1) throw Invalid($"'{name}' is no day of the week.");
            _weekend.Add(meant[0]);
        }
        if (_weekend.Count == 0) throw Invalid("the weekend has no days; 'none' says that there is none.");
    }

    private static string WithoutRemark(string line) =>
        line.IndexOf('#') is var at and >= 0 ? line.Substring(0, at) : line;

    private static NataliaException Unreadable(string entry) =>
        Invalid($"'{DisplayText.CleanLine(entry.Length > 60 ? entry.Substring(0, 60) + "…" : entry)}' is neither a "
            + "date nor a zone nor a weekend.");

    private static NataliaException Invalid(string why) =>
        new(ErrorIds.BusinessCalendarInvalid, NataliaErrorKind.InvalidArgument,
            $"The business calendar cannot be used: {why}", null,
            "Write 'zone: Europe/Paris; weekend: Saturday, Sunday; 2026-12-25; 01-01', or the same line by line in a "
            + "file.");
}
