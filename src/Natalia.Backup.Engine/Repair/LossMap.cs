using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Where a segment lies.</summary>
internal readonly record struct SegmentKey(Run Run, int Pack, int Ordinal)
{
    internal static SegmentKey Of(Reference reference) => new(reference.Run, reference.Pack, reference.Ordinal);
}

/// <summary>
/// What is lost below each node of the block maps. Only nodes below which something is lost are kept, so that it grows
/// with the loss and not with the disks. Not thread-safe.
/// </summary>
internal sealed class LossMap
{
    private readonly Dictionary<SegmentKey, Loss> _losses = [];

    /// <param name="Blocks">How many stored blocks are lost.</param>
    /// <param name="HidesReferences">True when a node could not be read, so that nobody knows what it refers
    /// to.</param>
    /// <param name="Lost">In a leaf: the slots whose blocks are lost.</param>
    /// <param name="Children">In an inner node: the children below which something is lost.</param>
    internal sealed record Loss(long Blocks, bool HidesReferences, BlockMask Lost,
        IReadOnlyList<(int Slot, SegmentKey Child)>? Children)
    {
        /// <summary>True when the node itself is lost.</summary>
        internal bool IsWhole => HidesReferences && Children is null;
    }

    /// <summary>The packs of which something that is needed cannot be had.</summary>
    internal HashSet<(PackArea Area, Run Run, int Pack)> Packs { get; } = [];

    internal Loss? Find(SegmentKey node) => _losses.TryGetValue(node, out Loss? loss) ? loss : null;

    internal void AddNode(Reference node, long blocks)
    {
        _losses[SegmentKey.Of(node)] = new Loss(blocks, true, default, null);
        Packs.Add((PackArea.Meta, node.Run, node.Pack));
    }

    internal void AddLeaf(Reference leaf, BlockMask lost)
    {
        long blocks = 0;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++) blocks += lost[slot] ? 1 : 0;
        _losses[SegmentKey.Of(leaf)] = new Loss(blocks, false, lost, null);
    }

    /// <summary>Sums up what is lost below an inner node, whose children were all looked at.</summary>
    internal void AddInner(Reference reference, MapNode node)
    {
        List<(int, SegmentKey)>? children = null;
        long blocks = 0;
        bool hides = false;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is not Reference child || Find(SegmentKey.Of(child)) is not Loss loss) continue;
            (children ??= []).Add((slot, SegmentKey.Of(child)));
            blocks += loss.Blocks;
            hides |= loss.HidesReferences;
        }
        if (children is not null) _losses[SegmentKey.Of(reference)] = new Loss(blocks, hides, default, children);
    }

    /// <summary>Where on a disk something is lost: ascending, merged, cut to the disk.</summary>
    internal List<Extent> Extents(MapRoot root, long sizeBytes, int maximum)
    {
        var extents = new List<Extent>();
        if (root.Reference is not null) Walk(SegmentKey.Of(root.Reference), root.Level, 0);
        return extents;

        void Walk(SegmentKey node, int level, long index)
        {
            if (extents.Count > maximum || Find(node) is not Loss loss) return;
            int bits = BlockGeometry.FanOutBits;
            if (loss.IsWhole)
            {
                Add(index << (bits * (level + 1)), 1L << (bits * (level + 1)));
            }
            else if (loss.Children is null)
            {
                for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
                {
                    if (loss.Lost[slot]) Add((index << bits) + slot, 1);
                }
            }
            else
            {
                foreach ((int slot, SegmentKey child) in loss.Children) Walk(child, level - 1, (index << bits) + slot);
            }
        }

        void Add(long firstBlock, long blocks)
        {
            if (firstBlock > sizeBytes / BlockGeometry.BlockBytes) return;
            long offset = firstBlock * BlockGeometry.BlockBytes,
                end = blocks > (sizeBytes - offset) / BlockGeometry.BlockBytes
                    ? sizeBytes
                    : offset + blocks * BlockGeometry.BlockBytes;
            if (offset >= end) return;
            if (extents.Count > 0 && extents[extents.Count - 1] is var last && last.End == offset)
                extents[extents.Count - 1] = new Extent(last.Offset, end - last.Offset);
            else if (extents.Count < maximum) extents.Add(new Extent(offset, end - offset));
        }
    }
}
