namespace Natalia.Backup.Serving.Disks;

/// <summary>Counts what clients read from a disk and write to it.</summary>
public sealed class CountedDisk(IServedDisk disk) : IServedDisk
{
    private long _read, _written;

    /// <summary>How many bytes were read from it.</summary>
    public long BytesRead => Interlocked.Read(ref _read);

    /// <summary>How many bytes were written to it.</summary>
    public long BytesWritten => Interlocked.Read(ref _written);

    /// <inheritdoc/>
    public long SizeBytes => disk.SizeBytes;

    /// <inheritdoc/>
    public bool IsReadOnly => disk.IsReadOnly;

    /// <inheritdoc/>
    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await disk.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
        Interlocked.Add(ref _read, buffer.Length);
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        await disk.WriteAsync(offset, bytes, cancellationToken).ConfigureAwait(false);
        Interlocked.Add(ref _written, bytes.Length);
    }

    /// <inheritdoc/>
    public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
        disk.WriteZeroesAsync(offset, length, cancellationToken);

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => disk.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken) =>
        disk.GetExtentAsync(offset, limit, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => disk.Dispose();
}
