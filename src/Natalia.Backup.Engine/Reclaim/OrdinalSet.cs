namespace Natalia.Backup.Engine.Reclaim;

/// <summary>A set of ordinals of one pack: one bit each. Not thread-safe.</summary>
internal sealed class OrdinalSet
{
    private ulong[] _bits = [];

    internal int Count { get; private set; }

    /// <returns>True when it was not there.</returns>
    internal bool Add(int ordinal)
    {
        int word = ordinal >> 6;
        if (word >= _bits.Length) Array.Resize(ref _bits, Math.Max(word + 1, _bits.Length * 2));
        ulong bit = 1UL << (ordinal & 63);
        if ((_bits[word] & bit) != 0) return false;
        _bits[word] |= bit;
        Count++;
        return true;
    }

    internal bool Contains(int ordinal) =>
        ordinal >> 6 is int word && word < _bits.Length && (_bits[word] >> (ordinal & 63) & 1) != 0;

    /// <summary>What is in it, ascending, as ranges.</summary>
    internal IEnumerable<(int Start, int Count)> Ranges()
    {
        int start = -1;
        for (int at = 0; at < _bits.Length * 64; at++)
        {
            bool there = Contains(at);
            if (there && start < 0) start = at;
            if (there || start < 0) continue;
            yield return (start, at - start);
            start = -1;
        }
        if (start >= 0) yield return (start, _bits.Length * 64 - start);
    }
}
