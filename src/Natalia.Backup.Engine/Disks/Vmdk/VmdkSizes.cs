namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>Which disks the format can hold.</summary>
internal static class VmdkSizes
{
    /// <summary>The size in whole sectors.</summary>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>.</exception>
    internal static long Check(long sizeBytes, string path, long most)
    {
        if (sizeBytes <= 0)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.LimitExceeded,
                "A VMDK image cannot hold a disk without a single byte.", path, "Write a raw image instead.");
        }
        return sizeBytes <= most
            ? (sizeBytes + VmdkFormat.Sector - 1) / VmdkFormat.Sector * VmdkFormat.Sector
            : throw TooLarge(sizeBytes, path);
    }

    internal static NataliaException TooLarge(long sizeBytes, string path) =>
        new(ErrorIds.DestinationWriteFailed, NataliaErrorKind.LimitExceeded,
        $"A VMDK image of this kind cannot hold a disk of {sizeBytes} bytes.", path,
        "Sparse ones end at 2 TiB; write a flat one (-Format VmdkFlat), which goes to 64 TiB, or a VHDX or raw image.");
}
