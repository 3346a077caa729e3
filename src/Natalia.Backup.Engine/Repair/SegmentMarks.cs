using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Reclaim;

namespace Natalia.Backup.Engine.Repair;

/// <summary>What existing points need: one bit for each segment of each pack. Not thread-safe.</summary>
internal sealed class SegmentMarks
{
    private readonly Dictionary<(PackArea, Run, int), OrdinalSet> _marks = [];

    /// <returns>True when it was not marked.</returns>
    internal bool Add(PackArea area, Reference reference)
    {
        if (!_marks.TryGetValue((area, reference.Run, reference.Pack), out OrdinalSet? set))
            _marks[(area, reference.Run, reference.Pack)] = set = new OrdinalSet();
        return set.Add(reference.Ordinal);
    }

    internal OrdinalSet? Find(PackArea area, Run run, int pack) =>
        _marks.TryGetValue((area, run, pack), out OrdinalSet? set) ? set : null;
}
