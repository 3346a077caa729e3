namespace Natalia.Backup.Serving.Overlays;

/// <summary>
/// A set of blocks that lie anywhere, in their order: words of 64 bits, and above them words that tell which of those
/// hold anything. The next block, or the next that is missing, is found in few steps however many there are. Not
/// thread-safe.
/// </summary>
internal sealed class BlockSet
{
    private const int Shift = 6, Mask = 63;

    /// <summary>Blocks have 63 bits at most; one level more would hold one word.</summary>
    private const int Levels = 11;

    /// <summary>Words that are not there hold nothing.</summary>
    private readonly Dictionary<long, ulong>[] _levels =
        [.. Enumerable.Range(0, Levels).Select(_ => new Dictionary<long, ulong>())];

    /// <summary>How many words were looked at so far, by which tests bound the work.</summary>
    internal long Steps { get; private set; }

    internal void Add(long block)
    {
        foreach (Dictionary<long, ulong> level in _levels)
        {
            level.TryGetValue(block >> Shift, out ulong word);
            level[block >> Shift] = word | Bit(block);
            // The words above know of it already.
            if (word != 0) return;
            block >>= Shift;
        }
    }

    internal void Remove(long block)
    {
        foreach (Dictionary<long, ulong> level in _levels)
        {
            if (!level.TryGetValue(block >> Shift, out ulong word)) return;
            word &= ~Bit(block);
            if (word != 0)
            {
                level[block >> Shift] = word;
                return;
            }
            level.Remove(block >> Shift);
            block >>= Shift;
        }
    }

    /// <summary>The first block of the set at or behind a block; <see cref="long.MaxValue"/> when there is
    /// none.</summary>
    internal long NextIn(long block)
    {
        for (int level = 0; level < Levels; level++)
        {
            if (Word(level, block >> Shift) >> (int)(block & Mask) is not 0 and ulong rest)
            {
                block += FirstBit(rest);
                while (level-- > 0) block = (block << Shift) + FirstBit(Word(level, block));
                return block;
            }
            // Behind the word that it lies in.
            block = (block >> Shift) + 1;
        }
        return long.MaxValue;
    }

    /// <summary>The first block at or behind a block, and before another one, that is not of the set; the other one
    /// when there is none.</summary>
    internal long NextOut(long block, long end)
    {
        while (block < end)
        {
            ulong missing = ~Word(0, block >> Shift) >> (int)(block & Mask);
            if (missing != 0) return Math.Min(end, block + FirstBit(missing));
            block = (block | Mask) + 1;
        }
        return end;
    }

    private ulong Word(int level, long at)
    {
        Steps++;
        return _levels[level].TryGetValue(at, out ulong word) ? word : 0;
    }

    private static ulong Bit(long block) => 1UL << (int)(block & Mask);

    private static int FirstBit(ulong word)
    {
#if NET8_0_OR_GREATER
        return System.Numerics.BitOperations.TrailingZeroCount(word);
#else
        int at = 0;
        for (int half = 32; half > 0; half /= 2)
        {
            if ((word & ((1UL << half) - 1)) != 0) continue;
            word >>= half;
            at += half;
        }
        return at;
#endif
    }
}
