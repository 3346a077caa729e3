using System.Runtime.InteropServices;

namespace Natalia.Backup.Engine.Restore;

/// <summary>
/// The memory of one worker's requests: a ring, so that many small requests share what one large one may take. It is
/// made when it is needed first, and kept: buffers of this size that threads pass on to each other through a common
/// pool would stay with each of them. Not thread-safe.
/// </summary>
/// <param name="bytes">How much there is; no request takes more.</param>
internal sealed class RequestRoom(int bytes)
{
    /// <summary>The parts that are in use, in the order in which they were taken.</summary>
    private readonly List<(int Start, int End)> _parts = [];
    private byte[]? _memory;

    /// <summary>Takes a part; empty when there is no room for it beside those in use.</summary>
    /// <param name="length">How many bytes, 1 or more.</param>
    internal Memory<byte> TryTake(int length)
    {
        int start = Find(length);
        if (start < 0) return default;
        _parts.Add((start, start + length));
        _memory ??= LargeMemory.Allocate(bytes);
        return _memory.AsMemory(start, length);
    }

    /// <summary>Gives a part back; what was not taken here is let go.</summary>
    internal void Release(Memory<byte> part)
    {
        if (MemoryMarshal.TryGetArray(part, out ArraySegment<byte> segment) && segment.Array == _memory)
            _parts.Remove((segment.Offset, segment.Offset + segment.Count));
    }

    /// <summary>Where so many bytes are free, or -1.</summary>
    private int Find(int length)
    {
        if (_parts.Count == 0) return length <= bytes ? 0 : -1;
        int oldest = _parts[0].Start, end = _parts[_parts.Count - 1].End;
        // What is in use goes round the end of the ring, or not.
        if (end <= oldest) return end + length <= oldest ? end : -1;
        if (end + length <= bytes) return end;
        return length <= oldest ? 0 : -1;
    }
}
