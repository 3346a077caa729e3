namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>
/// Writes a disk to a stream-optimised VMDK file, compressed, as OVF packages hold them and VMware imports them. The
/// bytes go to a partial file beside the destination, which gets its name only when all is written and flushed.
/// </summary>
public sealed class VmdkStreamTarget : IDiskTarget
{
    private readonly ImageFileWriter _file;
    private VmdkStreamWriter? _writer;
    private long _written;

    /// <summary>Names the image; nothing is touched before <see cref="BeginAsync"/>.</summary>
    /// <param name="path">The image to make.</param>
    /// <param name="overwrite">Replace a file of that name; it stays as it is until the new one is complete.</param>
    public VmdkStreamTarget(string path, bool overwrite = false) => _file = new ImageFileWriter(path, overwrite);

    /// <summary>The image's full path.</summary>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public bool AcceptsAnyOrder => false;

    /// <inheritdoc/>
    /// <remarks>A size that is no multiple of 512 is rounded up, and what is more reads as zeros.</remarks>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationFull</c>,
    /// <c>DestinationWriteFailed</c>; also for a size of 0 and of more than about 1.7 TiB, where what does not compress
    /// could reach the format's end.</exception>
    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        long size = VmdkSizes.Check(sizeBytes, Path, VmdkFormat.MostSparseBytes / 8 * 7);
        // Not 0: an empty file that a killed export left is not known for one.
        _file.Begin(VmdkFormat.Sector);
        _writer = new VmdkStreamWriter(bytes =>
        {
            _file.Write(_written, bytes.Span);
            _written += bytes.Length;
        }, size, System.IO.Path.GetFileName(Path));
        _writer.Begin();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        VmdkStreamWriter writer = _writer ?? throw new InvalidOperationException("The target has not begun.");
        writer.Write(offset, bytes, cancellationToken);
        return default;
    }

    /// <inheritdoc/>
    /// <exception cref="NataliaException"><c>DestinationExists</c> when somebody made a file of that name meanwhile;
    /// <c>DestinationFull</c>, <c>DestinationWriteFailed</c>.</exception>
    public Task CompleteAsync(CancellationToken cancellationToken)
    {
        VmdkStreamWriter writer = _writer ?? throw new InvalidOperationException("The target has not begun.");
        writer.Complete();
        // The last sector is of zeros, and those are left out.
        _file.SetLength(_written);
        _file.Complete(cancellationToken);
        return Task.CompletedTask;
    }

    /// <summary>Closes the file, and deletes it when it was not completed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>The path.</summary>
    public override string ToString() => Path;
}
