using System.Globalization;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>
/// Deletes packs of which everything is free, and rewrites those of which little is alive. Counts what it does.
/// </summary>
internal sealed class PackSweep(RepositoryCore core, string applianceId, TimeSpan grace,
    IProgress<OperationProgress>? progress = null)
{
    /// <summary>How long a removed point stays readable for those who began to read it.</summary>
    internal static TimeSpan DefaultGrace { get; } = TimeSpan.FromHours(72);

    /// <summary>A pack is rewritten when less than this part of it is alive.</summary>
    private const double RepackBelow = 0.4;

    /// <summary>
    /// The packs that there are, by name, each with its revisions ascending; the first is revision 0. One look for all
    /// that follows.
    /// </summary>
    private readonly Dictionary<string, List<(int Revision, StoredObject Object)>> _packs = new(StringComparer.Ordinal);

    /// <summary>The runs that have packs.</summary>
    private readonly Dictionary<Run, int> _packsOf = [];

    internal int DeletedPacks { get; private set; }
    internal int RepackedPacks { get; private set; }
    internal long FreedBytes { get; private set; }
    internal long RewrittenBytes { get; private set; }
    internal long DeadBytes { get; private set; }

    /// <summary>The names of objects that an object lock keeps.</summary>
    internal HashSet<string> Locked { get; } = new(StringComparer.Ordinal);

    /// <summary>Looks which packs there are. Comes before everything that deletes.</summary>
    internal async Task ListPacksAsync(CancellationToken cancellationToken)
    {
        foreach (PackArea area in new[] { PackArea.Data, PackArea.Meta })
        {
            string room = Layout.Packs(applianceId, area);
            await foreach (StoredObject pack in core.Store.ListAsync(room, cancellationToken).ConfigureAwait(false))
            {
                string name = Layout.PackOf(pack.Name);
                if (Layout.RevisionOf(pack.Name, name) is not int revision) continue;
                if (!_packs.TryGetValue(name, out List<(int Revision, StoredObject Object)>? revisions))
                {
                    _packs[name] = revisions = [];
                    if (RunOf(name) is Run run)
                        _packsOf[run] = _packsOf.TryGetValue(run, out int count) ? count + 1 : 1;
                }
                revisions.Add((revision, pack));
            }
        }
        // Listed by name: revision 10 stands before revision 2.
        foreach (List<(int Revision, StoredObject Object)> revisions in _packs.Values)
            revisions.Sort((a, b) => a.Revision.CompareTo(b.Revision));
    }

    /// <summary>The packs that were rewritten, by this sweep or before, by name.</summary>
    internal IEnumerable<string> RewrittenPacks =>
        _packs.Where(p => p.Value[p.Value.Count - 1].Revision > 0).Select(p => p.Key)
            .Concat(_rewritten.Where(_packs.ContainsKey)).Distinct(StringComparer.Ordinal);

    private readonly HashSet<string> _rewritten = new(StringComparer.Ordinal);

    /// <summary>The packs that the log says were given back, as far as it was looked at.</summary>
    private readonly HashSet<string> _given = new(StringComparer.Ordinal);

    /// <summary>
    /// Deletes what is there of packs that the log says were given back: one that another optimization was rewriting at
    /// that very moment, or whose optimization died between record and deletion. And forgets that a part of them is
    /// free.
    /// </summary>
    /// <param name="given">What the records tell that were not looked at before.</param>
    /// <param name="waiting">What a lock kept the last time; tried once more.</param>
    /// <param name="free">What is free in packs that still exist.</param>
    /// <param name="points">The runs that have a manifest.</param>
    internal async Task DeleteGivenBackAsync(IReadOnlyCollection<string> given, IEnumerable<string> waiting,
        FreeSet free, IEnumerable<Run> points, CancellationToken cancellationToken)
    {
        _given.UnionWith(given);
        if (_given.Count > 0)
            free.ForgetAll((area, run, number) => _given.Contains(Layout.Pack(applianceId, area, run, number)));
        var there = new HashSet<Run>(points);
        foreach (string name in waiting.Concat(_given.Where(_packs.ContainsKey)).Distinct(StringComparer.Ordinal)
            .ToList())
        {
            // Taken for dead by another run, a run that had lost its lease may have published after all: its packs,
            // which a lock kept, are needed as long as its manifest is there.
            if (_packs.ContainsKey(name) && RunOf(name) is Run run && there.Contains(run)
                || !await DeletePackAsync(name, cancellationToken).ConfigureAwait(false)) WaitingPacks.Add(name);
        }
    }

    internal bool HasPacks(Run run) => _packsOf.ContainsKey(run);

    /// <summary>
    /// Deletes revisions that a newer one has replaced for longer than the grace. Readers take the plain name as long
    /// as it exists, also those that begin after the rewriting: one that loses its object looks the pack up again. The
    /// grace spares most of them that.
    /// </summary>
    internal async Task DeleteOldRevisionsAsync(CancellationToken cancellationToken)
    {
        foreach (List<(int Revision, StoredObject Object)> revisions in _packs.Values
            .Where(r => r[r.Count - 1].Revision > 0))
        {
            // The highest one that is whole replaced those below it. One above that is not whole is a repair's to
            // judge.
            for (int newest = revisions.Count - 1; newest > 0; newest--)
            {
                StoredObject replacement = revisions[newest].Object;
                // Both dates are the store's own.
                if (replacement.LastModifiedUtc + grace > core.Clock.UtcNow()) break;
                if (!await IsWholeAsync(replacement.Name, cancellationToken).ConfigureAwait(false)) continue;
                foreach ((int revision, StoredObject old) in revisions.Take(newest).ToList())
                {
                    if (await DeleteAsync(old.Name, old.Length, cancellationToken).ConfigureAwait(false))
                        revisions.RemoveAll(r => r.Revision == revision);
                }
                break;
            }
        }
    }

    /// <summary>Packs that nothing needs and that an object lock keeps, by name.</summary>
    internal List<string> WaitingPacks { get; } = [];

    /// <param name="free">What is free; what is given back is forgotten there.</param>
    /// <param name="deltas">Tell how many segments a pack was written with.</param>
    /// <param name="empty">Packs that are known to be empty without looking, by name, with their bytes; those that do
    /// not exist are only recorded.</param>
    /// <returns>True when anything changed.</returns>
    internal async Task<bool> SweepAsync(FreeSet free, DeltaReader deltas, IReadOnlyDictionary<string, long> empty,
        CancellationToken cancellationToken)
    {
        bool changed = false, isFull = false;
        var going = empty.ToDictionary(e => e.Key, e => (e.Value, Key: ((PackArea Area, Run Run, int Number)?)null),
            StringComparer.Ordinal);
        List<(PackArea Area, Run Run, int Pack)> touched = [.. free.Touched];
        int looked = 0;
        foreach (IGrouping<Run, (PackArea Area, Run Run, int Pack)> group in touched.GroupBy(p => p.Run).ToList())
        {
            RunDelta? delta = await deltas.ReadAsync(group.Key, cancellationToken).ConfigureAwait(false);
            foreach ((PackArea area, Run run, int number) in group)
            {
                string name = Layout.Pack(applianceId, area, run, number);
                Count("Looking what is needed of packs", looked++, touched.Count);
                if (going.ContainsKey(name)) continue;
                if (_given.Contains(name))
                {
                    free.Forget(area, run, number);
                    changed = true;
                    continue;
                }
                PackInfo? info = delta?.Packs.FirstOrDefault(p => p.Area == area && p.Number == number);
                if (info is not null && free.Count(area, run, number) >= info.Segments)
                    going[name] = (info.Bytes, (area, run, number));
                else if (!isFull)
                {
                    (bool IsEmpty, long Bytes)? repacked = null;
                    try
                    {
                        repacked = await RepackAsync(area, run, number, name, free,
                            cancellationToken).ConfigureAwait(false);
                    }
                    catch (NataliaException full) when (full.ErrorId == ErrorIds.StoreFull)
                    {
                        // First what is empty makes room; the next optimization rewrites.
                        isFull = true;
                    }
                    if (repacked is not var (isEmpty, bytes)) continue;

                    if (isEmpty) going[name] = (bytes, (area, run, number));
                    else changed = true;
                }
            }
        }
        if (going.Count == 0) return changed;
        // The record first: whoever finds a pack missing must find the reason too.
        await core.ApplianceLog(applianceId).AppendAsync(new AuditEntry(ReclaimRecords.Event)
        {
            ApplianceId = applianceId,
            Reason = "Nothing needs these packs any more.",
            WriteData = json =>
            {
                json.WriteNumber("bytes", going.Values.Sum(g => g.Value));
                json.WriteStartArray("packs");
                foreach (string name in going.Keys) json.WriteStringValue(name);
                json.WriteEndArray();
            },
        }, core.SigningSeed, cancellationToken).ConfigureAwait(false);
        int deleted = 0;
        foreach (KeyValuePair<string, (long Bytes, (PackArea Area, Run Run, int Number)? Key)> pack in going)
        {
            Count("Deleting packs", deleted++, going.Count);
            if (!await DeletePackAsync(pack.Key, cancellationToken).ConfigureAwait(false)) WaitingPacks.Add(pack.Key);
            if (pack.Value.Key is var (area, run, number)) free.Forget(area, run, number);
        }
        return true;
    }

    private void Count(string activity, int done, int all) =>
        progress?.Report(new OperationProgress(activity, done, all) { Unit = "packs" });

    /// <summary>Deletes an object and counts it.</summary>
    /// <returns>False when an object lock keeps it.</returns>
    internal async Task<bool> DeleteAsync(string name, long bytes, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            FreedBytes += bytes;
            return true;
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            Locked.Add(name);
            return false;
        }
    }

    /// <summary>A replacement is trusted with being the only copy after every byte of it was read.</summary>
    internal async Task<bool> IsWholeAsync(string name, CancellationToken cancellationToken)
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
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return false;
        }
    }

    /// <summary>
    /// Rewrites a pack that is mostly free: the same id, ordinals and sealed bytes, so that no map notices.
    /// </summary>
    /// <returns>Whether everything of it is free and how many bytes it has, or that it was rewritten; null when it
    /// stays as it is.</returns>
    private async Task<(bool IsEmpty, long Bytes)?> RepackAsync(PackArea area, Run run, int number, string name,
        FreeSet free, CancellationToken cancellationToken)
    {
        PackDirectory directory;
        try
        {
            directory = await core.PackReader(applianceId)
                .GetDirectoryAsync(area, run, number, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (IsUnreadable(damage))
        {
            return null;
        }
        Envelope old = directory.Envelope;
        var live = old.Segments.Where(s => !free.Contains(area, run, number, s.Ordinal)).ToList();
        if (live.Count == 0) return (true, old.ObjectLength);
        long liveBytes = live.Sum(s => (long)s.SealedLength), deadBytes = old.BodyLength - liveBytes;
        if (liveBytes > old.BodyLength * RepackBelow || area == PackArea.Data && core.Store.ObjectLock is not null)
        {
            // A locked pack cannot be given back before its date, so that rewriting it would only store more.
            DeadBytes += deadBytes;
            return null;
        }
        if (Layout.RevisionOf(directory.ObjectName, name) is not (int current and < int.MaxValue)) return null;
        string revised = name + ".r" + (current + 1).ToString(CultureInfo.InvariantCulture);
        var fresh = new Envelope
        {
            Kind = old.Kind,
            Cipher = old.Cipher,
            Id = old.Id,
            Header = old.Header,
            Segments = [.. live]
        };
        if (core.Store.Find<RehearsalStore>() is RehearsalStore rehearsal)
        {
            // A plan need not fetch what is to be rewritten. That such a pack is not whole shows when it is read; then
            // it stays as it is.
            _rewritten.Add(name);
            try
            {
                await rehearsal.NoteAsync(revised, fresh.ObjectLength, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
            {
                return null;
            }
            RepackedPacks++;
            RewrittenBytes += fresh.ObjectLength;
            if (grace == TimeSpan.Zero)
                await DeleteAsync(directory.ObjectName, old.ObjectLength, cancellationToken).ConfigureAwait(false);
            return (false, fresh.ObjectLength);
        }
        byte[] all;
        try
        {
            all = await core.Store.ReadAllAsync(directory.ObjectName, cancellationToken).ConfigureAwait(false);
            SmallObject.Check(all);
        }
        catch (FormatException)
        {
            return null;
        }
        catch (NataliaException damage) when (IsUnreadable(damage))
        {
            return null;
        }
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
        _rewritten.Add(name);
        try
        {
            await core.Store.PutAsync(revised, new ObjectContent(bytes),
                new PutOptions
                {
                    MustNotExist = true,
                    Class = area == PackArea.Data ? ObjectClass.Data : ObjectClass.Metadata,
                }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
        {
            return null;
        }
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        RepackedPacks++;
        RewrittenBytes += bytes.Length;
        if (grace == TimeSpan.Zero)
            await DeleteAsync(directory.ObjectName, all.Length, cancellationToken).ConfigureAwait(false);
        return (false, bytes.Length);
    }

    /// <summary>What cannot be read is not rewritten; the checks report it.</summary>
    private static bool IsUnreadable(NataliaException failure) =>
        failure.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged or ErrorIds.ObjectNotFound
            or ErrorIds.StoreReadFailed or ErrorIds.ObjectArchived;

    /// <summary>Deletes a pack with all its revisions.</summary>
    /// <returns>False when an object lock keeps one of them: locks of revisions end at different times, and nothing
    /// but the list of what waits would lead back to the one that is left.</returns>
    private async Task<bool> DeletePackAsync(string name, CancellationToken cancellationToken)
    {
        if (!_packs.TryGetValue(name, out List<(int Revision, StoredObject Object)>? revisions)) return true;
        foreach ((int revision, StoredObject item) in revisions.ToList())
        {
            if (await DeleteAsync(item.Name, item.Length, cancellationToken).ConfigureAwait(false))
                revisions.RemoveAll(r => r.Revision == revision);
        }
        if (revisions.Count > 0) return false;
        DeletedPacks++;
        _packs.Remove(name);
        if (RunOf(name) is Run run && --_packsOf[run] == 0) _packsOf.Remove(run);
        return true;
    }

    /// <summary>The run whose pack this is: the last folder of its name.</summary>
    private static Run? RunOf(string packName)
    {
        string[] parts = packName.Split('/');
        return parts.Length > 1 && Run.TryParse(parts[parts.Length - 2], out Run run) ? run : null;
    }
}
