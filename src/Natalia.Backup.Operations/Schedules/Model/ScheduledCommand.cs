using System.Runtime.InteropServices;
using System.Text;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>The command that a run of a schedule starts: the module's script with a profile, and no secret.</summary>
internal static class ScheduledCommand
{
    /// <summary>The arguments of <see cref="ScheduleDefinition.Program"/>.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="work">What the run does.</param>
    /// <param name="reportFolder">Where a probe writes what it found, besides standard output; or null.</param>
    internal static IReadOnlyList<string> Arguments(ScheduleDefinition schedule, ScheduledWork work,
        string? reportFolder = null)
    {
        var arguments = new List<string>(schedule.ProgramArguments) { "-NoLogo", "-NoProfile", "-NonInteractive" };
        // Where the machine's policy allows no scripts at all, the module does not load either.
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Windows))
            arguments.AddRange(["-ExecutionPolicy", "RemoteSigned"]);
        arguments.AddRange(["-File", schedule.Script, "-ProfilePath", schedule.ProfilePath,
            "-ScheduleId", schedule.ScheduleId, "-Work", work.ToString()]);
        if (work == ScheduledWork.Backup)
            arguments.AddRange(["-Strategy", schedule.Kind == ScheduleKind.SixHourly ? "SixHourly" : "Daily",
                "-At", schedule.At]);
        Add("-Appliance", string.Join(ScheduleDefinition.Separator.ToString(), schedule.Appliances));
        if (work != ScheduledWork.Probe)
        {
            if (work == ScheduledWork.Backup)
                Add("-CopyTo", string.Join(ScheduleDefinition.Separator.ToString(), schedule.CopyTo));
            else Add("-TestBench", schedule.TestBench);
            Add("-LogFolder", schedule.LogFolder);
        }
        else Add("-ReportFolder", reportFolder);
        Add("-SecretScript", schedule.SecretScript);
        return arguments;

        void Add(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value)) arguments.AddRange([name, value!]);
        }
    }

    /// <summary>One command line of them, as Windows' programs and .NET take it apart again.</summary>
    internal static string Line(IEnumerable<string> arguments) => string.Join(" ", arguments.Select(Quote));

    /// <summary>One line of them for a POSIX shell, such as cron's.</summary>
    internal static string ShellLine(IEnumerable<string> arguments) => string.Join(" ", arguments.Select(a =>
        a.Length > 0 && a.All(IsPlain) ? a : "'" + a.Replace("'", "'\\''") + "'"));

    private static bool IsPlain(char c) => c is (>= 'A' and <= 'Z') or (>= 'a' and <= 'z') or (>= '0' and <= '9')
        or '_' or '.' or '/' or ':' or '@' or '-';

    /// <summary>
    /// Backslashes count only before a quote: there each is doubled (the rules of CommandLineToArgvW).
    /// </summary>
    private static string Quote(string argument)
    {
        if (argument.Length > 0 && argument.All(c => c is not (' ' or '\t' or '\n' or '\v' or '"'))) return argument;
        var quoted = new StringBuilder("\"");
        int backslashes = 0;
        foreach (char c in argument)
        {
            if (c == '\\')
            {
                backslashes++;
                continue;
            }
            quoted.Append('\\', c == '"' ? 2 * backslashes + 1 : backslashes).Append(c);
            backslashes = 0;
        }
        return quoted.Append('\\', 2 * backslashes).Append('"').ToString();
    }
}
