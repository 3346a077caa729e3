using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Repair;

/// <summary>A manifest that can be read, and what is lost of what it needs.</summary>
internal sealed class PointWalk(PointManifest manifest)
{
    internal PointManifest Manifest => manifest;
    internal Run Run => manifest.Run;
    internal List<(ManifestDisk Disk, LossMap.Loss Loss)> LostDisks { get; } = [];

    /// <summary>What is lost of what it has besides its maps, in words for a sentence.</summary>
    internal List<string> LostCompanions { get; } = [];

    /// <summary>True when a part of a map cannot be read, so that nobody knows all that the point needs.</summary>
    internal bool HidesReferences { get; set; }

    internal bool IsLost => LostDisks.Count > 0 || LostCompanions.Count > 0;
}

/// <summary>What a run's delta should say, and does not; or should not say, and does.</summary>
internal sealed record MissingDelta(PointManifest Manifest, Run? After, IReadOnlyDictionary<string, DeadList> Dead,
    bool IsDeltaLost, bool SaysTooMuch)
{
    /// <summary>
    /// False as long as a manifest or a part of a block map is lost without which it cannot be told, or must not be.
    /// </summary>
    internal bool CanBeMade { get; init; } = true;
}

/// <summary>
/// Mark and sweep: what the manifests need, what of it is lost, and which deltas do not tell all that died. Reads only.
/// Points are walked newest first; a reference that a point needs and no newer one is one that died with the next run
/// above that holds the disk: that is what that run's delta, or those between, must say.
/// </summary>
internal sealed class RepairAnalysis(RepositoryCore core, string applianceId, PackInventory inventory,
    DeltaReader deltas, Action<int> onRead)
{
    private const int RememberedDeltas = 64;

    private readonly PackReader _packs = core.PackReader(applianceId);
    private readonly Dictionary<Run, (RunDelta Delta, Dictionary<string, DeadList> Dead)?> _read = [];

    /// <summary>Of which damage it is to be seen whether it is still there: the blocks of these packs, and of these
    /// points, are compared with what their maps name. Null for none.</summary>
    internal DamageState? ToProve { get; init; }

    /// <summary>Blocks that were compared before, and are right; those that are found so are added.</summary>
    internal SegmentMarks Proven { get; init; } = new();

    internal SegmentMarks Marks { get; } = new();
    internal LossMap Losses { get; } = new();

    /// <summary>Newest first.</summary>
    internal List<PointWalk> Walks { get; } = [];

    internal List<MissingDelta> MissingDeltas { get; } = [];

    /// <summary>Two runs each, of which the upper one did not know of the lower one although that was there.</summary>
    internal IReadOnlyList<(Run Lower, Run Upper)> Forks { get; private set; } = [];

    /// <summary>
    /// Sequences that two manifests have: nothing can be put in the place of the deltas there, because one run cannot
    /// be told to be after the other.
    /// </summary>
    private HashSet<long> _twins = [];

    /// <summary>One run above others, whose dead lists are being gathered.</summary>
    private sealed class Upper(PointManifest manifest, Run? previous)
    {
        internal PointManifest Manifest => manifest;
        internal Run Run => manifest.Run;
        internal Run? Previous => previous;
        internal bool HidesReferences { get; set; }
        internal bool SaysTooMuch { get; set; }
        internal Dictionary<string, DeadList> Dead { get; } = new(StringComparer.Ordinal);
        internal Dictionary<string, Run> Below { get; } = new(StringComparer.Ordinal);
        internal HashSet<string> Open { get; } = new(manifest.Disks.Select(d => d.DiskId).Append(""),
            StringComparer.Ordinal);
    }

    /// <param name="listed">Every manifest that is to stay, ascending; null for one that cannot be read.</param>
    internal async Task ExecuteAsync(IReadOnlyList<(Run Run, PointManifest? Manifest)> listed,
        CancellationToken cancellationToken)
    {
        _twins = new HashSet<long>(listed.GroupBy(l => l.Run.Sequence).Where(g => g.Count() > 1).Select(g => g.Key));
        Dictionary<Run, PointManifest> read = listed.Where(l => l.Manifest is not null)
            .ToDictionary(l => l.Run, l => l.Manifest!);
        Forks = (await new PointLine(deltas, null).FindAsync(listed.Select(l => l.Run).ToArray(), read,
            cancellationToken).ConfigureAwait(false))
            .Where(
                p => p.IsAbove == false && (p.Point.Sequence == p.Below.Sequence || !_twins.Contains(p.Below.Sequence)))
            .Select(p => (p.Below, p.Point)).ToArray();
        await ChooseWhatToProveAsync(read.Values, cancellationToken).ConfigureAwait(false);
        var marker = new MapMarker(_packs, inventory, Marks, Losses, onRead) { Proven = Proven };
        var uppers = new Dictionary<string, Upper>(StringComparer.Ordinal);
        Run? distrusted = null;
        for (int i = listed.Count - 1; i >= 0; i--)
        {
            Run? below = i > 0 ? listed[i - 1].Run : null;
            if (listed[i].Manifest is not PointManifest manifest)
            {
                if (await SaysTooMuchAsync(listed[i].Run, below, cancellationToken).ConfigureAwait(false))
                    distrusted = listed[i].Run;
                continue;
            }
            var walk = new PointWalk(manifest);
            var here = new Upper(manifest, below);
            foreach (ManifestDisk disk in manifest.Disks)
            {
                await marker.MarkAsync(disk.Root, disk.SizeBytes, Gather(uppers, disk.DiskId),
                    cancellationToken).ConfigureAwait(false);
                if (disk.Root.Reference is not Reference root
                    || Losses.Find(SegmentKey.Of(root)) is not LossMap.Loss loss)
                    continue;
                walk.LostDisks.Add((disk, loss));
                walk.HidesReferences |= loss.HidesReferences;
            }
            await MarkCompanionsAsync(walk, Gather(uppers, ""), cancellationToken).ConfigureAwait(false);
            here.HidesReferences = walk.HidesReferences;
            here.SaysTooMuch = await SaysTooMuchAsync(here.Run, below, cancellationToken).ConfigureAwait(false);
            if (here.SaysTooMuch && here.HidesReferences) distrusted = here.Run;
            Walks.Add(walk);
            foreach (string disk in here.Open.ToList())
            {
                if (uppers.TryGetValue(disk, out Upper? upper))
                {
                    upper.Below[disk] = manifest.Run;
                    if (upper.Open.Remove(disk) && upper.Open.Count == 0)
                        await FinishAsync(upper, cancellationToken).ConfigureAwait(false);
                }
                uppers[disk] = here;
            }
        }
        foreach (Upper upper in uppers.Values.Distinct().Where(u => u.Open.Count > 0))
            await FinishAsync(upper, cancellationToken).ConfigureAwait(false);
        // Nothing can be put in the place of that delta, and what it wrongly calls needless would be freed if it came
        // to lie below the other branch: all above it stays as it is.
        if (distrusted is Run lowest)
        {
            for (int i = 0; i < MissingDeltas.Count; i++)
            {
                if (MissingDeltas[i].Manifest.Run.Sequence > lowest.Sequence)
                    MissingDeltas[i] = MissingDeltas[i] with { CanBeMade = false };
            }
        }
    }

    private async Task ChooseWhatToProveAsync(IEnumerable<PointManifest> manifests, CancellationToken cancellationToken)
    {
        if (ToProve is null || ToProve.Packs.Count + ToProve.Points.Count == 0) return;
        foreach (PackState pack in inventory.All.Where(p => ToProve.Packs.Contains(p.Name))) pack.IsToProve = true;
        // Newer points may share a block and be walked first: which packs a point needs must be known before.
        var marker = new MapMarker(_packs, inventory, new SegmentMarks(), new LossMap(), _ => { })
        { LooksAtBlocks = false };
        foreach (ManifestDisk disk in manifests.Where(m => ToProve.Points.ContainsKey(m.Run.Sequence))
            .SelectMany(m => m.Disks))
        {
            await marker.MarkAsync(disk.Root, disk.SizeBytes, (area, block) =>
            {
                if (area == PackArea.Data && inventory.Find(area, block.Run, block.Pack) is PackState pack)
                    pack.IsToProve = true;
            }, cancellationToken).ConfigureAwait(false);
        }
    }

    private static Action<PackArea, Reference> Gather(Dictionary<string, Upper> uppers, string disk)
    {
        // A point that hides what it needs may need this, too: then nothing can be said to have died with it.
        if (!uppers.TryGetValue(disk, out Upper? upper) || upper.HidesReferences) return static (_, _) => { };
        if (!upper.Dead.TryGetValue(disk, out DeadList? dead)) upper.Dead[disk] = dead = new DeadList();
        return (area, reference) => dead.Add(area, reference);
    }

    private async Task MarkCompanionsAsync(PointWalk walk, Action<PackArea, Reference> onFresh,
        CancellationToken cancellationToken)
    {
        if (walk.Manifest.Configuration is Reference configuration
            && !await MarkAsync(configuration, onFresh, cancellationToken).ConfigureAwait(false))
            walk.LostCompanions.Add(RepairWords.Configuration);
        foreach (ManifestAttachment attachment in walk.Manifest.Attachments)
        {
            bool isWhole = true;
            foreach (Reference part in attachment.Parts)
                isWhole &= await MarkAsync(part, onFresh, cancellationToken).ConfigureAwait(false);
            if (!isWhole) walk.LostCompanions.Add(RepairWords.Attachment(attachment.Name));
        }
    }

    /// <summary>Marks a segment that stands in no map as needed.</summary>
    /// <returns>Whether it can be read.</returns>
    private async Task<bool> MarkAsync(Reference reference, Action<PackArea, Reference> onFresh,
        CancellationToken cancellationToken)
    {
        if (Marks.Add(PackArea.Meta, reference))
        {
            onFresh(PackArea.Meta, reference);
            using var codec = new SegmentCodec();
            try
            {
                await _packs.ReadSegmentAsync(PackArea.Meta, reference, codec, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (Damage.Is(damage))
            {
                Losses.AddNode(reference, 0);
            }
        }
        return Losses.Find(SegmentKey.Of(reference)) is null;
    }

    /// <summary>All that died with a run is known now: does the chain of deltas tell it?</summary>
    private async Task FinishAsync(Upper upper, CancellationToken cancellationToken)
    {
        bool isDeltaLost = deltas.StandIns(upper.Run).Count == 0
            && (!inventory.Deltas.TryGetValue(upper.Run, out Hash256 hash) || hash != upper.Manifest.DeltaHash);
        if (_twins.Contains(upper.Run.Sequence) || upper.Previous is Run previous && _twins.Contains(previous.Sequence))
            return;
        if (upper.HidesReferences
            || !isDeltaLost && !upper.SaysTooMuch && await IsToldAsync(upper, cancellationToken).ConfigureAwait(false))
        {
            if (isDeltaLost)
                MissingDeltas.Add(new MissingDelta(upper.Manifest, null, new Dictionary<string, DeadList>(), true,
                    false)
                { CanBeMade = !upper.HidesReferences });
            return;
        }
        MissingDeltas.Add(new MissingDelta(upper.Manifest, upper.Previous, upper.Dead, isDeltaLost, upper.SaysTooMuch));
    }

    /// <summary>
    /// Whether the deltas from a run down to the next manifest list something as dead that a point from that run on
    /// needs: one on the other branch of a fork. Asked when these points are marked, and no lower one. Between two
    /// manifests there may be deltas of runs that have none: of checkpoints, and of points that went.
    /// </summary>
    private async Task<bool> SaysTooMuchAsync(Run run, Run? below, CancellationToken cancellationToken)
    {
        for (Run? at = run; at is Run here && !(here.Sequence <= below?.Sequence);)
        {
            if (await ReadAsync(here, cancellationToken).ConfigureAwait(false) is not var (delta, dead)) return false;
            if (dead.Values.SelectMany(d => d.Groups)
                .Any(g => Marks.Find(g.Area, g.Run, g.Pack) is OrdinalSet live
                    && g.Ranges.Any(r => Enumerable.Range(r.Start, r.Count).Any(live.Contains))))
                return true;
            at = delta.After;
        }
        return false;
    }

    private async Task<bool> IsToldAsync(Upper upper, CancellationToken cancellationToken)
    {
        var told = new Dictionary<string, FreeSet>(StringComparer.Ordinal);
        var open = new HashSet<string>(upper.Below.Keys, StringComparer.Ordinal);
        bool passedPrevious = upper.Previous is null;
        for (Run at = upper.Run; ;)
        {
            if (await ReadAsync(at, cancellationToken).ConfigureAwait(false) is not var (delta, dead)) return false;
            foreach (string disk in open)
            {
                if (!dead.TryGetValue(disk, out DeadList? list)) continue;
                if (!told.TryGetValue(disk, out FreeSet? set)) told[disk] = set = new FreeSet(null);
                foreach ((PackArea area, Run run, int pack,
                    IReadOnlyList<(int Start, int Count)> ranges) in list.Groups)
                    set.Add(area, run, pack, ranges);
            }
            if (passedPrevious && open.Count == 0) break;
            // The chain must come by every manifest below, or what it tells of them is never asked for.
            if (delta.After is not Run next || !passedPrevious && next.Sequence < upper.Previous!.Value.Sequence)
                return false;
            if (next == upper.Previous) passedPrevious = true;
            else if (!passedPrevious && next.Sequence == upper.Previous!.Value.Sequence) return false;
            open.RemoveWhere(d => next.Sequence <= upper.Below[d].Sequence);
            if (passedPrevious && open.Count == 0) break;
            at = next;
        }
        return upper.Dead
            .All(d => d.Value.Count == 0 || told.TryGetValue(d.Key, out FreeSet? set) && set.Covers(d.Value));
    }

    private async Task<(RunDelta Delta, Dictionary<string, DeadList> Dead)?> ReadAsync(Run run,
        CancellationToken cancellationToken)
    {
        if (_read.TryGetValue(run, out (RunDelta, Dictionary<string, DeadList>)? known)) return known;
        if (_read.Count >= RememberedDeltas) _read.Clear();
        return _read[run] = await deltas.ReadDeadAsync(run, cancellationToken).ConfigureAwait(false);
    }
}
