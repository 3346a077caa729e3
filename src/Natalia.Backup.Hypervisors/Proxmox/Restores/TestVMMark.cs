using System.Globalization;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Hypervisors.Proxmox.Restores;

/// <summary>
/// The line in a test VM's notes by which it is known for what it is. Only a VM that carries it is ever destroyed.
/// </summary>
internal sealed record TestVMMark(string RunId, string Network, DateTime CreatedUtc)
{
    private static readonly Regex s_line =
        new(@"\[natalia-backup test=(?<run>[0-9a-zA-Z-]+) network=(?<network>[^\]\s]+) since=(?<since>\d+)\]",
        RegexOptions.CultureInvariant);

    internal static TestVMMark? Parse(string description) =>
        s_line.Match(description) is { Success: true } m
        && long.TryParse(m.Groups["since"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out long since)
            ? new TestVMMark(m.Groups["run"].Value, m.Groups["network"].Value,
                DateTimeOffset.FromUnixTimeSeconds(since).UtcDateTime) : null;

    public override string ToString() =>
        $"[natalia-backup test={RunId} network={Network} "
        + "since="
        + new DateTimeOffset(CreatedUtc, TimeSpan.Zero).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)
        + "]";
}
