using Natalia.Backup.Engine.Disks.Vhd;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Engine.Disks.Vmdk;

namespace Natalia.Backup.Engine.Disks.Images;

/// <summary>Opens disks in image files of any format that can be read, and makes such files.</summary>
public static class DiskImages
{
    /// <summary>Whether disks in files of a format can be opened.</summary>
    /// <param name="format">The format.</param>
    public static bool CanRead(ImageFormat format) =>
        format is ImageFormat.Raw or ImageFormat.Vhdx or ImageFormat.Vhd or ImageFormat.Vmdk
            or ImageFormat.Qcow2;

    /// <summary>Opens the disk in a file.</summary>
    /// <param name="file">The file, byte for byte. It is closed with the disk, and at once when this fails.</param>
    /// <param name="format">Its format.</param>
    /// <param name="parents">Finds parents of differencing images; null where none are allowed.</param>
    /// <param name="parts">Finds other files of images that consist of several; null where none are allowed.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskParentNotFound</c>, <c>DiskNotFound</c>, <c>DiskReadFailed</c>, <c>PathNotContained</c>.</exception>
    public static async Task<IDiskSource> OpenAsync(IDiskSource file, ImageFormat format, IParentImages? parents,
        IImageParts? parts, CancellationToken cancellationToken)
    {
        switch (format)
        {
            case ImageFormat.Raw:
                return file;
            case ImageFormat.Vhdx:
                return await VhdxDiskSource.OpenAsync(file, parents, cancellationToken).ConfigureAwait(false);
            case ImageFormat.Vhd:
                return await VhdDiskSource.OpenAsync(file, parents, cancellationToken).ConfigureAwait(false);
            case ImageFormat.Vmdk:
                return await VmdkDiskSource.OpenAsync(file, parts, cancellationToken).ConfigureAwait(false);
            case ImageFormat.Qcow2:
                return await OpenQcow2Async(file, cancellationToken).ConfigureAwait(false);
            default:
                using (file)
                    throw new ImageFault(format.ToString(), file).NotSupported("has a format that is not read");
        }
    }

    private static async Task<IDiskSource> OpenQcow2Async(IDiskSource file, CancellationToken cancellationToken)
    {
        try
        {
            return await Qcow2DiskSource.OpenAsync(file, file.ToString() ?? "", cancellationToken)
                .ConfigureAwait(false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads what a file says of itself; it stays open, and no other is opened.</summary>
    /// <param name="file">The file.</param>
    /// <param name="format">Its format, one that <see cref="CanRead"/> names.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>,
    /// <c>DiskReadFailed</c>.</exception>
    public static async Task<ImageProbe> ProbeAsync(IDiskSource file, ImageFormat format,
        CancellationToken cancellationToken) => format switch
        {
            ImageFormat.Vhdx => await VhdxDiskSource.ProbeAsync(file, cancellationToken).ConfigureAwait(false),
            ImageFormat.Vhd => await VhdDiskSource.ProbeAsync(file, cancellationToken).ConfigureAwait(false),
            ImageFormat.Vmdk => await VmdkDiskSource.ProbeAsync(file, cancellationToken).ConfigureAwait(false),
            // Only looked at: what opened the file closes it.
            ImageFormat.Qcow2 => new ImageProbe((await Qcow2DiskSource.OpenAsync(file, file.ToString() ?? "",
                cancellationToken).ConfigureAwait(false)).SizeBytes, null, []),
            _ => new ImageProbe(file.SizeBytes, null, []),
        };

    /// <summary>A target that writes a disk to an image file. Nothing is touched before it begins.</summary>
    /// <param name="format">What to write.</param>
    /// <param name="path">The file.</param>
    /// <param name="overwrite">Replace a file of that name.</param>
    public static IDiskTarget Create(DiskFormat format, string path, bool overwrite) => format switch
    {
        DiskFormat.Vhdx => new VhdxDiskTarget(path, overwrite),
        DiskFormat.Vmdk => new VmdkSparseTarget(path, overwrite),
        DiskFormat.VmdkFlat => new VmdkFlatTarget(path, overwrite),
        DiskFormat.VmdkStreamOptimized => new VmdkStreamTarget(path, overwrite),
        _ => new RawDiskTarget(path, overwrite),
    };

    /// <summary>The extension of files of a format, with the dot.</summary>
    /// <param name="format">The format.</param>
    public static string ExtensionOf(DiskFormat format) => format switch
    {
        DiskFormat.Vhdx => ".vhdx",
        DiskFormat.Vmdk or DiskFormat.VmdkFlat or DiskFormat.VmdkStreamOptimized => ".vmdk",
        _ => ".raw",
    };
}
