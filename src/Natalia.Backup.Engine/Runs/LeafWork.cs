using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Runs;

/// <summary>A set of blocks of one leaf.</summary>
internal readonly record struct BlockMask(ulong Low, ulong High)
{
    internal bool IsEmpty => (Low | High) == 0;

    internal bool this[int slot] => ((slot < 64 ? Low >> slot : High >> (slot - 64)) & 1) != 0;

    /// <summary>The blocks from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    internal static BlockMask Range(int first, int last) => new(Part(first, last), Part(first - 64, last - 64));

    private static ulong Part(int first, int last)
    {
        first = Math.Max(first, 0);
        last = Math.Min(last, 63);
        return first > last ? 0 : ulong.MaxValue >> (63 - last) & ulong.MaxValue << first;
    }

    public static BlockMask operator |(BlockMask a, BlockMask b) => new(a.Low | b.Low, a.High | b.High);
}

/// <summary>What is to be read of one leaf.</summary>
/// <param name="Leaf">Its number.</param>
/// <param name="Read">The blocks to read.</param>
/// <param name="KeepOthers">True when the other blocks are as in the parent; false when they are zeros.</param>
internal readonly record struct LeafWork(long Leaf, BlockMask Read, bool KeepOthers);

/// <summary>Turns extents into work, leaf by leaf, ascending.</summary>
internal static class LeafPlan
{
    /// <summary>The leaves that extents touch.</summary>
    /// <param name="extents">Ascending, not overlapping.</param>
    /// <param name="sizeBytes">The disk's size; extents are cut to it.</param>
    internal static IEnumerable<(long Leaf, BlockMask Blocks)> FromExtents(IEnumerable<Extent> extents, long sizeBytes)
    {
        long leaf = -1;
        var blocks = default(BlockMask);
        foreach (Extent extent in extents)
        {
            long end = Math.Min(extent.End, sizeBytes);
            if (extent.Offset < 0 || extent.Offset >= end) continue;
            long first = extent.Offset / BlockGeometry.BlockBytes, last = (end - 1) / BlockGeometry.BlockBytes;
            while (first <= last)
            {
                long at = first >> BlockGeometry.FanOutBits;
                long lastHere = Math.Min(last, ((at + 1) << BlockGeometry.FanOutBits) - 1);
                if (at != leaf)
                {
                    if (at < leaf) throw new InvalidOperationException("Extents must come in ascending order.");
                    if (leaf >= 0) yield return (leaf, blocks);
                    leaf = at;
                    blocks = default;
                }
                blocks |= BlockMask.Range((int)(first & (BlockGeometry.FanOut - 1)),
                    (int)(lastHere & (BlockGeometry.FanOut - 1)));
                first = lastHere + 1;
            }
        }
        if (leaf >= 0) yield return (leaf, blocks);
    }

    /// <summary>Only what changed: all other blocks stay as they are in the parent.</summary>
    internal static async IAsyncEnumerable<LeafWork> ChangedAsync(IEnumerable<Extent> changed, long sizeBytes,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        foreach ((long leaf, BlockMask blocks) in FromExtents(changed, sizeBytes))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return new LeafWork(leaf, blocks, KeepOthers: true);
        }
    }

    /// <summary>Everything allocated; leaves that only the parent has become zeros.</summary>
    internal static async IAsyncEnumerable<LeafWork> AllocatedAsync(IEnumerable<Extent> allocated, long sizeBytes,
        MapReader? parent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using IEnumerator<(long Leaf, BlockMask Blocks)> mine = FromExtents(allocated, sizeBytes).GetEnumerator();
        IAsyncEnumerator<(long Leaf, Reference Reference)>? theirs = parent?.EnumerateLeavesAsync(cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        try
        {
            bool haveMine = mine.MoveNext();
            bool haveTheirs = theirs is not null && await theirs.MoveNextAsync().ConfigureAwait(false);
            while (haveMine || haveTheirs)
            {
                cancellationToken.ThrowIfCancellationRequested();
                long a = haveMine ? mine.Current.Leaf : long.MaxValue,
                    b = haveTheirs ? theirs!.Current.Leaf : long.MaxValue;
                yield return new LeafWork(Math.Min(a, b), a <= b ? mine.Current.Blocks : default, KeepOthers: false);
                if (a <= b) haveMine = mine.MoveNext();
                if (b <= a) haveTheirs = await theirs!.MoveNextAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            if (theirs is not null) await theirs.DisposeAsync().ConfigureAwait(false);
        }
    }
}
