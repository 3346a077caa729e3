using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Proxmox.Jobs;

/// <summary>
/// The line in a VM's notes that keeps what is kept of it in a storage until there is a schedule to carry it, one for
/// each storage. It names the VM's number, so that a copy of the VM, which has the same notes, is not meant.
/// </summary>
internal static class RetentionMark
{
    private static readonly Regex s_line = new(@"\n?\[natalia-backup retention=[^\]\n]*\]?",
        RegexOptions.CultureInvariant);
    private static readonly Regex s_whole =
        new(@"^\n?\[natalia-backup retention=(?<vmid>\d+) storage=(?<storage>[A-Za-z0-9._-]+)"
            + @" keeps=(?<limits>LIMIT(?:,LIMIT)*)\]$".Replace("LIMIT",
                @"keep-(?:all|last|hourly|daily|weekly|monthly|yearly)=\d{1,9}"),
        RegexOptions.CultureInvariant);
    /// <summary>A storage's name in a damaged line. What follows shows that it is the whole name.</summary>
    private static readonly Regex s_storage = new(@" storage=(?<storage>[A-Za-z0-9._-]+)(?= [a-z]+=|\])",
        RegexOptions.CultureInvariant);

    /// <summary>What the notes of a VM say of a storage; null when they say nothing.</summary>
    internal static RetentionLimits? Parse(string description, string vmid, string storage) =>
        Lines(description).FirstOrDefault(m => IsOf(m, vmid, storage)) is { } line
            ? PruneLimits.Parse(line.Groups["limits"].Value)
            : null;

    /// <summary>
    /// Whether what is kept in a storage cannot be known: the notes say nothing of it that can be read, and hold a line
    /// that somebody wrote into, which may have been the one: it names this storage, or none that can be read.
    /// </summary>
    internal static bool IsDamaged(string description, string vmid, string storage) =>
        s_line.Matches(description).Cast<Match>().Any(m => !s_whole.IsMatch(m.Value)
            && NamedStorages(m.Value) is var named && (named.Count == 0 || named.Contains(storage)))
        && Parse(description, vmid, storage) is null;

    internal static string AddTo(string description, string vmid, string storage, RetentionLimits limits)
    {
        string rest = RemoveFrom(description, vmid, storage);
        return rest + (rest.Length > 0 ? "\n" : "")
            + $"[natalia-backup retention={vmid} storage={storage} keeps={PruneLimits.Text(limits)}]";
    }

    /// <summary>The notes without the line for a storage. Those of other storages stay.</summary>
    internal static string RemoveFrom(string description, string vmid, string storage) =>
        s_line.Replace(description, m => IsOf(s_whole.Match(m.Value), vmid, storage) ? "" : m.Value).TrimEnd('\n');

    /// <summary>The notes without the lines that nobody can read. Those that name another storage stay.</summary>
    internal static string RemoveDamaged(string description, string storage) =>
        s_line.Replace(description, m => s_whole.IsMatch(m.Value) || NamedStorages(m.Value).Any(n => n != storage)
            ? m.Value
            : "").TrimEnd('\n');

    private static IEnumerable<Match> Lines(string description) =>
        s_line.Matches(description).Cast<Match>().Select(m => s_whole.Match(m.Value));

    private static List<string> NamedStorages(string line) =>
        [.. s_storage.Matches(line).Cast<Match>().Select(m => m.Groups["storage"].Value)];

    private static bool IsOf(Match line, string vmid, string storage) =>
        line.Success && line.Groups["vmid"].Value == vmid && line.Groups["storage"].Value == storage;
}
