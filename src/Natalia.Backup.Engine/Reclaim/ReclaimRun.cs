using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// Gives back the space of removed points in one appliance's part. Needs no lease: a reference is freed only when it died before a point that exists, and a backup that runs meanwhile
/// can refer only to what is alive in the newest one. What it costs follows what goes: the deltas from the lowest point that went up to the next that stays.
/// </summary>
internal sealed class ReclaimRun(RepositoryCore core, ManifestReader manifests, string applianceId, TimeSpan grace)
{
    /// <summary>A pack is rewritten when less than this part of it is alive.</summary>
    private const double RepackBelow = 0.4;

    private int _forgotten, _waiting, _deletedPacks, _repacked, _readDeltas;
    private long _freed, _rewritten, _dead;

    internal async Task<ReclaimResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        await ForgetAsync(cancellationToken).ConfigureAwait(false);

        List<Run> points = await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        if (points.Count > 0)
        {
            Dictionary<Run, long> deltas = await ListDeltasAsync(cancellationToken).ConfigureAwait(false);
            (FreeList? before, IReadOnlyList<string> names) = await FreeList.ReadAsync(core.Store, applianceId, core.Keys, cancellationToken).ConfigureAwait(false);
            var free = new FreeSet(before?.Free);
            Dictionary<long, IReadOnlyList<string>> disks = await FindDisksAsync(points, before, cancellationToken).ConfigureAwait(false);
            bool changed = await FindFreeAsync(points, deltas, before, disks, free, cancellationToken).ConfigureAwait(false);
            await ListPacksAsync(cancellationToken).ConfigureAwait(false);
            await DeleteOldRevisionsAsync(cancellationToken).ConfigureAwait(false);
            changed |= await ReclaimPacksAsync(free, deltas, cancellationToken).ConfigureAwait(false);
            await DeleteDeltasAsync(points, deltas, cancellationToken).ConfigureAwait(false);
            await new PointCatalog(core, applianceId).UpdateAsync(manifests, points, int.MaxValue, cancellationToken).ConfigureAwait(false);
            if (changed || before is null)
                await new FreeList(disks, free.ToDeadList()).WriteAsync(core.Store, applianceId, core.Keys, names, cancellationToken).ConfigureAwait(false);
        }
        return new ReclaimResult
        {
            ApplianceId = applianceId,
            RepositoryId = core.RepositoryId,
            ForgottenPoints = _forgotten,
            WaitingPoints = _waiting,
            DeletedPacks = _deletedPacks,
            RepackedPacks = _repacked,
            FreedBytes = _freed,
            RewrittenBytes = _rewritten,
            DeadBytes = _dead,
            ReadDeltas = _readDeltas,
        };
    }

    /// <summary>Deletes the manifests of points that were removed long enough ago for every reader to have let go.</summary>
    private async Task ForgetAsync(CancellationToken cancellationToken)
    {
        List<Run> points = await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        PointStates states = await PointStates.ReadAsync(core.ApplianceLog(applianceId), new HashSet<long>(points.Select(p => p.Sequence)), cancellationToken).ConfigureAwait(false);
        // The newest manifest of each disk is what the next backup of that disk is compared with: it stays, removed or not.
        var newestOf = new Dictionary<string, long>(StringComparer.Ordinal);
        int unread = points.Count;
        foreach (Run run in Enumerable.Reverse(points))
        {
            // Only what was removed is read, and of the newest so many as it takes to know their disks.
            if (states.Removal(run.Id.ToString()) is not AuditRecord removal || await TryReadAsync(run, cancellationToken).ConfigureAwait(false) is not PointManifest manifest) continue;
            while (unread > 0 && points[unread - 1].Sequence > run.Sequence && manifest.Disks.Any(d => !newestOf.ContainsKey(d.DiskId)))
            {
                Run above = points[--unread];
                if (await TryReadAsync(above, cancellationToken).ConfigureAwait(false) is not PointManifest newer) continue;
                foreach (ManifestDisk disk in newer.Disks)
                {
                    if (!newestOf.ContainsKey(disk.DiskId)) newestOf[disk.DiskId] = above.Sequence;
                }
            }
            bool isNewestOfADisk = manifest.Disks.Any(d => !newestOf.TryGetValue(d.DiskId, out long newest) || newest <= run.Sequence);
            if (isNewestOfADisk || removal.TimeUtc + grace > core.Clock.UtcNow() || PointsInUse.Contains(core.RepositoryId, manifest.PointId))
            {
                _waiting++;
                continue;
            }
            if (await DeleteAsync(Layout.Manifest(applianceId, run), 0, cancellationToken).ConfigureAwait(false)) _forgotten++;
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

    private async Task<Dictionary<Run, long>> ListDeltasAsync(CancellationToken cancellationToken)
    {
        var deltas = new Dictionary<Run, long>();
        await foreach (StoredObject found in core.Store.ListAsync(Layout.Deltas(applianceId), cancellationToken).ConfigureAwait(false))
        {
            if (Run.TryParse(Layout.FileName(found.Name), out Run run)) deltas[run] = found.Length;
        }
        return deltas;
    }

    /// <summary>The disks of every point that exists: those that are known already from the last time are not read again.</summary>
    private async Task<Dictionary<long, IReadOnlyList<string>>> FindDisksAsync(List<Run> points, FreeList? before, CancellationToken cancellationToken)
    {
        var disks = new Dictionary<long, IReadOnlyList<string>>();
        var unknown = new List<Run>();
        foreach (Run run in points)
        {
            disks[run.Sequence] = s_everyDisk;
            if (before is not null && before.Points.TryGetValue(run.Sequence, out IReadOnlyList<string>? known)) disks[run.Sequence] = known;
            else unknown.Add(run);
        }
        foreach ((Run run, PointManifest? manifest, _) in await manifests.ReadAllAsync(applianceId, unknown, fromCatalog: true, cancellationToken).ConfigureAwait(false))
        {
            if (manifest is not null) disks[run.Sequence] = manifest.Disks.Select(d => d.DiskId).ToArray();
        }
        return disks;
    }

    /// <summary>A point that cannot be read may hold any disk.</summary>
    private static readonly IReadOnlyList<string> s_everyDisk = ["*"];

    private static bool Holds(IReadOnlyList<string> disks, string disk) => disk.Length == 0 || ReferenceEquals(disks, s_everyDisk) || disks.Contains(disk) || disks.Contains("*");

    /// <summary>
    /// Adds what became free since the last time, disk by disk: a disk's references are shared only among the points that hold it. Walks the chain of deltas only where points went.
    /// </summary>
    private async Task<bool> FindFreeAsync(List<Run> points, Dictionary<Run, long> deltas, FreeList? before, Dictionary<long, IReadOnlyList<string>> disks, FreeSet free, CancellationToken cancellationToken)
    {
        long highestKnown = before is null || before.Points.Count == 0 ? 0 : before.Points.Keys.Max();
        // Gone since the last time: it existed then, or it was made and removed in between. Checkpoints are among these.
        // Only what was removed on purpose, or was never a point (a checkpoint, a run that died), is gone. A manifest that merely is not there may come back.
        HashSet<long> lost = await FindLostAsync(disks, cancellationToken).ConfigureAwait(false);
        List<long> gone = deltas.Keys.Select(r => r.Sequence).Concat(before?.Points.Keys ?? []).Distinct()
            .Where(s => !disks.ContainsKey(s) && !lost.Contains(s) && (before is null || before.Points.ContainsKey(s) || s > highestKnown)).OrderBy(s => s).ToList();
        var read = new Dictionary<Run, (Run? After, Dictionary<string, DeadList> Dead)?>();
        if (lost.Count > 0)
        {
            // Where a lost point lies among the others decides what it shares with them: nothing is freed until it is back, or removed.
            return false;
        }
        foreach (string disk in disks.Values.SelectMany(d => d).Append("").Distinct(StringComparer.Ordinal).ToList())
        {
            List<long> goneHere = gone.FindAll(s => before is null || !before.Points.TryGetValue(s, out IReadOnlyList<string>? held) || Holds(held, disk));
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
                while (at is Run run && run.Sequence > lowestGone && await ReadDeadAsync(run, deltas, read, cancellationToken).ConfigureAwait(false) is var (after, dead))
                {
                    if (dead.TryGetValue(disk, out DeadList? list))
                    {
                        foreach ((PackArea area, Run born, int pack, IReadOnlyList<(int Start, int Count)> ranges) in list.Groups)
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

    /// <summary>Points that the log knows as made and not as removed, and whose manifest is not there.</summary>
    private async Task<HashSet<long>> FindLostAsync(Dictionary<long, IReadOnlyList<string>> disks, CancellationToken cancellationToken)
    {
        List<AuditName> names = await core.ApplianceLog(applianceId).ListAsync(cancellationToken).ConfigureAwait(false);
        var lost = new HashSet<long>(names.Where(n => n.Event == AuditEvents.PointMade).Select(n => n.Sequence));
        lost.ExceptWith(disks.Keys);
        lost.ExceptWith(names.Where(n => n.Event == AuditEvents.PointRemoved).Select(n => n.Sequence));
        return lost;
    }

    /// <summary>A delta, read once; null when it is gone or damaged: what it would have freed stays, the repository's check reports it, and a repair finds the space again.</summary>
    private async Task<(Run? After, Dictionary<string, DeadList> Dead)?> ReadDeadAsync(Run run, Dictionary<Run, long> deltas, Dictionary<Run, (Run? After, Dictionary<string, DeadList> Dead)?> read, CancellationToken cancellationToken)
    {
        if (!deltas.ContainsKey(run)) return null;
        if (read.TryGetValue(run, out (Run?, Dictionary<string, DeadList>)? known)) return known;
        byte[] bytes = await core.Store.ReadAllAsync(Layout.Delta(applianceId, run), cancellationToken).ConfigureAwait(false);
        _readDeltas++;
        try
        {
            RunDelta delta = RunDelta.Decode(bytes, applianceId, run);
            _deltas[run] = delta;
            return read[run] = (delta.After, RunDelta.DecodeDead(bytes, core.Keys));
        }
        catch (FormatException)
        {
            return read[run] = null;
        }
    }

    private async Task<bool> ReclaimPacksAsync(FreeSet free, Dictionary<Run, long> deltas, CancellationToken cancellationToken)
    {
        bool changed = false;
        var empty = new List<(PackArea Area, Run Run, PackInfo Info)>();
        foreach (IGrouping<Run, (PackArea Area, Run Run, int Pack)> group in free.Touched.GroupBy(p => p.Run).ToList())
        {
            if (!deltas.ContainsKey(group.Key)) continue;
            RunDelta? delta = await ReadDeltaAsync(group.Key, cancellationToken).ConfigureAwait(false);
            if (delta is null) continue;
            foreach ((PackArea area, Run run, int number) in group)
            {
                PackInfo? info = delta.Packs.FirstOrDefault(p => p.Area == area && p.Number == number);
                if (info is null) continue;
                if (free.Count(area, run, number) >= info.Segments) empty.Add((area, run, info));
                else changed |= await RepackAsync(area, run, number, Layout.Pack(applianceId, area, run, number), free, cancellationToken).ConfigureAwait(false);
            }
        }
        if (empty.Count == 0) return changed;
        // The record first: whoever finds a pack missing must find the reason too.
        await core.ApplianceLog(applianceId).AppendAsync(new AuditEntry(ReclaimRecords.Event)
        {
            ApplianceId = applianceId,
            Reason = "Nothing needs these packs any more.",
            WriteData = json =>
            {
                json.WriteNumber("bytes", empty.Sum(p => p.Info.Bytes));
                json.WriteStartArray("packs");
                foreach ((PackArea area, Run run, PackInfo info) in empty) json.WriteStringValue(Layout.Pack(applianceId, area, run, info.Number));
                json.WriteEndArray();
            },
        }, core.SigningSeed, cancellationToken).ConfigureAwait(false);
        foreach ((PackArea area, Run run, PackInfo info) in empty)
        {
            if (await DeletePackAsync(Layout.Pack(applianceId, area, run, info.Number), cancellationToken).ConfigureAwait(false)) free.Forget(area, run, info.Number);
        }
        return true;
    }

    /// <summary>Which packs runs have written; null for a delta that is gone or damaged.</summary>
    private readonly Dictionary<Run, RunDelta?> _deltas = [];

    private async Task<RunDelta?> ReadDeltaAsync(Run run, CancellationToken cancellationToken)
    {
        if (_deltas.TryGetValue(run, out RunDelta? known)) return known;
        try
        {
            return _deltas[run] = RunDelta.Decode(await core.Store.ReadAllAsync(Layout.Delta(applianceId, run), cancellationToken).ConfigureAwait(false), applianceId, run);
        }
        catch (FormatException)
        {
            return _deltas[run] = null;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return _deltas[run] = null;
        }
    }

    /// <summary>Rewrites a pack that is mostly free: the same id, ordinals and sealed bytes, so that no map notices.</summary>
    private async Task<bool> RepackAsync(PackArea area, Run run, int number, string name, FreeSet free, CancellationToken cancellationToken)
    {
        PackDirectory directory;
        try
        {
            directory = await core.PackReader(applianceId).GetDirectoryAsync(area, run, number, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged or ErrorIds.ObjectArchived)
        {
            // One in an archive class goes when all of it is free: thawing it would cost more than the room.
            return false;
        }
        Envelope old = directory.Envelope;
        var live = old.Segments.Where(s => !free.Contains(area, run, number, s.Ordinal)).ToList();
        long liveBytes = live.Sum(s => (long)s.SealedLength), deadBytes = old.BodyLength - liveBytes;
        if (live.Count == 0 || liveBytes > old.BodyLength * RepackBelow || area == PackArea.Data && core.Store.ObjectLock is not null)
        {
            // A locked pack cannot be given back before its date, so that rewriting it would only store more.
            _dead += deadBytes;
            return false;
        }
        byte[] all = await core.Store.ReadAllAsync(directory.ObjectName, cancellationToken).ConfigureAwait(false);
        try
        {
            SmallObject.Check(all);
        }
        catch (FormatException)
        {
            return false;
        }
        var fresh = new Envelope { Kind = old.Kind, Cipher = old.Cipher, Id = old.Id, Header = old.Header, Segments = [.. live] };
        var bytes = new byte[fresh.ObjectLength];
        byte[] prefix = fresh.EncodePrefix();
        prefix.CopyTo(bytes, 0);
        int at = prefix.Length;
        foreach (SegmentEntry segment in live)
        {
            long offset = directory.Find(segment.Ordinal)!.Value.Offset;
            all.AsSpan((int)offset, segment.SealedLength).CopyTo(bytes.AsSpan(at));
            at += segment.SealedLength;
        }
        Hash256.Compute(bytes.AsSpan(0, at), bytes.AsSpan(at));
        int revision = directory.ObjectName == name ? 1 : 1 + int.Parse(directory.ObjectName.Substring(name.Length + 2), System.Globalization.CultureInfo.InvariantCulture);
        try
        {
            await core.Store.PutAsync(name + ".r" + revision.ToString(System.Globalization.CultureInfo.InvariantCulture), new ObjectContent(bytes),
                new PutOptions { MustNotExist = true, Class = area == PackArea.Data ? ObjectClass.Data : ObjectClass.Metadata }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
        {
            return false;
        }
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        _repacked++;
        _rewritten += bytes.Length;
        if (grace == TimeSpan.Zero) await DeleteAsync(directory.ObjectName, all.Length, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Deletes revisions that a newer one has replaced for longer than the grace: a reader that began before may still hold the old name.</summary>
    private async Task DeleteOldRevisionsAsync(CancellationToken cancellationToken)
    {
        foreach (List<(int Revision, StoredObject Object)> revisions in _packs.Values.Where(r => r[r.Count - 1].Revision > 0))
        {
            StoredObject newest = revisions[revisions.Count - 1].Object;
            // Both dates are the store's own.
            if (revisions.Count == 1 || newest.LastModifiedUtc + grace > core.Clock.UtcNow()) continue;
            if (!await IsWholeAsync(newest.Name, cancellationToken).ConfigureAwait(false)) continue;
            foreach ((int revision, StoredObject old) in revisions.Take(revisions.Count - 1).ToList())
            {
                if (await DeleteAsync(old.Name, old.Length, cancellationToken).ConfigureAwait(false)) revisions.RemoveAll(r => r.Revision == revision);
            }
        }
    }

    /// <summary>The packs that there are, by name, each with its revisions ascending; the first is revision 0. One look for all that follows.</summary>
    private readonly Dictionary<string, List<(int Revision, StoredObject Object)>> _packs = new(StringComparer.Ordinal);

    /// <summary>The runs that have packs.</summary>
    private readonly Dictionary<Run, int> _packsOf = [];

    private async Task ListPacksAsync(CancellationToken cancellationToken)
    {
        foreach (PackArea area in new[] { PackArea.Data, PackArea.Meta })
        {
            string room = Layout.Packs(applianceId, area);
            await foreach (StoredObject pack in core.Store.ListAsync(room, cancellationToken).ConfigureAwait(false))
            {
                int dot = pack.Name.LastIndexOf(".r", StringComparison.Ordinal), revision = 0;
                if (dot >= 0 && !int.TryParse(pack.Name.Substring(dot + 2), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out revision)) continue;
                string name = dot < 0 ? pack.Name : pack.Name.Substring(0, dot);
                if (!_packs.TryGetValue(name, out List<(int Revision, StoredObject Object)>? revisions))
                {
                    _packs[name] = revisions = [];
                    if (RunOf(name) is Run run) _packsOf[run] = _packsOf.TryGetValue(run, out int count) ? count + 1 : 1;
                }
                revisions.Add((revision, pack));
            }
        }
        // Listed by name: revision 10 stands before revision 2.
        foreach (List<(int Revision, StoredObject Object)> revisions in _packs.Values) revisions.Sort((a, b) => a.Revision.CompareTo(b.Revision));
    }

    /// <summary>The run whose pack this is: the last folder of its name.</summary>
    private static Run? RunOf(string packName)
    {
        string[] parts = packName.Split('/');
        return parts.Length > 1 && Run.TryParse(parts[parts.Length - 2], out Run run) ? run : null;
    }

    /// <summary>A replacement is trusted with being the only copy after every byte of it was read.</summary>
    private async Task<bool> IsWholeAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            SmallObject.Check(await core.Store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false));
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    /// <summary>Deletes the deltas of runs whose manifest and packs are gone and that no point before them keeps: nothing can be learnt from them any more.</summary>
    private async Task DeleteDeltasAsync(List<Run> points, Dictionary<Run, long> deltas, CancellationToken cancellationToken)
    {
        foreach (Run run in deltas.Keys.Where(r => r.Sequence < points[0].Sequence).OrderBy(r => r.Sequence).ToList())
        {
            if (_packsOf.ContainsKey(run) || await ReadDeltaAsync(run, cancellationToken).ConfigureAwait(false) is null) continue;
            await DeleteAsync(Layout.Delta(applianceId, run), deltas[run], cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> DeletePackAsync(string name, CancellationToken cancellationToken)
    {
        if (!_packs.TryGetValue(name, out List<(int Revision, StoredObject Object)>? revisions)) return true;
        bool deleted = false;
        foreach ((int revision, StoredObject item) in revisions.ToList())
        {
            if (!await DeleteAsync(item.Name, item.Length, cancellationToken).ConfigureAwait(false)) continue;
            deleted = true;
            revisions.RemoveAll(r => r.Revision == revision);
        }
        if (!deleted) return false;
        _deletedPacks++;
        if (revisions.Count > 0) return true;
        _packs.Remove(name);
        if (RunOf(name) is Run run && --_packsOf[run] == 0) _packsOf.Remove(run);
        return true;
    }

    /// <returns>False when an object lock keeps it.</returns>
    private async Task<bool> DeleteAsync(string name, long bytes, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            _freed += bytes;
            return true;
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            return false;
        }
    }
}
