using System.Globalization;
using System.Text;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.Systemd;

/// <summary>
/// How values are written in unit files; systemd.syntax(7), systemd.service(5), systemd.time(7). Pure.
/// </summary>
internal static class UnitText
{
    /// <summary>The value of ExecStart.</summary>
    /// <param name="program">A full path. No variables are looked for in it, so a dollar means itself.</param>
    /// <param name="arguments">Its arguments, each to arrive as it is.</param>
    internal static string Command(string program, IEnumerable<string> arguments) =>
        string.Join(" ", arguments.Select(a => Quote(a.Replace("$", "$$"))).Prepend(Quote(program)));

    /// <summary>A text in quotes: percent signs doubled, since they begin specifiers, and C's escapes.</summary>
    internal static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text)
        {
            if (c is '"' or '\\') quoted.Append('\\').Append(c);
            else if (c == '%') quoted.Append("%%");
            else if (c < ' ' || c == '\x7f')
                quoted.Append("\\x").Append(((int)c).ToString("x2", CultureInfo.InvariantCulture));
            else quoted.Append(c);
        }
        return quoted.Append('"').ToString();
    }

    /// <summary>The value of OnCalendar for the backups.</summary>
    internal static string Calendar(ScheduleKind kind, TimeSpan at) => string.Format(CultureInfo.InvariantCulture,
        "*-*-* {0}:{1:00}:00", string.Join(",", ScheduleTimes.Hours(kind, at)
            .Select(h => h.ToString("00", CultureInfo.InvariantCulture))), at.Minutes);

    /// <summary>The first Sunday of each quarter.</summary>
    internal static string QuarterlyCalendar(TimeSpan at) => string.Format(CultureInfo.InvariantCulture,
        "Sun *-01,04,07,10-01..07 {0:00}:{1:00}:00", at.Hours, at.Minutes);
}
