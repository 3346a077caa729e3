using System.Globalization;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// The names that vzdump gives to files, by the server's own rule (pve-storage, Storage.pm, archive_info).
/// Of a file with another name, or with a date that no calendar has, the server takes the file's own time, and its
/// retention passes it over.
/// </summary>
internal static class ArchiveName
{
    private static readonly Regex s_standard = new(
        @"^vzdump-qemu-[1-9][0-9]{2,8}-(?<time>[0-9]{4}_[0-9]{2}_[0-9]{2}-[0-9]{2}_[0-9]{2}_[0-9]{2})"
        + @"\.(tgz|(tar|vma)(\.[a-z0-9]+)?)$",
        RegexOptions.CultureInvariant);

    /// <summary>Whether a volume's name is one that the server gave.</summary>
    /// <param name="volid">The volume: <c>nas:backup/vzdump-qemu-100-2026_11_29-01_00_00.vma.zst</c>.</param>
    internal static bool IsStandard(string volid)
    {
        Match match = s_standard.Match(volid.Substring(volid.LastIndexOf('/') + 1));
        return match.Success
            && DateTime.TryParseExact(match.Groups["time"].Value, "yyyy_MM_dd-HH_mm_ss", CultureInfo.InvariantCulture,
                DateTimeStyles.None, out _);
    }
}
