using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>Reads from a task's log whether the guest's file systems were frozen. A task whose freeze failed still ends OK, so only the log tells.</summary>
internal sealed class FreezeEvidence
{
    private static readonly Regex s_skipped = new(@"skipping guest(?:-agent 'fs-freeze'| filesystem freeze)(?:,| -)\s*(?<why>.+)$", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);
    private bool _freezing;
    private bool _issued;
    private string? _error;
    private string? _skipped;

    /// <summary>True when some line spoke of freezing.</summary>
    internal bool IsMentioned => _issued || _error is not null || _skipped is not null;

    internal string? Failure => _error ?? _skipped;

    internal void Read(string line)
    {
        if (line.Contains("issuing guest-agent 'fs-freeze' command"))
            (_issued, _freezing) = (true, true);
        else if (line.Contains("issuing guest-agent 'fs-thaw' command"))
            _freezing = false;
        else if (s_skipped.Match(line) is { Success: true } skipped)
            _skipped = skipped.Groups["why"].Value.Trim();
        else if (line.Contains("guest-fsfreeze-freeze problems") || line.Contains("'guest-fsfreeze-freeze' failed"))
            _error = Clean(line);
        else if (_freezing && line.StartsWith("ERROR:", StringComparison.Ordinal))
            // Between freeze and thaw an error line is about the freeze.
            _error ??= Clean(line);
    }

    /// <summary>The verdict for a log in which a freeze that works leaves a line.</summary>
    internal (Consistency Consistency, string? Reason) Conclude(bool wasRunning)
    {
        if (!wasRunning) return (Consistency.Crash, "The VM was switched off: its disks were taken as they lay.");
        if (_error is not null) return (Consistency.Crash, $"The guest's file systems could not be frozen: {_error.TrimEnd('.')}.");
        if (_skipped is not null) return (Consistency.Crash, $"The guest's file systems were not frozen: {_skipped.TrimEnd('.')}.");
        if (_issued) return (Consistency.FileSystem, null);
        return (Consistency.Crash, "The log says nothing of a freeze; the guest agent is not enabled for this VM.");
    }

    private static string Clean(string line) => Regex.Replace(line, @"^(ERROR|WARN|WARNING|INFO):\s*", "").Trim();
}
