namespace Natalia.Backup.Serving.Overlays;

/// <summary>A set of blocks that are next to each other mostly. Not thread-safe.</summary>
internal sealed class BlockRanges
{
    private readonly SortedList<long, long> _ends = [];

    /// <summary>How many stretches there are.</summary>
    internal int Count => _ends.Count;

    internal IEnumerable<(long First, long Count)> All => _ends.Select(r => (r.Key, r.Value - r.Key));

    internal bool Contains(long block) => Find(block) is >= 0 and int at && _ends.Values[at] > block;

    /// <summary>The first block of the set at or behind a block; <see cref="long.MaxValue"/> when there is
    /// none.</summary>
    internal long NextIn(long block)
    {
        int at = Find(block);
        if (at >= 0 && _ends.Values[at] > block) return block;
        return at + 1 < _ends.Count ? _ends.Keys[at + 1] : long.MaxValue;
    }

    /// <summary>The first block at or behind a block that is not of the set.</summary>
    internal long NextOut(long block) => Find(block) is >= 0 and int at && _ends.Values[at] > block
        ? _ends.Values[at] : block;

    internal void Add(long first, long count)
    {
        long end = first + count;
        int at = Find(first);
        // One that reaches to it, before it or around it.
        if (at >= 0 && _ends.Values[at] >= first) first = _ends.Keys[at];
        else at++;
        while (at < _ends.Count && _ends.Keys[at] <= end)
        {
            end = Math.Max(end, _ends.Values[at]);
            _ends.RemoveAt(at);
        }
        _ends.Add(first, end);
    }

    internal void Remove(long first, long count)
    {
        long end = first + count;
        int at = Find(first);
        if (at < 0 || _ends.Values[at] <= first) at++;
        while (at < _ends.Count && _ends.Keys[at] < end)
        {
            (long from, long to) = (_ends.Keys[at], _ends.Values[at]);
            _ends.RemoveAt(at);
            if (from < first)
            {
                _ends.Add(from, first);
                at++;
            }
            if (to > end)
            {
                _ends.Add(end, to);
                return;
            }
        }
    }

    /// <summary>The stretch that begins last at or before a block; -1 when none does.</summary>
    private int Find(long block)
    {
        int low = 0, high = _ends.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (_ends.Keys[middle] <= block) low = middle + 1;
            else high = middle - 1;
        }
        return high;
    }
}
