using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// Gives back the space of removed points in one appliance's part. Needs no lease: a reference is freed only when it
/// died before a point that exists, and a backup that runs meanwhile can refer only to what is alive in the newest one.
/// What it costs follows what goes: the deltas from the lowest point that went up to the next that stays.
/// </summary>
internal sealed class ReclaimRun(RepositoryCore core, ManifestReader manifests, string applianceId, TimeSpan grace,
    IProgress<OperationProgress>? progress = null)
{
    private readonly PackSweep _sweep = new(core, applianceId, grace, progress);
    private int _forgotten, _waiting, _readDeltas;
    private string? _reason;

    internal async Task<ReclaimResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        progress?.Report(new OperationProgress("Looking for what nobody needs", 0, null));
        await ForgetAsync(cancellationToken).ConfigureAwait(false);
        // After a power cut no manifest may be back whose packs are gone.
        if (_forgotten > 0) await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);

        // The log first: a point that is made meanwhile must not be one that is in the log and has no manifest.
        List<AuditName> log = await core.ApplianceLog(applianceId).ListAsync(cancellationToken).ConfigureAwait(false);
        List<Run> points = await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        if (points.Count > 0)
        {
            var deltas = new DeltaReader(core, applianceId);
            await deltas.LoadAsync(cancellationToken).ConfigureAwait(false);
            (FreeList? before, IReadOnlyList<string> names) = await FreeList.ReadAsync(core.Store, applianceId,
                core.Keys, cancellationToken).ConfigureAwait(false);
            var free = new FreeSet(before?.Free);
            (Dictionary<long, IReadOnlyList<string>> disks,
                Dictionary<Run, PointManifest> read) = await FindDisksAsync(points,
                log, before, cancellationToken).ConfigureAwait(false);
            var below = new Dictionary<Run, Run>();
            _reason = await FindObstacleAsync(points, log, before, disks, new PointLine(deltas, before), read, below,
                cancellationToken).ConfigureAwait(false);
            bool mayFree = _reason is null && points.Count > 0;
            bool changed = mayFree
                && await FindFreeAsync(points, deltas, before, disks, free, cancellationToken).ConfigureAwait(false);
            await _sweep.ListPacksAsync(cancellationToken).ConfigureAwait(false);
            (long through, int records) = await DeleteGivenBackAsync(log, before, free, points,
                cancellationToken).ConfigureAwait(false);
            await _sweep.DeleteOldRevisionsAsync(cancellationToken).ConfigureAwait(false);
            changed |= await _sweep.SweepAsync(free, deltas, s_noneKnown, cancellationToken).ConfigureAwait(false);
            HashSet<long> lost = await FindLostAsync(await core.ApplianceLog(applianceId)
                .ListAsync(cancellationToken).ConfigureAwait(false),
                points, before, disks, cancellationToken).ConfigureAwait(false);
            await TryWriteAsync(
                () => new PointCatalog(core, applianceId).UpdateAsync(manifests, points, int.MaxValue, lost,
                    cancellationToken)).ConfigureAwait(false);
            // Where nothing could be looked for, the points that went must stay unknown to the list, so that they are
            // looked at later.
            if (mayFree)
            {
                string[] rewritten = _sweep.RewrittenPacks.OrderBy(n => n, StringComparer.Ordinal).ToArray();
                changed |= before is null || names.Count > 1 || !before.WaitingPacks.SequenceEqual(_sweep.WaitingPacks)
                    || !before.RewrittenPacks.OrderBy(n => n, StringComparer.Ordinal).SequenceEqual(rewritten);
                if (changed)
                {
                    var list = new FreeList(disks, free.ToDeadList(), _sweep.WaitingPacks)
                    {
                        Runs = points,
                        Below = below,
                        RewrittenPacks = rewritten,
                        RecordsThrough = through,
                        Records = records,
                    };
                    // After a power cut no pack may be back of which the list says nothing any more.
                    await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
                    changed =
                        !await TryWriteAsync(
                            () => list.WriteAsync(core.Store, applianceId, core.Keys, names,
                                cancellationToken)).ConfigureAwait(false);
                }
                // Only now: what they tell of packs that still hold something else stands nowhere but in the list.
                if (!changed) await DeleteDeltasAsync(points, deltas, cancellationToken).ConfigureAwait(false);
            }
        }
        return new ReclaimResult
        {
            ApplianceId = applianceId,
            RepositoryId = core.RepositoryId,
            ForgottenPoints = _forgotten,
            WaitingPoints = _waiting,
            DeletedPacks = _sweep.DeletedPacks,
            RepackedPacks = _sweep.RepackedPacks,
            FreedBytes = _sweep.FreedBytes,
            RewrittenBytes = _sweep.RewrittenBytes,
            DeadBytes = _sweep.DeadBytes,
            ReadDeltas = _readDeltas,
            Reason = _reason,
        };
    }

    /// <summary>
    /// Writes what is derived. A store that is full has no room for it even after some was given back; the next run
    /// writes it then.
    /// </summary>
    private async Task<bool> TryWriteAsync(Func<Task> write)
    {
        try
        {
            await write().ConfigureAwait(false);
            return true;
        }
        catch (NataliaException full) when (full.ErrorId == ErrorIds.StoreFull)
        {
            _reason ??= "The store is full: what was given back is given back, and no room was left to note it. The "
                + "next optimization looks at it again.";
            return false;
        }
    }

    /// <summary>
    /// Why nothing can be said of what is free; null when it can be looked for. Else fills in what each point was made
    /// after.
    /// </summary>
    private async Task<string?> FindObstacleAsync(List<Run> points, List<AuditName> log, FreeList? before,
        Dictionary<long, IReadOnlyList<string>> disks, PointLine line, Dictionary<Run, PointManifest> read,
        Dictionary<Run, Run> below, CancellationToken cancellationToken)
    {
        // Where a lost point lies among the others decides what it shares with them: nothing is freed until it is back,
        // or removed.
        HashSet<long> missing = await FindLostAsync(log, points, before, disks,
            cancellationToken).ConfigureAwait(false);
        // Removed and forgotten since the log was listed, by another one.
        if (missing.Count > 0)
            missing.IntersectWith(await FindLostAsync(await core.ApplianceLog(applianceId)
                .ListAsync(cancellationToken).ConfigureAwait(false),
                points, before, disks, cancellationToken).ConfigureAwait(false));
        int lost = missing.Count;
        if (lost > 0)
            return $"The {(lost == 1 ? "manifest of a point is" : $"manifests of {lost} points are")} missing. What "
                + "such a point needs is not known, so that no more space is given back until it is there again, or "
                + "given up by a repair.";
        foreach ((Run point, Run lower, bool? isAbove) in await line.FindAsync(points, read,
            cancellationToken).ConfigureAwait(false))
        {
            if (isAbove == true) below[point] = lower;
            else if (isAbove is null)
                return $"What the point {point.Id} (sequence {point.Sequence}) was made after cannot be told, because "
                    + "a delta is lost. No more space is given back until a repair has made it again.";
            else return Forks.Describe(lower, point) + " No more space is given back until that is mended. "
                + Forks.Remedy(lower, point);
        }
        return null;
    }

    /// <summary>
    /// Deletes what is left of packs that the log says were given back. Reads the records since the last list; all of
    /// them when a pack was rewritten that the list does not know: an optimization may have been at it for days.
    /// </summary>
    /// <returns>Up to which number such records were looked at, and how many they are.</returns>
    private async Task<(long Through, int Records)> DeleteGivenBackAsync(List<AuditName> log, FreeList? before,
        FreeSet free, List<Run> points, CancellationToken cancellationToken)
    {
        List<AuditName> all = log.FindAll(n => n.Event == ReclaimRecords.Event), fresh = all;
        if (before is not null && all.Count(n => n.Number <= before.RecordsThrough) == before.Records)
        {
            var known = new HashSet<string>(before.RewrittenPacks, StringComparer.Ordinal);
            if (_sweep.RewrittenPacks.All(known.Contains)) fresh = all.FindAll(n => n.Number > before.RecordsThrough);
        }
        var packs = new HashSet<string>(StringComparer.Ordinal);
        // One that is damaged or not signed has no effect, and the repository's check reports it.
        long through = ReferenceEquals(fresh, all) ? 0 : before!.RecordsThrough;
        foreach (AuditRecord? record in await core.ApplianceLog(applianceId)
            .ReadAllAsync(fresh, cancellationToken).ConfigureAwait(false))
        {
            if (record is null) continue;
            packs.UnionWith(ReclaimRecords.Packs(record));
            through = Math.Max(through, record.Number);
        }
        await _sweep.DeleteGivenBackAsync(packs, before?.WaitingPacks ?? [], free, points,
            cancellationToken).ConfigureAwait(false);
        return (through, all.Count(n => n.Number <= through));
    }

    /// <summary>
    /// Deletes the manifests of points that were removed long enough ago for every reader to have let go.
    /// </summary>
    private async Task ForgetAsync(CancellationToken cancellationToken)
    {
        List<Run> points = await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        PointStates states = await PointStates.ReadAsync(core.ApplianceLog(applianceId),
            new HashSet<long>(points.Select(p => p.Sequence)), cancellationToken).ConfigureAwait(false);
        // The newest manifest of each disk is what the next backup of that disk is compared with: it stays, removed or
        // not.
        var newestOf = new Dictionary<string, long>(StringComparer.Ordinal);
        int unread = points.Count;
        HashSet<string> readers = await ReaderMarks.SweepAsync(core, applianceId,
            cancellationToken).ConfigureAwait(false);
        foreach (Run run in Enumerable.Reverse(points))
        {
            // Only what was removed is read, and of the newest so many as it takes to know their disks.
            if (states.Removal(run.Id.ToString()) is not AuditRecord removal
                || await TryReadAsync(run, cancellationToken).ConfigureAwait(false) is not PointManifest manifest)
                continue;
            while (unread > 0 && points[unread - 1].Sequence > run.Sequence
                && manifest.Disks.Any(d => !newestOf.ContainsKey(d.DiskId)))
            {
                Run above = points[--unread];
                if (await TryReadAsync(above, cancellationToken).ConfigureAwait(false) is not PointManifest newer)
                    continue;
                foreach (ManifestDisk disk in newer.Disks)
                {
                    if (!newestOf.ContainsKey(disk.DiskId)) newestOf[disk.DiskId] = above.Sequence;
                }
            }
            bool isNewestOfADisk = manifest.Disks
                .Any(d => !newestOf.TryGetValue(d.DiskId, out long newest) || newest <= run.Sequence);
            if (isNewestOfADisk
                || await RemovalRecord.FindTimeAsync(core.ApplianceLog(applianceId), removal, core.Clock,
                    cancellationToken).ConfigureAwait(false)
                    + grace > core.Clock.UtcNow()
                || PointsInUse.Contains(core.RepositoryId, manifest.PointId) || readers.Contains(manifest.PointId))
            {
                _waiting++;
                continue;
            }
            if (await _sweep.DeleteAsync(Layout.Manifest(applianceId, run), 0, cancellationToken).ConfigureAwait(false))
                _forgotten++;
            else _waiting++;
        }
    }

    private async Task<PointManifest?> TryReadAsync(Run run, CancellationToken cancellationToken)
    {
        try
        {
            return await manifests.ReadAsync(applianceId, run, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.ManifestDamaged or ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }

    /// <summary>
    /// The disks of every point that exists, and the manifests that had to be read for it: those that are known already
    /// from the last time are not read again.
    /// </summary>
    private async Task<(Dictionary<long, IReadOnlyList<string>> Disks,
        Dictionary<Run, PointManifest> Read)> FindDisksAsync(
        List<Run> points,
        List<AuditName> log, FreeList? before, CancellationToken cancellationToken)
    {
        var disks = new Dictionary<long, IReadOnlyList<string>>();
        var read = new Dictionary<Run, PointManifest>();
        var unknown = new List<Run>();
        foreach (Run run in points)
        {
            disks[run.Sequence] = s_everyDisk;
            if (before is not null && before.Runs.Contains(run)
                && before.Points.TryGetValue(run.Sequence, out IReadOnlyList<string>? known))
                disks[run.Sequence] = known;
            else unknown.Add(run);
        }
        IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)> found =
            await manifests.ReadAllAsync(applianceId,
            unknown, fromCatalog: true, cancellationToken).ConfigureAwait(false);
        // What nothing confirms is no point: it keeps nothing, and must not keep space from being given back.
        HashSet<Run> strange = await StrangeManifests.FindUnconfirmedAsync(core, applianceId, log,
            found.Where(f => f.Manifest is null).Select(f => f.Run), cancellationToken).ConfigureAwait(false);
        points.RemoveAll(strange.Contains);
        foreach (Run run in strange)
            if (!points.Exists(p => p.Sequence == run.Sequence)) disks.Remove(run.Sequence);
        foreach ((Run run, PointManifest? manifest, _) in found)
        {
            if (manifest is null) continue;
            disks[run.Sequence] = manifest.Disks.Select(d => d.DiskId).ToArray();
            read[run] = manifest;
        }
        return (disks, read);
    }

    private static long HighestKnown(FreeList? before) =>
        before is null || before.Points.Count == 0 ? 0 : before.Points.Keys.Max();

    private static readonly IReadOnlyDictionary<string, long> s_noneKnown = new Dictionary<string, long>();

    /// <summary>A point that cannot be read may hold any disk.</summary>
    private static readonly IReadOnlyList<string> s_everyDisk = ["*"];

    private static bool Holds(IReadOnlyList<string> disks, string disk) =>
        disk.Length == 0 || ReferenceEquals(disks, s_everyDisk) || disks.Contains(disk) || disks.Contains("*");

    /// <summary>
    /// Adds what became free since the last time, disk by disk: a disk's references are shared only among the points
    /// that hold it. Walks the chain of deltas only where points went.
    /// </summary>
    /// <returns>Whether the points are others than the last time.</returns>
    private async Task<bool> FindFreeAsync(List<Run> points, DeltaReader deltas, FreeList? before,
        Dictionary<long, IReadOnlyList<string>> disks, FreeSet free, CancellationToken cancellationToken)
    {
        long highestKnown = HighestKnown(before);
        // Gone since the last time: it existed then, or it was made and removed in between. Checkpoints are among
        // these. Only what was removed on purpose, or was never a point (a checkpoint, a run that died), is gone. A
        // manifest that merely is not there may come back.
        List<long> gone = deltas.Runs.Select(r => r.Sequence).Concat(before?.Points.Keys ?? []).Distinct()
            .Where(s => !disks.ContainsKey(s) && (before is null || before.Points.ContainsKey(s) || s > highestKnown))
            .OrderBy(s => s).ToList();
        var read = new Dictionary<Run, (Run? After, Dictionary<string, DeadList> Dead)?>();
        foreach (string disk in disks.Values.SelectMany(d => d).Append("").Distinct(StringComparer.Ordinal).ToList())
        {
            List<long> goneHere =
                gone.FindAll(
                    s => before is null || !before.Points.TryGetValue(s, out IReadOnlyList<string>? held)
                        || Holds(held, disk));
            long lower = 0;
            foreach (Run survivor in points.Where(p => Holds(disks[p.Sequence], disk)))
            {
                long above = lower;
                lower = survivor.Sequence;
                int first = goneHere.BinarySearch(above);
                if (first < 0) first = ~first;
                if (first == goneHere.Count || goneHere[first] >= survivor.Sequence) continue;
                long lowestGone = goneHere[first];
                Run? at = survivor;
                while (at is Run run && run.Sequence > lowestGone
                    && await ReadDeadAsync(run, deltas, read,
                        cancellationToken).ConfigureAwait(false) is var (after, dead))
                {
                    if (dead.TryGetValue(disk, out DeadList? list))
                    {
                        foreach ((PackArea area, Run born, int pack,
                            IReadOnlyList<(int Start, int Count)> ranges) in list.Groups)
                        {
                            if (born.Sequence > above) free.Add(area, born, pack, ranges);
                        }
                    }
                    at = after;
                }
            }
        }
        return before is null || !before.Points.Keys.OrderBy(k => k).SequenceEqual(disks.Keys.OrderBy(k => k));
    }

    /// <summary>
    /// Points that the log knows as made and not as removed, and whose manifest is not there. A name alone must not
    /// give anything back: the removals of points that went since the last list are read. Those before were looked at
    /// then.
    /// </summary>
    private async Task<HashSet<long>> FindLostAsync(List<AuditName> log, List<Run> points, FreeList? before,
        Dictionary<long, IReadOnlyList<string>> disks, CancellationToken cancellationToken)
    {
        long highestKnown = HighestKnown(before);
        List<AuditName> removals =
            log.FindAll(n => n.Event == AuditEvents.PointRemoved && !disks.ContainsKey(n.Sequence));
        var removed = new HashSet<long>(removals.Where(n => !MayFree(n.Sequence)).Select(n => n.Sequence));
        removals.RemoveAll(n => !MayFree(n.Sequence));
        foreach (AuditRecord? removal in await core.ApplianceLog(applianceId)
            .ReadAllAsync(removals, cancellationToken).ConfigureAwait(false))
            if (removal?.Sequence is long sequence) removed.Add(sequence);
        bool MayFree(long sequence) => before is null || before.Points.ContainsKey(sequence) || sequence > highestKnown;

        List<AuditName> made =
            log.FindAll(
                n => n.Event == AuditEvents.PointMade && !disks.ContainsKey(n.Sequence)
                    && !removed.Contains(n.Sequence));
        // A name alone may be anybody's, and must not keep space from being given back.
        IReadOnlyList<AuditRecord?> records = await core.ApplianceLog(applianceId)
            .ReadAllAsync(made, cancellationToken).ConfigureAwait(false);
        return [.. made.Where((_, i) => records[i] is not null).Select(n => n.Sequence),
            .. (await MissingManifests.FindTwinsAsync(core.ApplianceLog(applianceId), log, points,
                cancellationToken).ConfigureAwait(false)).Select(twin => twin.Sequence!.Value)];
    }

    /// <summary>
    /// A delta, read once; null when it is gone or damaged: what it would have freed stays, the repository's check
    /// reports it, and a repair finds the space again.
    /// </summary>
    private async Task<(Run? After, Dictionary<string, DeadList> Dead)?> ReadDeadAsync(Run run, DeltaReader deltas,
        Dictionary<Run, (Run? After, Dictionary<string, DeadList> Dead)?> read, CancellationToken cancellationToken)
    {
        if (!deltas.Has(run)) return null;
        if (read.TryGetValue(run, out (Run?, Dictionary<string, DeadList>)? known)) return known;
        _readDeltas++;
        return read[run] = await deltas.ReadDeadAsync(run, cancellationToken).ConfigureAwait(false) is var (delta, dead)
            ? (delta.After, dead)
            : null;
    }

    /// <summary>
    /// Deletes the deltas of runs whose manifest and packs are gone and that no point before them keeps: nothing can be
    /// learnt from them any more.
    /// </summary>
    private async Task DeleteDeltasAsync(List<Run> points, DeltaReader deltas, CancellationToken cancellationToken)
    {
        foreach (Run run in deltas.Runs.Where(r => r.Sequence < points[0].Sequence).OrderBy(r => r.Sequence).ToList())
        {
            if (_sweep.HasPacks(run) || await deltas.ReadAsync(run, cancellationToken).ConfigureAwait(false) is null)
                continue;
            foreach (string standIn in deltas.StandIns(run))
                await _sweep.DeleteAsync(standIn, 0, cancellationToken).ConfigureAwait(false);
            if (deltas.Deltas.TryGetValue(run, out long length))
                await _sweep.DeleteAsync(Layout.Delta(applianceId, run), length,
                    cancellationToken).ConfigureAwait(false);
        }
    }
}
