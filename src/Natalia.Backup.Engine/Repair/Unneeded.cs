using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Gives back what no manifest needs.</summary>
/// <param name="view">What there is.</param>
/// <param name="plan">Where it is planned.</param>
/// <param name="isLogBroken">Records are missing: a run without manifest may be a lost point.</param>
/// <param name="mayBeWritten">A run may be at work: what lies above the newest point may be its.</param>
internal sealed class Unneeded(RepairView view, RepairPlan plan, bool isLogBroken, bool mayBeWritten)
{
    /// <summary>What of one run nobody needs.</summary>
    private sealed class Heap
    {
        internal int Packs { get; set; }
        internal long Bytes { get; set; }
        internal List<(string Name, long Bytes)> Objects { get; } = [];

        internal void Add(PackState pack)
        {
            Packs++;
            Bytes += pack.StoredBytes;
            Objects.AddRange(pack.Objects.Select(o => (o.Name, o.Length)));
        }
    }

    private readonly List<(Run Run, PointManifest? Manifest)> _staying = view.Staying;
    private readonly SortedDictionary<string, (Run Run, Heap Heap)> _waiting = new(StringComparer.Ordinal),
        _unneeded = new(StringComparer.Ordinal);
    private readonly FreeSet _free = new(null);
    private readonly bool _givesUp = view.GivesUp;

    /// <summary>Packs of which nothing is needed, by name, with their bytes.</summary>
    private readonly Dictionary<string, long> _empty = new(StringComparer.Ordinal);
    private readonly HashSet<string> _missing = new(StringComparer.Ordinal);

    internal async Task PlanAsync(CancellationToken cancellationToken)
    {
        long newest = _staying.Select(l => l.Run.Sequence).DefaultIfEmpty(0).Max();
        HashSet<Run> withManifest = [.. _staying.Select(l => l.Run)];
        long floor = FindFloor(withManifest);
        (FreeList? before, IReadOnlyList<string> names) = view.KnownFree;
        Sort(newest, floor, new FreeSet(before?.Free));
        await ForgetGivenBackAsync(cancellationToken).ConfigureAwait(false);
        foreach ((Run run, Heap heap) in _waiting.Values)
            plan.Add(view.Finding(RepairFindingKind.UnneededSpace, RepairAction.Kept, run.ToString())
                with
            { StoredBytes = heap.Bytes }, RepairWords.SpaceKept(heap.Packs, run.ToString(), heap.Bytes));
        plan.UnneededBytes += _waiting.Values.Concat(_unneeded.Values).Sum(r => r.Heap.Bytes);
        await PlanSweepAsync(newest, cancellationToken).ConfigureAwait(false);
        await PlanOrphanedDeltasAsync(withManifest, Math.Max(newest, floor), cancellationToken).ConfigureAwait(false);
        PlanFreeList(canBeMade: floor == 0 && _staying.Count > 0, isDamaged: before is null && names.Count > 0, names);
    }

    private void PlanFreeList(bool canBeMade, bool isDamaged, IReadOnlyList<string> names)
    {
        RepairFinding damaged = view.Finding(RepairFindingKind.CatalogDamaged,
            canBeMade ? RepairAction.Rebuilt : RepairAction.Kept, names.LastOrDefault());
        if (!canBeMade)
        {
            if (isDamaged) plan.Add(damaged, RepairWords.FreeListDamaged(canBeMade));
            return;
        }
        Dictionary<long, IReadOnlyList<string>> disks = _staying.GroupBy(l => l.Run.Sequence)
            .ToDictionary(g => g.Key, g =>
                (IReadOnlyList<string>)g.SelectMany(l => l.Manifest?.Disks.Select(d => d.DiskId) ?? ["*"])
                .Distinct(StringComparer.Ordinal).ToArray());
        RepairDeed write = (hands, stop) => hands.WriteFreeListAsync(disks, _free, names, stop);
        if (isDamaged) plan.Add(damaged, RepairWords.FreeListDamaged(canBeMade), write);
        else plan.Add(write);
    }

    /// <summary>The highest sequence of a point that may come back, or that hides what it needs: it may need anything
    /// that was there when it was made. 0 without one.</summary>
    private long FindFloor(HashSet<Run> withManifest) => view.LostManifests.Select(m => m.Sequence ?? 0)
        .Concat(view.DamagedManifests.Select(r => r.Sequence))
        .Concat(view.Analysis.Walks.Where(w => w.HidesReferences && !w.Manifest.Incomplete
            && !view.GivenUp.Contains(w.Run) && !view.States.IsRemoved(w.Manifest.PointId)).Select(w => w.Run.Sequence))
        .Concat(UnexplainedRuns(withManifest).Where(r => isLogBroken && !_givesUp
            || view.States.IsProtected(r.Id.ToString(), r.Sequence)).Select(r => r.Sequence))
        .DefaultIfEmpty(0).Max();

    /// <summary>With records missing, a run without manifest may be a lost point, unless the log says that it was
    /// removed. One that is protected is a point, whatever else the log says of it.</summary>
    private IEnumerable<Run> UnexplainedRuns(HashSet<Run> withManifest) =>
        view.Deltas.Runs.Concat(view.Inventory.All.Select(p => p.Run))
            .Where(r => !withManifest.Contains(r) && !view.States.IsRemoved(r.Id.ToString()));

    private void Sort(long newest, long floor, FreeSet known)
    {
        foreach (PackState pack in view.Inventory.All)
        {
            if (view.Analysis.Marks.Find(pack.Area, pack.Run, pack.Number) is OrdinalSet live)
            {
                if (!pack.IsMissing && floor == 0) AddDead(pack, live, known);
                continue;
            }
            if (mayBeWritten && pack.Run.Sequence > newest) continue;
            // All was there but the manifest: either the run died at that very moment, or the manifest and its record
            // were taken away together.
            bool mayBePoint = pack.Run.Sequence > newest && view.Deltas.Has(pack.Run)
                && !view.States.IsRemoved(pack.Run.Id.ToString()) && !_givesUp;
            if (pack.Run.Sequence <= floor || mayBePoint)
            {
                if (!pack.IsMissing) HeapOf(_waiting, pack.Run).Add(pack);
                continue;
            }
            // Also what is missing: so that its absence is not taken for a loss any more.
            _empty[pack.Name] = pack.StoredBytes;
            if (pack.IsMissing) _missing.Add(pack.Name);
            else HeapOf(_unneeded, pack.Run).Add(pack);
        }
    }

    private static Heap HeapOf(SortedDictionary<string, (Run, Heap Heap)> heaps, Run run)
    {
        string key = run.ToString();
        if (!heaps.TryGetValue(key, out (Run, Heap Heap) known)) heaps[key] = known = (run, new Heap());
        return known.Heap;
    }

    private void AddDead(PackState pack, OrdinalSet live, FreeSet known)
    {
        int segments = pack.Info?.Segments ?? pack.Envelope?.Segments.Length ?? 0, fresh = 0;
        var dead = new List<(int, int)>();
        for (int ordinal = 0; ordinal < segments; ordinal++)
        {
            if (live.Contains(ordinal)) continue;
            dead.Add((ordinal, 1));
            if (!known.Contains(pack.Area, pack.Run, pack.Number, ordinal)) fresh++;
        }
        if (dead.Count == 0) return;
        _free.Add(pack.Area, pack.Run, pack.Number, dead);
        if (fresh > 0) plan.UnneededBytes += pack.Objects[0].Length * fresh / segments;
    }

    /// <summary>Packs that are missing because they were given back need not be told again.</summary>
    private async Task ForgetGivenBackAsync(CancellationToken cancellationToken)
    {
        if (_missing.Count == 0) return;
        // A record that is damaged or not signed has no effect, and what it told is told again.
        foreach (AuditRecord? record in await view.ApplianceLog.ReadAllAsync(view.Log.FindAll(n =>
            n.Event == ReclaimRecords.Event), cancellationToken).ConfigureAwait(false))
        {
            foreach (string pack in record is null ? [] : ReclaimRecords.Packs(record))
            {
                if (_missing.Remove(pack)) _empty.Remove(pack);
            }
        }
    }

    private async Task PlanSweepAsync(long newest, CancellationToken cancellationToken)
    {
        List<(string Name, long Bytes)> objects = [.. _unneeded.Values.SelectMany(u => u.Heap.Objects)];
        Dictionary<string, DateTime?> locked = await view.TakeAllAsync(objects.Select(o => o.Name),
            cancellationToken).ConfigureAwait(false);
        plan.FreedBytes += objects.Where(o => !locked.ContainsKey(o.Name)).Sum(o => o.Bytes);
        // Also what a lock keeps: the record says that nothing needs it, and optimizations try it again.
        plan.Add((hands, stop) => hands.GiveBackAsync(_free, _empty, stop));
        foreach (string pack in _missing.OrderBy(m => m, StringComparer.Ordinal))
            plan.Add(view.Finding(RepairFindingKind.PackMissing, RepairAction.Recorded, pack),
                RepairWords.PackMissingUnneeded(pack), (hands, _) => Task.FromResult(hands.Went([])));
        foreach ((Run run, Heap heap) in _unneeded.Values)
        {
            string? first = heap.Objects.Select(o => o.Name).FirstOrDefault(locked.ContainsKey);
            bool isOrphan = run.Sequence > newest;
            plan.Add(view.Finding(isOrphan ? RepairFindingKind.OrphanedRun : RepairFindingKind.UnneededSpace,
                RepairAction.Removed, run.ToString(), (first is null, first is null ? null : locked[first]))
                with
            { StoredBytes = heap.Bytes },
                RepairWords.SpaceUnneeded(heap.Packs, run.ToString(), heap.Bytes, isOrphan),
                first is not null ? null : (hands, _) => Task.FromResult(hands.Went(heap.Objects.Select(o => o.Name))));
        }
    }

    private async Task PlanOrphanedDeltasAsync(HashSet<Run> withManifest, long above,
        CancellationToken cancellationToken)
    {
        if (mayBeWritten || !_givesUp) return;
        foreach (Run run in view.Deltas.Deltas.Keys.Where(r => r.Sequence > above && !withManifest.Contains(r))
            .OrderBy(r => r.Sequence))
        {
            var objects = new List<(string Name, long Bytes)>(view.Deltas.StandIns(run)
                .Select(name => (name, 0L))) { (Layout.Delta(view.ApplianceId, run), view.Deltas.Deltas[run]) };
            Dictionary<string, DateTime?> locked = await view.TakeAllAsync(objects.Select(o => o.Name),
                cancellationToken).ConfigureAwait(false);
            objects.RemoveAll(o => locked.ContainsKey(o.Name));
            plan.FreedBytes += objects.Sum(o => o.Bytes);
            plan.Add((hands, stop) => hands.DeleteAsync(objects, stop));
        }
    }
}
