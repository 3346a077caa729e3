using System.Globalization;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// The name of a task. The node to ask about it is the one in the name, which need not be the one that was asked to
/// start it.
/// </summary>
internal sealed record Upid(string Text, string Node, DateTime StartUtc, string Type, string Id, string User)
{
    internal static bool TryParse(string? text, out Upid upid)
    {
        upid = null!;
        string[] parts = (text ?? "").Split(':');
        // UPID:node:pid:pstart:start:type:id:user: - the backup server has one more hexadecimal field before the start.
        int shift = parts.Length == 10 ? 1 : 0;
        if (parts.Length is not (9 or 10) || parts[0] != "UPID" || parts[parts.Length - 1].Length != 0
            || parts[1].Length == 0)
            return false;
        for (int i = 2; i <= 4 + shift; i++)
            if (!long.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _))
                return false;
        long start = long.Parse(parts[4 + shift], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        upid = new Upid(text!, parts[1], DateTimeOffset.FromUnixTimeSeconds(start).UtcDateTime, parts[5 + shift],
            parts[6 + shift], parts[7 + shift]);
        return true;
    }

    public override string ToString() => Text;
}
