using System.Text;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.Systemd;

/// <summary>
/// The unit files of a schedule, and the mark in them: a section whose name begins with <c>X-</c>, which systemd
/// leaves to others (systemd.unit(5)). Pure.
/// </summary>
internal static class UnitFiles
{
    private const string MarkSection = "[X-Natalia]";
    private const string MarkKey = "Schedule=";

    /// <summary>
    /// The files by name, in the order in which they are to be written: the timer that makes the schedule comes last.
    /// </summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="isSystem">Whether they are the system's, not a user's.</param>
    /// <param name="environment">Variables that the program needs.</param>
    internal static IReadOnlyList<KeyValuePair<string, string>> Create(ScheduleDefinition schedule, bool isSystem,
        IReadOnlyDictionary<string, string> environment)
    {
        var files = new List<KeyValuePair<string, string>>();
        string often = schedule.Kind == ScheduleKind.SixHourly ? "six-hourly" : "daily";
        if (schedule.QuarterlyRestoreTest)
        {
            files.Add(new(schedule.RestoreTestId + ".service", Service(schedule, isSystem, environment,
                ScheduledWork.RestoreTest, $"Restore test of schedule '{schedule.Name}' of Natalia.Backup")));
            files.Add(new(schedule.RestoreTestId + ".timer", Timer(schedule, schedule.RestoreTestId,
                $"Quarterly restore test of schedule '{schedule.Name}' of Natalia.Backup",
                UnitText.QuarterlyCalendar(ScheduleTimes.RestoreTestAt(schedule.AtTime)))));
        }
        files.Add(new(schedule.ScheduleId + ".service", Service(schedule, isSystem, environment, ScheduledWork.Backup,
            $"Backup of schedule '{schedule.Name}' of Natalia.Backup")));
        files.Add(new(schedule.ScheduleId + ".timer", Timer(schedule, schedule.ScheduleId,
            $"The {often} backup of schedule '{schedule.Name}' of Natalia.Backup",
            UnitText.Calendar(schedule.Kind, schedule.AtTime))));
        return files;
    }

    /// <summary>The schedule that a unit file is of; null when it has no mark, or one that cannot be read.</summary>
    internal static ScheduleDefinition? Read(string text) => ScheduleDefinition.TryParse(MarkOf(text));

    /// <summary>Whether a unit file carries the mark of this product.</summary>
    internal static bool IsOwn(string text) => MarkOf(text) is not null;

    /// <summary>What somebody else changed in a unit: what it starts, when, and as whom.</summary>
    /// <param name="file">The unit's name.</param>
    /// <param name="text">The unit as it is.</param>
    /// <param name="wanted">The unit as it should be.</param>
    /// <returns>The changes, each a full sentence.</returns>
    internal static IEnumerable<string> Changes(string file, string text, string wanted)
    {
        if (Differs("[Service]", "Exec")) yield return $"What '{file}' starts was changed by hand.";
        // OnCalendar, and OnBootSec or others that somebody added; OnFailure is another section's.
        if (HasOtherTime(text, wanted)) yield return $"When '{file}' goes off was changed by hand.";
        if (Differs("[Service]", "User=")) yield return $"The account of '{file}' was changed by hand.";

        bool Differs(string section, string key) =>
            !Lines(text, section, key).SequenceEqual(Lines(wanted, section, key));
    }

    /// <summary>Whether a timer goes off at other times than another.</summary>
    internal static bool HasOtherTime(string timer, string other) =>
        !Lines(timer, "[Timer]", "On").SequenceEqual(Lines(other, "[Timer]", "On"));

    private static IEnumerable<string> Lines(string unit, string section, string key)
    {
        string at = "";
        foreach (string line in unit.Split('\n').Select(l => l.Trim()))
        {
            if (line.StartsWith("[", StringComparison.Ordinal)) at = line;
            else if (at == section && line.StartsWith(key, StringComparison.Ordinal)) yield return line;
        }
    }

    private static string? MarkOf(string text)
    {
        string[] lines = [.. text.Split('\n').Select(l => l.TrimEnd('\r'))];
        int section = Array.LastIndexOf(lines, MarkSection);
        return section < 0
            ? null
            : lines.Skip(section + 1).FirstOrDefault(l => l.StartsWith(MarkKey, StringComparison.Ordinal))
                ?.Substring(MarkKey.Length);
    }

    private static string Service(ScheduleDefinition schedule, bool isSystem,
        IReadOnlyDictionary<string, string> environment, ScheduledWork work, string description)
    {
        StringBuilder text = new StringBuilder(Head)
            .Append("[Unit]\nDescription=").Append(description).Append('\n');
        if (isSystem) text.Append("Wants=network-online.target\nAfter=network-online.target\n");
        // A run that is stopped cleans up before it ends, which may take its time; a second one is never started
        // beside it. It is stopped as by Ctrl-C: SIGTERM ends pwsh at once, with nothing cleaned up.
        text.Append("\n[Service]\nType=oneshot\n")
            .Append("ExecStart=").Append(UnitText.Command(schedule.Program,
                ScheduledCommand.Arguments(schedule, work))).Append('\n');
        foreach (KeyValuePair<string, string> variable in environment)
            text.Append("Environment=").Append(UnitText.Quote($"{variable.Key}={variable.Value}")).Append('\n');
        if (schedule.Account is string account) text.Append("User=").Append(account).Append('\n');
        text.Append("TimeoutStartSec=23h\nTimeoutStopSec=15min\nKillMode=mixed\nKillSignal=SIGINT\n");
        return Mark(text, schedule);
    }

    private static string Timer(ScheduleDefinition schedule, string unit, string description, string calendar)
    {
        StringBuilder text = new StringBuilder(Head)
            .Append("[Unit]\nDescription=").Append(description).Append('\n')
            .Append("\n[Timer]\nOnCalendar=").Append(calendar).Append('\n')
            .Append("Persistent=true\nAccuracySec=1min\nUnit=").Append(unit).Append(".service\n")
            .Append("\n[Install]\nWantedBy=timers.target\n");
        return Mark(text, schedule);
    }

    private const string Head = "# Written by Register-NataliaSchedule, which writes it anew when it is run again.\n"
        + "# What is to be changed by hand belongs in a drop-in (systemctl edit).\n";

    private static string Mark(StringBuilder text, ScheduleDefinition schedule) => text
        .Append('\n').Append(MarkSection).Append('\n').Append(MarkKey).Append(schedule.ToMark()).Append('\n')
        .ToString();
}
