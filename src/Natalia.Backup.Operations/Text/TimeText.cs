using System.Globalization;

namespace Natalia.Backup.Operations.Text;

/// <summary>Times for the eye. Data keeps exact ones.</summary>
internal static class TimeText
{
    private static readonly (long Seconds, string Name)[] s_units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];

    /// <summary>
    /// At most two units, rounded down to the second of them: <c>45 s</c>, <c>6 h</c>, <c>6 h 2 min</c>, <c>2 d 3
    /// h</c>. A day begins with the third: <c>26 h</c> is compared with 24 h more easily than <c>1 d 2 h</c>.
    /// </summary>
    internal static string Span(TimeSpan time)
    {
        if (time < TimeSpan.Zero) return "-" + Span(time.Negate());
        long seconds = (long)time.TotalSeconds;
        for (int i = 0; i < s_units.Length; i++)
        {
            (long size, string name) = s_units[i];
            if (seconds < (i == 0 ? 3 * size : size) && i < s_units.Length - 1) continue;
            string text = Number(seconds / size, name);
            if (i == s_units.Length - 1) return text;
            (long next, string nextName) = s_units[i + 1];
            long rest = seconds % size / next;
            return rest == 0 ? text : text + " " + Number(rest, nextName);
        }
        return "0 s";
    }

    /// <summary>A time in UTC: <c>2026-11-23 18:00 UTC</c>.</summary>
    internal static string Utc(DateTime utc) => utc.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string Number(long number, string unit) =>
        number.ToString(CultureInfo.InvariantCulture) + " " + unit;
}
