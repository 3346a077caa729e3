using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>Tells what a disk fails with, which its clients do not learn.</summary>
/// <param name="disk">The disk; belongs to this one.</param>
/// <param name="onTrouble">Told of each failure, by several threads at once.</param>
internal sealed class WatchedDisk(IServedDisk disk, Action<NataliaException> onTrouble) : IServedDisk
{
    public long SizeBytes => disk.SizeBytes;

    public bool IsReadOnly => disk.IsReadOnly;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        WatchAsync(() => disk.ReadAsync(offset, buffer, cancellationToken));

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        WatchAsync(() => disk.WriteAsync(offset, bytes, cancellationToken));

    public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
        WatchAsync(() => disk.WriteZeroesAsync(offset, length, cancellationToken));

    public ValueTask FlushAsync(CancellationToken cancellationToken) =>
        WatchAsync(() => disk.FlushAsync(cancellationToken));

    public async ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken)
    {
        try
        {
            return await disk.GetExtentAsync(offset, limit, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException trouble)
        {
            onTrouble(trouble);
            throw;
        }
    }

    private async ValueTask WatchAsync(Func<ValueTask> deed)
    {
        try
        {
            await deed().ConfigureAwait(false);
        }
        catch (NataliaException trouble)
        {
            onTrouble(trouble);
            throw;
        }
    }

    public void Dispose() => disk.Dispose();
}
