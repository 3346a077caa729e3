using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Runs;

/// <summary>
/// Compares what a run that reads everything finds with what change tracking said: a block that differs from the
/// earlier point, and of which tracking knew nothing, is its fault. Any thread.
/// </summary>
internal sealed class ChangeAudit
{
    private readonly Dictionary<long, BlockMask> _claimed;
    private long _missed, _first = long.MaxValue;

    /// <param name="claimed">What is said to have changed since the earlier point, ascending.</param>
    /// <param name="sizeBytes">The disk's size.</param>
    internal ChangeAudit(IEnumerable<Extent> claimed, long sizeBytes) =>
        _claimed = LeafPlan.FromExtents(claimed, sizeBytes).ToDictionary(l => l.Leaf, l => l.Blocks);

    /// <summary>How many blocks differ of which tracking knew nothing.</summary>
    internal long MissedBlocks => Interlocked.Read(ref _missed);

    /// <summary>The offset of the first of them in bytes; meaningless while there is none.</summary>
    internal long FirstMissed => Interlocked.Read(ref _first) * BlockGeometry.BlockBytes;

    /// <summary>Told of each block whose content differs from the earlier point.</summary>
    /// <param name="leaf">The leaf.</param>
    /// <param name="slot">The block in it.</param>
    internal void Differs(long leaf, int slot)
    {
        if (_claimed.TryGetValue(leaf, out BlockMask blocks) && blocks[slot]) return;
        Interlocked.Increment(ref _missed);
        long block = (leaf << BlockGeometry.FanOutBits) + slot, before;
        while (block < (before = Interlocked.Read(ref _first))
            && Interlocked.CompareExchange(ref _first, block, before) != before)
        {
            // Another worker was quicker; look again.
        }
    }
}
