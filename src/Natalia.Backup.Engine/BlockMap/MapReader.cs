using System.Collections.Concurrent;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.BlockMap;

/// <summary>
/// Reads a block map. Thread-safe. Inner nodes are remembered, so that memory does not grow with the disk: the latest
/// 512 of them.
/// </summary>
internal sealed class MapReader(PackReader packs, MapRoot root)
{
    private const int RememberedNodes = 512;
    private readonly ConcurrentDictionary<Reference, MapNode> _nodes = new();

    internal MapRoot Root => root;

    /// <summary>The node that a reference leads to.</summary>
    /// <exception cref="NataliaException"><c>BlockMapDamaged</c>, <c>PackMissing</c>, a store error.</exception>
    internal async Task<MapNode> ReadAsync(Reference reference, int level, SegmentCodec codec,
        CancellationToken cancellationToken)
    {
        if (_nodes.TryGetValue(reference, out MapNode? known)) return known;
        MapNode node;
        try
        {
            node = MapNode.Decode(await packs.ReadSegmentAsync(PackArea.Meta, reference, codec,
                cancellationToken).ConfigureAwait(false),
                level);
        }
        catch (FormatException damage)
        {
            throw Damaged(damage);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ObjectDamaged)
        {
            throw Damaged(damage);
        }
        if (level > 0)
        {
            if (_nodes.Count >= RememberedNodes) _nodes.Clear();
            _nodes[reference] = node;
        }
        return node;
    }

    /// <summary>The leaf of a number, or null when it is all zeros.</summary>
    internal Task<(Reference Reference, MapNode Node)?> FindLeafAsync(long leaf, SegmentCodec codec,
        CancellationToken cancellationToken) =>
        FindAsync(0, leaf, codec, cancellationToken);

    /// <summary>
    /// The leaf of a number and the number behind it; or null when it is all zeros, and the first number behind it that
    /// may not be.
    /// </summary>
    /// <exception cref="NataliaException"><c>BlockMapDamaged</c>, <c>PackMissing</c>, a store error.</exception>
    internal async Task<(MapNode? Leaf, long End)> ProbeLeafAsync(long leaf, SegmentCodec codec,
        CancellationToken cancellationToken)
    {
        if (root.Reference is null || leaf >> (BlockGeometry.FanOutBits * root.Level) != 0) return (null,
            long.MaxValue);
        MapNode node = await ReadAsync(root.Reference, root.Level, codec, cancellationToken).ConfigureAwait(false);
        for (int level = root.Level; level > 0; level--)
        {
            int shift = BlockGeometry.FanOutBits * (level - 1);
            long first = leaf >> (shift + BlockGeometry.FanOutBits) << BlockGeometry.FanOutBits;
            int slot = (int)((leaf >> shift) - first);
            if (node[slot] is not Reference child)
            {
                while (slot < BlockGeometry.FanOut && node[slot] is null) slot++;
                return (null, (first + slot) << shift);
            }
            node = await ReadAsync(child, level - 1, codec, cancellationToken).ConfigureAwait(false);
        }
        return (node, leaf + 1);
    }

    /// <summary>
    /// The node of a number at a level, or null when everything below it is zeros or the map does not reach that high.
    /// </summary>
    internal async Task<(Reference Reference, MapNode Node)?> FindAsync(int wanted, long index, SegmentCodec codec,
        CancellationToken cancellationToken)
    {
        if (root.Reference is null || wanted > root.Level
            || index >> (BlockGeometry.FanOutBits * (root.Level - wanted)) != 0)
            return null;
        Reference reference = root.Reference;
        MapNode node = await ReadAsync(reference, root.Level, codec, cancellationToken).ConfigureAwait(false);
        for (int level = root.Level; level > wanted; level--)
        {
            int slot = (int)(index >> (BlockGeometry.FanOutBits * (level - 1 - wanted))) & (BlockGeometry.FanOut - 1);
            if (node[slot] is not Reference child) return null;
            reference = child;
            node = await ReadAsync(reference, level - 1, codec, cancellationToken).ConfigureAwait(false);
        }
        return (reference, node);
    }

    /// <summary>
    /// The numbers of all leaves that are not all zeros, ascending, with the reference of each. Leaves themselves are
    /// not read.
    /// </summary>
    /// <param name="onDamage">Told of each node that cannot be had, by level and number, and the rest comes all the
    /// same; null throws at the first.</param>
    internal async IAsyncEnumerable<(long Leaf, Reference Reference)> EnumerateLeavesAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken,
        Action<int, long>? onDamage = null)
    {
        if (root.Reference is null) yield break;
        if (root.Level == 0)
        {
            yield return (0, root.Reference);
            yield break;
        }
        using var codec = new SegmentCodec();
        var path = new Stack<(MapNode Node, long Index, int Slot)>();
        if (await TryReadAsync(root.Reference, root.Level, 0).ConfigureAwait(false) is MapNode top)
            path.Push((top, 0, 0));
        while (path.Count > 0)
        {
            (MapNode node, long index, int slot) = path.Pop();
            while (slot < BlockGeometry.FanOut && node[slot] is null) slot++;
            if (slot == BlockGeometry.FanOut) continue;
            path.Push((node, index, slot + 1));
            long childIndex = (index << BlockGeometry.FanOutBits) + slot;
            if (node.Level == 1) yield return (childIndex, node[slot]!);
            else if (await TryReadAsync(node[slot]!, node.Level - 1, childIndex).ConfigureAwait(false) is MapNode child)
                path.Push((child, childIndex, 0));
        }

        async Task<MapNode?> TryReadAsync(Reference reference, int level, long index)
        {
            try
            {
                return await ReadAsync(reference, level, codec, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (onDamage is not null && IsDamage(damage))
            {
                onDamage(level, index);
                return null;
            }
        }
    }

    /// <summary>Whether a failure to read a node means that it cannot be had, while the store as such works.</summary>
    internal static bool IsDamage(NataliaException failure) =>
        failure.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing or ErrorIds.ObjectNotFound
            or ErrorIds.StoreReadFailed;

    private static NataliaException Damaged(Exception damage) =>
        new(ErrorIds.BlockMapDamaged, NataliaErrorKind.InvalidData,
        "The block map is damaged: " + damage.Message, (damage as NataliaException)?.Target,
        "Restore another point; run Test-NataliaRepository -Full to see what is damaged.", damage);
}
