using System.Globalization;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.Systemd;

/// <summary>What <c>systemctl show --timestamp=unix</c> says of one unit: lines of <c>Name=value</c>. Pure.</summary>
internal sealed class UnitState
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    internal UnitState(string output)
    {
        foreach (string line in output.Split('\n'))
        {
            int equals = line.IndexOf('=');
            if (equals > 0) _values[line.Substring(0, equals)] = line.Substring(equals + 1).Trim();
        }
    }

    /// <summary>Whether the unit's file is not the one that the manager has read.</summary>
    internal bool NeedsReload => this["NeedDaemonReload"] == "yes";

    /// <summary>The drop-ins of this unit, or of those whose names begin like its; not those of all services or
    /// timers, which a distribution brings.</summary>
    internal string DropIns => string.Join(" ", this["DropInPaths"].Split(' ').Where(p => p.Length > 0
        && p.IndexOf("/service.d/", StringComparison.Ordinal) < 0
        && p.IndexOf("/timer.d/", StringComparison.Ordinal) < 0));

    internal string this[string name] => _values.TryGetValue(name, out string? value) ? value : "";

    /// <summary>A time, UTC; null when there is none, or it is in words that are not known.</summary>
    internal DateTime? Time(string name) => this[name] is ['@', .. string seconds]
        && decimal.TryParse(seconds, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal epoch)
        && epoch is > 0 and < 253402300800m
            ? DateTimeOffset.FromUnixTimeMilliseconds((long)(epoch * 1000)).UtcDateTime
            : null;

    /// <summary>How the last run of a service went.</summary>
    /// <param name="lastTriggerUtc">When its timer started it last; null for never.</param>
    internal (ScheduledRunResult Result, long? ExitCode) Run(DateTime? lastTriggerUtc)
    {
        if (this["ActiveState"] is "activating" or "deactivating") return (ScheduledRunResult.Running, null);
        bool hasRun = Time("ExecMainStartTimestamp") is not null;
        // What systemd knows of a service is gone with a restart of the machine; when the timer went off is kept.
        if (!hasRun) return (lastTriggerUtc is null ? ScheduledRunResult.NeverRan : ScheduledRunResult.Unknown, null);
        long? code = long.TryParse(this["ExecMainStatus"], NumberStyles.None, CultureInfo.InvariantCulture,
            out long status)
            ? status
            : null;
        // Who is ended by a signal of whoever stops it has succeeded for systemd; the signal's number is in the code's
        // place then.
        bool succeeded = this["Result"] == "success" && code is null or 0;
        return (succeeded ? ScheduledRunResult.Succeeded : ScheduledRunResult.Failed, code);
    }
}
