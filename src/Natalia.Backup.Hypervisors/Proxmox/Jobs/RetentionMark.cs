using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Proxmox.Jobs;

/// <summary>The line in a VM's notes that keeps a retention until there is a schedule to carry it.</summary>
internal static class RetentionMark
{
    private static readonly Regex s_line = new(@"\n?\[natalia-backup retention=(?<limits>[a-z0-9=,-]+)\]",
        RegexOptions.CultureInvariant);

    internal static RetentionLimits? Parse(string description) =>
        s_line.Match(description) is { Success: true } m ? PruneLimits.Parse(m.Groups["limits"].Value) : null;

    internal static string AddTo(string description, RetentionLimits limits)
    {
        string rest = RemoveFrom(description);
        return rest + (rest.Length > 0 ? "\n" : "") + $"[natalia-backup retention={PruneLimits.Text(limits)}]";
    }

    internal static string RemoveFrom(string description) => s_line.Replace(description, "").TrimEnd('\n');
}
