using System.Globalization;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Hypervisors.Proxmox.Notes;

/// <summary>
/// The line in a VM's notes that says which disks a run has switched off. It is written in the same request as the
/// switches and lies with the VM, so that whoever comes next finds it, from whatever machine, after whatever crash.
/// </summary>
internal sealed record LeftOutMark(IReadOnlyList<string> Disks, string RunId, DateTime SinceUtc)
{
    private static readonly Regex s_line =
        new(@"\n?\[natalia-backup left-out=(?<disks>[a-z0-9+]+) run=(?<run>[0-9a-zA-Z-]+) since=(?<since>\d+)\]",
        RegexOptions.CultureInvariant);

    internal static LeftOutMark? Parse(string description)
    {
        Match m = s_line.Match(description);
        return m.Success
            && long.TryParse(m.Groups["since"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out long since)
            ? new LeftOutMark(m.Groups["disks"].Value.Split('+'), m.Groups["run"].Value,
                DateTimeOffset.FromUnixTimeSeconds(since).UtcDateTime)
            : null;
    }

    internal string AddTo(string description) =>
        RemoveFrom(description) is { Length: > 0 } rest ? rest + "\n" + ToString() : ToString();

    /// <summary>
    /// The notes without the mark. The server puts a line break behind whatever is written, so none is given to it.
    /// </summary>
    internal static string RemoveFrom(string description) => s_line.Replace(description, "").TrimEnd('\n');

    public override string ToString() =>
        $"[natalia-backup left-out={string.Join("+", Disks)} run={RunId} "
        + "since="
        + new DateTimeOffset(SinceUtc, TimeSpan.Zero).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)
        + "]";
}
