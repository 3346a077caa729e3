namespace Natalia.Backup.Engine.Disks;

/// <summary>Says what is wrong with an image file, and reads its structures without going beyond its end.</summary>
/// <param name="format">The format's name, as in "VHDX".</param>
/// <param name="file">The file.</param>
internal sealed class ImageFault(string format, IDiskSource file)
{
    /// <summary>The file.</summary>
    internal IDiskSource File => file;

    /// <summary>The image contradicts its format: it is damaged, cut off, or made to mislead.</summary>
    /// <param name="what">How, as the end of a sentence.</param>
    internal NataliaException Invalid(string what) =>
        new(ErrorIds.DiskImageInvalid, NataliaErrorKind.InvalidData,
        $"The {format} image '{file}' is not valid: {what}.", file.ToString(),
        "Export or copy the disk again. Where that file is all there is, the program that made it may be able to "
        + "repair it.");

    /// <summary>The image is fine, and something in it is not read here.</summary>
    /// <param name="what">What, as the end of a sentence that begins with "It".</param>
    /// <param name="advice">What to do, a full sentence; null for converting it.</param>
    internal NataliaException NotSupported(string what, string? advice = null) =>
        new(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.NotSupported,
        $"The {format} image '{file}' cannot be read: it {what}.", file.ToString(),
        advice ?? "Convert it to a raw or VHDX image with the program that made it.");

    /// <summary>The parent of this image cannot be found.</summary>
    internal NataliaException ParentNotFound(ParentReference parent) =>
        new(ErrorIds.DiskParentNotFound, NataliaErrorKind.NotFound,
        $"'{file}' holds only what differs from its parent '"
        + $"{parent.RelativePath ?? parent.AbsolutePath ?? "(without a name)"}', which is not there.", file.ToString(),
        "Put all images of the chain into one folder, or merge them first (Merge-VHD).");

    /// <summary>What was found in the parent's place is not what this image counts from.</summary>
    internal NataliaException ParentDiffers(ParentReference parent, string path, Guid found) =>
        new(ErrorIds.DiskParentNotFound, NataliaErrorKind.InvalidData,
        $"'{file}' holds what differs from the state {parent.Identity} of its parent, and '{path}' holds the state "
        + $"{found}: it was written since, or is another file.", file.ToString(),
        "Find the image that belongs to it. What is read of the two together would be no disk that ever was.");

    /// <summary>Reads a structure.</summary>
    /// <param name="offset">Where it begins; anything may be asked.</param>
    /// <param name="length">Its length in bytes, decided here and not by the file.</param>
    /// <param name="what">What it is, for the error.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c> when the file ends before.</exception>
    internal async ValueTask<byte[]> ReadAsync(long offset, int length, string what,
        CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > file.SizeBytes - length)
            throw Invalid($"{what} lies beyond the end of the file");
        var bytes = new byte[length];
        await file.ReadAsync(offset, bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }
}
