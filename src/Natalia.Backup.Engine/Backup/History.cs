using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Copy;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// What earlier runs of an appliance left: their manifests, their records, and what dead ones stored before they
/// published anything. Used
/// with the lease held, and so by one run at a time.
/// </summary>
internal sealed class History(RepositoryCore core, ManifestReader manifests, string applianceId)
{
    /// <summary>An unfinished write that is older belongs to a process that died.</summary>
    private static readonly TimeSpan s_abandonedAfter = TimeSpan.FromHours(24);

    private readonly AuditLog _log = core.ApplianceLog(applianceId);
    private List<Run> _published = [];
    private List<AuditName> _records = [];
    private HashSet<long> _pointsInLog = [], _recorded = [];

    /// <summary>Where runs store what is no manifest, as prefixes of names that go on with the run.</summary>
    private IEnumerable<string> Rooms =>
        [Layout.Packs(applianceId, PackArea.Data), Layout.Packs(applianceId, PackArea.Meta),
            Layout.Deltas(applianceId)];

    /// <summary>The runs with a manifest, checkpoints among them, oldest first.</summary>
    internal IReadOnlyList<Run> Published => _published;

    /// <summary>The names of the log's records.</summary>
    internal List<AuditName> Records => _records;

    /// <summary>The run before the next one; null for a first one.</summary>
    internal Run? Newest => _published.Count == 0 ? null : _published[_published.Count - 1];

    /// <summary>The sequence of the next run.</summary>
    internal long NextSequence { get; private set; }

    /// <summary>Reads it, deletes what dead runs stored, and writes the records that they owe.</summary>
    /// <param name="lease">What says that other runs are dead; asked again before anything is deleted.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="NataliaException"><c>LeaseLost</c>: another run may be alive.</exception>
    internal async Task ReadAsync(Lease lease, CancellationToken cancellationToken)
    {
        _published = await manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        _records = await _log.ListAsync(cancellationToken).ConfigureAwait(false);
        var named = new HashSet<Run>(_published);
        await DropUnconfirmedAsync(cancellationToken).ConfigureAwait(false);
        await FindNextSequenceAsync(cancellationToken).ConfigureAwait(false);
        Layout.RequireNumber(NextSequence, Layout.Manifests(applianceId));
        await SweepOrphansAsync(lease, named, cancellationToken).ConfigureAwait(false);
        await core.Store.SweepAsync(s_abandonedAfter, cancellationToken).ConfigureAwait(false);
        await BackfillRecordsAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Names the next run.</summary>
    internal Run Begin()
    {
        Layout.RequireNumber(NextSequence, Layout.Manifests(applianceId));
        return new Run(NextSequence++, Id128.NewRandom());
    }

    /// <summary>A checkpoint that was published is what the next round goes on from.</summary>
    internal void Add(Run checkpoint) => _published.Add(checkpoint);

    /// <summary>The points that are not removed, by where they were first made.</summary>
    internal Task<PointsThere> ReadPointsAsync(CancellationToken cancellationToken) =>
        PointsThere.ReadAsync(core, manifests, applianceId, _published, cancellationToken);

    /// <summary>
    /// Why nothing that is there can be trusted to be the newest: points that the log knows are missing. Null when
    /// none are.
    /// </summary>
    internal async Task<string?> FindMissingAsync(CancellationToken cancellationToken)
    {
        HashSet<long> removed = await RemovedAsync(_recorded, cancellationToken).ConfigureAwait(false);
        int missing = _recorded.Count(r => !removed.Contains(r));
        return missing == 0 ? null
            : $"The log knows {missing} newer points whose manifests are missing, so that everything was stored anew. "
                + "Nothing of theirs was touched; Test-NataliaRepository names them.";
    }

    /// <summary>
    /// One more than every sequence that a manifest, a delta or a signed record used. What only claims to be one of
    /// them does not count: a name alone may be anybody's.
    /// </summary>
    private async Task FindNextSequenceAsync(CancellationToken cancellationToken)
    {
        long highest = _published.Count == 0 ? 0 : _published[_published.Count - 1].Sequence;
        // Above the newest manifest a record must be looked at: it may be all that is left of a point.
        List<AuditName> above = _records.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence > highest);
        IReadOnlyList<AuditRecord?> genuine = await _log.ReadAllAsync(above, cancellationToken).ConfigureAwait(false);
        _recorded = new HashSet<long>(above.Where((_, i) => genuine[i] is not null).Select(n => n.Sequence));
        foreach (long sequence in _recorded) highest = Math.Max(highest, sequence);
        foreach (StoredObject delta in await core.Store.ListAllAsync(Layout.Deltas(applianceId),
            Behind(Layout.Deltas(applianceId), highest), cancellationToken).ConfigureAwait(false))
        {
            if (!Run.TryParse(Layout.FileName(delta.Name), out Run run) || run.Sequence <= highest) continue;
            if (await StrangeManifests.IsDeltaGenuineAsync(core, applianceId, run, cancellationToken)
                .ConfigureAwait(false)) highest = run.Sequence;
        }
        NextSequence = highest + 1;
    }

    /// <summary>
    /// Takes away what stands above the newest manifest that is genuine and that nothing confirms: it may be
    /// anybody's, and would set the next number and be what the new point is compared with.
    /// </summary>
    private async Task DropUnconfirmedAsync(CancellationToken cancellationToken)
    {
        int end = _published.Count;
        for (int count = 1; end > 0; count = 64)
        {
            int begin = Math.Max(0, end - count);
            List<Run> group = _published.GetRange(begin, end - begin);
            IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)> read =
                await manifests.ReadAllAsync(applianceId, group, fromCatalog: false, cancellationToken)
                    .ConfigureAwait(false);
            HashSet<Run> strange = await StrangeManifests.FindUnconfirmedAsync(core, applianceId, _records,
                read.Where(r => r.Manifest is null).Select(r => r.Run), cancellationToken).ConfigureAwait(false);
            int genuine = group.FindLastIndex(r => !strange.Contains(r));
            end = begin + genuine + 1;
            if (genuine >= 0) break;
        }
        _published.RemoveRange(end, _published.Count - end);
    }

    /// <summary>Which of these points were removed on purpose.</summary>
    private async Task<HashSet<long>> RemovedAsync(HashSet<long> sequences, CancellationToken cancellationToken)
    {
        var removed = new HashSet<long>();
        if (sequences.Count == 0) return removed;
        List<AuditName> names = _records.FindAll(
            n => n.Event == AuditEvents.PointRemoved && sequences.Contains(n.Sequence));
        foreach (AuditRecord? record in await _log.ReadAllAsync(names, cancellationToken).ConfigureAwait(false))
        {
            if (record?.Sequence is long sequence) removed.Add(sequence);
        }
        return removed;
    }

    /// <summary>In a room whose names begin with runs: behind every run with a sequence up to this one.</summary>
    private static string Behind(string room, long sequence) => room + Layout.Number(sequence) + "_";

    /// <summary>
    /// Deletes what runs left that died before they published anything: with the lease held, nobody else can be
    /// writing there. A run that the log knows as a point, or whose manifest is there, is no such run:
    /// when its manifest is gone for a reason that is not ours, everything that it needs stays for the day when the
    /// manifest comes back.
    /// </summary>
    private async Task SweepOrphansAsync(Lease lease, HashSet<Run> named, CancellationToken cancellationToken)
    {
        long newest = _published.Count == 0 ? 0 : _published[_published.Count - 1].Sequence;
        bool hasHistory = _published.Count > 0 || _recorded.Count > 0
            || _records.Exists(n => n.Event == AuditEvents.PointMade);
        bool isSure = false;
        var locked = new List<string>();
        foreach (string room in Rooms)
        {
            foreach (StoredObject found in await core.Store.ListAllAsync(room, Behind(room, newest),
                cancellationToken).ConfigureAwait(false))
            {
                string token = found.Name.Substring(room.Length).Split('/')[0];
                if (!Run.TryParse(token, out Run run) || run.Sequence <= newest) continue;
                if (named.Contains(run) || _recorded.Contains(run.Sequence)) continue;
                // All manifests gone although the log knows points: then nothing at all is taken for an orphan.
                if (_published.Count == 0 && hasHistory) continue;
                // A machine may have slept since it took the lease, and what is found be of the run that has it now.
                if (!isSure) await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
                isSure = true;
                if (!await DeleteUnlockedAsync(found.Name, cancellationToken).ConfigureAwait(false)
                    && room != Layout.Deltas(applianceId))
                    locked.Add(Layout.PackOf(found.Name));
            }
        }
        await GiveBackAsync(locked, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Keeps in the log that nothing needs packs of dead runs which a lock keeps: the next point has a higher sequence,
    /// so that no run looks at them again, and optimizations try what the log says was given back until it is gone.
    /// </summary>
    private async Task GiveBackAsync(IEnumerable<string> locked, CancellationToken cancellationToken)
    {
        var packs = new SortedSet<string>(locked, StringComparer.Ordinal);
        if (packs.Count == 0) return;
        // Run after run may die: what one of them has told need not be told again.
        foreach (AuditRecord? told in await _log.ReadAllAsync(_records.FindAll(n => n.Event == ReclaimRecords.Event),
            cancellationToken).ConfigureAwait(false))
        {
            if (told is not null) packs.ExceptWith(ReclaimRecords.Packs(told));
        }
        if (packs.Count == 0) return;
        await _log.AppendAsync(new AuditEntry(ReclaimRecords.Event)
        {
            ApplianceId = applianceId,
            Reason = "A run that died left these packs, and an object lock keeps them until it ends.",
            WriteData = json =>
            {
                json.WriteStartArray("packs");
                foreach (string name in packs) json.WriteStringValue(name);
                json.WriteEndArray();
            },
        }, core.SigningSeed, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes the records of points whose run died between manifest and record, marked as late.</summary>
    private async Task BackfillRecordsAsync(CancellationToken cancellationToken)
    {
        _pointsInLog = new HashSet<long>(_records.Where(n => n.Event == AuditEvents.PointMade).Select(n => n.Sequence));
        // Only the newest run can lack its record and have a name that looks like one: each was looked at by the run
        // after it.
        if (_published.Count > 0 && _published[_published.Count - 1].Sequence is var newest
            && _pointsInLog.Contains(newest))
        {
            List<AuditName> names = _records.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence == newest);
            IReadOnlyList<AuditRecord?> made =
                await _log.ReadAllAsync(names, cancellationToken).ConfigureAwait(false);
            if (made.All(r => r is null)) _pointsInLog.Remove(newest);
        }
        List<Run> unrecorded = _published.FindAll(r => !_pointsInLog.Contains(r.Sequence));
        foreach ((Run run, PointManifest? manifest, _) in await manifests.ReadAllAsync(applianceId, unrecorded,
            fromCatalog: false, cancellationToken).ConfigureAwait(false))
        {
            // Nothing can be said of a point that cannot be read; the repository's check reports it.
            if (manifest is null) _pointsInLog.Add(run.Sequence);
            else if (!manifest.Incomplete)
                await _log.AppendAsync(Record(manifest, late: true), core.SigningSeed,
                    cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The point exists, whatever happens to its record: so neither Ctrl-C nor a store that goes away now may turn
    /// the run into a failure. The next holder of the lease writes what is missing.
    /// </summary>
    internal async Task RecordPublishedAsync(PointManifest manifest)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            await _log.AppendAsync(Record(manifest, late: false), core.SigningSeed,
                bounded.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
        }
    }

    private AuditEntry Record(PointManifest manifest, bool late) => new(AuditEvents.PointMade)
    {
        ApplianceId = applianceId,
        RestorePointId = manifest.PointId,
        Sequence = manifest.Run.Sequence,
        WriteData = json =>
        {
            if (late) json.WriteBoolean("late", true);
            json.WriteString("name", manifest.ApplianceName);
            json.WriteString("timeUtc", JsonText.Time(manifest.TimeUtc));
            json.WriteString("type", manifest.Type.ToString());
            json.WriteString("consistency", manifest.Consistency.ToString());
            json.WriteNumber("readBytes", manifest.ReadBytes);
            json.WriteNumber("storedBytes", manifest.StoredBytes);
            manifest.CopyOf?.Write(json);
            manifest.CopiedFrom?.Write(json, "copiedFrom");
        },
    };

    /// <summary>
    /// Takes back what a failed round stored. The error that ended it is what the user must see, so trouble here only
    /// leaves orphans for the next run.
    /// </summary>
    internal async Task DiscardAsync(Run run)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            foreach (string room in Rooms)
                await DeleteAllAsync(room + run, bounded.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
        }
    }

    /// <summary>
    /// The point is made: what goes wrong here leaves checkpoints for the next run to remove, or a catalog without
    /// its newest part, and is no failure.
    /// </summary>
    internal async Task TidyAsync(Run made)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        CancellationToken cancellationToken = bounded.Token;
        // A point that the log knows is no checkpoint, and what cannot be read tells nothing; the few others must be
        // looked at.
        foreach (Run run in _published.Where(r => !_pointsInLog.Contains(r.Sequence)))
        {
            try
            {
                PointManifest manifest = await manifests.ReadAsync(applianceId, run,
                    cancellationToken).ConfigureAwait(false);
                if (manifest.Incomplete)
                    await core.Store.DeleteAsync(Layout.Manifest(applianceId, run),
                        cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
            {
                // Not a checkpoint that can be told, one that a lock keeps, or a store that has gone: nobody lists a
                // checkpoint either way.
            }
        }
        try
        {
            await new PointCatalog(core, applianceId).UpdateAfterAsync(manifests,
                [.. _published.Where(r => r != made), made], cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
            // Derived: the next run that comes by writes it.
        }
    }

    private async Task DeleteAllAsync(string prefix, CancellationToken cancellationToken)
    {
        foreach (StoredObject found in await core.Store.ListAllAsync(prefix, cancellationToken).ConfigureAwait(false))
            await DeleteUnlockedAsync(found.Name, cancellationToken).ConfigureAwait(false);
    }

    /// <returns>False when an object lock keeps it.</returns>
    private async Task<bool> DeleteUnlockedAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            // Goes when its lock has ended.
            return false;
        }
    }
}
