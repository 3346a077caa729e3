using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Repairs one appliance's part: finds out what its manifests need and what of that is lost, notes it, makes again what can be derived, and gives back what nobody needs.
/// Holds the lease while it changes anything, so that no backup writes meanwhile; reading every byte comes before that. May die at any moment: what it has done by then is right by itself, and the next one goes on.
/// </summary>
internal sealed class ApplianceRepair(RepositoryCore core, RereadStore store, string applianceId, string? applianceName, RepairOptions options, bool isLogBroken, IProgress<OperationProgress>? progress)
{
    private const int MaximumExtents = 1000;

    /// <summary>What the reason of a removal begins with that a repair was asked for.</summary>
    private const string ByRepair = "A repair: ";

    private readonly ManifestReader _manifests = new(core);
    private readonly PackSweep _sweep = new(core, applianceId, PackSweep.DefaultGrace);
    private readonly List<RepairFinding> _findings = [];
    private readonly HashSet<Run> _gone = [], _givenUp = [];
    private DeltaReader _deltas = null!;
    private PackInventory _inventory = null!;
    private RepairAnalysis _analysis = null!;
    private PointStates _states = null!;
    private IReadOnlyList<RenewalRecord> _renewals = [];
    private Dictionary<string, string> _rotten = new(StringComparer.Ordinal);
    private List<AuditName> _log = [];
    private Dictionary<string, PointManifest>? _catalog;
    private readonly List<AuditRecord> _lostManifests = [];
    private readonly List<Run> _damagedManifests = [];
    private long _done, _unneeded;
    private bool _mayBeWritten;
    private HashSet<Run>? _lostAtFirst;
    private int _removed;

    internal IReadOnlyList<RepairFinding> Findings => _findings;
    internal int WholePoints { get; private set; }
    internal int LostPoints { get; private set; }
    internal int RemovedPoints => _removed;
    internal long UnneededBytes => _unneeded;
    internal long FreedBytes => _sweep.FreedBytes;

    internal async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        if (options.Full) await ScrubAsync(cancellationToken).ConfigureAwait(false);
        if (options.WhatIf)
        {
            _mayBeWritten = await Lease.IsOpenAsync(core.Store, applianceId, cancellationToken).ConfigureAwait(false);
            if (_mayBeWritten) _findings.Add(Finding(RepairFindingKind.LeaseStale) with { Object = Layout.Leases(applianceId), Detail = "A lease is open: either a run is at work, or one died. A repair waits for none, and takes over the lease of a dead one when it has run out." });
            await RepairAsync(null, cancellationToken).ConfigureAwait(false);
            return;
        }
        // Who gives points up is told of no protection that comes while it looks, so none is granted.
        Lease lease = await core.AcquireLeaseAsync(applianceId, options.RemoveLost ? LeasePurposes.Removal : LeasePurposes.Repair, cancellationToken).ConfigureAwait(false);
        if (lease.WasTakenOver) _findings.Add(Finding(RepairFindingKind.LeaseStale) with { Object = Layout.Leases(applianceId), Action = RepairAction.Removed, Detail = "A run died and left its lease; it was taken over." });
        await using (lease.ConfigureAwait(false)) await RepairAsync(lease, cancellationToken).ConfigureAwait(false);
    }

    private async Task ScrubAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken).ConfigureAwait(false);
        long total = _inventory.All.Sum(p => p.StoredBytes), done = 0;
        _rotten = await PackScrub.RunAsync(core, _inventory, bytes => progress?.Report(new OperationProgress($"Reading every byte of {Name}", Interlocked.Add(ref done, bytes), total)), cancellationToken).ConfigureAwait(false);
    }

    private async Task RepairAsync(Lease? lease, CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken).ConfigureAwait(false);
        if (await UncoverAsync(lease, cancellationToken).ConfigureAwait(false)) await LoadAsync(cancellationToken).ConfigureAwait(false);
        _log = await core.ApplianceLog(applianceId).ListAsync(cancellationToken).ConfigureAwait(false);
        List<(Run Run, PointManifest? Manifest)> listed = await ListAsync(cancellationToken).ConfigureAwait(false);
        await FindLostManifestsAsync(listed, lease, cancellationToken).ConfigureAwait(false);
        listed.Sort((a, b) => string.CompareOrdinal(a.Run.ToString(), b.Run.ToString()));
        await RemoveStaleCheckpointsAsync(listed, lease, cancellationToken).ConfigureAwait(false);
        await AnalyzeAsync(listed, cancellationToken).ConfigureAwait(false);
        if (await ForgetGivenUpAsync(lease, cancellationToken).ConfigureAwait(false)) await AnalyzeAsync(listed, cancellationToken).ConfigureAwait(false);

        if (options.RemoveLost && lease is not null && _analysis.Walks.Exists(w => w.IsLost))
        {
            // Nothing is given up that was not looked for twice: an optimization may have moved it under our eyes.
            _lostAtFirst = [.. _analysis.Walks.Where(w => w.IsLost).Select(w => w.Run)];
            await LoadAsync(cancellationToken).ConfigureAwait(false);
            await AnalyzeAsync(listed, cancellationToken).ConfigureAwait(false);
        }
        int before = _gone.Count;
        await ReportPointsAsync(lease, cancellationToken).ConfigureAwait(false);
        // Without the points that went, more is free: what they alone needed, and what they hid.
        if (_gone.Count > before) await AnalyzeAsync(listed, cancellationToken).ConfigureAwait(false);
        await ReportPacksAsync(lease, cancellationToken).ConfigureAwait(false);
        await RebuildDeltasAsync(lease, cancellationToken).ConfigureAwait(false);
        await SweepAsync(listed, lease, cancellationToken).ConfigureAwait(false);
        if (lease is not null) await RecordAsync(cancellationToken).ConfigureAwait(false);
    }

    private string Name => applianceName ?? applianceId;

    /// <summary>Nobody may read of a deed that was only planned.</summary>
    private string Would(string done, string planned) => options.WhatIf ? planned : done;

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        _deltas = new DeltaReader(core, applianceId);
        await _deltas.LoadAsync(cancellationToken).ConfigureAwait(false);
        _inventory = new PackInventory(core, applianceId);
        await _inventory.LoadAsync(_deltas, _rotten, cancellationToken).ConfigureAwait(false);
    }

    private Task AnalyzeAsync(List<(Run Run, PointManifest? Manifest)> listed, CancellationToken cancellationToken)
    {
        _analysis = new RepairAnalysis(core, applianceId, _inventory, _deltas, bytes => progress?.Report(new OperationProgress($"Looking through {Name}", Interlocked.Add(ref _done, bytes), null)));
        return _analysis.ExecuteAsync(listed.FindAll(l => !_gone.Contains(l.Run)), cancellationToken);
    }

    /// <summary>Deletes damaged objects that stand before a whole one that holds the same pack: readers take the whole one then.</summary>
    private async Task<bool> UncoverAsync(Lease? lease, CancellationToken cancellationToken)
    {
        bool changed = false;
        foreach (PackState pack in _inventory.All.Where(p => p.InTheWay.Count > 0).ToList())
        {
            StoredObject whole = pack.Objects[pack.InTheWay.Count];
            if (!await _sweep.IsWholeAsync(whole.Name, cancellationToken).ConfigureAwait(false))
            {
                _rotten[whole.Name] = "It is not whole.";
                changed = true;
                continue;
            }
            foreach (StoredObject bad in pack.InTheWay)
            {
                RepairFinding finding = Finding(RepairFindingKind.PackDamaged) with
                {
                    Object = bad.Name, StoredBytes = bad.Length, Action = RepairAction.Removed,
                    Detail = $"The pack '{bad.Name}' is damaged: {pack.Bad[bad.Name]} '{whole.Name}' holds all of it that is needed, and {Would("takes", "would take")} its place. Nothing is lost.",
                };
                await CarryOutAsync(finding, lease, () => _sweep.DeleteAsync(bad.Name, bad.Length, cancellationToken), cancellationToken).ConfigureAwait(false);
                changed |= lease is not null;
            }
        }
        return changed;
    }

    private async Task<List<(Run Run, PointManifest? Manifest)>> ListAsync(CancellationToken cancellationToken)
    {
        List<Run> runs = await _manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        _states = await PointStates.ReadAsync(core.ApplianceLog(applianceId), new HashSet<long>(_log.Select(n => n.Sequence)), cancellationToken).ConfigureAwait(false);
        _renewals = await RenewalRecord.ReadAsync(core.ApplianceLog(applianceId), _log, core.Clock.UtcNow(), cancellationToken).ConfigureAwait(false);
        var listed = new (Run Run, PointManifest? Manifest)[runs.Count];
        await InParallel.RunAsync(Enumerable.Range(0, runs.Count).ToList(), 16, async i =>
        {
            listed[i] = (runs[i], null);
            try
            {
                listed[i].Manifest = await _manifests.ReadAsync(applianceId, runs[i], cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException damage) when (damage.ErrorId is ErrorIds.ManifestDamaged or ErrorIds.StoreReadFailed or ErrorIds.ObjectDamaged)
            {
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Forgotten by an optimization since it was listed.
                lock (_gone) _gone.Add(runs[i]);
            }
        }, cancellationToken).ConfigureAwait(false);
        return [.. listed.Where(l => !_gone.Contains(l.Run))];
    }

    /// <summary>Points that the log knows as made and not as removed, and whose manifest is not there or cannot be read. All that they may need stays until they are given up.</summary>
    private async Task FindLostManifestsAsync(List<(Run Run, PointManifest? Manifest)> listed, Lease? lease, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        var present = new HashSet<long>(listed.Select(l => l.Run.Sequence));
        // Nothing is given up behind the newest point that can be read: a folder that was not mounted, or not copied yet, looks just like this.
        long newestReadable = listed.Where(l => l.Manifest is { Incomplete: false } m && !_states.IsRemoved(m.PointId)).Select(l => l.Run.Sequence).DefaultIfEmpty(0).Max();
        DateTime newestTime = listed.Where(l => l.Manifest is { Incomplete: false } m && !_states.IsRemoved(m.PointId)).Select(l => l.Manifest!.TimeUtc).DefaultIfEmpty(DateTime.MinValue).Max();
        foreach (AuditName name in _log.Where(n => n.Event == AuditEvents.PointMade && !present.Contains(n.Sequence)))
        {
            AuditRecord made;
            try
            {
                made = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
            }
            catch (FormatException)
            {
                continue;
            }
            if (made.RestorePointId is not string id || _states.IsRemoved(id)) continue;
            if ((await ReadCatalogAsync(cancellationToken).ConfigureAwait(false)).TryGetValue(id, out PointManifest? copy) && copy.Run.Sequence == name.Sequence)
            {
                await CarryOutAsync(Finding(RepairFindingKind.ManifestMissing) with { Object = Layout.Manifest(applianceId, copy.Run), RestorePointId = id, PointTimeUtc = copy.TimeUtc, Action = RepairAction.Rebuilt, Detail = $"The manifest of the point with sequence {name.Sequence} ({id}) {Would("was missing, and was", "is missing, and would be")} made again from the catalog." },
                    lease, () => PutManifestAsync(lease!, copy, cancellationToken), cancellationToken).ConfigureAwait(false);
                listed.Add((copy.Run, copy));
                continue;
            }
            bool isOld = name.Sequence < newestReadable && !(ReadMade(made).TimeUtc > newestTime), givenUp = options.RemoveLost && isOld && !_states.IsProtected(id);
            RepairFinding finding = Finding(RepairFindingKind.ManifestMissing) with
            {
                Object = Layout.Manifests(applianceId), RestorePointId = id, PointTimeUtc = TimeOf(made),
                Action = givenUp ? RepairAction.Removed : RepairAction.Kept,
                Detail = $"The manifest of the point with sequence {name.Sequence} ({id}) is missing. "
                    + (givenUp ? Would("The point was given up, and what only it needed with it: putting the manifest back does not bring it back any more.",
                            "The point would be given up, and what only it needs with it: if there is a copy of the manifest, put it back before.")
                        : "Put it back from a copy of the repository and the point is there again; everything that it may need is kept until then. "
                            + (!options.RemoveLost ? "With -RemoveLost the point is given up." : isOld ? "It is protected, so that it is not given up." : "No newer point can be read, so that it is not given up.")),
            };
            LostPoints++;
            await CarryOutAsync(finding, lease, () => RecordRemovalAsync(lease, id, name.Sequence, null, "Its manifest is missing.", cancellationToken), cancellationToken).ConfigureAwait(false);
            if (givenUp) _removed++;
            else _lostManifests.Add(made);
        }
        HashSet<Run> unrecorded = await StrangeManifests.FindUnrecordedAsync(log, _log, listed.Where(l => l.Manifest is null).Select(l => l.Run), cancellationToken).ConfigureAwait(false);
        var strange = new List<Run>();
        foreach ((Run run, _) in listed.Where(l => l.Manifest is null).ToList())
        {
            string id = run.Id.ToString(), name = Layout.Manifest(applianceId, run);
            if (!_states.IsRemoved(id) && (await ReadCatalogAsync(cancellationToken).ConfigureAwait(false)).TryGetValue(id, out PointManifest? copy) && copy.Run == run)
            {
                RepairFinding again = Finding(RepairFindingKind.ManifestDamaged) with { Object = name, RestorePointId = id, PointTimeUtc = copy.TimeUtc, Action = RepairAction.Rebuilt, Detail = $"The manifest '{name}' {Would("could not be read, and was", "cannot be read, and would be")} made again from the catalog." };
                if (await CarryOutAsync(again, lease, async () => await _sweep.DeleteAsync(name, 0, cancellationToken).ConfigureAwait(false) && await PutManifestAsync(lease!, copy, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false))
                {
                    listed[listed.FindIndex(l => l.Run == run)] = (run, copy);
                    continue;
                }
            }
            // A run has a delta before it has a manifest: what has neither that nor a record is no point, whatever its name says.
            if (unrecorded.Contains(run) && !_deltas.Has(run) && !store.Unreadable.Contains(name))
            {
                strange.Add(run);
                continue;
            }
            DateTime? time = ReadMade(await FindMadeAsync(id, run.Sequence, cancellationToken).ConfigureAwait(false)).TimeUtc;
            bool isOld = run.Sequence < newestReadable && !(time > newestTime);
            bool wasRemoved = _states.IsRemoved(id), goes = wasRemoved || options.RemoveLost && isOld && !_states.IsProtected(id) && !store.Unreadable.Contains(name);
            RepairFinding finding = Finding(RepairFindingKind.ManifestDamaged) with
            {
                Object = name, RestorePointId = id, PointTimeUtc = time, Action = goes ? RepairAction.Removed : RepairAction.Kept,
                Detail = $"The manifest '{name}' cannot be read." + (wasRemoved ? " The point was removed anyway."
                    : goes ? Would(" Its point was given up.", " Its point would be given up.") : " Put it back from a copy of the repository and the point is there again; everything that it may need is kept until then. "
                        + (!options.RemoveLost ? "With -RemoveLost the point is given up." : _states.IsProtected(id) ? "It is protected, so that it is not given up."
                            : run.Sequence >= newestReadable ? "No newer point can be read, so that it is not given up." : "The store could not read it, which may pass, so that it is not given up.")),
            };
            if (!wasRemoved && !unrecorded.Contains(run)) LostPoints++;
            if (!wasRemoved && goes) _removed++;
            bool done = await CarryOutAsync(finding, lease, async () => (wasRemoved || await RecordRemovalAsync(lease, id, run.Sequence, null, "Its manifest cannot be read.", cancellationToken).ConfigureAwait(false))
                && await _sweep.DeleteAsync(name, 0, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (done) _gone.Add(run);
            else if (!goes) _damagedManifests.Add(run);
        }
        if (strange.Count > 0) await ReportStrangeAsync(strange, lease, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells once of all that lies among the manifests and is none; nobody needs it, and nothing is kept for it.</summary>
    private async Task ReportStrangeAsync(List<Run> strange, Lease? lease, CancellationToken cancellationToken)
    {
        string first = Layout.Manifest(applianceId, strange[0]);
        RepairFinding finding = Finding(RepairFindingKind.ManifestDamaged) with
        {
            Object = strange.Count == 1 ? first : Layout.Manifests(applianceId), Action = options.RemoveLost ? RepairAction.Removed : RepairAction.Kept,
            Detail = (strange.Count == 1 ? $"'{first}' is no manifest, and neither the log nor anything else knows of such a point."
                : $"{strange.Count} objects under '{Layout.Manifests(applianceId)}' are no manifests, '{first}' among them, and neither the log nor anything else knows of such points.")
                + (options.RemoveLost ? Would(" They were deleted.", " They would be deleted.") : " Somebody put them there. They do no harm; with -RemoveLost they are deleted."),
        };
        await CarryOutAsync(finding, lease, async () =>
        {
            bool all = true;
            foreach (Run run in strange) all &= await _sweep.DeleteAsync(Layout.Manifest(applianceId, run), 0, cancellationToken).ConfigureAwait(false);
            return all;
        }, cancellationToken).ConfigureAwait(false);
        _gone.UnionWith(strange);
    }

    /// <summary>The copies of manifests that are there, by point; read when the first is looked for.</summary>
    private async Task<Dictionary<string, PointManifest>> ReadCatalogAsync(CancellationToken cancellationToken)
    {
        if (_catalog is not null) return _catalog;
        var catalog = new PointCatalog(core, applianceId);
        var copies = new Dictionary<string, PointManifest>(StringComparer.Ordinal);
        foreach (string name in (await catalog.ListAsync(cancellationToken).ConfigureAwait(false)).SelectMany(c => c))
        {
            foreach (PointCatalog.Entry entry in await catalog.ReadAsync(name, cancellationToken).ConfigureAwait(false)) copies[entry.Manifest.PointId] = entry.Manifest;
        }
        return _catalog = copies;
    }

    private async Task<bool> PutManifestAsync(Lease lease, PointManifest manifest, CancellationToken cancellationToken)
    {
        await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        await core.Store.PutAsync(Layout.Manifest(applianceId, manifest.Run), manifest.Encode(core.Keys).Content, PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task RemoveStaleCheckpointsAsync(List<(Run Run, PointManifest? Manifest)> listed, Lease? lease, CancellationToken cancellationToken)
    {
        long newest = listed.Where(l => l.Manifest is { Incomplete: false }).Select(l => l.Run.Sequence).DefaultIfEmpty(0).Max();
        foreach ((Run run, _) in listed.Where(l => l.Manifest is { Incomplete: true } && l.Run.Sequence < newest).ToList())
        {
            string name = Layout.Manifest(applianceId, run);
            RepairFinding finding = Finding(RepairFindingKind.StaleCheckpoint) with { Object = name, Action = RepairAction.Removed, Detail = $"The checkpoint '{name}' of an interrupted run is needed no more: a newer point was made." };
            if (await CarryOutAsync(finding, lease, () => _sweep.DeleteAsync(name, 0, cancellationToken), cancellationToken).ConfigureAwait(false)) _gone.Add(run);
        }
    }

    /// <summary>
    /// A manifest that was put back after a repair gave its point up, and its packs with it, is no loss and needs nothing stored again: it goes. So does one whose removal is so long ago that no reader is left.
    /// Never the newest one of a disk: the next backup is compared with it.
    /// </summary>
    /// <returns>True when one went, or would.</returns>
    private async Task<bool> ForgetGivenUpAsync(Lease? lease, CancellationToken cancellationToken)
    {
        var disksAbove = new HashSet<string>(StringComparer.Ordinal);
        int before = _gone.Count;
        // What could not be read, or is not there as a whole, may be there tomorrow.
        if (store.Unreadable.Count > 0 || FindEmptyRoom() is not null) return false;
        foreach (PointWalk walk in _analysis.Walks)
        {
            bool isNewestOfADisk = walk.Manifest.Disks.Any(d => !disksAbove.Contains(d.DiskId));
            disksAbove.UnionWith(walk.Manifest.Disks.Select(d => d.DiskId));
            if (!walk.IsLost || isNewestOfADisk || walk.Manifest.Incomplete || _states.Removal(walk.Manifest.PointId) is not AuditRecord removal) continue;
            bool mayHaveReaders = removal.Reason?.StartsWith(ByRepair, StringComparison.Ordinal) != true && await RemovalRecord.FindTimeAsync(core.ApplianceLog(applianceId), removal, core.Clock, cancellationToken).ConfigureAwait(false) + PackSweep.DefaultGrace > core.Clock.UtcNow();
            if (mayHaveReaders || PointsInUse.Contains(core.RepositoryId, walk.Manifest.PointId)) continue;
            string name = Layout.Manifest(applianceId, walk.Run);
            RepairFinding finding = Finding(RepairFindingKind.UnneededSpace) with
            {
                Object = name, RestorePointId = walk.Manifest.PointId, PointTimeUtc = walk.Manifest.TimeUtc, Action = RepairAction.Removed,
                Detail = $"The manifest '{name}' is that of the point {Text(walk)}, which was removed on {removal.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC. What it needs is gone, so that the manifest brings nothing back.",
            };
            if (await CarryOutAsync(finding, lease, () => _sweep.DeleteAsync(name, 0, cancellationToken), cancellationToken).ConfigureAwait(false)) _gone.Add(walk.Run);
        }
        return _gone.Count > before;
    }

    /// <summary>Counts and names the points, notes the damage in the log, and removes those that are lost where that is asked for.</summary>
    private async Task ReportPointsAsync(Lease? lease, CancellationToken cancellationToken)
    {
        List<PointWalk> points = _analysis.Walks.FindAll(w => !w.Manifest.Incomplete && !_states.IsRemoved(w.Manifest.PointId));
        WholePoints = points.Count(p => !p.IsLost);
        LostPoints += points.Count(p => p.IsLost);
        await RecordDamageAsync(lease, cancellationToken).ConfigureAwait(false);
        string? newest = IndispensablePoints.Of(points.Select(p => new RetentionPoint { RestorePointId = p.Manifest.PointId, TimeUtc = p.Manifest.TimeUtc, Sequence = p.Run.Sequence, IsGood = !p.IsLost, IsInFuture = core.Clock.IsInFuture(p.Manifest.TimeUtc) })).Newest?.RestorePointId;
        var disksAbove = new HashSet<string>(StringComparer.Ordinal);
        var going = new List<PointWalk>();
        foreach (PointWalk walk in _analysis.Walks)
        {
            bool isNewestOfADisk = walk.Manifest.Disks.Any(d => !disksAbove.Contains(d.DiskId));
            disksAbove.UnionWith(walk.Manifest.Disks.Select(d => d.DiskId));
            if (!walk.IsLost || !points.Contains(walk)) continue;
            (RepairAction action, string fate, DateTime? locked) = DecideFate(walk, newest);
            foreach ((ManifestDisk disk, LossMap.Loss loss) in walk.LostDisks)
            {
                List<Extent> extents = _analysis.Losses.Extents(disk.Root, disk.SizeBytes, MaximumExtents);
                long bytes = Math.Min(loss.Blocks * BlockGeometry.BlockBytes, disk.SizeBytes);
                _findings.Add(PointFinding(walk) with
                {
                    Action = action, DiskId = disk.DiskId, BytesLost = bytes, LostExtents = extents, LockedUntilUtc = locked,
                    Detail = $"{bytes} bytes of disk {disk.DiskId} of the point {Text(walk)} are lost{(walk.IsConfigurationLost ? ", and the VM configuration kept with it" : "")}. {fate}",
                });
            }
            if (walk.IsConfigurationLost && walk.LostDisks.Count == 0)
                _findings.Add(PointFinding(walk) with { Action = action, LockedUntilUtc = locked, Detail = $"The VM configuration kept with the point {Text(walk)} is lost; its disks are whole. {fate}" });
            if (action != RepairAction.Removed) continue;
            _removed++;
            _givenUp.Add(walk.Run);
            if (lease is not null) await RecordRemovalAsync(lease, walk.Manifest.PointId, walk.Run.Sequence, walk.Manifest, "It is lost, and was given up.", cancellationToken).ConfigureAwait(false);
            // What the next backup of a disk is compared with stays until there is a newer one.
            if (!isNewestOfADisk) going.Add(walk);
        }
        if (lease is not null && going.Count > 0) await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        foreach (PointWalk walk in going)
        {
            if (lease is null || await _sweep.DeleteAsync(Layout.Manifest(applianceId, walk.Run), 0, cancellationToken).ConfigureAwait(false)) _gone.Add(walk.Run);
        }
        _findings.Sort((a, b) => (a.Kind != RepairFindingKind.PointLost).CompareTo(b.Kind != RepairFindingKind.PointLost));
    }

    private (RepairAction Action, string Fate, DateTime? LockedUntil) DecideFate(PointWalk walk, string? newest)
    {
        // What could not be read may be read tomorrow.
        if (options.RemoveLost && store.Unreadable.FirstOrDefault() is string unreadable)
            return (options.WhatIf ? RepairAction.Kept : RepairAction.Recorded, $"The store could not read '{unreadable}', which may pass, so that nothing is given up for that. Look after the disk or share first.", null);
        string rest = walk.LostDisks.Count == 0 ? "" : " The rest can be had with Export-NataliaDisk -AllowLoss.";
        RepairAction kept = options.WhatIf ? RepairAction.Kept : RepairAction.Recorded;
        if (!options.RemoveLost) return (kept, Would("The point is kept, and marked as damaged.", "The point would be kept, and marked as damaged.") + rest, null);
        if (walk.LostDisks.Count == 0) return (kept, "A point with whole disks is not given up.", null);
        if (FindEmptyRoom() is string room)
            return (kept, $"There is nothing at all under '{room}', which may not be mounted, or not be copied yet, so that nothing is given up." + rest, null);
        if (_lostAtFirst is not null && !_lostAtFirst.Contains(walk.Run)) return (kept, "It was whole a moment ago, so that it is not given up." + rest, null);
        if (walk.Manifest.PointId == newest) return (kept, "It is the newest one of its appliance and stays until there is a newer one: the next backup stores again what is lost." + rest, null);
        if (_states.IsProtected(walk.Manifest.PointId)) return (kept, "It is protected and stays." + rest, null);
        if (PointsInUse.Contains(core.RepositoryId, walk.Manifest.PointId)) return (kept, "A restore reads it, so that it stays." + rest, null);
        DateTime until = walk.Manifest.ImmutableUntilUtc ?? DateTime.MinValue;
        if (RenewalRecord.Until(_renewals, walk.Manifest.PointId) is DateTime extended && extended > until) until = extended;
        if (until > core.Clock.UtcNow()) return (RepairAction.Locked, $"It is locked until {until:yyyy-MM-dd HH:mm:ss} UTC and stays until then." + rest, until);
        return (RepairAction.Removed, Would("The point was removed.", "The point would be removed."), null);
    }

    /// <summary>A room of packs in which there should be some and is none; null without one. Loss takes packs, a folder that is not mounted takes them all.</summary>
    private string? FindEmptyRoom() => _inventory.All.GroupBy(p => p.Area).Where(a => a.All(p => p.IsMissing)).Select(a => Layout.Packs(applianceId, a.Key)).FirstOrDefault();

    /// <summary>What is lost is noted, so that nobody takes it for good and the next backup reads everything again and stores what is missing; what came back is noted, too.</summary>
    private async Task RecordDamageAsync(Lease? lease, CancellationToken cancellationToken)
    {
        DamageState known = await DamageRecords.ReadAsync(core.ApplianceLog(applianceId), _log, cancellationToken).ConfigureAwait(false);
        List<PackState> bad = BadPacks().ToList();
        List<string> packs = bad.Select(p => p.Name).Where(n => !known.Packs.Contains(n)).ToList();
        List<long> points = _analysis.Walks.Where(w => w.IsLost && !_states.IsRemoved(w.Manifest.PointId) && !known.Points.ContainsKey(w.Run.Sequence)).Select(w => w.Run.Sequence).ToList();
        if (lease is not null && packs.Count + points.Count > 0)
        {
            await DamageRecords.WriteAsync(core, applianceId, healed: false, LeansOnLoss(), packs, points, $"A repair found {packs.Count} packs missing or damaged, and {points.Count} points that need what is lost.", cancellationToken).ConfigureAwait(false);
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        // Only who has read every byte may say that something is whole again.
        if (!options.Full) return;
        var badNames = new HashSet<string>(bad.Select(p => p.Name), StringComparer.Ordinal);
        var there = new HashSet<string>(_inventory.All.Where(p => !p.IsMissing && !p.IsSuspect).Select(p => p.Name), StringComparer.Ordinal);
        List<string> wholePacks = known.Packs.Where(n => !badNames.Contains(n) && there.Contains(n)).ToList();
        List<PointWalk> whole = _analysis.Walks.FindAll(w => !w.IsLost && known.Points.ContainsKey(w.Run.Sequence));
        if (wholePacks.Count + whole.Count == 0) return;
        foreach (PointWalk walk in whole)
            _findings.Add(PointFinding(walk) with { Kind = RepairFindingKind.PointHealed, Action = options.WhatIf ? RepairAction.None : RepairAction.Recorded, Detail = $"The point {Text(walk)} had been found damaged, and is whole again." });
        if (lease is null) return;
        await DamageRecords.WriteAsync(core, applianceId, healed: true, leans: false, wholePacks, whole.Select(w => w.Run.Sequence), $"A repair read every byte and found {whole.Count} points whole again.", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the next backup of any disk would take over what is lost, did it read only what changed.</summary>
    private bool LeansOnLoss()
    {
        var disksAbove = new HashSet<string>(StringComparer.Ordinal);
        bool leans = false;
        foreach (PointWalk walk in _analysis.Walks)
        {
            foreach (ManifestDisk disk in walk.Manifest.Disks.Where(d => disksAbove.Add(d.DiskId))) leans |= walk.LostDisks.Exists(l => l.Disk == disk);
        }
        return leans;
    }

    private IEnumerable<PackState> BadPacks() => _inventory.All.Where(p => (p.IsMissing || p.IsSuspect && p.InTheWay.Count == 0 && !CanBeSalvaged(p)) && _analysis.Marks.Find(p.Area, p.Run, p.Number) is not null);

    /// <summary>All that is needed of it was read and is whole. A locked object would stand before its replacement until its date.</summary>
    private bool CanBeSalvaged(PackState pack) => core.Store.ObjectLock is null && !_analysis.Losses.Packs.Contains((pack.Area, pack.Run, pack.Number));

    private async Task ReportPacksAsync(Lease? lease, CancellationToken cancellationToken)
    {
        foreach (PackState pack in _inventory.All.Where(p => p.IsSuspect && p.InTheWay.Count == 0 && CanBeSalvaged(p)).OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            if (_analysis.Marks.Find(pack.Area, pack.Run, pack.Number) is not OrdinalSet live) continue;
            StoredObject damaged = pack.Objects[0];
            string? replacement = "";
            try
            {
                if (lease is not null) replacement = await PackSalvage.CopyAsync(core, pack, core.PackReader(applianceId), live.Contains, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException unreadable) when (Damage.Is(unreadable))
            {
                replacement = null;
            }
            if (lease is not null && replacement is not null) await _sweep.DeleteAsync(damaged.Name, damaged.Length, cancellationToken).ConfigureAwait(false);
            _findings.Add(Finding(RepairFindingKind.PackDamaged) with
            {
                Object = damaged.Name, StoredBytes = damaged.Length, Action = replacement is null ? RepairAction.Kept : RepairAction.Rebuilt,
                Detail = $"The pack '{damaged.Name}' is damaged: {pack.Bad[damaged.Name]} All that points need of it is whole" + (replacement is null ? "." : lease is null ? ", and would be copied into a new object." : $", and was copied to '{replacement}'."),
            });
        }
        foreach (PackState pack in BadPacks().OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            _findings.Add(Finding(pack.IsMissing ? RepairFindingKind.PackMissing : RepairFindingKind.PackDamaged) with
            {
                Object = pack.Name, StoredBytes = pack.IsMissing ? pack.Info?.Bytes ?? 0 : pack.StoredBytes, Action = lease is null ? RepairAction.Kept : RepairAction.Recorded,
                Detail = pack.IsMissing ? $"The pack '{pack.Name}' is missing. Put it back from a copy of the repository if there is one; {Would("the", "after a repair the")} next backup stores again what the disk still has of it."
                    : $"The pack '{pack.Objects[0].Name}' is damaged: {pack.Bad[pack.Objects[0].Name]} What is whole in it can still be read; {Would("the", "after a repair the")} next backup stores again what the disk still has of the rest.",
            });
        }
    }

    private async Task RebuildDeltasAsync(Lease? lease, CancellationToken cancellationToken)
    {
        foreach ((Run lower, Run upper) in _analysis.Forks)
        {
            bool isMended = _analysis.MissingDeltas.Exists(m => m.Manifest.Run == upper && m.CanBeMade);
            _findings.Add(Finding(RepairFindingKind.HistoryForked) with
            {
                Object = Layout.Manifest(applianceId, upper), RestorePointId = upper.Id.ToString(), Action = isMended ? RepairAction.Rebuilt : RepairAction.Kept,
                Detail = Forks.Describe(lower, upper) + (isMended ? $" What each made needless {Would("was", "would be")} made again from the block maps, so that space can be given back."
                    : lower.Sequence == upper.Sequence ? " No space is given back until that is mended. " + Forks.Remedy(lower, upper) : " That cannot be mended while a manifest, or a part of a block map, is lost; no space is given back until then."),
            });
        }
        // From below: as long as one is missing, the line is still forked above it, and nothing is freed.
        foreach (MissingDelta missing in _analysis.MissingDeltas.OrderBy(m => m.Manifest.Run.Sequence))
        {
            Run run = missing.Manifest.Run;
            string name = Layout.Delta(applianceId, run);
            if (!missing.CanBeMade)
            {
                if (missing.IsDeltaLost) _findings.Add(Finding(RepairFindingKind.DeltaLost) with { Object = name, Action = RepairAction.Kept, Detail = $"The delta '{name}' is lost, and cannot be made again while a manifest, or a part of a block map, is lost, too. Restoring does not need it." });
                continue;
            }
            RepairFinding finding = Finding(missing.IsDeltaLost ? RepairFindingKind.DeltaLost : RepairFindingKind.DeadListIncomplete) with
            {
                Object = name, Action = RepairAction.Rebuilt,
                Detail = missing.SaysTooMuch ? $"The delta '{name}' says of blocks that nobody needs them, which a point of another run needs that wrote beside it; it {Would("was", "would be")} made again from the block maps."
                    : missing.IsDeltaLost ? $"The delta '{name}' is missing or damaged; it {Would("was", "would be")} made again from the block maps. Restoring does not need it, giving back space does."
                    : $"The delta '{name}' does not tell all that its run made needless; that {Would("was", "would be")} made again from the block maps, so that the space can be given back when older points go.",
            };
            await CarryOutAsync(finding, lease, async () =>
            {
                await lease!.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
                await _deltas.WriteStandInAsync(new RunDelta(applianceId, run, missing.After, await ListPacksAsync(run, cancellationToken).ConfigureAwait(false)), missing.Dead, cancellationToken).ConfigureAwait(false);
                return true;
            }, cancellationToken).ConfigureAwait(false);
        }
        // A damaged delta that something stands in for, or whose run has no manifest, tells nothing to anybody.
        HashSet<Run> manifests = [.. _analysis.Walks.Select(w => w.Run), .. _damagedManifests];
        foreach (Run run in _inventory.BadDeltas.Keys.Where(r => !manifests.Contains(r) || _deltas.StandIns(r).Count > 0).ToList())
        {
            string name = Layout.Delta(applianceId, run);
            RepairFinding finding = Finding(RepairFindingKind.DeltaLost) with { Object = name, Action = RepairAction.Removed, Detail = $"The delta '{name}' is damaged: {_inventory.BadDeltas[run]} Nothing needs it any more." };
            if (manifests.Contains(run) || _lostManifests.Exists(m => m.Sequence == run.Sequence))
            {
                // The finding was told above, or the point may come back.
                if (lease is not null && _deltas.StandIns(run).Count > 0) await _sweep.DeleteAsync(name, 0, cancellationToken).ConfigureAwait(false);
            }
            else await CarryOutAsync(finding, lease, () => _sweep.DeleteAsync(name, 0, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The packs of a run as its delta listed them, or as they lie.</summary>
    private async Task<IReadOnlyList<PackInfo>> ListPacksAsync(Run run, CancellationToken cancellationToken)
    {
        var packs = new List<PackInfo>();
        foreach (PackState pack in _inventory.All.Where(p => p.Run == run).OrderBy(p => p.Area).ThenBy(p => p.Number))
        {
            if (pack.Info is PackInfo info) packs.Add(info);
            else if (!pack.IsMissing && !pack.IsSuspect && pack.Objects[0].Name == pack.Name && pack.Envelope is Envelope envelope)
            {
                var trailer = new byte[Envelope.TrailerLength];
                await core.Store.ReadAsync(pack.Name, pack.Objects[0].Length - trailer.Length, trailer, cancellationToken).ConfigureAwait(false);
                packs.Add(new PackInfo(pack.Area, pack.Number, envelope.Id, pack.Objects[0].Length, envelope.Segments.Length, Hash256.Read(trailer)));
            }
        }
        return packs;
    }

    /// <summary>Gives back what no manifest needs.</summary>
    private async Task SweepAsync(List<(Run Run, PointManifest? Manifest)> listed, Lease? lease, CancellationToken cancellationToken)
    {
        List<(Run Run, PointManifest? Manifest)> staying = listed.FindAll(l => !_gone.Contains(l.Run));
        long newest = staying.Select(l => l.Run.Sequence).DefaultIfEmpty(0).Max();
        HashSet<Run> withManifest = [.. staying.Select(l => l.Run)];
        // A point that may come back, or that hides what it needs, may need anything that was there when it was made.
        long floor = _lostManifests.Select(m => m.Sequence ?? 0)
            .Concat(_damagedManifests.Select(r => r.Sequence))
            .Concat(_analysis.Walks.Where(w => w.HidesReferences && !w.Manifest.Incomplete && !_givenUp.Contains(w.Run) && !_states.IsRemoved(w.Manifest.PointId)).Select(w => w.Run.Sequence))
            .Concat(isLogBroken && !options.RemoveLost ? UnexplainedRuns(withManifest) : [])
            .DefaultIfEmpty(0).Max();

        (FreeList? before, IReadOnlyList<string> names) = await FreeList.ReadAsync(core.Store, applianceId, core.Keys, cancellationToken).ConfigureAwait(false);
        if (before is null && names.Count > 0)
            _findings.Add(Finding(RepairFindingKind.CatalogDamaged) with { Object = names[names.Count - 1], Action = floor > 0 ? RepairAction.Kept : RepairAction.Rebuilt, Detail = "The list of free space cannot be read. It is derived, and " + (floor > 0 ? "can be made again when the points that are lost are back, or given up." : Would("was made again.", "would be made again.")) });
        var known = new FreeSet(before?.Free);
        var free = new FreeSet(null);
        var empty = new Dictionary<string, long>(StringComparer.Ordinal);
        var missing = new HashSet<string>(StringComparer.Ordinal);
        var waiting = new Dictionary<Run, (int Packs, long Bytes)>();
        var unneeded = new Dictionary<Run, (int Packs, long Bytes, List<string> Names)>();
        foreach (PackState pack in _inventory.All)
        {
            OrdinalSet? live = _analysis.Marks.Find(pack.Area, pack.Run, pack.Number);
            if (live is null && _mayBeWritten && pack.Run.Sequence > newest) continue;
            // All was there but the manifest: either the run died at that very moment, or the manifest and its record were taken away together.
            bool mayBePoint = pack.Run.Sequence > newest && _deltas.Has(pack.Run) && !_states.IsRemoved(pack.Run.Id.ToString()) && !options.RemoveLost;
            if (live is null)
            {
                if (pack.Run.Sequence <= floor || mayBePoint)
                {
                    if (!pack.IsMissing) waiting[pack.Run] = waiting.TryGetValue(pack.Run, out (int Packs, long Bytes) sum) ? (sum.Packs + 1, sum.Bytes + pack.StoredBytes) : (1, pack.StoredBytes);
                    continue;
                }
                // Also what is missing: so that its absence is not taken for a loss any more.
                empty[pack.Name] = pack.StoredBytes;
                if (pack.IsMissing)
                {
                    missing.Add(pack.Name);
                    continue;
                }
                if (!unneeded.TryGetValue(pack.Run, out (int Packs, long Bytes, List<string> Names) here)) here = (0, 0, []);
                here.Names.AddRange(pack.Objects.Select(o => o.Name));
                unneeded[pack.Run] = (here.Packs + 1, here.Bytes + pack.StoredBytes, here.Names);
                continue;
            }
            if (pack.IsMissing || floor > 0) continue;
            int segments = pack.Info?.Segments ?? pack.Envelope?.Segments.Length ?? 0;
            var dead = new List<(int, int)>();
            int fresh = 0;
            for (int ordinal = 0; ordinal < segments; ordinal++)
            {
                if (live.Contains(ordinal)) continue;
                dead.Add((ordinal, 1));
                if (!known.Contains(pack.Area, pack.Run, pack.Number, ordinal)) fresh++;
            }
            if (dead.Count == 0) continue;
            free.Add(pack.Area, pack.Run, pack.Number, dead);
            if (fresh > 0) _unneeded += pack.Objects[0].Length * fresh / segments;
        }
        await ReclaimedAlreadyAsync(empty, missing, cancellationToken).ConfigureAwait(false);

        foreach (KeyValuePair<Run, (int Packs, long Bytes)> run in waiting.OrderBy(r => r.Key.Sequence))
            _findings.Add(Finding(RepairFindingKind.UnneededSpace) with { Object = run.Key.ToString(), StoredBytes = run.Value.Bytes, Action = RepairAction.Kept, Detail = $"{Packs(run.Value.Packs)} of the run {run.Key} ({run.Value.Bytes} bytes), needed by no point that can be read. Kept, because a point that is lost may need them; -RemoveLost gives it up." });
        _unneeded += unneeded.Values.Sum(u => u.Bytes) + waiting.Values.Sum(w => w.Bytes);

        if (lease is not null)
        {
            await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
            // After a power cut no manifest may be back whose packs are gone.
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
            await _sweep.ListPacksAsync(cancellationToken).ConfigureAwait(false);
            await _sweep.SweepAsync(free, _deltas, empty, cancellationToken).ConfigureAwait(false);
        }
        foreach (KeyValuePair<Run, (int Packs, long Bytes, List<string> Names)> run in unneeded.OrderBy(r => r.Key.Sequence))
        {
            string? locked = run.Value.Names.Find(_sweep.Locked.Contains);
            bool isOrphan = run.Key.Sequence > newest;
            _findings.Add(Finding(isOrphan ? RepairFindingKind.OrphanedRun : RepairFindingKind.UnneededSpace) with
            {
                Object = run.Key.ToString(), StoredBytes = run.Value.Bytes, Action = locked is null ? RepairAction.Removed : RepairAction.Locked, LockedUntilUtc = await LockedUntilAsync(locked, cancellationToken).ConfigureAwait(false),
                Detail = $"{Packs(run.Value.Packs)} of the run {run.Key} ({run.Value.Bytes} bytes), needed by no point" + (isOrphan ? ": the run ended before it made one." : "."),
            });
        }
        await RemoveOrphanedDeltasAsync(withManifest, newest, floor, lease, cancellationToken).ConfigureAwait(false);
        if (lease is null || floor > 0 || staying.Count == 0) return;
        // After a power cut no pack may be back of which the list says nothing any more.
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        var disks = staying.GroupBy(l => l.Run.Sequence).ToDictionary(g => g.Key, g => (IReadOnlyList<string>)g.SelectMany(l => l.Manifest?.Disks.Select(d => d.DiskId) ?? ["*"]).Distinct(StringComparer.Ordinal).ToArray());
        await new FreeList(disks, free.ToDeadList(), _sweep.WaitingPacks).WriteAsync(core.Store, applianceId, core.Keys, names, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>With records missing, a run without manifest may be a lost point, unless the log says that it was removed.</summary>
    private IEnumerable<long> UnexplainedRuns(HashSet<Run> withManifest) =>
        _deltas.Runs.Concat(_inventory.All.Select(p => p.Run)).Where(r => !withManifest.Contains(r) && !_states.IsRemoved(r.Id.ToString())).Select(r => r.Sequence);

    /// <summary>Packs that are missing because they were given back need not be told again.</summary>
    private async Task ReclaimedAlreadyAsync(Dictionary<string, long> empty, HashSet<string> missing, CancellationToken cancellationToken)
    {
        if (missing.Count == 0) return;
        AuditLog log = core.ApplianceLog(applianceId);
        foreach (AuditName name in _log.Where(n => n.Event == ReclaimRecords.Event))
        {
            try
            {
                foreach (string pack in ReclaimRecords.Packs(await log.ReadAsync(name, cancellationToken).ConfigureAwait(false)))
                {
                    if (missing.Remove(pack)) empty.Remove(pack);
                }
            }
            catch (FormatException)
            {
                // Damaged or not signed: it has no effect, and what it told is told again.
            }
        }
        foreach (string pack in missing.OrderBy(m => m, StringComparer.Ordinal))
            _findings.Add(Finding(RepairFindingKind.PackMissing) with { Object = pack, Action = options.WhatIf ? RepairAction.None : RepairAction.Recorded, Detail = $"The pack '{pack}' is missing, but no point needs it." });
    }

    private async Task RemoveOrphanedDeltasAsync(HashSet<Run> withManifest, long newest, long floor, Lease? lease, CancellationToken cancellationToken)
    {
        if (lease is null || !options.RemoveLost) return;
        foreach (Run run in _deltas.Deltas.Keys.Where(r => r.Sequence > newest && r.Sequence > floor && !withManifest.Contains(r)).ToList())
        {
            foreach (string standIn in _deltas.StandIns(run)) await _sweep.DeleteAsync(standIn, 0, cancellationToken).ConfigureAwait(false);
            await _sweep.DeleteAsync(Layout.Delta(applianceId, run), _deltas.Deltas[run], cancellationToken).ConfigureAwait(false);
        }
    }

    private Task RecordAsync(CancellationToken cancellationToken) => core.ApplianceLog(applianceId).AppendAsync(new AuditEntry(AuditEvents.Repaired)
    {
        ApplianceId = applianceId,
        Reason = _findings.Count == 0 ? "A repair found nothing wrong." : $"A repair found {WholePoints} points {(options.Full ? "whole" : "not damaged, as far as can be seen without reading every byte,")} and {LostPoints} lost, and removed {_removed}.",
        WriteData = json =>
        {
            json.WriteBoolean("full", options.Full);
            json.WriteBoolean("removeLost", options.RemoveLost);
            json.WriteNumber("wholePoints", WholePoints);
            json.WriteNumber("lostPoints", LostPoints);
            json.WriteNumber("removedPoints", _removed);
            json.WriteNumber("freedBytes", FreedBytes);
            json.WriteStartObject("findings");
            foreach (IGrouping<RepairFindingKind, RepairFinding> kind in _findings.GroupBy(f => f.Kind).OrderBy(g => g.Key)) json.WriteNumber(kind.Key.ToString(), kind.Count());
            json.WriteEndObject();
        },
    }, core.SigningSeed, cancellationToken);

    /// <summary>Records that a point is given up because it is lost. Its manifest, where it can be read, tells what it was; else the record of its making does.</summary>
    private async Task<bool> RecordRemovalAsync(Lease? lease, string restorePointId, long sequence, PointManifest? manifest, string reason, CancellationToken cancellationToken)
    {
        if (lease is not null) await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        PointOrigin? copyOf = manifest is not null ? manifest.CopyOf : ReadMade(await FindMadeAsync(restorePointId, sequence, cancellationToken).ConfigureAwait(false)).CopyOf;
        AuditEntry entry = RemovalRecord.Entry(applianceId, restorePointId, sequence, ByRepair + reason, isLost: true, manifest?.ApplianceName, manifest?.TimeUtc, copyOf);
        await core.ApplianceLog(applianceId).AppendAsync(entry, core.SigningSeed, cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>The record of a point's making, or null: it tells what the point was when its manifest cannot.</summary>
    private async Task<AuditRecord?> FindMadeAsync(string restorePointId, long sequence, CancellationToken cancellationToken) =>
        (await core.ApplianceLog(applianceId).ReadAllAsync(_log.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence == sequence), cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r?.RestorePointId == restorePointId);

    private static (DateTime? TimeUtc, PointOrigin? CopyOf) ReadMade(AuditRecord? made)
    {
        using JsonDocument data = JsonDocument.Parse(made?.Data ?? "{}");
        return (data.RootElement.ReadTimeOrNull("timeUtc"), PointOrigin.Read(data.RootElement));
    }

    /// <summary>Does what a finding says, and adds the finding as it came out.</summary>
    /// <returns>True when it is done, or would be.</returns>
    private async Task<bool> CarryOutAsync(RepairFinding finding, Lease? lease, Func<Task<bool>> work, CancellationToken cancellationToken)
    {
        bool done = finding.Action is RepairAction.Removed or RepairAction.Rebuilt;
        if (done && lease is not null && !await work().ConfigureAwait(false))
        {
            done = false;
            finding = finding with { Action = RepairAction.Locked, LockedUntilUtc = await LockedUntilAsync(finding.Object, cancellationToken).ConfigureAwait(false) };
        }
        _findings.Add(finding);
        return done;
    }

    private async Task<DateTime?> LockedUntilAsync(string? name, CancellationToken cancellationToken)
    {
        if (name is null || core.Store.ObjectLock is not IObjectLock locks) return null;
        try
        {
            return await locks.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }

    /// <summary>The time of the point whose making a record tells of, UTC; null when it does not say.</summary>
    private static DateTime? TimeOf(AuditRecord made)
    {
        using JsonDocument data = JsonDocument.Parse(made.Data ?? "{}");
        return data.RootElement.ReadStringOrNull("timeUtc") is null ? null : data.RootElement.ReadTime("timeUtc");
    }

    private RepairFinding Finding(RepairFindingKind kind) => new() { Kind = kind, ApplianceId = applianceId, ApplianceName = applianceName };

    private RepairFinding PointFinding(PointWalk walk) => Finding(RepairFindingKind.PointLost) with { RestorePointId = walk.Manifest.PointId, PointTimeUtc = walk.Manifest.TimeUtc, Object = Layout.Manifest(applianceId, walk.Run) };

    private static string Packs(int count) => count == 1 ? "1 pack" : count + " packs";

    private static string Text(PointWalk walk) => $"{walk.Manifest.ApplianceName} {walk.Manifest.TimeUtc:yyyy-MM-dd HH:mm:ss}Z";
}
