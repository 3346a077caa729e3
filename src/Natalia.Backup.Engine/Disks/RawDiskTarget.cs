using Natalia.Backup.Engine.Files;

namespace Natalia.Backup.Engine.Disks;

/// <summary>
/// Writes a disk to a raw image file. The bytes go to a partial file beside the destination, which gets its name only
/// when all is written and flushed. The image is sparse: zeros take no room where the file system can do that. Any
/// number of threads may write at once; a write runs on its caller's thread.
/// </summary>
public sealed class RawDiskTarget : IDiskTarget
{
    private readonly ImageFileWriter _file;
    private long _size;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The image to make.</param>
    /// <param name="overwrite">Replace a file of that name; it stays as it is until the new one is complete.</param>
    public RawDiskTarget(string path, bool overwrite = false) => _file = new ImageFileWriter(path, overwrite);

    /// <summary>The image's full path.</summary>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => true;

    /// <summary>
    /// Whether a file that is replaced leaves its rights to the new image, as its VM needs them. Without that the new
    /// one is its owner's alone.
    /// </summary>
    public bool KeepsRights { init => _file.KeepsRights = value; }

    /// <inheritdoc cref="ImageFileWriter.FlushFile"/>
    internal Action<PositionalFile> FlushFile { set => _file.FlushFile = value; }

    /// <inheritdoc cref="ImageFileWriter.FlushFolder"/>
    internal Action<string> FlushFolder { set => _file.FlushFolder = value; }

    /// <inheritdoc cref="ImageFileWriter.BeforeNaming"/>
    internal Action BeforeNaming { init => _file.BeforeNaming = value; }

    /// <inheritdoc cref="ImageFileWriter.HasItsName"/>
    internal bool HasItsName => _file.HasItsName;

    /// <inheritdoc cref="ImageFileWriter.DirectBytes"/>
    internal long DirectBytes => _file.DirectBytes;

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _file.Begin(sizeBytes);
        _size = sizeBytes;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (offset < 0 || offset > _size - bytes.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), "The range must lie inside the disk.");
        cancellationToken.ThrowIfCancellationRequested();
        _file.Write(offset, bytes.Span);
        return default;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c> when somebody made a file of that name meanwhile;
    /// <c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public Task CompleteAsync(CancellationToken cancellationToken)
    {
        _file.Complete(cancellationToken);
        return Task.CompletedTask;
    }

    /// <summary>Closes the file, and deletes it when it was not completed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
