using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Restore;

/// <summary>Gathers what an export could not have. Thread-safe.</summary>
internal sealed class LossCollector
{
    private readonly List<(long First, long Count)> _blocks = [];
    private long _good;

    /// <summary>Everything below a node.</summary>
    internal void AddNode(int level, long index) =>
        Add(index << (BlockGeometry.FanOutBits * (level + 1)), 1L << (BlockGeometry.FanOutBits * (level + 1)));

    internal void AddBlock(long block) => Add(block, 1);

    internal void CountGood(long blocks) => Interlocked.Add(ref _good, blocks);

    /// <summary>How many stored blocks were had.</summary>
    internal long Good => Interlocked.Read(ref _good);

    /// <summary>Where something is missing: ascending, merged, cut to the disk.</summary>
    internal IReadOnlyList<Extent> Extents(long sizeBytes)
    {
        var extents = new List<Extent>();
        foreach ((long first, long count) in _blocks.OrderBy(b => b.First))
        {
            if (first > sizeBytes / BlockGeometry.BlockBytes) continue;
            long offset = first * BlockGeometry.BlockBytes,
                end = count > (sizeBytes - offset) / BlockGeometry.BlockBytes
                    ? sizeBytes
                    : offset + count * BlockGeometry.BlockBytes;
            if (extents.Count > 0 && extents[extents.Count - 1] is var last && last.End >= offset)
                extents[extents.Count - 1] = new Extent(last.Offset, Math.Max(last.End, end) - last.Offset);
            else if (end > offset) extents.Add(new Extent(offset, end - offset));
        }
        return extents;
    }

    private void Add(long first, long count)
    {
        lock (_blocks)
        {
            // Neighbours come one after the other where much is lost: so that it grows with the holes and not with the
            // blocks.
            if (_blocks.Count > 0 && _blocks[_blocks.Count - 1] is var last && last.First + last.Count == first)
                _blocks[_blocks.Count - 1] = (last.First, last.Count + count);
            else _blocks.Add((first, count));
        }
    }
}
