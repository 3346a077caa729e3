using System.Globalization;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Reclaim;

/// <summary>Deletes packs of which everything is free, and rewrites those of which little is alive. Counts what it does.</summary>
internal sealed class PackSweep(RepositoryCore core, string applianceId, TimeSpan grace)
{
    /// <summary>A pack is rewritten when less than this part of it is alive.</summary>
    private const double RepackBelow = 0.4;

    internal int DeletedPacks { get; private set; }
    internal int RepackedPacks { get; private set; }
    internal long FreedBytes { get; private set; }
    internal long RewrittenBytes { get; private set; }
    internal long DeadBytes { get; private set; }

    /// <summary>The names of objects that an object lock keeps.</summary>
    internal HashSet<string> Locked { get; } = new(StringComparer.Ordinal);

    /// <summary>Packs that nothing needs and that an object lock keeps, by name.</summary>
    internal List<string> WaitingPacks { get; } = [];

    /// <summary>Tries once more to delete what a lock kept before. It is recorded already.</summary>
    internal async Task RetryAsync(IEnumerable<string> waiting, CancellationToken cancellationToken)
    {
        foreach (string name in waiting)
        {
            if (!await DeletePackAsync(name, cancellationToken).ConfigureAwait(false)) WaitingPacks.Add(name);
        }
    }

    /// <param name="free">What is free; what is given back is forgotten there.</param>
    /// <param name="deltas">Tell how many segments a pack was written with.</param>
    /// <param name="empty">Packs that are known to be empty without looking, by name, with their bytes; those that do not exist are only recorded.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>True when anything changed.</returns>
    internal async Task<bool> SweepAsync(FreeSet free, DeltaReader deltas, IReadOnlyDictionary<string, long> empty, CancellationToken cancellationToken)
    {
        bool changed = false;
        var going = empty.ToDictionary(e => e.Key, e => (e.Value, Key: ((PackArea Area, Run Run, int Number)?)null), StringComparer.Ordinal);
        foreach (IGrouping<Run, (PackArea Area, Run Run, int Pack)> group in free.Touched.GroupBy(p => p.Run).ToList())
        {
            RunDelta? delta = await deltas.ReadAsync(group.Key, cancellationToken).ConfigureAwait(false);
            foreach ((PackArea area, Run run, int number) in group)
            {
                string name = Layout.Pack(applianceId, area, run, number);
                if (going.ContainsKey(name)) continue;
                PackInfo? info = delta?.Packs.FirstOrDefault(p => p.Area == area && p.Number == number);
                if (info is not null && free.Count(area, run, number) >= info.Segments) going[name] = (info.Bytes, (area, run, number));
                else if (await RepackAsync(area, run, number, name, free, cancellationToken).ConfigureAwait(false) is var (isEmpty, bytes))
                {
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
        foreach (KeyValuePair<string, (long Bytes, (PackArea Area, Run Run, int Number)? Key)> pack in going)
        {
            if (!await DeletePackAsync(pack.Key, cancellationToken).ConfigureAwait(false)) WaitingPacks.Add(pack.Key);
            if (pack.Value.Key is var (area, run, number)) free.Forget(area, run, number);
        }
        return true;
    }

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

    /// <summary>Rewrites a pack that is mostly free: the same id, ordinals and sealed bytes, so that no map notices.</summary>
    /// <returns>Whether everything of it is free and how many bytes it has, or that it was rewritten; null when it stays as it is.</returns>
    private async Task<(bool IsEmpty, long Bytes)?> RepackAsync(PackArea area, Run run, int number, string name, FreeSet free, CancellationToken cancellationToken)
    {
        PackDirectory directory;
        try
        {
            directory = await core.PackReader(applianceId).GetDirectoryAsync(area, run, number, cancellationToken).ConfigureAwait(false);
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
        int revision = directory.ObjectName == name ? 1 : 1 + int.Parse(directory.ObjectName.Substring(name.Length + 2), CultureInfo.InvariantCulture);
        try
        {
            await core.Store.PutAsync(name + ".r" + revision.ToString(CultureInfo.InvariantCulture), new ObjectContent(bytes),
                new PutOptions { MustNotExist = true, Class = area == PackArea.Data ? ObjectClass.Data : ObjectClass.Metadata }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
        {
            return null;
        }
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        RepackedPacks++;
        RewrittenBytes += bytes.Length;
        if (grace == TimeSpan.Zero) await DeleteAsync(directory.ObjectName, all.Length, cancellationToken).ConfigureAwait(false);
        return (false, bytes.Length);
    }

    /// <summary>What cannot be read is not rewritten; the checks report it.</summary>
    private static bool IsUnreadable(NataliaException failure) => failure.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged or ErrorIds.ObjectNotFound or ErrorIds.StoreReadFailed;

    private async Task<bool> DeletePackAsync(string name, CancellationToken cancellationToken)
    {
        bool deleted = false;
        List<StoredObject> objects = await core.Store.ListAllAsync(name + ".r", cancellationToken).ConfigureAwait(false);
        if (await core.Store.StatAsync(name, cancellationToken).ConfigureAwait(false) is StoredObject first) objects.Add(first);
        foreach (StoredObject item in objects) deleted |= await DeleteAsync(item.Name, item.Length, cancellationToken).ConfigureAwait(false);
        if (!deleted && objects.Count > 0) return false;
        if (deleted) DeletedPacks++;
        return true;
    }
}
