using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Operations.Restore;

/// <summary>
/// The image that gives a data-only restore point its system disk: of a freshly deployed appliance, on this machine; or
/// the OVA that it is deployed from. It is opened anew for each restore, so that any number of them use it at once.
/// </summary>
internal sealed class SystemImage
{
    private const int ChunkBytes = 1 << 20;
    private const int ZeroBytes = 64 << 10;

    private SystemImage(string path, long sizeBytes) => (Path, SizeBytes) = (path, sizeBytes);

    /// <summary>The image's full path.</summary>
    internal string Path { get; }

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
        using OpenImage image = await OpenAsync(path, cancellationToken).ConfigureAwait(false);
        return new SystemImage(System.IO.Path.GetFullPath(path), image.Disk.SizeBytes);
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
    /// <exception cref="NataliaException">As <see cref="FindAsync"/>; <c>SystemImageDamaged</c>: an OVA's manifest has
    /// other digests, and nothing was written; <c>DiskChangedWhileRead</c>; what the target throws.</exception>
    internal async Task WriteAsync(IDiskTarget target, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        using OpenImage image = await OpenAsync(Path, cancellationToken).ConfigureAwait(false);
        // The target was made for the size that was seen first.
        if (image.Disk.SizeBytes != SizeBytes) throw Changed();
        if (await OvaSystemDisk.IsOvaAsync(image.File, cancellationToken).ConfigureAwait(false))
            await OvaSystemDisk.VerifyAsync(image.File, cancellationToken).ConfigureAwait(false);
        string activity = $"Writing the system disk from {System.IO.Path.GetFileName(Path)}";
        await target.BeginAsync(SizeBytes, cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[ChunkBytes];
        await foreach (Extent extent in image.Disk.GetAllocatedExtentsAsync(cancellationToken).ConfigureAwait(false))
        {
            long end = extent.Offset + extent.Length;
            for (long at = extent.Offset; at < end;)
            {
                int count = (int)Math.Min(ChunkBytes, end - at);
                await image.Disk.ReadAsync(at, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                await WriteAsync(target, at, buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                at += count;
                progress?.Report(new OperationProgress(activity, at, SizeBytes));
            }
        }
        image.File.VerifyUnchanged();
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
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

    private static async Task<OpenImage> OpenAsync(string path, CancellationToken cancellationToken)
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
        RawDiskSource? kept = file;
        try
        {
            if (file.SizeBytes == 0) throw NotSupported(path, "It is empty.");
            var opened = new OpenImage(await OpenDiskAsync(file, cancellationToken).ConfigureAwait(false), file);
            kept = null;
            return opened;
        }
        catch (NataliaException e) when (e.ErrorId is ErrorIds.DiskFormatNotSupported or ErrorIds.DiskImageInvalid
            or ErrorIds.DiskParentNotFound or ErrorIds.DiskNotFound or ErrorIds.ApplianceDescriptionInvalid)
        {
            throw NotSupported(path, e.Message, e);
        }
        finally
        {
            kept?.Dispose();
        }
    }

    private static async Task<IDiskSource> OpenDiskAsync(RawDiskSource file, CancellationToken cancellationToken)
    {
        if (await OvaSystemDisk.IsOvaAsync(file, cancellationToken).ConfigureAwait(false))
            return await OvaSystemDisk.OpenAsync(file, cancellationToken).ConfigureAwait(false);
        DetectedImage? seen = await ImageFormats.DetectAsync(file, ImageFormats.FromName(file.Path), cancellationToken)
            .ConfigureAwait(false);
        if (seen is not null && !DiskImages.CanRead(seen.Format))
            throw NotSupported(file.Path, $"It is {seen.Description}.");
        return await DiskImages.OpenAsync(file, seen?.Format ?? ImageFormat.Raw, null, null,
            cancellationToken).ConfigureAwait(false);
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
            "An OVA is needed, or a raw, qcow2, VMDK, VHDX or VHD image that stands by itself.", inner);

    /// <summary>An image that is being read.</summary>
    private sealed record OpenImage(IDiskSource Disk, RawDiskSource File) : IDisposable
    {
        public void Dispose()
        {
            Disk.Dispose();
            File.Dispose();
        }
    }
}
