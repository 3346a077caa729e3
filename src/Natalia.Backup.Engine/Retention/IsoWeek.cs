namespace Natalia.Backup.Engine.Retention;

/// <summary>
/// ISO 8601 weeks, which netstandard2.0 lacks: a week starts on Monday and belongs to the year that holds its Thursday.
/// </summary>
internal static class IsoWeek
{
    internal static (int Year, int Week) Of(DateTime date)
    {
        // Monday is 0. The first and the last day that DateTime knows are a Monday and a Friday, so their Thursdays
        // exist.
        int weekday = ((int)date.DayOfWeek + 6) % 7;
        DateTime thursday = date.AddDays(3 - weekday);
        return (thursday.Year, (thursday.DayOfYear - 1) / 7 + 1);
    }
}
