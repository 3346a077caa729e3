using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.BlockMap;

/// <summary>
/// Makes a new block map from a parent's and from leaves that changed, given in ascending order. Only nodes above
/// changed leaves are written; all others are shared. Memory: one node per level. Not thread-safe.
/// </summary>
internal sealed class MapBuilder
{
    private readonly MapReader? _parent;
    private readonly MapRoot _parentRoot;
    private readonly PackWriter.Worker _meta;
    private readonly Run _run;
    private readonly DeadList _dead;
    private readonly OpenNode?[] _open;
    private readonly int _top;
    private MapRoot? _leafRoot;
    private long _last = -1;

    /// <param name="parent">Reads the parent's map; null when there is none.</param>
    /// <param name="sizeBytes">The disk's size now.</param>
    /// <param name="meta">Where nodes are written.</param>
    /// <param name="run">The run that writes.</param>
    /// <param name="dead">Takes the nodes that are replaced. Blocks that die are the caller's to add.</param>
    internal MapBuilder(MapReader? parent, long sizeBytes, PackWriter.Worker meta, Run run, DeadList dead)
    {
        _parent = parent;
        _parentRoot = parent?.Root ?? MapRoot.Empty;
        _meta = meta;
        _run = run;
        _dead = dead;
        // A disk that shrank keeps its taller map, so that what lay behind its end is found and dies.
        _top = Math.Max(BlockGeometry.RootLevel(sizeBytes), _parentRoot.Level);
        _open = new OpenNode[_top + 1];
    }

    /// <summary>Replaces a leaf.</summary>
    /// <param name="leaf">Its number; greater than in the call before.</param>
    /// <param name="content">What it is now; empty when all is zeros.</param>
    /// <param name="old">The parent's leaf that it replaces, or null.</param>
    internal async Task SetLeafAsync(long leaf, MapNode content, Reference? old, CancellationToken cancellationToken)
    {
        if (leaf <= _last) throw new InvalidOperationException("Leaves must come in ascending order.");
        if (_last < 0 && leaf > 0 && _parentRoot.Reference is not null && _parentRoot.Level < _top)
            await OpenPathAsync(0, cancellationToken).ConfigureAwait(false);
        _last = leaf;
        Reference? written = content.IsEmpty
            ? null
            : await WriteAsync(content, cancellationToken).ConfigureAwait(false);
        if (old is not null) _dead.Add(PackArea.Meta, old);
        if (_top == 0)
        {
            _leafRoot = new MapRoot(0, written, content.TotalBlocks);
            return;
        }
        await OpenPathAsync(leaf, cancellationToken).ConfigureAwait(false);
        OpenNode above = _open[1]!;
        above.Node.Set((int)leaf & (BlockGeometry.FanOut - 1), written, content.TotalBlocks);
        above.Dirty = true;
    }

    /// <summary>Writes what is still open.</summary>
    /// <returns>The new root.</returns>
    internal async Task<MapRoot> CompleteAsync(CancellationToken cancellationToken)
    {
        if (_top == 0) return _leafRoot ?? _parentRoot;
        if (_last < 0) return _parentRoot;
        for (int level = 1; level < _top; level++) await CloseAsync(level, cancellationToken).ConfigureAwait(false);
        OpenNode root = _open[_top]!;
        if (!root.Dirty) return _parentRoot;
        if (root.Old is not null) _dead.Add(PackArea.Meta, root.Old);
        return root.Node.IsEmpty
            ? MapRoot.Empty
            : new MapRoot(_top, await WriteAsync(root.Node, cancellationToken).ConfigureAwait(false),
                root.Node.TotalBlocks);
    }

    private async Task OpenPathAsync(long leaf, CancellationToken cancellationToken)
    {
        for (int level = _top; level > 0; level--)
        {
            long index = leaf >> (BlockGeometry.FanOutBits * level);
            if (_open[level] is OpenNode open && open.Index == index) continue;
            for (int below = 1; below <= level; below++)
                await CloseAsync(below, cancellationToken).ConfigureAwait(false);
            _open[level] = await OpenAsync(level, index, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<OpenNode> OpenAsync(int level, long index, CancellationToken cancellationToken)
    {
        if (level > _parentRoot.Level)
        {
            // Above the parent's root there is nothing to share but the root itself, as the first child.
            var node = new MapNode(level);
            bool adopts = index == 0 && level == _parentRoot.Level + 1 && _parentRoot.Reference is not null;
            if (adopts) node.Set(0, _parentRoot.Reference, _parentRoot.Blocks);
            return new OpenNode(index, node, null) { Dirty = adopts };
        }
        if (_parent is not null
            && await _parent.FindAsync(level, index, _meta.Codec,
                cancellationToken).ConfigureAwait(false) is var (reference, old))
            return new OpenNode(index, old.Clone(), reference);
        return new OpenNode(index, new MapNode(level), null);
    }

    private async Task CloseAsync(int level, CancellationToken cancellationToken)
    {
        if (_open[level] is not OpenNode open) return;
        _open[level] = null;
        if (!open.Dirty) return;
        if (open.Old is not null) _dead.Add(PackArea.Meta, open.Old);
        Reference? written = open.Node.IsEmpty
            ? null
            : await WriteAsync(open.Node, cancellationToken).ConfigureAwait(false);
        OpenNode above = _open[level + 1]!;
        above.Node.Set((int)open.Index & (BlockGeometry.FanOut - 1), written, open.Node.TotalBlocks);
        above.Dirty = true;
    }

    private async Task<Reference> WriteAsync(MapNode node, CancellationToken cancellationToken)
    {
        byte[] bytes = node.Encode();
        Placement placement = await _meta.AddAsync(bytes, cancellationToken).ConfigureAwait(false);
        return new Reference(_run, placement.Pack, placement.Ordinal, Hash256.Of(bytes));
    }

    private sealed class OpenNode(long index, MapNode node, Reference? old)
    {
        internal long Index => index;
        internal MapNode Node => node;
        internal Reference? Old => old;
        internal bool Dirty { get; set; }
    }
}
