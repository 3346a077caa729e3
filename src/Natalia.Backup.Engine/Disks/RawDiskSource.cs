using System.Diagnostics;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// A disk in a raw image file, or on a block device: byte n of the disk is byte n of the file. Holes of a sparse file
/// are known and not read. Any number of threads may read at once; a read runs on its caller's thread.
/// </summary>
public sealed class RawDiskSource : IDiskSource
{
    private readonly PositionalFile _file;
    private readonly FileState _opened;

    private RawDiskSource(string path, PositionalFile file)
    {
        Path = path;
        _file = file;
        SizeBytes = file.GetLength();
        if (UnixFile.GetStatus(file.Handle) is { IsBlockDevice: true } device)
        {
            IsBlockDevice = true;
            WritesAreNoticed = BlockDevice.Settle(file.Handle, device.NodeDevice, SizeBytes);
        }
        _opened = FileState.Settled(path, file);
        LastWriteTimeUtc = _opened.ModifiedUtc;
        if (_opened.Status is UnixFileStatus status) LastChangeTimeUtc = FileState.Time(status.Changed);
    }

    /// <summary>The image's full path.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <summary>When the image was last written before it was opened, UTC. Programs can set it.</summary>
    public DateTime LastWriteTimeUtc { get; }

    /// <summary>
    /// When anything of the image's file changed last before it was opened, UTC, which no program can set; null where
    /// the system does not say (all but Linux).
    /// </summary>
    public DateTime? LastChangeTimeUtc { get; }

    /// <summary>True when it is a block device and no file.</summary>
    public bool IsBlockDevice { get; }

    /// <summary>
    /// True when <see cref="VerifyUnchanged"/> finds what this machine writes to it meanwhile. False for a block device
    /// whose writes the system does not count. What another machine writes to a device that both can reach is never
    /// seen here.
    /// </summary>
    public bool WritesAreNoticed { get; } = true;

    /// <summary>
    /// Opens an image for reading. While it is open nobody can write it where the system enforces that (Windows); on
    /// Linux an image that somebody has open for writing is refused, and a block device that is mounted or carries
    /// another one; what is written later is found by <see cref="VerifyUnchanged"/>.
    /// </summary>
    /// <param name="path">The image.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskInUse</c>, <c>DiskAccessDenied</c>,
    /// <c>DiskFormatNotSupported</c> for a folder or a pipe, <c>DiskReadFailed</c>.</exception>
    public static RawDiskSource Open(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        return Open(path, () => PositionalFile.OpenForReading(path));
    }

    /// <summary>Opens an image that others may replace by a link; see <see cref="Open(string)"/>.</summary>
    /// <param name="image">The image.</param>
    /// <exception cref="NataliaException">As with a path; <c>PathNotContained</c> when a link took its
    /// place.</exception>
    public static RawDiskSource Open(ContainedFile image) => Open(image.Path, () => image.Open(FileShare.Read));

    /// <summary>
    /// Opens a file that a hypervisor keeps as it is although it may have it open for writing, and which it must be
    /// able to remove at any time: nothing is refused for being in use. See <see cref="Open(string)"/>.
    /// </summary>
    /// <param name="path">The file of a frozen state.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>, <c>DiskAccessDenied</c>,
    /// <c>DiskFormatNotSupported</c>, <c>DiskReadFailed</c>; <c>DiskInUse</c> where the other program shares it with
    /// nobody.</exception>
    public static RawDiskSource OpenFrozen(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        return Open(path, () => PositionalFile.OpenForReading(path, FileShare.ReadWrite | FileShare.Delete),
            mayBeInUse: true);
    }

    /// <summary>
    /// Opens an image only to see what it is, also one that another program writes: what is read may be half of a
    /// change. See <see cref="Open(string)"/>.
    /// </summary>
    /// <param name="image">The image.</param>
    /// <exception cref="NataliaException">As with <see cref="OpenFrozen"/>; <c>PathNotContained</c> when a link took
    /// its place.</exception>
    public static RawDiskSource OpenShared(ContainedFile image) =>
        Open(image.Path, () => image.Open(FileShare.ReadWrite | FileShare.Delete), mayBeInUse: true);

    private static RawDiskSource Open(string path, Func<PositionalFile> open, bool mayBeInUse = false)
    {
        // Looked at before as well: opening some devices does something.
        if (Directory.Exists(path) || UnixFile.GetStatus(path) is { CanHoldDisk: false }) throw NoImage(path);
        PositionalFile? file = null;
        try
        {
            file = open();
            UnixFileStatus? status = UnixFile.GetStatus(file.Handle);
            if (status is { CanHoldDisk: false }) throw NoImage(path);
            if (!mayBeInUse && !Platform.IsWindows && UnixFile.IsOpenForWriting(file.Handle))
                throw InUse(path, "is open for writing in another program", null);
            if (status is { IsBlockDevice: true } device && !BlockDevice.IsReadOnly(device.NodeDevice)
                && UnixOpen.IsClaimed(file.Handle))
                throw InUse(path, "is a block device that is mounted or that another device lies on", null);
            var source = new RawDiskSource(path, file);
            file = null;
            return source;
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            throw Translate(path, e);
        }
        finally
        {
            file?.Dispose();
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await default(ValueTask).ConfigureAwait(false);
        foreach (Extent extent in AllocatedExtents.Find(_file.Handle, SizeBytes))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return extent;
        }
    }

    /// <inheritdoc/>
    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Debug.Assert(offset >= 0 && offset + buffer.Length <= SizeBytes, "The range must lie inside the disk.");
        cancellationToken.ThrowIfCancellationRequested();
        int done;
        try
        {
            // Synchronous on purpose: the caller has its threads, and a positional read then costs no allocation and no
            // thread switch.
            done = _file.Read(offset, buffer.Span);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            throw new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
                $"Reading {buffer.Length} bytes at offset {offset} of '{Path}' failed: {e.Message}", Path,
                "Check the disk or share that holds the image.", e);
        }
        if (done < buffer.Length) throw Changed("it became shorter");
        return default;
    }

    /// <summary>
    /// Throws when the image is not the file that it was when it was opened, or was written since. Call it when
    /// everything was read: what was read is one state only if this returns.
    /// </summary>
    /// <exception cref="NataliaException"><c>DiskChangedWhileRead</c>.</exception>
    public void VerifyUnchanged()
    {
        FileState now;
        try
        {
            // Only what is stored is counted.
            if (IsBlockDevice && WritesAreNoticed && !UnixFile.TryFlush(_file.Handle))
                throw Changed("what was written to it could not be stored");
            now = FileState.Of(Path, _file);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            throw Translate(Path, e);
        }
        if (now.Length != _opened.Length) throw Changed("its length changed");
        if (now != _opened || now.Writes is { InFlight: > 0 }) throw Changed("it was written or replaced");
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>The path.</summary>
    public override string ToString() => Path;

    private NataliaException Changed(string how) =>
        new(ErrorIds.DiskChangedWhileRead, NataliaErrorKind.InvalidOperation,
        $"The image '{Path}' changed while it was read ({how}), so what was read is no consistent state.", Path,
        "Switch the VM off before its image is backed up, or use its hypervisor's connection.");

    private static NataliaException NoImage(string path) =>
        new(ErrorIds.DiskFormatNotSupported, NataliaErrorKind.InvalidArgument,
        $"'{path}' is neither a file nor a block device, so it cannot be read as a disk image.", path,
        "Name the image file itself.");

    private static NataliaException InUse(string path, string how, Exception? inner) =>
        new(ErrorIds.DiskInUse, NataliaErrorKind.ResourceBusy,
        $"The image '{path}' {how}.", path,
        "Switch the VM off, or detach the image, before it is backed up; a running VM needs its hypervisor's "
        + "connection.",
        inner);

    private static NataliaException Translate(string path, Exception e) => FileTroubles.Classify(e) switch
    {
        FileTrouble.NotFound =>
            new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound, $"There is no image '{path}'.", path,
                "Check the path.", e),
        FileTrouble.AccessDenied => new NataliaException(ErrorIds.DiskAccessDenied, NataliaErrorKind.PermissionDenied,
            $"The image '{path}' may not be read by this user.", path,
            "Give this user read access to the file and its folder.", e),
        // Whether it is written there is not known: Windows answers the same for a reader that shares it with nobody.
        FileTrouble.InUse =>
            InUse(path, "is in use by another program, which writes it or lets nobody else read it", e),
        _ => new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
            $"The image '{path}' cannot be opened: {e.Message}", path, "Check the disk or share that holds the image.",
            e),
    };
}
