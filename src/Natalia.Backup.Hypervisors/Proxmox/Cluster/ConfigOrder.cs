using System.Globalization;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>
/// A fixed order of a configuration's keys. The server answers with an object whose members come in another order each
/// time, and nothing may depend on that. Drives come as qemu-server's Drive.pm tries them for a VM without a boot order
/// (<c>valid_drive_names_for_boot</c>): IDE, SCSI, VirtIO, SATA, each by number.
/// </summary>
internal sealed class ConfigOrder : IComparer<string>
{
    private static readonly string[] s_drives = ["ide", "scsi", "virtio", "sata", "efidisk", "tpmstate"];

    internal static ConfigOrder Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        (string xKind, long xNumber) = Split(x ?? "");
        (string yKind, long yNumber) = Split(y ?? "");
        int xDrive = Array.IndexOf(s_drives, xKind), yDrive = Array.IndexOf(s_drives, yKind);
        if (xDrive >= 0 && yDrive >= 0 && xDrive != yDrive) return xDrive.CompareTo(yDrive);
        int byKind = string.CompareOrdinal(xKind, yKind);
        if (byKind != 0) return byKind;
        return xNumber != yNumber ? xNumber.CompareTo(yNumber) : string.CompareOrdinal(x, y);
    }

    private static (string Kind, long Number) Split(string key)
    {
        int digits = key.Length;
        while (digits > 0 && key[digits - 1] is >= '0' and <= '9') digits--;
        return long.TryParse(key.Substring(digits), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? (key.Substring(0, digits), number)
            : (key, -1);
    }
}
