using System.Text.RegularExpressions;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>Which lines of a task's log tell a person why it failed.</summary>
internal static class TaskLogLine
{
    /// <summary>
    /// Progress, and what the server writes when it clears up behind a failure. It does so after the cause was written,
    /// so that the last lines would show nothing else. "sucessfuly" is the server's own spelling.
    /// </summary>
    private static readonly Regex s_noise = new(
        @"^\s*(progress \d+%|Removing image: \d+% complete|(INFO:\s+)?\d+% \("
        + @""
        + @"|temporary volume '.*' suc+es+ful+y removed"
        + @"|no lock found trying to remove|Logical volume .* successfully removed"
        + @""
        + @"|(rescan volumes|new volume ID is|map '|CFG: |DEV: |CTIME: )|TASK (ERROR: |OK|WARNINGS))",
        RegexOptions.CultureInvariant | RegexOptions.IgnoreCase);

    internal static bool Tells(string line) => line.Trim().Length > 0 && !s_noise.IsMatch(line);
}
