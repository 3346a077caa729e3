using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// Reads from a task's log whether the guest's file systems were frozen. A task whose freeze failed still ends OK, so
/// only the log tells, in words that have changed more than once (qemu-server, QemuConfig.pm, QemuServer/Agent.pm and
/// VZDump/QemuServer.pm: before and after September 2025). A line that speaks of a freeze and is not known to be
/// harmless is trouble.
/// </summary>
internal sealed class FreezeEvidence
{
    private const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.IgnoreCase;
    private static readonly Regex s_issued = new("issuing guest-agent 'fs-freeze' command", Options);
    private static readonly Regex s_thawing = new("issuing guest-agent 'fs-thaw' command", Options);
    private static readonly Regex s_waiting = new("still waiting on guest fs freeze", Options);
    private static readonly Regex s_skipped =
        new(@"skipping guest(?:-agent 'fs-freeze'| filesystem freeze| fs freeze)(?:,| -)\s*(?<why>.+)$",
        Options);
    // "unable to freeze guest fs", "guest-fsfreeze-freeze problems", "querying status after freezing guest fs failed",
    // "unable to check guest fs freeze status".
    private static readonly Regex s_freeze = new(@"fs-?freeze|guest.*freez|freez.*guest", Options);
    private static readonly Regex s_thaw = new(@"fs(freeze)?-?thaw|guest.*thaw|thaw.*guest", Options);
    // Names that people gave stand in these; they may be called anything.
    private static readonly Regex s_names =
        new("VM Name: |(in|ex)clude disk '|snapshotting '|creating .*archive '|starting new backup job",
        Options);
    private static readonly Regex s_level = new(@"^(ERROR|WARN|WARNING|INFO):\s*", RegexOptions.CultureInvariant);
    private bool _freezing;
    private bool _justThawed;
    private bool _issued;
    private string? _error;
    private string? _skipped;
    private string? _thaw;

    internal void Read(string line)
    {
        bool isError = line.StartsWith("ERROR:", StringComparison.Ordinal);
        bool afterThaw = _justThawed;
        _justThawed = false;
        if (s_names.IsMatch(line)) return;
        if (s_issued.IsMatch(line))
            (_issued, _freezing) = (true, true);
        else if (s_thawing.IsMatch(line))
            (_freezing, _justThawed) = (false, true);
        else if (s_waiting.IsMatch(line))
            return;
        else if (s_skipped.Match(line) is { Success: true } skipped)
            _skipped ??= skipped.Groups["why"].Value.Trim();
        else if (s_thaw.IsMatch(line) || (afterThaw && isError))
            // The first error behind the command is its own.
            _thaw ??= Clean(line);
        else if (s_freeze.IsMatch(line) || (_freezing && isError))
            // Between freeze and thaw an error line is about the freeze.
            _error ??= Clean(line);
    }

    /// <summary>The verdict for a log in which a freeze that works leaves a line: that of a backup.</summary>
    /// <param name="wasRunning">Whether the VM was running.</param>
    /// <param name="isLogWhole">Whether every line was read.</param>
    internal (Consistency Consistency, string? Reason) Conclude(bool wasRunning, bool isLogWhole)
    {
        if (!wasRunning) return (Consistency.Crash, "The VM was switched off: its disks were taken as they lay.");
        if (Trouble is string trouble) return (Consistency.Crash, trouble);
        if (!isLogWhole) return (Consistency.Crash, UnreadLog);
        if (_issued) return (Consistency.FileSystem, null);
        return (Consistency.Crash, "The log says nothing of a freeze; the guest agent is not enabled for this VM.");
    }

    /// <summary>The verdict for a log in which a freeze that works leaves no line: that of a snapshot.</summary>
    /// <param name="obstacle">Why there can have been no freeze, as was known before; null when there should have been
    /// one.</param>
    /// <param name="isLogWhole">Whether every line was read.</param>
    internal (Consistency Consistency, string? Reason) ConcludeSilent(string? obstacle, bool isLogWhole)
    {
        if (Trouble is string trouble) return (Consistency.Crash, trouble);
        if (obstacle is not null) return (Consistency.Crash, $"The guest's file systems were not frozen: {obstacle}.");
        return isLogWhole ? (Consistency.FileSystem, null) : (Consistency.Crash, UnreadLog);
    }

    private const string UnreadLog =
        "Whether the guest's file systems were frozen is not known: the task's log could not be read whole.";

    private string? Trouble =>
        _error is not null ? $"The guest's file systems could not be frozen: {_error.TrimEnd('.')}."
        : _skipped is not null ? $"The guest's file systems were not frozen: {_skipped.TrimEnd('.')}."
        : _thaw is not null
            ? $"The guest's file systems did not thaw as they should: {_thaw.TrimEnd('.')}. They may have thawed too "
                + "early, or be frozen still: look at the guest."
        : null;

    private static string Clean(string line) => s_level.Replace(line, "").Trim();
}
