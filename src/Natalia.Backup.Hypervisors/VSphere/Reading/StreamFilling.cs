using System.Buffers;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Hypervisors.VSphere.Reading;

/// <summary>Fills memory from a stream, on both frameworks.</summary>
internal static class StreamFilling
{
    /// <summary>Reads until the memory is full or the stream ends.</summary>
    /// <returns>How many bytes are missing.</returns>
    internal static async Task<int> FillAsync(this Stream stream, Memory<byte> memory,
        CancellationToken cancellationToken)
    {
        int done = 0;
        if (MemoryMarshal.TryGetArray(memory, out ArraySegment<byte> array))
        {
            while (done < memory.Length)
            {
                int now = await stream.ReadAsync(array.Array!, array.Offset + done, memory.Length - done,
                    cancellationToken).ConfigureAwait(false);
                if (now == 0) break;
                done += now;
            }
            return memory.Length - done;
        }
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Math.Min(memory.Length, 1 << 20));
        try
        {
            while (done < memory.Length)
            {
                int now = await stream.ReadAsync(buffer, 0, Math.Min(buffer.Length, memory.Length - done),
                    cancellationToken).ConfigureAwait(false);
                if (now == 0) break;
                buffer.AsMemory(0, now).CopyTo(memory.Slice(done));
                done += now;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return memory.Length - done;
    }
}
