using System.Buffers.Binary;

namespace Natalia.Backup.Serving.Network;

/// <summary>
/// Reads what a peer sends, with one buffer for the small pieces. One reader at a time. A connection that ends where
/// something is due is an <see cref="EndOfStreamException"/>.
/// </summary>
internal sealed class PeerReader(Stream stream)
{
    private readonly byte[] _buffer = new byte[32 * 1024];
    private int _from, _to;

    /// <summary>Whether anything was read from the stream that nobody asked for yet.</summary>
    internal bool HasBuffered => _from < _to;

    internal async ValueTask ReadAsync(Memory<byte> room, CancellationToken cancellationToken)
    {
        while (!room.IsEmpty)
        {
            if (_from == _to)
            {
                if (room.Length >= _buffer.Length)
                {
                    int direct = await SomeAsync(room, cancellationToken).ConfigureAwait(false);
                    room = room.Slice(direct);
                    continue;
                }
                _from = _to = 0;
                _to = await SomeAsync(_buffer, cancellationToken).ConfigureAwait(false);
            }
            int length = Math.Min(room.Length, _to - _from);
            _buffer.AsMemory(_from, length).CopyTo(room);
            _from += length;
            room = room.Slice(length);
        }
    }

    /// <summary>The next bytes, so many that the caller knows them to be few.</summary>
    internal async ValueTask<byte[]> ReadAsync(int length, CancellationToken cancellationToken)
    {
        var bytes = new byte[length];
        await ReadAsync(bytes, cancellationToken).ConfigureAwait(false);
        return bytes;
    }

    internal async ValueTask SkipAsync(long length, CancellationToken cancellationToken)
    {
        while (length > 0)
        {
            if (_from == _to)
            {
                _from = 0;
                _to = await SomeAsync(_buffer, cancellationToken).ConfigureAwait(false);
            }
            int part = (int)Math.Min(length, _to - _from);
            _from += part;
            length -= part;
        }
    }

    internal async ValueTask<uint> ReadUInt32Async(CancellationToken cancellationToken) =>
        BinaryPrimitives.ReadUInt32BigEndian(await ReadAsync(4, cancellationToken).ConfigureAwait(false));

    private async ValueTask<int> SomeAsync(Memory<byte> room, CancellationToken cancellationToken)
    {
#if NET8_0_OR_GREATER
        int read = await stream.ReadAsync(room, cancellationToken).ConfigureAwait(false);
#else
        int read;
        if (System.Runtime.InteropServices.MemoryMarshal.TryGetArray<byte>(room, out ArraySegment<byte> array))
            read = await stream.ReadAsync(array.Array, array.Offset, array.Count, cancellationToken)
                .ConfigureAwait(false);
        else throw new InvalidOperationException("The memory is no array's.");
#endif
        return read > 0 ? read : throw new EndOfStreamException("The peer has closed the connection.");
    }
}
