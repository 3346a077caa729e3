using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>The body of an answer: counts what arrives and tells the guard.</summary>
internal sealed class ResponseStream(Stream inner, StallGuard guard, SlowGuard slow, StoreMeter meter) : IDisposable
{
    internal async Task<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        slow.Start();
#if NET8_0_OR_GREATER
        int count = await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
#else
        int count;
        if (System.Runtime.InteropServices.MemoryMarshal.TryGetArray(buffer, out ArraySegment<byte> array))
        {
            count = await inner.ReadAsync(array.Array!, array.Offset, array.Count,
                cancellationToken).ConfigureAwait(false);
        }
        else
        {
            byte[] bytes = new byte[Math.Min(buffer.Length, 128 << 10)];
            count = await inner.ReadAsync(bytes, 0, bytes.Length, cancellationToken).ConfigureAwait(false);
            bytes.AsMemory(0, count).CopyTo(buffer);
        }
#endif
        guard.Touch();
        meter.ReadBytes(count);
        // The end of a body is no piece of it that came late.
        if (count > 0) slow.Add(count);
        return count;
    }

    public void Dispose() => inner.Dispose();
}
