using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Writes the file of an image. The bytes go to a partial file beside the destination, which gets its name only when
/// all is written and flushed. The file is sparse: zeros take no room where the file system can do that. Any number of
/// threads may write at once; a write runs on its caller's thread.
/// </summary>
internal sealed class ImageFileWriter : IDisposable
{
    /// <summary>The unit in which zeros are looked for: writing finer holes costs more than they save.</summary>
    private const int Unit = 64 * 1024;

    /// <summary>After how much the system is asked to write, so that the last flush finds little left to do.</summary>
    private const long WritebackBytes = 32 * 1024 * 1024;

    /// <summary>Shorter runs go through the page cache, which gathers them.</summary>
    private const int DirectRun = 1024 * 1024;

    private readonly bool _overwrite;
    private PositionalFile? _file;
    private DirectFile? _direct;
    private string? _partial;
    private long _size;
    private long _written;
    private long _directBytes;
    private volatile bool _failed;

    /// <summary>Names the image; nothing is touched before <see cref="Begin"/>.</summary>
    /// <param name="path">The image to make.</param>
    /// <param name="overwrite">Replace a file of that name; it stays as it is until the new one is complete.</param>
    internal ImageFileWriter(string path, bool overwrite)
    {
        Path = System.IO.Path.GetFullPath(path);
        _overwrite = overwrite;
    }

    /// <summary>The image's full path.</summary>
    internal string Path { get; }

    /// <summary>Flushes the file, and its folder: the system, but for tests that let it fail.</summary>
    internal Action<PositionalFile> FlushFile { get; set; } = file => file.Flush();

    /// <inheritdoc cref="FlushFile"/>
    internal Action<string> FlushFolder { get; set; } = StableFile.FlushFolder;

    /// <summary>Whether a file that is replaced leaves its rights to the new one, whose own are the owner's
    /// alone.</summary>
    internal bool KeepsRights { get; set; }

    /// <summary>Called when all is flushed, right before the file gets its name.</summary>
    internal Action BeforeNaming { get; set; } = () => { };

    /// <summary>Whether the file has its name, though that may not be flushed yet.</summary>
    internal bool HasItsName { get; private set; }

    /// <summary>How many bytes went past the page cache.</summary>
    internal long DirectBytes => Interlocked.Read(ref _directBytes);

    /// <summary>Makes the partial file.</summary>
    /// <param name="length">Its length in bytes, as far as it is known; see <see cref="SetLength"/>.</param>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    internal void Begin(long length)
    {
        if (_file is not null) throw new InvalidOperationException("The target has begun already.");
        RefuseDestination();
        string partial = PartialFiles.NewPath(Path);
        try
        {
            _file = PositionalFile.CreateNew(partial);
            _partial = partial;
            if (Platform.IsWindows) WindowsFile.SetSparse(_file.Handle);
            _file.SetLength(length);
            _direct = DirectFile.TryOpen(_file.Handle);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            throw Translate(e);
        }
        catch (ArgumentOutOfRangeException e)
        {
            // How the framework reports a length that the file system refuses.
            throw TooLarge(length, e);
        }
        _size = length;
    }

    /// <summary>Makes the file longer or shorter. Nobody writes meanwhile.</summary>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    internal void SetLength(long length)
    {
        PositionalFile file = _file ?? throw new InvalidOperationException("The target has not begun.");
        try
        {
            file.SetLength(length);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            _failed = true;
            throw Translate(e);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw TooLarge(length, e);
        }
        _size = length;
    }

    /// <summary>Writes bytes at an offset; behind the end as well, which makes the file longer.</summary>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    internal void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        PositionalFile file = _file ?? throw new InvalidOperationException("The target has not begun.");
        try
        {
            long written = WriteData(file, offset, bytes);
            long total = Interlocked.Add(ref _written, written);
            if (total / WritebackBytes != (total - written) / WritebackBytes && !Platform.IsWindows)
                UnixFile.StartWriteback(file.Handle);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            _failed = true;
            throw Translate(e);
        }
    }

    /// <summary>Flushes the file, and gives it its name.</summary>
    /// <exception cref="NataliaException"><c>DestinationExists</c> when somebody made a file of that name meanwhile;
    /// <c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    internal void Complete(CancellationToken cancellationToken)
    {
        PositionalFile file = _file ?? throw new InvalidOperationException("The target has not begun.");
        if (_partial is null) throw new InvalidOperationException("The target is complete already.");
        if (_failed) throw new InvalidOperationException("A write has failed, so the image is not whole.");
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            _direct?.Dispose();
            FlushFile(file);
            // Held until it has its name, so that nobody takes it for a leftover; Windows renames no file that is held.
            if (Platform.IsWindows) file.Dispose();
            BeforeNaming();
            Publish(_partial);
            HasItsName = true;
            file.Dispose();
            _partial = null;
            FlushFolder(System.IO.Path.GetDirectoryName(Path) ?? "/");
        }
        catch (FolderNotFlushedException e)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
                $"'{Path}' is written, but it may not be there any more after a power failure: {e.Message}", Path,
                "Check the disk or share that holds the destination, then export once more.", e);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            // A flush that failed must not be tried again: it would succeed without having written anything.
            _failed = true;
            throw File.Exists(Path) && !_overwrite ? Exists(e) : Translate(e);
        }
    }

    /// <summary>Closes the file, and deletes it when it was not completed.</summary>
    public void Dispose()
    {
        _direct?.Dispose();
        _file?.Dispose();
        if (_partial is not string partial) return;
        _partial = null;
        try
        {
            File.Delete(partial);
        }
        catch (Exception e) when (FileTroubles.IsFileError(e))
        {
            // The error that led here is the one to report, and the file's name says what it is.
        }
    }

    /// <summary>The path.</summary>
    public override string ToString() => Path;

    /// <summary>
    /// Writes everything but whole units of zeros, in as few calls as possible, and says how much of it went through
    /// the page cache.
    /// </summary>
    private long WriteData(PositionalFile file, long offset, ReadOnlySpan<byte> bytes)
    {
        long written = 0;
        int start = 0, at = 0;
        while (at < bytes.Length)
        {
            int unit = (int)Math.Min(bytes.Length - at, Unit - (offset + at) % Unit);
            if (ZeroTest.IsZero(bytes.Slice(at, unit)))
            {
                written += WriteRun(file, offset + start, bytes.Slice(start, at - start));
                start = at + unit;
            }
            at += unit;
        }
        return written + WriteRun(file, offset + start, bytes.Slice(start));
    }

    /// <summary>Returns how much of it went through the page cache.</summary>
    private int WriteRun(PositionalFile file, long offset, ReadOnlySpan<byte> run)
    {
        int direct = run.Length >= DirectRun && _direct is not null ? _direct.Write(offset, run) : 0;
        if (direct > 0) Interlocked.Add(ref _directBytes, direct);
        run = run.Slice(direct);
        if (!run.IsEmpty) file.Write(offset + direct, run);
        return run.Length;
    }

    private void RefuseDestination()
    {
        if (Directory.Exists(Path))
        {
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"'{Path}' is a folder; an image cannot take its place.", Path,
                "Name the image file to make, not its folder.");
        }
        if (UnixFile.GetStatus(Path) is { IsRegular: false })
        {
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"'{Path}' is not a file but a device or the like; an image cannot take its place.", Path,
                "Name the image file to make.");
        }
        if (!_overwrite && File.Exists(Path)) throw Exists(null);
        string? folder = System.IO.Path.GetDirectoryName(Path);
        if (folder is not null && !Directory.Exists(folder))
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.NotFound,
                $"The folder '{folder}' does not exist, so no image can be written there.", Path,
                "Make the folder first, or name another one.");
        }
    }

    private void Publish(string partial)
    {
        if (KeepsRights && File.Exists(Path)) PrivateFile.TakeRightsOf(partial, Path);
        if (_overwrite) FileMove.Replace(partial, Path);
        else File.Move(partial, Path);
    }

    private NataliaException Exists(Exception? inner) => new(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
        $"There is a file '{Path}' already, and it is not overwritten.", Path,
        "Name another file, or use -Force to replace this one.", inner);

    private NataliaException TooLarge(long size, Exception inner) =>
        new(ErrorIds.DestinationWriteFailed, NataliaErrorKind.LimitExceeded,
        $"The file system of '{Path}' cannot hold a file of {size} bytes.", Path,
        "Choose a destination on another file system (FAT32 ends at 4 GiB).", inner);

    /// <summary>How many bytes this user may still write there; null where the system does not say.</summary>
    private long? FindFree()
    {
        try
        {
            return FreeSpace.Find(System.IO.Path.GetDirectoryName(Path) ?? "/");
        }
        catch (Exception e) when (FileTroubles.IsFileError(e) || e is ArgumentException)
        {
            return null;
        }
    }

    private NataliaException Translate(Exception e) => FileTroubles.Classify(e) switch
    {
        FileTrouble.Full => new NataliaException(ErrorIds.DestinationFull, NataliaErrorKind.ResourceUnavailable,
            $"There is no room left for '{Path}', an image of {ByteSize.Format(_size)}: "
            + $"{ByteSize.Format(Interlocked.Read(ref _written) + DirectBytes)} of it were "
            + $"written{(FindFree() is long free ? $", and {ByteSize.Format(free)} are free there" : "")}.", Path,
            "Free some space, or choose another destination. The partial file was removed.", e),
        FileTrouble.Quota => new NataliaException(ErrorIds.DestinationFull, NataliaErrorKind.ResourceUnavailable,
            $"The quota is used up where '{Path}' is written.", Path,
            "Raise the quota, or choose another destination. The partial file was removed.", e),
        FileTrouble.TooLarge => TooLarge(_size, e),
        FileTrouble.AccessDenied =>
            new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.PermissionDenied,
            $"This user may not write '{Path}'.", Path,
            "Give this user write access to the folder, or choose another destination.", e),
        _ => new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.WriteFailed,
            $"Writing '{Path}' failed: {e.Message}", Path, "Check the disk or share that holds the destination.", e),
    };
}
