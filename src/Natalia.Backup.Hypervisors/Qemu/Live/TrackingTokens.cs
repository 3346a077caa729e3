using System.Globalization;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>
/// A token is the name of the bitmap that counts from its state on, which holds the run's random id, and the disk's
/// size then.
/// </summary>
internal static class TrackingTokens
{
    internal static string Create(BackupNote note, LiveDisk disk) =>
        string.Format(CultureInfo.InvariantCulture, "{0}/{1}", note.Bitmap, disk.SizeBytes);

    /// <summary>Why changes since a token cannot be told, in a full sentence; null when they can.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="token">The token.</param>
    /// <param name="bitmap">The bitmap that it names.</param>
    internal static string? Refuse(LiveDisk disk, string token, out string bitmap)
    {
        string[] parts = token.Split('/');
        bitmap = parts[0];
        string name = bitmap;
        if (parts.Length != 2 || !name.StartsWith("natalia-", StringComparison.Ordinal)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long size))
            return $"'{token}' is no token of this hypervisor.";
        if (disk.Bitmaps.FirstOrDefault(b => b.Name == name) is not LiveBitmap found)
            return disk.IsPersistent
                ? "The bitmap of the changes is gone from the disk: it was removed, or another disk took its place."
                : "The bitmap of the changes is gone: that of a raw disk ends with the VM's process, which was started "
                    + "anew, or another disk took its place.";
        if (found.IsInconsistent) return "The bitmap of the changes has missed what happened before QEMU ended badly.";
        if (!found.IsRecording) return "The bitmap of the changes was switched off meanwhile.";
        if (size != disk.SizeBytes) return "The disk has another size than then.";
        return disk.HasSnapshots
            ? "The disk's image holds snapshots, and nobody can tell whether it was set back to one of them."
            : null;
    }
}
