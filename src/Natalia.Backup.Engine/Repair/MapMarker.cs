using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Restore;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Walks block maps, marks what they need and finds what of it is lost. Points share most of their maps: each node is
/// read once, whatever the number of points, so that points must come newest first. Holds 16,384 leaves' references at
/// most, the marks, and what is lost. Not thread-safe.
/// </summary>
/// <param name="packs">Where the maps lie.</param>
/// <param name="inventory">What is known of each pack.</param>
/// <param name="marks">What was reached.</param>
/// <param name="losses">What is lost.</param>
/// <param name="onRead">Told of the plain bytes of each node that was read.</param>
internal sealed class MapMarker(PackReader packs, PackInventory inventory, SegmentMarks marks, LossMap losses,
    Action<int> onRead)
{
    private readonly HashSet<SegmentKey> _lostBlocks = [];

    /// <summary>Blocks that were compared with what their maps name, and are right.</summary>
    internal SegmentMarks Proven { get; init; } = new();

    /// <summary>False to tell what is needed, without looking whether blocks are right.</summary>
    internal bool LooksAtBlocks { get; init; } = true;

    /// <param name="Reference">The node.</param>
    /// <param name="Index">Its number at its level.</param>
    /// <param name="Blocks">How many stored blocks lie below it.</param>
    private readonly record struct Visit(Reference Reference, long Index, long Blocks);

    /// <summary>Walks one disk of one point.</summary>
    /// <param name="root">Its map.</param>
    /// <param name="sizeBytes">Its size.</param>
    /// <param name="onFresh">Told of everything that no point before this one needed.</param>
    internal Task MarkAsync(MapRoot root, long sizeBytes, Action<PackArea, Reference> onFresh,
        CancellationToken cancellationToken) =>
        root.Reference is null
            ? Task.CompletedTask
            : VisitAsync([new Visit(root.Reference, 0, root.Blocks)], root.Level, sizeBytes, onFresh,
                cancellationToken);

    private async Task VisitAsync(List<Visit> nodes, int level, long sizeBytes, Action<PackArea, Reference> onFresh,
        CancellationToken cancellationToken)
    {
        var fresh = new List<Visit>();
        foreach (Visit node in nodes)
        {
            if (!marks.Add(PackArea.Meta, node.Reference)) continue;
            onFresh(PackArea.Meta, node.Reference);
            fresh.Add(node);
        }
        if (fresh.Count == 0) return;
        cancellationToken.ThrowIfCancellationRequested();
        Reference[] references = fresh.ConvertAll(f => f.Reference).ToArray();
        if (level == 0)
        {
            var suspects = new List<(Visit Leaf, MapNode Node, BlockMask Lost)>();
            await NodeBatch.ReadAsync(packs, references, 0, (i, leaf, _) =>
            {
                if (leaf is null) losses.AddNode(fresh[i].Reference, fresh[i].Blocks);
                else MarkBlocks(fresh[i], leaf, onFresh, suspects);
            }, cancellationToken).ConfigureAwait(false);
            using var reader = new LeafReader(packs);
            foreach ((Visit leaf, MapNode node, BlockMask lost) in suspects)
                await LookAsync(reader, leaf, node, lost, sizeBytes, cancellationToken).ConfigureAwait(false);
            return;
        }
        var read = new MapNode?[references.Length];
        await NodeBatch.ReadAsync(packs, references, level, (i, node, _) =>
        {
            read[i] = node;
            if (node is null) losses.AddNode(fresh[i].Reference, fresh[i].Blocks);
            else onRead(node.TotalBlocks > 0 ? 128 * 40 : 0);
        }, cancellationToken).ConfigureAwait(false);
        var below = new List<Visit>();
        for (int i = 0; i < read.Length; i++)
        {
            if (read[i] is not MapNode node) continue;
            for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
            {
                if (node[slot] is Reference child)
                    below.Add(new Visit(child, (fresh[i].Index << BlockGeometry.FanOutBits) + slot, node.Blocks(slot)));
            }
            // Leaves are read for many nodes at once, so that few requests are needed; above them node by node, so that
            // little is held.
            if (level == 1) continue;
            await VisitAsync(below, level - 1, sizeBytes, onFresh, cancellationToken).ConfigureAwait(false);
            below.Clear();
        }
        if (below.Count > 0)
            await VisitAsync(below, level - 1, sizeBytes, onFresh, cancellationToken).ConfigureAwait(false);
        for (int i = 0; i < read.Length; i++)
        {
            if (read[i] is MapNode node) losses.AddInner(fresh[i].Reference, node);
        }
    }

    private void MarkBlocks(Visit leaf, MapNode node, Action<PackArea, Reference> onFresh,
        List<(Visit, MapNode, BlockMask)> suspects)
    {
        onRead(128 * 40);
        var lost = default(BlockMask);
        MapNode? toLookAt = null;
        PackState? last = null;
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is not Reference block) continue;
            bool isFresh = marks.Add(PackArea.Data, block);
            if (isFresh) onFresh(PackArea.Data, block);
            if (last is null || last.Run != block.Run || last.Number != block.Pack)
                last = inventory.Find(PackArea.Data, block.Run, block.Pack);
            if (last is null || last.IsMissing
                || !isFresh && (last.IsSuspect || last.IsToProve) && _lostBlocks.Contains(SegmentKey.Of(block)))
                lost |= BlockMask.Range(slot, slot);
            else if (isFresh && LooksAtBlocks && (last.IsSuspect || last.IsToProve && !IsProven(block)))
                (toLookAt ??= new MapNode(0)).Set(slot, block);
        }
        if (toLookAt is not null) suspects.Add((leaf, toLookAt, lost));
        else if (!lost.IsEmpty) losses.AddLeaf(leaf.Reference, lost);
    }

    private bool IsProven(Reference block) =>
        Proven.Find(PackArea.Data, block.Run, block.Pack)?.Contains(block.Ordinal) == true;

    /// <summary>Reads the blocks of a pack that is not whole, most of which may be, and of one that is to prove
    /// itself.</summary>
    private async Task LookAsync(LeafReader reader, Visit leaf, MapNode node, BlockMask lost, long sizeBytes,
        CancellationToken cancellationToken)
    {
        await reader.ReadAsync(node, leaf.Index, sizeBytes, into: null, (block, _) =>
        {
            _lostBlocks.Add(SegmentKey.Of(block));
            losses.Packs.Add((PackArea.Data, block.Run, block.Pack));
            for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
            {
                if (ReferenceEquals(node[slot], block)) lost |= BlockMask.Range(slot, slot);
            }
        }, cancellationToken).ConfigureAwait(false);
        if (!lost.IsEmpty) losses.AddLeaf(leaf.Reference, lost);
        for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
        {
            if (node[slot] is Reference block && !_lostBlocks.Contains(SegmentKey.Of(block)))
                Proven.Add(PackArea.Data, block);
        }
    }
}
