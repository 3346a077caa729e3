namespace Natalia.Backup.Serving.Disks;

/// <summary>
/// A disk in whole sectors: where its last one is short, zeros fill it up, and what is written there goes nowhere.
/// </summary>
/// <param name="disk">The disk; belongs to this one from here on.</param>
/// <param name="sectorBytes">How many bytes a sector has.</param>
internal sealed class SectorDisk(IServedDisk disk, int sectorBytes) : IServedDisk
{
    public long SizeBytes => (disk.SizeBytes + sectorBytes - 1) / sectorBytes * sectorBytes;

    public bool IsReadOnly => disk.IsReadOnly;

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int within = Within(offset, buffer.Length);
        buffer.Span.Slice(within).Clear();
        await disk.ReadAsync(offset, buffer.Slice(0, within), cancellationToken).ConfigureAwait(false);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        disk.WriteAsync(offset, bytes.Slice(0, Within(offset, bytes.Length)), cancellationToken);

    public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
        disk.WriteZeroesAsync(offset, Math.Min(length, disk.SizeBytes - offset), cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => disk.FlushAsync(cancellationToken);

    public async ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken)
    {
        DiskExtent extent = await disk.GetExtentAsync(offset, limit, cancellationToken).ConfigureAwait(false);
        // In whole sectors, of which the last may be longer here.
        long length = Math.Min(limit, (extent.Length + sectorBytes - 1) / sectorBytes * sectorBytes);
        return new DiskExtent(length, extent.IsHole);
    }

    public void Dispose() => disk.Dispose();

    private int Within(long offset, int length) => (int)Math.Min(length, Math.Max(0, disk.SizeBytes - offset));
}
