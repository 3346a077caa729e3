using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.Restore;

/// <summary>
/// The image that gives a data-only restore point its system disk: of a freshly deployed appliance, on this machine.
/// It is opened anew for each restore, so that any number of them use it at once.
/// </summary>
internal sealed class SystemImage
{
    private const int ChunkBytes = 1 << 20;
    private const int ZeroBytes = 64 << 10;

    private SystemImage(string path, ImageFormat format, long sizeBytes) =>
        (Path, Format, SizeBytes) = (path, format, sizeBytes);

    /// <summary>The image's full path.</summary>
    internal string Path { get; }

    /// <summary>Raw or Qcow2, by what the file itself shows.</summary>
    internal ImageFormat Format { get; }

    /// <summary>The size of the disk in it, in bytes.</summary>
    internal long SizeBytes { get; }

    /// <summary>Looks at an image: it is there, can be read, and is one that can be used.</summary>
    /// <param name="path">An absolute path.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>SystemImagePathInvalid</c>, <c>SystemImageNotFound</c>,
    /// <c>SystemImageNotSupported</c>, <c>DiskInUse</c>, <c>DiskAccessDenied</c>, <c>DiskReadFailed</c>.</exception>
    internal static async Task<SystemImage> FindAsync(string path, CancellationToken cancellationToken)
    {
        EnsureAbsolute(path);
        (IDiskSource disk, ImageFormat format) = await OpenAsync(path, cancellationToken).ConfigureAwait(false);
        using (disk) return new SystemImage(System.IO.Path.GetFullPath(path), format, disk.SizeBytes);
    }

    /// <summary>
    /// A path that is kept is used by other processes with other current folders, so a relative one would be another
    /// file there.
    /// </summary>
    /// <exception cref="NataliaException"><c>SystemImagePathInvalid</c>.</exception>
    internal static void EnsureAbsolute(string path)
    {
        if (IsAbsolute(path)) return;
        throw new NataliaException(ErrorIds.SystemImagePathInvalid, NataliaErrorKind.InvalidArgument,
            $"The system image '{path}' is no absolute path.", path,
            "Write the whole path: it is used by runs that have another current folder.");
    }

    /// <summary>Writes the disk in it to a target, which the caller disposes.</summary>
    /// <param name="target">Where to; it is begun and completed here.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException">As <see cref="FindAsync"/>; <c>DiskChangedWhileRead</c>; what the target
    /// throws.</exception>
    internal async Task WriteAsync(IDiskTarget target, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        (IDiskSource disk, _) = await OpenAsync(Path, cancellationToken).ConfigureAwait(false);
        using (disk)
        {
            // The target was made for the size that was seen first.
            if (disk.SizeBytes != SizeBytes) throw Changed();
            string activity = $"Writing the system disk from {System.IO.Path.GetFileName(Path)}";
            await target.BeginAsync(SizeBytes, cancellationToken).ConfigureAwait(false);
            byte[] buffer = new byte[ChunkBytes];
            await foreach (Extent extent in disk.GetAllocatedExtentsAsync(cancellationToken).ConfigureAwait(false))
            {
                long end = extent.Offset + extent.Length;
                for (long at = extent.Offset; at < end;)
                {
                    int count = (int)Math.Min(ChunkBytes, end - at);
                    await disk.ReadAsync(at, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                    await WriteAsync(target, at, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                    at += count;
                    progress?.Report(new OperationProgress(activity, at, SizeBytes));
                }
            }
            (disk as RawDiskSource)?.VerifyUnchanged();
            await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The path.</summary>
    public override string ToString() => Path;

    /// <summary>Without the zeros, which a target reads as where nothing was written.</summary>
    private static async Task WriteAsync(IDiskTarget target, long offset, ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int start = at;
            while (at < bytes.Length && !IsZero(Piece(bytes, at))) at += ZeroBytes;
            at = Math.Min(at, bytes.Length);
            if (at > start)
                await target.WriteAsync(offset + start, bytes.Slice(start, at - start),
                    cancellationToken).ConfigureAwait(false);
            while (at < bytes.Length && IsZero(Piece(bytes, at))) at += ZeroBytes;
        }
    }

    private static ReadOnlySpan<byte> Piece(ReadOnlyMemory<byte> bytes, int at) =>
        bytes.Span.Slice(at, Math.Min(ZeroBytes, bytes.Length - at));

    private static bool IsZero(ReadOnlySpan<byte> bytes) =>
        bytes[0] == 0 && bytes.Slice(1).SequenceEqual(bytes.Slice(0, bytes.Length - 1));

    private static async Task<(IDiskSource Disk, ImageFormat Format)> OpenAsync(string path,
        CancellationToken cancellationToken)
    {
        RawDiskSource file;
        try
        {
            file = RawDiskSource.Open(path);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.DiskNotFound)
        {
            throw new NataliaException(ErrorIds.SystemImageNotFound, NataliaErrorKind.NotFound,
                $"The system image '{path}' is not there.", path,
                "Name another one with -SystemImage, or keep one with Set-NataliaAppliance.", e);
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.DiskFormatNotSupported)
        {
            throw NotSupported(path, "It is neither a file nor a block device.", e);
        }
        IDiskSource? kept = file;
        try
        {
            if (file.SizeBytes == 0) throw NotSupported(path, "It is empty.");
            DetectedImage? seen = await ImageFormats.DetectAsync(file, cancellationToken).ConfigureAwait(false);
            (IDiskSource Disk, ImageFormat Format) opened = seen?.Format switch
            {
                null => (file, ImageFormat.Raw),
                ImageFormat.Qcow2 => (await Qcow2DiskSource.OpenAsync(file, path,
                    cancellationToken).ConfigureAwait(false), ImageFormat.Qcow2),
                _ => throw NotSupported(path, $"It is {seen.Description}."),
            };
            kept = null;
            return opened;
        }
        catch (NataliaException e) when (e.ErrorId == ErrorIds.DiskFormatNotSupported)
        {
            throw NotSupported(path, e.Message, e);
        }
        finally
        {
            kept?.Dispose();
        }
    }

    private static bool IsAbsolute(string path) => System.IO.Path.DirectorySeparatorChar == '/'
        ? path.StartsWith("/", StringComparison.Ordinal)
        : path.Length > 2 && ((IsSeparator(path[0]) && IsSeparator(path[1]))
            || (path[1] == ':' && IsSeparator(path[2])));

    private static bool IsSeparator(char letter) => letter is '\\' or '/';

    private NataliaException Changed() =>
        new(ErrorIds.DiskChangedWhileRead, NataliaErrorKind.InvalidOperation,
            $"The system image '{Path}' was replaced by one of another size meanwhile.", Path, "Try again.");

    private static NataliaException NotSupported(string path, string why, Exception? inner = null) =>
        new(ErrorIds.SystemImageNotSupported, NataliaErrorKind.InvalidArgument,
            $"'{path}' cannot be used as a system image. {why}", path,
            "A raw image is needed, or a qcow2 image that stands by itself.", inner);
}
