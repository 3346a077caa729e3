using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Verification;

/// <summary>
/// Checks every object of a repository, without a password: is it whole, is it what its name says, is everything there
/// that others name. One result for each kind of object in each place, and one for each object that is not as it should
/// be.
/// </summary>
internal sealed class RepositoryCheck(RepositoryCore core, bool full, IProgress<OperationProgress>? progress)
{
    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int RevisionsAtOnce = 16;

    /// <summary>The header of most packs is shorter.</summary>
    private const int FirstRead = 64 * 1024;

    private readonly Dictionary<string, AuditRecord> _records = new(StringComparer.Ordinal);
    private readonly Dictionary<string, KeySlotHeader> _slots = new(StringComparer.Ordinal);
    private Hash256? _settingsHash;
    private long _doneBytes, _totalBytes;

    internal async IAsyncEnumerable<CheckResult> ExecuteAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<StoredObject> all = await core.Store.ListAllAsync("", cancellationToken).ConfigureAwait(false);
        _totalBytes = full ? all.Sum(o => o.Length) : 0;

        foreach (CheckResult result in await CheckSettingsAsync(cancellationToken).ConfigureAwait(false))
            yield return result;
        foreach (CheckResult result in await CheckSmallAsync("KeySlots", Layout.Keys,
            all.Where(o => In(o, Layout.Keys)), CheckKeySlot, cancellationToken).ConfigureAwait(false))
            yield return result;
        foreach (CheckResult result in await CheckSmallAsync("AuditRecords", Layout.RepositoryLog,
            all.Where(o => In(o, Layout.RepositoryLog)), CheckRecord, cancellationToken).ConfigureAwait(false))
            yield return result;

        if (CheckUnknownSlots() is CheckResult unknown) yield return unknown;
        foreach (CheckResult result in await CheckLostSlotsAsync(cancellationToken).ConfigureAwait(false))
            yield return result;
        foreach (CheckResult result in CheckChain(Layout.RepositoryLog, [])) yield return result;

        foreach (IGrouping<string, StoredObject> room in all.Where(o => In(o, Layout.Appliances))
            .GroupBy(o => o.Name.Substring(Layout.Appliances.Length).Split('/')[0]))
        {
            if (!ApplianceIdentity.IsValid(room.Key)) continue;
            foreach (CheckResult result in await CheckApplianceAsync(room.Key, room.ToList(),
                cancellationToken).ConfigureAwait(false))
                yield return result with { ApplianceId = room.Key };
        }

        foreach (StoredObject stranger in all.Where(o => !IsKnown(o.Name)))
        {
            yield return Result("UnknownObject", CheckOutcome.Warning, stranger.Name,
                $"'{stranger.Name}' ({ByteSize.Format(stranger.Length)}) is not part of the repository. It does "
                + "no harm, but somebody put it there.",
                null, default);
        }
    }

    private async Task<IReadOnlyList<CheckResult>> CheckSettingsAsync(CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(Layout.Settings, cancellationToken).ConfigureAwait(false);
            RepositorySettings.Decode(bytes, core.Store.Location);
            _settingsHash = Hash256.Of(bytes);
            Count(bytes.Length);
            return [Result("Settings", CheckOutcome.Passed, Layout.Settings, null, null, Elapsed(started))];
        }
        catch (NataliaException damage)
            when (damage.ErrorId is ErrorIds.RepositoryDamaged or ErrorIds.NotARepository
                or ErrorIds.RepositoryFormatTooNew or ErrorIds.ObjectNotFound)
        {
            return [Result("Settings", CheckOutcome.Failed, Layout.Settings, damage.Message, damage.ErrorId,
                Elapsed(started))];
        }
        catch (FormatException damage)
        {
            return [Result("Settings", CheckOutcome.Failed, Layout.Settings,
                $"'{Layout.Settings}' is damaged: {damage.Message}", ErrorIds.RepositoryDamaged, Elapsed(started))];
        }
    }

    private async Task<IReadOnlyList<CheckResult>> CheckApplianceAsync(string appliance, List<StoredObject> objects,
        CancellationToken cancellationToken)
    {
        var results = new List<CheckResult>();
        string root = Layout.Appliance(appliance);
        var lengths = objects.ToDictionary(o => o.Name, o => o.Length, StringComparer.Ordinal);
        var hashes = new Dictionary<string, Hash256>(StringComparer.Ordinal);
        var deltas = new Dictionary<Run, RunDelta>();
        var manifests = new Dictionary<Run, (Hash256 Delta, bool Incomplete)>();
        List<AuditName> records = objects.Where(o => In(o, root + "log/")).Select(o => AuditName.Parse(o.Name))
            .Where(n => n is not null).ToList()!;
        var reclaimed = new HashSet<string>(StringComparer.Ordinal);
        var anchors = new List<string>();

        results.AddRange(await CheckSmallAsync("AuditRecords", root,
            objects.Where(o => In(o, root + "log/")), (name, bytes) =>
        {
            CheckRecord(name, bytes);
            foreach (string pack in ReclaimRecords.Packs(_records[name])) reclaimed.Add(pack);
        }, cancellationToken).ConfigureAwait(false));
        results.AddRange(await CheckSmallAsync("Deltas", root,
            objects.Where(o => In(o, root + "delta/")), (name, bytes) =>
        {
            Run run = ParseRun(name);
            deltas[run] = RunDelta.Decode(bytes, appliance, run);
            hashes[name] = SmallObject.Trailer(bytes);
        }, cancellationToken).ConfigureAwait(false));
        records.RemoveAll(r => !_records.ContainsKey(r.ObjectName));
        var recorded = new HashSet<string?>(records.Select(r => _records[r.ObjectName].RestorePointId),
            StringComparer.Ordinal);
        List<CheckResult> manifestResults = await CheckSmallAsync("Manifests", root,
            objects.Where(o => In(o, root + "points/")), (name, bytes) =>
        {
            Run run = ParseRun(name);
            Envelope envelope = SmallObject.Check(bytes, ObjectKind.Manifest);
            using JsonDocument header = JsonText.Parse(envelope.Header);
            JsonElement h = header.RootElement;
            if (h.ReadString("appliance") != appliance || h.ReadLong("sequence") != run.Sequence
                || h.ReadId("run") != run.Id)
                throw new FormatException("The manifest is not the one that its name says.");
            manifests[run] = (h.ReadHash("delta"), h.ReadBool("incomplete"));
            anchors.AddRange(h.ReadArray("logHeads").Select(a => a.ReadText()));
        }, cancellationToken).ConfigureAwait(false);
        results.AddRange(TellOnce(manifestResults, Layout.Manifests(appliance),
            r => !Run.TryParse(Layout.FileName(r.Target ?? ""), out Run run) || !recorded.Contains(run.Id.ToString())));
        results.AddRange(await CheckSmallAsync("Leases", root,
            objects.Where(o => In(o, root + "leases/") || In(o, root + "readers/")),
            (_, bytes) => SmallObject.Check(bytes, ObjectKind.Lease), cancellationToken).ConfigureAwait(false));
        var standIns = new HashSet<Run>();
        var after = new Dictionary<Run, (long Number, Run? After)>();
        results.AddRange(await CheckSmallAsync("Catalogs", root,
            objects.Where(o => In(o, root + "catalog/")), (name, bytes) =>
        {
            SmallObject.Check(bytes, ObjectKind.Catalog);
            if (!DeltaReader.TryParseStandIn(name, out Run run, out long number)) return;
            RunDelta delta = RunDelta.Decode(bytes, appliance, run, ObjectKind.Catalog);
            standIns.Add(run);
            if (!after.TryGetValue(run, out (long Number, Run? After) other) || other.Number < number)
                after[run] = (number, delta.After);
            if (!deltas.ContainsKey(run)) deltas[run] = delta;
        }, cancellationToken).ConfigureAwait(false));
        long newest = manifests.Keys.Select(r => r.Sequence).DefaultIfEmpty(0).Max();
        var made = new HashSet<long>(records.Where(r => r.Event == AuditEvents.PointMade).Select(r => r.Sequence));
        results.AddRange(await CheckPacksAsync(appliance, objects, deltas,
            run => run.Sequence > newest && !made.Contains(run.Sequence), lengths, reclaimed,
            cancellationToken).ConfigureAwait(false));
        results.AddRange(CheckLinks(appliance, manifests, hashes, standIns, records));
        results.AddRange(CheckLine(manifests.Keys,
            run => after.TryGetValue(run, out (long Number, Run? After) standIn)
                ? standIn.After
                : deltas.TryGetValue(run, out RunDelta? delta) ? delta.After : null));
        results.AddRange(CheckChain(Layout.Log(appliance), anchors));
        return results;
    }

    /// <summary>
    /// Of damaged manifests that the log knows as no points there may be thousands, put there by anybody: they are one
    /// result.
    /// </summary>
    private List<CheckResult> TellOnce(List<CheckResult> results, string room, Func<CheckResult, bool> isStrange)
    {
        List<CheckResult> strange = results.FindAll(r => r.Result == CheckOutcome.Failed && isStrange(r));
        if (strange.Count < 2) return results;
        results.RemoveAll(strange.Contains);
        results.Add(strange[0] with
        {
            Target = room,
            Detail = $"{strange.Count} objects under '{room}' are damaged, or no manifests, and the audit log does "
                + $"not know them as restore points. {strange[0].Detail}",
        });
        return results;
    }

    /// <summary>Is everything there that manifests and records name.</summary>
    private List<CheckResult> CheckLinks(string appliance, Dictionary<Run, (Hash256 Delta, bool Incomplete)> manifests,
        Dictionary<string, Hash256> deltaHashes, HashSet<Run> standIns, List<AuditName> records)
    {
        long started = Stopwatch.GetTimestamp();
        var results = new List<CheckResult>();
        foreach (KeyValuePair<Run, (Hash256 Delta, bool Incomplete)> manifest in manifests)
        {
            // Made again by a repair: what a restore and an optimization need is there.
            if (standIns.Contains(manifest.Key)) continue;
            string delta = Layout.Delta(appliance, manifest.Key);
            if (!deltaHashes.TryGetValue(delta, out Hash256 hash))
                results.Add(Result("Links", CheckOutcome.Failed, delta,
                    $"The delta '{delta}', which a manifest names, is missing or damaged.", ErrorIds.DeltaDamaged,
                    default));
            else if (hash != manifest.Value.Delta)
                results.Add(Result("Links", CheckOutcome.Failed, delta,
                    $"The delta '{delta}' is not the one that its manifest names.", ErrorIds.DeltaDamaged, default));
        }
        // By their ids: of two points with one sequence, the manifest of the one says nothing of the other.
        HashSet<Run> present = [.. manifests.Keys];
        var removed = new HashSet<string?>(records.Where(r => r.Event == AuditEvents.PointRemoved)
            .Select(r => _records[r.ObjectName].RestorePointId), StringComparer.Ordinal);
        foreach (AuditName made in records
            .Where(r => r.Event == AuditEvents.PointMade && _records[r.ObjectName] is { } record
                && !MissingManifests.IsThere(record, present) && !removed.Contains(record.RestorePointId)))
            results.Add(Result("Links", CheckOutcome.Failed, made.ObjectName,
                $"The manifest of the point with sequence {made.Sequence} is missing or damaged, although the log "
                + "says that the point was made and never removed.",
                ErrorIds.ManifestDamaged, default));
        if (results.Count == 0)
            results.Add(Result("Links", CheckOutcome.Passed, Layout.Appliance(appliance),
                $"{Plural.Count(manifests.Count, "manifest")} and {Plural.Count(records.Count, "audit record")} agree "
                + "with what is there.", null,
                Elapsed(started)));
        return results;
    }

    /// <summary>
    /// Was every point made by a run that knew of the one below. Where nothing tells what a run was made after, nothing
    /// is said.
    /// </summary>
    private List<CheckResult> CheckLine(IEnumerable<Run> manifests, Func<Run, Run?> after)
    {
        var results = new List<CheckResult>();
        Run[] runs = manifests.OrderBy(r => r.ToString(), StringComparer.Ordinal).ToArray();
        for (int i = 1; i < runs.Length; i++)
        {
            Run lower = runs[i - 1];
            Run? at = runs[i];
            while (at is Run run && run.Sequence > lower.Sequence) at = after(run);
            if (at is null || at == lower) continue;
            // Made after the other one of two with the same sequence: those are told already.
            if (runs[i].Sequence != lower.Sequence && i > 1 && runs[i - 2].Sequence == lower.Sequence) continue;
            results.Add(Result("Links", CheckOutcome.Warning, runs[i].ToString(),
                $"{Forks.Describe(lower, runs[i])} Space may not be given back until that is mended. "
                + $"{Forks.Remedy(lower, runs[i])}",
                null, default));
        }
        return results;
    }

    private async Task<List<CheckResult>> CheckPacksAsync(string appliance, List<StoredObject> objects,
        Dictionary<Run, RunDelta> deltas, Func<Run, bool> isUnfinished, Dictionary<string, long> lengths,
        HashSet<string> reclaimed, CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        string root = Layout.Appliance(appliance);
        var results = new List<CheckResult>();
        var expected = new Dictionary<string, PackInfo>(StringComparer.Ordinal);
        List<StoredObject> packs = objects.Where(o => In(o, root + "data/") || In(o, root + "meta/")).ToList();
        ILookup<string, StoredObject> revisions = packs
            .Where(o => Layout.RevisionOf(o.Name, Layout.PackOf(o.Name)) > 0)
            .ToLookup(o => Layout.PackOf(o.Name), StringComparer.Ordinal);
        var rewritten = new List<(string Name, PackArea Area)>();
        foreach (RunDelta delta in deltas.Values)
        {
            foreach (PackInfo pack in delta.Packs)
            {
                string name = Layout.Pack(appliance, pack.Area, delta.Run, pack.Number);
                expected[name] = pack;
                if (lengths.TryGetValue(name, out long length))
                {
                    if (length != pack.Bytes)
                        results.Add(Result("Packs", CheckOutcome.Failed, name,
                            $"The pack '{name}' has {length} bytes and should have {pack.Bytes}.",
                            ErrorIds.ObjectDamaged, default));
                }
                else if (reclaimed.Contains(name)) continue;
                else if (revisions.Contains(name)) rewritten.Add((name, pack.Area));
                else
                {
                    results.Add(isUnfinished(delta.Run)
                        ? Result("Packs", CheckOutcome.Warning, name,
                            $"The pack '{name}' is missing. No point needs it: its run is at work, or ended before it "
                            + "made one, and the next backup removes what it left.",
                            null, default)
                        : Result("Packs", CheckOutcome.Failed, name, $"The pack '{name}' is missing.",
                            ErrorIds.PackMissing, default));
                }
            }
        }
        // How long a rewritten pack should be stands nowhere but in itself.
        CheckResult?[] damage = full
            ? await InParallel.SelectAsync(packs, Math.Max(2, Environment.ProcessorCount),
                pack => CheckPackAsync(pack, expected, cancellationToken), cancellationToken).ConfigureAwait(false)
            : await InParallel.SelectAsync(rewritten, RevisionsAtOnce,
                pack => CheckRevisionsAsync(pack.Name, pack.Area, revisions[pack.Name], cancellationToken),
                cancellationToken).ConfigureAwait(false);
        results.AddRange(damage.Where(d => d is not null && d.Result != CheckOutcome.Skipped)!);
        // Thousands of packs are one line: none of them was read, for one reason.
        CheckResult[] archived = damage.Where(d => d?.Result == CheckOutcome.Skipped).ToArray()!;
        if (archived.Length > 0) results.Add(archived[0] with
        {
            Target = root,
            Detail = $"{archived.Length} of {Plural.Count(packs.Count, "pack")} "
                + Plural.Of(archived.Length, "lies in an archive class and was", "lie in an archive class and were")
                + " not read.",
        });
        if (results.Count == 0)
            results.Add(Result("Packs", CheckOutcome.Passed, root,
                full
                    ? $"{Plural.Count(packs.Count, "pack")} ({packs.Sum(p => p.Length)} bytes) "
                        + Plural.Of(packs.Count, "was read and is whole.", "were read and are whole.")
                    : $"{Plural.Count(packs.Count, "pack")} "
                        + Plural.Of(packs.Count, "is there in its right length; it was not read.",
                            "are there in their right length; they were not read."),
                null, Elapsed(started)));
        return results;
    }

    /// <summary>Of the objects that a rewritten pack may lie in, readers take the highest one that is whole: is there
    /// one in its right length.</summary>
    private async Task<CheckResult?> CheckRevisionsAsync(string name, PackArea area,
        IEnumerable<StoredObject> revisions, CancellationToken cancellationToken)
    {
        CheckResult? first = null;
        foreach (StoredObject item in revisions.OrderByDescending(o => Layout.RevisionOf(o.Name, name)))
        {
            try
            {
                Envelope envelope = await ReadEnvelopeAsync(item.Name, cancellationToken).ConfigureAwait(false);
                if (envelope.Kind != (area == PackArea.Data ? ObjectKind.DataPack : ObjectKind.MetaPack))
                    throw new FormatException($"The object is a {envelope.Kind}.");
                if (envelope.ObjectLength == item.Length) return null;
                throw new FormatException($"It has {item.Length} bytes and should have {envelope.ObjectLength}.");
            }
            catch (FormatException damage)
            {
                first ??= Result("Packs", CheckOutcome.Failed, item.Name,
                    $"The pack '{item.Name}' is damaged: {damage.Message}", ErrorIds.ObjectDamaged, default);
            }
            catch (NataliaException archived) when (archived.ErrorId == ErrorIds.ObjectArchived)
            {
                return Result("Packs", CheckOutcome.Skipped, item.Name,
                    $"The pack '{item.Name}' lies in an archive class and was not read.", ErrorIds.ObjectArchived,
                    default);
            }
            catch (NataliaException failure) when (ObjectStoreReading.IsOfOneObject(failure))
            {
                first ??= Result("Packs", CheckOutcome.Failed, item.Name, failure.Message, failure.ErrorId, default);
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Replaced, or given back, since it was listed.
                return null;
            }
        }
        return first;
    }

    private async Task<Envelope> ReadEnvelopeAsync(string name, CancellationToken cancellationToken)
    {
        var bytes = new byte[FirstRead];
        int read = await core.Store.ReadAsync(name, 0, bytes, cancellationToken).ConfigureAwait(false);
        int prefix = Envelope.PrefixLength(bytes.AsSpan(0, read));
        if (prefix > ObjectLimits.PackPrefix)
            throw new FormatException("The object's header is larger than that of any pack.");
        if (prefix > read && read == bytes.Length)
        {
            bytes = new byte[prefix];
            read = await core.Store.ReadAsync(name, 0, bytes, cancellationToken).ConfigureAwait(false);
        }
        if (prefix > read) throw new FormatException("The object ends inside its header.");
        return Envelope.Parse(bytes.AsSpan(0, prefix));
    }

    private async Task<CheckResult?> CheckPackAsync(StoredObject pack, Dictionary<string, PackInfo> expected,
        CancellationToken cancellationToken)
    {
        try
        {
            (Envelope envelope, Hash256 hash) = await ReadWholeAsync(pack, cancellationToken).ConfigureAwait(false);
            if (envelope.Kind is not (ObjectKind.DataPack or ObjectKind.MetaPack))
                throw new FormatException($"The object is a {envelope.Kind}.");
            if (expected.TryGetValue(pack.Name, out PackInfo? info) && (hash != info.Hash || envelope.Id != info.Id))
                throw new FormatException("It is not the one that its run wrote.");
            return null;
        }
        catch (FormatException damage)
        {
            return Result("Packs", CheckOutcome.Failed, pack.Name,
                $"The pack '{pack.Name}' is damaged: {damage.Message}", ErrorIds.ObjectDamaged, default);
        }
        catch (NataliaException archived) when (archived.ErrorId == ErrorIds.ObjectArchived)
        {
            return Result("Packs", CheckOutcome.Skipped, pack.Name,
                $"The pack '{pack.Name}' lies in an archive class and was not read.", ErrorIds.ObjectArchived, default);
        }
        catch (NataliaException failure) when (ObjectStoreReading.IsOfOneObject(failure))
        {
            return Result("Packs", CheckOutcome.Failed, pack.Name, failure.Message, failure.ErrorId, default);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }

    /// <summary>Reads an object as a stream, its checksum on the way.</summary>
    private async Task<(Envelope Envelope, Hash256 Hash)> ReadWholeAsync(StoredObject item,
        CancellationToken cancellationToken)
    {
        ObjectLimits.Require(item.Name, item.Length);
        using Stream stream = await core.Store.OpenReadAsync(item.Name, cancellationToken).ConfigureAwait(false);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var fixedFields = new byte[Envelope.FixedLength];
        if (item.Length == 0) Envelope.PrefixLength([]);
        await ReadExactlyAsync(stream, fixedFields, fixedFields.Length, cancellationToken).ConfigureAwait(false);
        int prefixLength = Envelope.PrefixLength(fixedFields);
        if (prefixLength > item.Length) throw new FormatException("The object ends inside its header.");
        var prefix = new byte[prefixLength];
        fixedFields.CopyTo(prefix, 0);
        byte[] rest = new byte[prefix.Length - fixedFields.Length];
        await ReadExactlyAsync(stream, rest, rest.Length, cancellationToken).ConfigureAwait(false);
        rest.CopyTo(prefix, fixedFields.Length);
        Envelope envelope = Envelope.Parse(prefix);
        if (envelope.ObjectLength != item.Length)
            throw new FormatException($"It has {item.Length} bytes and should have {envelope.ObjectLength}.");
        hash.AppendData(prefix);
        byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            for (long left = envelope.BodyLength; left > 0;)
            {
                int part = (int)Math.Min(left, 1 << 20);
                await ReadExactlyAsync(stream, buffer, part, cancellationToken).ConfigureAwait(false);
                hash.AppendData(buffer, 0, part);
                left -= part;
                Count(part);
            }
            await ReadExactlyAsync(stream, buffer, Envelope.TrailerLength, cancellationToken).ConfigureAwait(false);
            Hash256 computed = Hash256.Read(hash.GetHashAndReset());
            if (computed != Hash256.Read(buffer)) throw new FormatException("Its checksum is wrong.");
            return (envelope, computed);
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task ReadExactlyAsync(Stream stream, byte[] buffer, int count,
        CancellationToken cancellationToken)
    {
        for (int at = 0; at < count;)
        {
            int read = await stream.ReadAsync(buffer, at, count - at, cancellationToken).ConfigureAwait(false);
            if (read == 0) throw new FormatException("The object ends too early.");
            at += read;
        }
    }

    /// <summary>
    /// Reads objects whole, whatever the depth of the check: they are small, and hold what everything else hangs on.
    /// </summary>
    private async Task<List<CheckResult>> CheckSmallAsync(string name, string target, IEnumerable<StoredObject> objects,
        Action<string, byte[]> check, CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        var results = new List<CheckResult>();
        int count = 0;
        foreach (StoredObject item in objects)
        {
            try
            {
                byte[] bytes = await core.Store.ReadAllAsync(item.Name, cancellationToken).ConfigureAwait(false);
                count++;
                Count(bytes.Length);
                check(item.Name, bytes);
            }
            catch (FormatException damage)
            {
                results.Add(Result(name, CheckOutcome.Failed, item.Name, $"'{item.Name}' is damaged: {damage.Message}",
                    ErrorIds.ObjectDamaged, default));
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Deleted by another run between the listing and now.
            }
            catch (NataliaException failure) when (ObjectStoreReading.IsOfOneObject(failure))
            {
                results.Add(Result(name, CheckOutcome.Failed, item.Name, failure.Message, failure.ErrorId, default));
            }
        }
        if (results.Count == 0 && count > 0)
            results.Add(Result(name, CheckOutcome.Passed, target,
                $"{Plural.Count(count, "object")} {Plural.Of(count, "is", "are")} whole.", null, Elapsed(started)));
        return results;
    }

    private void CheckKeySlot(string name, byte[] bytes)
    {
        KeySlotHeader slot = KeySlot.Describe(bytes, _settingsHash);
        if (slot.Id.ToString() != Layout.FileName(name))
            throw new FormatException("The key slot is not the one that its name says.");
        _slots[slot.Id.ToString()] = slot;
    }

    /// <summary>
    /// The log has a record of every slot but the first, which is made with the repository. More without one were put
    /// there by somebody who has no password.
    /// </summary>
    private CheckResult? CheckUnknownSlots()
    {
        var added = new HashSet<string>(_records.Values.Where(r => r.Event == AuditEvents.KeyAdded)
            .Select(r => KeyRing.KeyOf(r) ?? ""),
            StringComparer.Ordinal);
        string[] unknown = [.. _slots.Keys.Where(k => !added.Contains(k)).OrderBy(k => k, StringComparer.Ordinal)];
        return unknown.Length < 2 ? null : Result("KeySlots", CheckOutcome.Warning, Layout.Keys,
            $"The audit log has no record of {unknown.Length} key slots, and should have none of one only, the first: "
            + $"{string.Join(", ", unknown.Take(5))}{(unknown.Length > 5 ? ", …" : "")}. Somebody without a password "
            + "may have put the others there. "
            + "They open nothing, but slow down connecting. Get-NataliaRepositoryKey tells which one your password "
            + "opens (IsProven).",
            null, default);
    }

    /// <summary>
    /// Is every slot there that the log says was added and not removed since, and one at all that is whole: without
    /// one nobody opens the repository any more.
    /// </summary>
    private async Task<List<CheckResult>> CheckLostSlotsAsync(CancellationToken cancellationToken)
    {
        var results = new List<CheckResult>();
        bool isAllThere = KeyRing.Added(_records.Values).All(_slots.ContainsKey);
        foreach (string key in isAllThere
            ? []
            : await KeyRing.FindLostAsync(core, _slots.ContainsKey, cancellationToken).ConfigureAwait(false))
            results.Add(Result("KeySlots", CheckOutcome.Failed, Layout.Keys + key,
                $"The key slot '{Layout.Keys + key}' is missing or a link, although the log says that it was added and "
                + $"never removed: its password opens nothing. {KeyRing.LostRemedy}",
                ErrorIds.KeySlotNotFound, default));
        if (_slots.Count == 0)
            results.Add(Result("KeySlots", CheckOutcome.Failed, Layout.Keys,
                $"There is no whole key slot under '{Layout.Keys}'. Put back a copy of one: without it, nothing in "
                + "the repository can be read.",
                ErrorIds.KeySlotNotFound, default));
        return results;
    }

    private void CheckRecord(string name, byte[] bytes) =>
        _records[name] = AuditLog.Decode(bytes,
            AuditName.Parse(name) ?? throw new FormatException("Its name is not that of an audit record."),
            core.Settings.AuditKey);

    /// <summary>Is every record there that a later one, or a manifest, has seen.</summary>
    private IEnumerable<CheckResult> CheckChain(string prefix, IEnumerable<string> anchors)
    {
        List<KeyValuePair<string, AuditRecord>> log = _records
            .Where(r => r.Key.StartsWith(prefix, StringComparison.Ordinal))
            .OrderBy(r => r.Value.Number).ToList();
        var present = new HashSet<string>(log.Select(r => r.Value.RecordHash), StringComparer.Ordinal);
        foreach (KeyValuePair<string, AuditRecord> record in log)
        {
            foreach (string head in record.Value.Heads.Where(h => !present.Contains(h)))
                yield return Broken(record.Key,
                    $"The audit record before number {record.Value.Number} of {prefix} (hash {head}) is missing or "
                    + "damaged.");
        }
        foreach (string anchor in anchors.Where(a => !present.Contains(a)).Distinct(StringComparer.Ordinal))
            yield return Broken(prefix,
                $"The audit record with hash {anchor}, which a restore point has seen, is missing or damaged.");

        CheckResult Broken(string target, string detail) =>
            Result("AuditChain", CheckOutcome.Failed, target,
                detail + " What it recorded (a removal, a protection, a setting) has no effect any more.",
                ErrorIds.ObjectDamaged, default);
    }

    private static Run ParseRun(string name) =>
        Run.TryParse(Layout.FileName(name), out Run run)
            ? run
            : throw new FormatException("Its name is not that of a run.");

    private static bool In(StoredObject item, string prefix) => item.Name.StartsWith(prefix, StringComparison.Ordinal);

    private static bool IsKnown(string name)
    {
        if (name == Layout.Settings || name.StartsWith(Layout.Probes, StringComparison.Ordinal)
            || name.StartsWith(Layout.Keys, StringComparison.Ordinal)
            || name.StartsWith(Layout.RepositoryLog, StringComparison.Ordinal))
            return true;
        if (!name.StartsWith(Layout.Appliances, StringComparison.Ordinal)) return false;
        string[] parts = name.Split('/');
        return parts.Length >= 4 && ApplianceIdentity.IsValid(parts[1])
            && parts[2] is "data" or "meta" or "delta" or "points" or "log" or "leases" or "readers"
                or "catalog";
    }

    private void Count(long bytes) =>
        progress?.Report(new OperationProgress($"Checking {core.Options.Label}", Interlocked.Add(ref _doneBytes, bytes),
            full ? _totalBytes : null));

    private static TimeSpan Elapsed(long started) =>
        TimeSpan.FromSeconds((Stopwatch.GetTimestamp() - started) / (double)Stopwatch.Frequency);

    private CheckResult Result(string name, CheckOutcome outcome, string? target, string? detail, string? errorId,
        TimeSpan duration) =>
        new()
        {
            Name = name,
            Result = outcome,
            Target = target,
            Detail = detail,
            ErrorId = errorId,
            Duration = duration,
            RepositoryId = core.RepositoryId,
            ApplianceId = ApplianceOf(target),
        };

    private static string? ApplianceOf(string? target) =>
        target?.Split('/') is { Length: > 2 } parts && target.StartsWith(Layout.Appliances, StringComparison.Ordinal)
        && ApplianceIdentity.IsValid(parts[1])
            ? parts[1]
            : null;
}
