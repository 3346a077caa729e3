using System.Collections.Concurrent;

namespace Natalia.Backup.Engine.Packs;

/// <summary>
/// The memory of packs that are being filled or stored: a fixed number of equal buffers, so that a slow store slows the
/// readers instead of filling the memory.
/// </summary>
internal sealed class PackBuffers(int count, int bytes) : IDisposable
{
    private readonly SemaphoreSlim _free = new(count, count);
    private readonly ConcurrentBag<byte[]> _buffers = [];

    internal int BufferBytes => bytes;

    internal async Task<byte[]> RentAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken).ConfigureAwait(false);
        return _buffers.TryTake(out byte[]? buffer) ? buffer : LargeMemory.Allocate(bytes);
    }

    internal void Return(byte[] buffer)
    {
        _buffers.Add(buffer);
        _free.Release();
    }

    public void Dispose() => _free.Dispose();
}
