using System.Globalization;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>When schedules run; pure.</summary>
internal static class ScheduleTimes
{
    private const int SixHours = 6;

    /// <summary>How long after the full the quarterly restore test begins.</summary>
    private const int RestoreTestAfterHours = 3;

    private static readonly TimeSpan s_grace = TimeSpan.FromHours(2);

    /// <summary>The hours of the day at which runs begin, in order.</summary>
    internal static IReadOnlyList<int> Hours(ScheduleKind kind, TimeSpan at) => kind == ScheduleKind.SixHourly
        ? [.. Enumerable.Range(0, 4).Select(i => (at.Hours + i * SixHours) % 24).OrderBy(h => h)]
        : [at.Hours];

    /// <summary>The time of day of the restore test, on the first Sunday of each quarter.</summary>
    internal static TimeSpan RestoreTestAt(TimeSpan at) =>
        new((at.Hours + RestoreTestAfterHours) % 24, at.Minutes, 0);

    /// <summary>The times of day, as <c>01:00, 07:00</c>.</summary>
    internal static string Describe(ScheduleKind kind, TimeSpan at) => string.Join(", ", Hours(kind, at)
        .Select(h => string.Format(CultureInfo.InvariantCulture, "{0:00}:{1:00}", h, at.Minutes)));

    /// <summary>The runs after a time, UTC. A time that a change of the clocks leaves out is that of an hour
    /// later.</summary>
    /// <param name="kind">How often.</param>
    /// <param name="at">The time of day of the full.</param>
    /// <param name="afterUtc">After which.</param>
    /// <param name="zone">The machine's zone.</param>
    /// <param name="count">How many.</param>
    internal static DateTime[] Next(ScheduleKind kind, TimeSpan at, DateTime afterUtc, TimeZoneInfo zone, int count)
    {
        DateTime today = TimeZoneInfo.ConvertTimeFromUtc(afterUtc, zone).Date;
        return [.. Enumerable.Range(-1, count + 3)
            .SelectMany(d => Hours(kind, at).Select(h => today.AddDays(d).AddHours(h).AddMinutes(at.Minutes)))
            .Select(local => zone.IsInvalidTime(local) ? local.AddHours(1) : local)
            .Select(local => TimeZoneInfo.ConvertTimeToUtc(DateTime.SpecifyKind(local, DateTimeKind.Unspecified), zone))
            .Where(utc => utc > afterUtc).OrderBy(utc => utc).Take(count)];
    }

    /// <summary>
    /// Whether the newest good point is older than it can be when every run was made. Two hours are left for a run.
    /// </summary>
    internal static bool IsOverdue(ScheduleKind kind, DateTime? newestUtc, DateTime nowUtc) => newestUtc is not DateTime
        newest
        || nowUtc - newest > TimeSpan.FromHours(kind == ScheduleKind.SixHourly ? SixHours : 24) + s_grace;
}
