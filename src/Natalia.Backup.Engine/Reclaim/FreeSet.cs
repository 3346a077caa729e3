using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// The free ordinals of packs that still exist, as a set: what is added twice counts once. Not thread-safe.
/// </summary>
internal sealed class FreeSet
{
    private readonly Dictionary<(PackArea Area, Run Run, int Pack), OrdinalSet> _ordinals = [];
    private readonly HashSet<(PackArea Area, Run Run, int Pack)> _touched = [];

    internal FreeSet(DeadList? from)
    {
        if (from is null) return;
        foreach ((PackArea area, Run run, int pack, IReadOnlyList<(int Start, int Count)> ranges) in from.Groups)
            Add(area, run, pack, ranges);
        _touched.Clear();
    }

    /// <summary>The packs of which more was added than what was known at first.</summary>
    internal IReadOnlyCollection<(PackArea Area, Run Run, int Pack)> Touched => _touched;

    internal void Add(PackArea area, Run run, int pack, IReadOnlyList<(int Start, int Count)> ranges)
    {
        if (!_ordinals.TryGetValue((area, run, pack), out OrdinalSet? set))
            _ordinals[(area, run, pack)] = set = new OrdinalSet();
        foreach ((int start, int count) in ranges)
        {
            for (int i = 0; i < count; i++)
            {
                if (set.Add(start + i)) _touched.Add((area, run, pack));
            }
        }
    }

    /// <summary>Whether it holds everything that a list names.</summary>
    internal bool Covers(DeadList list) =>
        list.Groups
            .All(g => g.Ranges
                .All(r => Enumerable.Range(r.Start, r.Count).All(o => Contains(g.Area, g.Run, g.Pack, o))));

    internal int Count(PackArea area, Run run, int pack) =>
        _ordinals.TryGetValue((area, run, pack), out OrdinalSet? set) ? set.Count : 0;

    internal bool Contains(PackArea area, Run run, int pack, int ordinal) =>
        _ordinals.TryGetValue((area, run, pack), out OrdinalSet? set) && set.Contains(ordinal);

    internal void Forget(PackArea area, Run run, int pack) => _ordinals.Remove((area, run, pack));

    internal void ForgetAll(Func<PackArea, Run, int, bool> isGone)
    {
        foreach ((PackArea Area, Run Run, int Pack) pack in _ordinals.Keys.Where(p => isGone(p.Area, p.Run, p.Pack))
            .ToList())
            _ordinals.Remove(pack);
    }

    internal DeadList ToDeadList()
    {
        var list = new DeadList();
        foreach (KeyValuePair<(PackArea Area, Run Run, int Pack), OrdinalSet> pack in _ordinals)
        {
            foreach ((int start, int count) in pack.Value.Ranges())
                list.Add(pack.Key.Area, pack.Key.Run, pack.Key.Pack, start, count);
        }
        return list;
    }
}
