using System.Globalization;

namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>CIM's text of a time: <c>yyyymmddhhmmss.mmmmmm±uuu</c>, the offset in minutes (DSP0004, 5.2.4).</summary>
internal static class CimTime
{
    private const int Length = 25;

    internal static string ToText(DateTime utc) =>
        utc.ToString("yyyyMMddHHmmss.ffffff", CultureInfo.InvariantCulture) + "+000";

    /// <summary>A time of a day, <c>ddddddddhhmmss.mmmmmm:000</c>.</summary>
    internal static string ToText(TimeSpan interval) => string.Format(CultureInfo.InvariantCulture,
        "{0:00000000}{1:00}{2:00}{3:00}.{4:000000}:000", interval.Days, interval.Hours, interval.Minutes,
        interval.Seconds, interval.Ticks % TimeSpan.TicksPerSecond / 10);

    /// <summary>A DateTime (UTC) or a TimeSpan; null when it is neither.</summary>
    internal static object? TryParse(string text)
    {
        if (text.Length != Length || text[14] != '.') return null;
        if (!int.TryParse(text.Substring(22), NumberStyles.None, CultureInfo.InvariantCulture, out int minutes)
            || !int.TryParse(text.Substring(15, 6), NumberStyles.None, CultureInfo.InvariantCulture, out int micro))
            return null;
        if (text[21] == ':')
        {
            return long.TryParse(text.Substring(0, 8), NumberStyles.None, CultureInfo.InvariantCulture, out long days)
                && days < 10_000_000 && TimeSpan.TryParseExact(text.Substring(8, 6), "hhmmss",
                CultureInfo.InvariantCulture, out TimeSpan rest)
                ? TimeSpan.FromDays(days) + rest + TimeSpan.FromTicks(micro * 10L) : null;
        }
        if (text[21] is not ('+' or '-') || !DateTime.TryParseExact(text.Substring(0, 14), "yyyyMMddHHmmss",
            CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
            out DateTime local)) return null;
        long shift = TimeSpan.FromMinutes(text[21] == '+' ? -minutes : minutes).Ticks + micro * 10L;
        return local.Ticks + shift is var ticks && ticks >= 0 && ticks <= DateTime.MaxValue.Ticks
            ? new DateTime(ticks, DateTimeKind.Utc) : null;
    }
}
