using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Engine.Restore;

/// <summary>Room for the blocks of one leaf, from which the system can write to a disk without a copy.</summary>
internal sealed class LeafBuffer
{
    private readonly Memory<byte> _bytes = PageMemory.Allocate((int)BlockGeometry.LeafBytes);

    /// <summary>Where a block of the leaf goes.</summary>
    internal Span<byte> Room(int slot, int length) => _bytes.Span.Slice(slot * BlockGeometry.BlockBytes, length);

    /// <summary>The bytes of neighbouring blocks, as far as the disk has them.</summary>
    internal ReadOnlyMemory<byte> Blocks(int firstSlot, int lastSlot, long leaf, long sizeBytes)
    {
        long start = (leaf << BlockGeometry.FanOutBits) * BlockGeometry.BlockBytes;
        long end = Math.Min(start + (lastSlot + 1L) * BlockGeometry.BlockBytes, sizeBytes);
        int offset = firstSlot * BlockGeometry.BlockBytes;
        return _bytes.Slice(offset, (int)(end - start) - offset);
    }
}
