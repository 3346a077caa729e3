using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Copy;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// Makes one restore point, with the lease held from its beginning to its end. A long run is cut into rounds: each round ends with a checkpoint, which is a manifest that nobody lists,
/// and from which this run or, after a kill, the next one goes on.
/// </summary>
internal sealed class BackupRun(RepositoryCore core, ManifestReader manifests, BackupRequest request, Func<CancellationToken, Task>? beforePublish, IProgress<OperationProgress>? progress)
{
    private const int DataPackBytes = 32 << 20, DataPacks = 4;
    private const int MetaPackBytes = 4 << 20, MetaPacks = 3;

    /// <summary>A round that stored enough for a checkpoint ends at the latest after this time.</summary>
    private static readonly TimeSpan s_longestRound = TimeSpan.FromMinutes(10);

    /// <summary>An unfinished write that is older belongs to a process that died.</summary>
    private static readonly TimeSpan s_abandonedAfter = TimeSpan.FromHours(24);

    private readonly string _appliance = request.Appliance.ApplianceId;
    private readonly long _started = core.Clock.GetTimestamp();
    private readonly List<byte[]> _leafBuffers = [];
    private readonly PackBuffers _dataBuffers = new(DataPacks, DataPackBytes);
    private readonly PackBuffers _metaBuffers = new(MetaPacks, MetaPackBytes);
    private readonly DateTime _startedUtc = core.Clock.UtcNow();
    private PackReader _packs = null!;
    private List<PointManifest> _parents = [];
    private HashSet<string>? _usablePacks;
    private DamageState _damage = null!;
    private HashSet<long> _pointsInLog = [];
    private long _readBytes, _doneBytes, _plannedBytes, _storedBytes;

    /// <summary>Whether the point that was to be copied is there already; it is what <see cref="ExecuteAsync(CancellationToken)"/> returns.</summary>
    internal bool WasAlreadyThere { get; private set; }

    /// <summary>Why less was shared with the earlier point than could have been, or null.</summary>
    internal string? IgnoredParentReason { get; private set; }

    /// <summary>What is wrong with clocks, in sentences; null where nothing is.</summary>
    internal string? ClockWarning { get; private set; }

    internal async Task<PointManifest> ExecuteAsync(CancellationToken cancellationToken)
    {
        Lease lease = await core.AcquireLeaseAsync(_appliance, request.Copy is null ? LeasePurposes.Backup : LeasePurposes.Copy, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false)) return await ExecuteUnderAsync(lease, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same under a lease that was taken before, and stays the caller's.</summary>
    internal async Task<PointManifest> ExecuteAsync(Lease held, CancellationToken cancellationToken)
    {
        // A run begins with deleting what dead ones left: nobody else may have begun one since.
        await held.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        return await ExecuteUnderAsync(held, cancellationToken).ConfigureAwait(false);
    }

    private async Task<PointManifest> ExecuteUnderAsync(Lease lease, CancellationToken cancellationToken)
    {
        _packs = core.PackReader(_appliance);
        try
        {
            return await ExecuteAsync(lease, ignoreParent: null, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing)
        {
            // The parent cannot be compared with. A point must be made all the same, and it must not lean on what is damaged.
            _readBytes = _doneBytes = _storedBytes = 0;
            return await ExecuteAsync(lease, $"The earlier point could not be compared with, so that everything was stored anew: {damage.Message}", cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<PointManifest> ExecuteAsync(Lease lease, string? ignoreParent, CancellationToken cancellationToken)
    {
        List<Run> published = await manifests.ListAsync(_appliance, cancellationToken).ConfigureAwait(false);
        List<AuditName> records = await core.ApplianceLog(_appliance).ListAsync(cancellationToken).ConfigureAwait(false);
        var named = new HashSet<Run>(published);
        await DropUnconfirmedAsync(published, records, cancellationToken).ConfigureAwait(false);
        Run? previous = published.Count == 0 ? null : published[published.Count - 1];
        (long sequence, HashSet<long> recorded) = await NextSequenceAsync(published, records, cancellationToken).ConfigureAwait(false);
        Layout.RequireNumber(sequence, Layout.Manifests(_appliance));
        await SweepOrphansAsync(published, named, recorded, records, cancellationToken).ConfigureAwait(false);
        await core.Store.SweepAsync(s_abandonedAfter, cancellationToken).ConfigureAwait(false);

        await BackfillRecordsAsync(published, records, cancellationToken).ConfigureAwait(false);
        // Looked at once more with the lease held: another copy may have ended a moment ago.
        if (request.Copy is CopiedPoint wanted && (await PointsThere.ReadAsync(core, manifests, _appliance, published, cancellationToken).ConfigureAwait(false)).Find(wanted.Origin.PointId) is PointManifest there)
        {
            WasAlreadyThere = true;
            return there;
        }
        HashSet<long> removed = await RemovedAsync(recorded, records, cancellationToken).ConfigureAwait(false);
        if (recorded.Any(r => !removed.Contains(r)))
            ignoreParent ??= $"The log knows {recorded.Count(r => !removed.Contains(r))} newer points whose manifests are missing, so that everything was stored anew. Nothing of theirs was touched; Test-NataliaRepository names them.";

        var parents = new List<PointManifest>();
        if (ignoreParent is null) (parents, ignoreParent) = await FindParentsAsync(published, records, cancellationToken).ConfigureAwait(false);
        _parents = parents;
        ClockWarning = FindClockWarning(lease, parents);
        IgnoredParentReason = ignoreParent;
        _damage = await DamageRecords.ReadAsync(core.ApplianceLog(_appliance), records, cancellationToken).ConfigureAwait(false);
        Reference? configuration = parents.Count > 0 && parents[0].Run == previous ? await FindConfigurationAsync(parents[0], cancellationToken).ConfigureAwait(false) : null;

        var disks = new List<DiskProgress>();
        try
        {
            foreach (BackupDisk disk in request.Disks) disks.Add(await PlanAsync(disk, parents, ignoreParent, cancellationToken).ConfigureAwait(false));
            _plannedBytes = disks.Sum(d => d.PlannedBytes);
            if (disks.Exists(d => !d.IsTracked)) await FindUsablePacksAsync(cancellationToken).ConfigureAwait(false);

            while (true)
            {
                Layout.RequireNumber(sequence, Layout.Manifests(_appliance));
                var run = new Run(sequence++, Id128.NewRandom());
                PointManifest manifest = await RoundAsync(lease, run, previous, disks, configuration, cancellationToken).ConfigureAwait(false);
                if (!manifest.Incomplete)
                {
                    await TidyAsync(published, run).ConfigureAwait(false);
                    return manifest;
                }
                published.Add(run);
                previous = run;
                foreach (DiskProgress disk in disks) disk.ParentSequence = run.Sequence;
                configuration = manifest.Configuration;
                _packs = core.PackReader(_appliance);
            }
        }
        finally
        {
            foreach (DiskProgress disk in disks) await disk.DisposeAsync().ConfigureAwait(false);
        }
    }

    private string? FindClockWarning(Lease lease, List<PointManifest> parents)
    {
        var warnings = new List<string>();
        DateTime now = core.Clock.UtcNow();
        if (lease.ClockAhead.Duration() > ClockExtensions.Tolerance)
            warnings.Add($"The clock of this machine ({now:yyyy-MM-dd HH:mm} UTC) and that of {core.Store.Location} ({now - lease.ClockAhead:yyyy-MM-dd HH:mm} UTC) differ by {lease.ClockAhead.Duration().TotalMinutes:0} minutes. Let both be kept by NTP: the times of points, and of locks, go by this machine's.");
        if (parents.Find(p => !p.Incomplete && core.Clock.IsInFuture(p.TimeUtc)) is PointManifest future)
            warnings.Add($"The earlier point {future.PointId} is of {future.TimeUtc:yyyy-MM-dd HH:mm} UTC, which is in the future: now it is {now:yyyy-MM-dd HH:mm} UTC. Either this machine's clock is wrong now, or it was then. A point of the future is never the newest one and in no slot of a retention policy; Remove-NataliaRestorePoint removes it.");
        return warnings.Count == 0 ? null : string.Join(" ", warnings);
    }

    /// <summary>One run of the format: packs, delta, manifest. Ends when all disks are done, or when enough was stored for a checkpoint.</summary>
    private async Task<PointManifest> RoundAsync(Lease lease, Run run, Run? previous, List<DiskProgress> disks, Reference? configuration, CancellationToken cancellationToken)
    {
        using var data = new PackWriter(core.Store, _appliance, PackArea.Data, run, core.Keys, _dataBuffers, cancellationToken);
        using var meta = new PackWriter(core.Store, _appliance, PackArea.Meta, run, core.Keys, _metaBuffers, cancellationToken);
        var dead = request.Disks.ToDictionary(d => d.DiskId, _ => new DeadList(), StringComparer.Ordinal);
        dead[""] = new DeadList();
        long roundStarted = core.Clock.GetTimestamp();
        bool published = false;
        try
        {
            using (PackWriter.Worker metaWorker = meta.NewWorker())
            {
                configuration = await StoreConfigurationAsync(run, metaWorker, configuration, dead[""], cancellationToken).ConfigureAwait(false);
                foreach (DiskProgress disk in disks)
                {
                    if (disk.IsFinished) continue;
                    await DiskRoundAsync(run, disk, data, metaWorker, dead[disk.Disk.DiskId], IsRoundOver, cancellationToken).ConfigureAwait(false);
                    if (!disk.IsFinished) break;
                }
            }
            IReadOnlyList<PackInfo> packs = [.. await data.CompleteAsync(cancellationToken).ConfigureAwait(false), .. await meta.CompleteAsync(cancellationToken).ConfigureAwait(false)];
            EncodedObject delta = new RunDelta(_appliance, run, previous, packs).Encode(dead, core.Keys);
            await core.Store.PutAsync(Layout.Delta(_appliance, run), delta.Content, PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
            _storedBytes += packs.Sum(p => p.Bytes) + delta.Bytes.Length;
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);

            bool complete = disks.TrueForAll(d => d.IsFinished);
            if (complete && beforePublish is not null) await beforePublish(cancellationToken).ConfigureAwait(false);
            DateTime? until = null;
            if (complete)
            {
                DateTime? parentsUntil = await FindParentsLockAsync(cancellationToken).ConfigureAwait(false);
                until = await new LockKeeper(core, _appliance).SecureAsync(disks.Select(d => d.Root).ToArray(), configuration, _startedUtc, parentsUntil, _parents.Count > 0, cancellationToken).ConfigureAwait(false);
            }
            AuditLog log = core.ApplianceLog(_appliance);
            AuditLog.End end = await log.FindEndAsync(await log.ListAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            // Before the point is there: it must not be unprotected for a moment, or for ever when the process dies now. Of a point that never comes the record says nothing.
            if (complete && request.Copy is { IsProtected: true }) end = end.After(await log.AppendAsync(end, RecordOfProtection(run), core.SigningSeed, cancellationToken).ConfigureAwait(false));
            PointManifest manifest = Describe(run, disks, configuration, complete, delta.Hash, end.Heads) with { ImmutableUntilUtc = until };
            await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
            // From here on the manifest may exist, whatever the answer says: what it needs is not taken back any more.
            published = true;
            await PublishAsync(Layout.Manifest(_appliance, run), manifest.Encode(core.Keys), cancellationToken).ConfigureAwait(false);
            // Not the caller's token: the point is there, and Ctrl-C must not make a failure of it.
            await core.Store.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            if (complete) await RecordPublishedAsync(log, manifest).ConfigureAwait(false);
            return manifest;

            bool IsRoundOver()
            {
                long stored = data.StoredBytes;
                return stored >= core.Options.CheckpointBytes
                    && (stored >= (_storedBytes + stored) / 4 || core.Clock.GetElapsedTime(roundStarted) >= s_longestRound);
            }
        }
        catch
        {
            await data.AbandonAsync().ConfigureAwait(false);
            await meta.AbandonAsync().ConfigureAwait(false);
            if (!published) await DiscardAsync(run).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Until when everything that the parents need is locked: what they said when they were made, or what extended it since. Null when there is no parent.</summary>
    private async Task<DateTime?> FindParentsLockAsync(CancellationToken cancellationToken)
    {
        if (_parents.Count == 0) return null;
        IReadOnlyList<RenewalRecord> renewals = [];
        if (core.Immutability?.WhileKept == true)
        {
            AuditLog log = core.ApplianceLog(_appliance);
            renewals = await RenewalRecord.ReadAsync(log, await log.ListAsync(cancellationToken).ConfigureAwait(false), core.Clock.UtcNow(), cancellationToken).ConfigureAwait(false);
        }
        return _parents.Min(p => (DateTime?)Later(p.ImmutableUntilUtc, RenewalRecord.Until(renewals, p.PointId)));
    }

    private static DateTime Later(DateTime? a, DateTime? b) => new(Math.Max(a?.Ticks ?? 0, b?.Ticks ?? 0), DateTimeKind.Utc);

    /// <summary>Puts a manifest. An unclear answer is settled by looking: an object is there whole or not at all.</summary>
    private async Task PublishAsync(string name, EncodedObject manifest, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.PutAsync(name, manifest.Content, PutOptions.Metadata, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException unclear)
        {
            StoredObject? found;
            try
            {
                found = await core.Store.StatAsync(name, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException)
            {
                throw unclear;
            }
            if (found is null) throw;
        }
    }

    /// <summary>Goes on with one disk until its end or the round's.</summary>
    private async Task DiskRoundAsync(Run run, DiskProgress disk, PackWriter data, PackWriter.Worker meta, DeadList dead, Func<bool> isRoundOver, CancellationToken cancellationToken)
    {
        MapReader? parent = disk.Root.Reference is null ? null : new MapReader(_packs, disk.Root);
        var builder = new MapBuilder(parent, disk.Source.SizeBytes, meta, run, dead);
        var workers = new List<ILeafProcessor>();
        try
        {
            for (int i = 0; i < Math.Max(1, core.Options.Workers); i++)
            {
                if (_leafBuffers.Count == i) _leafBuffers.Add(new byte[BlockGeometry.LeafBytes]);
                workers.Add(disk.Source is CopiedDisk copied ? new SegmentMover(copied, parent, data, IsUsable, _leafBuffers[i]) : new LeafProcessor(disk.Source, parent, data, IsUsable, _leafBuffers[i]));
            }
            await OrderedPipeline.RunAsync(workers, NextAsync, (worker, work, stop) => worker.ProcessAsync(work, stop), TakeAsync, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            foreach (ILeafProcessor worker in workers) worker.Dispose();
        }
        disk.Root = await builder.CompleteAsync(cancellationToken).ConfigureAwait(false);

        async ValueTask<(bool, LeafWork)> NextAsync(CancellationToken stop)
        {
            if (isRoundOver()) return (false, default);
            if (!await disk.Work!.MoveNextAsync().ConfigureAwait(false))
            {
                disk.IsFinished = true;
                return (false, default);
            }
            return (true, disk.Work.Current);
        }

        async Task TakeAsync(LeafResult result, CancellationToken stop)
        {
            disk.NextLeaf = result.Leaf + 1;
            _readBytes += result.ReadBytes;
            _doneBytes += result.ReadBytes;
            progress?.Report(new OperationProgress($"{(request.Copy is null ? "Backing up" : "Copying")} {request.Appliance.Name} ({disk.Disk.DiskId})", _doneBytes, _plannedBytes));
            if (result.Content is null) return;
            foreach (Reference block in result.DeadBlocks) dead.Add(PackArea.Data, block);
            await builder.SetLeafAsync(result.Leaf, result.Content, result.Old, stop).ConfigureAwait(false);
        }
    }

    /// <summary>Decides what is read of a disk, and against what it is compared.</summary>
    private async Task<DiskProgress> PlanAsync(BackupDisk disk, List<PointManifest> parents, string? ignoreParent, CancellationToken cancellationToken)
    {
        var plan = new DiskProgress(disk) { Reason = ignoreParent };
        long size = disk.Source.SizeBytes;
        PointManifest? parent = parents.Find(p => p.Disks.Any(d => d.DiskId == disk.DiskId));
        ManifestDisk? before = parent?.Disks.First(d => d.DiskId == disk.DiskId);
        if (before is not null)
        {
            plan.Root = before.Root;
            plan.ParentSequence = parent!.Run.Sequence;
        }
        List<Extent>? changed = null;
        if (request.RequestedType != RequestedBackupType.Full)
        {
            (changed, string? reason) = disk.Source is CopiedDisk copied
                ? (await FindChangedAsync(copied, parent, before, cancellationToken).ConfigureAwait(false), null)
                : await FindChangedAsync(disk, parent, before, cancellationToken).ConfigureAwait(false);
            plan.Reason ??= reason;
        }
        if (changed is not null)
        {
            plan.IsTracked = true;
            plan.DamageSeen = before!.DamageSeen;
            plan.PlannedBytes = changed.Sum(e => e.Length);
            plan.Work = LeafPlan.ChangedAsync(changed, size, cancellationToken).GetAsyncEnumerator(cancellationToken);
            return plan;
        }
        plan.DamageSeen = _damage.Newest;
        var allocated = new List<Extent>();
        await foreach (Extent extent in disk.Source.GetAllocatedExtentsAsync(cancellationToken).ConfigureAwait(false)) allocated.Add(extent);
        plan.PlannedBytes = allocated.Sum(e => e.Length);
        MapReader? map = plan.Root.Reference is null ? null : new MapReader(_packs, plan.Root);
        plan.Work = LeafPlan.AllocatedAsync(allocated, size, map, cancellationToken).GetAsyncEnumerator(cancellationToken);
        return plan;
    }

    /// <summary>The extents that an incremental has to read, or why there can be none.</summary>
    private async Task<(List<Extent>? Changed, string? Reason)> FindChangedAsync(BackupDisk disk, PointManifest? parent, ManifestDisk? before, CancellationToken cancellationToken)
    {
        bool asked = request.RequestedType == RequestedBackupType.Incremental;
        if (before is null) return (null, asked ? $"There is no earlier point of disk '{disk.DiskId}'." : null);
        var tracking = disk.Source as IChangeTrackingSource;
        if (before.TrackingToken is string lost && tracking?.TrackingToken is null)
        {
            string? why = tracking is null ? null : (await tracking.GetChangedExtentsAsync(lost, cancellationToken).ConfigureAwait(false)).Reason;
            return (null, why ?? $"The changes of disk '{disk.DiskId}' were known at its last point and are not known now, so that all of it was read.");
        }
        if (tracking is null || tracking.TrackingToken is null)
            return (null, asked ? $"The hypervisor does not track the changes of disk '{disk.DiskId}', so that all of it was read." : null);
        if (before.NativeId is not null && before.NativeId != NativeIdentity)
            return (null, $"The last point of disk '{disk.DiskId}' is of another VM, so that all of it was read.");
        // What did not change would be taken over unread, and the loss with it.
        if (_damage.Newest > before.DamageSeen) return (null, $"Damage was found in the repository after disk '{disk.DiskId}' was last read as a whole, so that all of it was read, and what was lost was stored again.");
        if (before.TrackingToken is null)
            return (null, parent?.CopyOf is null ? $"The earlier point of disk '{disk.DiskId}' was made without change tracking."
                : $"The earlier point of disk '{disk.DiskId}' was copied from another repository, and changes are counted only from points that were made here.");
        if (before.SizeBytes != disk.Source.SizeBytes) return (null, $"Disk '{disk.DiskId}' was resized from {before.SizeBytes} to {disk.Source.SizeBytes} bytes.");
        ChangedExtents answer = await tracking.GetChangedExtentsAsync(before.TrackingToken, cancellationToken).ConfigureAwait(false);
        if (answer.Extents is null) return (null, answer.Reason ?? $"The hypervisor could not tell the changes of disk '{disk.DiskId}'.");
        var changed = new List<Extent>(answer.Extents);
        if (before.CoveredBytes is long covered && covered < before.SizeBytes)
        {
            // A checkpoint holds the frozen state up to here only; behind it lies the state of an earlier point, or nothing.
            changed.RemoveAll(e => e.Offset >= covered);
            if (changed.Count > 0 && changed[changed.Count - 1] is var last && last.End > covered) changed[changed.Count - 1] = new Extent(last.Offset, covered - last.Offset);
            changed.Add(new Extent(covered, before.SizeBytes - covered));
        }
        return (changed, null);
    }

    /// <summary>What a copy has to look at when the earlier point here is a copy too, of a point that the source still has; null for everything.</summary>
    private async Task<List<Extent>?> FindChangedAsync(CopiedDisk disk, PointManifest? parent, ManifestDisk? before, CancellationToken cancellationToken)
    {
        // Damage that was found since the disk was last looked at as a whole is healed by comparing everything, and storing again what lies in damaged packs.
        if (parent is null || before is null || _damage.Newest > before.DamageSeen) return null;
        return await disk.GetChangedExtentsAsync(parent.OriginalPointId, before, new MapReader(_packs, before.Root), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The manifests that a disk may be compared with, newest first. Never one behind a manifest that cannot be read: what that one's run declared dead must not come to life again.
    /// </summary>
    private async Task<(List<PointManifest> Parents, string? Reason)> FindParentsAsync(List<Run> published, List<AuditName> records, CancellationToken cancellationToken)
    {
        var parents = new List<PointManifest>();
        var missing = new HashSet<string>(request.Disks.Select(d => d.DiskId), StringComparer.Ordinal);
        for (int i = published.Count - 1; i >= 0 && missing.Count > 0; i--)
        {
            try
            {
                PointManifest manifest = await manifests.ReadAsync(_appliance, published[i], cancellationToken).ConfigureAwait(false);
                parents.Add(manifest);
                missing.ExceptWith(manifest.Disks.Select(d => d.DiskId));
            }
            catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
            {
                if ((await StrangeManifests.FindUnconfirmedAsync(core, _appliance, records, [published[i]], cancellationToken).ConfigureAwait(false)).Count > 0) continue;
                return (parents, $"The earlier point could not be compared with, so that everything was stored anew: {damage.Message}");
            }
        }
        return (parents, null);
    }

    /// <summary>A full run does not trust a reference into a pack that is gone or was found damaged: it stores the block again.</summary>
    private async Task FindUsablePacksAsync(CancellationToken cancellationToken)
    {
        _usablePacks = new HashSet<string>(StringComparer.Ordinal);
        await foreach (StoredObject pack in core.Store.ListAsync(Layout.Packs(_appliance, PackArea.Data), cancellationToken).ConfigureAwait(false))
        {
            int revision = pack.Name.LastIndexOf(".r", StringComparison.Ordinal);
            _usablePacks.Add(revision < 0 ? pack.Name : pack.Name.Substring(0, revision));
        }
    }

    /// <summary>What a tracking token belongs to: another VM that goes on with this history has tokens of its own.</summary>
    private string NativeIdentity => request.Appliance.HypervisorKind + ":" + (request.Appliance.NativeId ?? request.Appliance.Name);

    private bool IsUsable(Reference block)
    {
        if (_usablePacks is null) return true;
        string name = Layout.Pack(_appliance, PackArea.Data, block.Run, block.Pack);
        return _usablePacks.Contains(name) && !_damage.Packs.Contains(name);
    }

    /// <summary>The configuration that the new point may share; null when there is none that can be read.</summary>
    private async Task<Reference?> FindConfigurationAsync(PointManifest parent, CancellationToken cancellationToken)
    {
        if (parent.Configuration is not Reference configuration) return null;
        using var codec = new SegmentCodec();
        try
        {
            await _packs.ReadSegmentAsync(PackArea.Meta, configuration, codec, cancellationToken).ConfigureAwait(false);
            return configuration;
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged)
        {
            return null;
        }
    }

    private async Task<Reference?> StoreConfigurationAsync(Run run, PackWriter.Worker meta, Reference? before, DeadList dead, CancellationToken cancellationToken)
    {
        byte[]? bytes = request.Copy is CopiedPoint copy ? copy.Configuration : ApplianceDescriptionJson.Encode(request.Appliance);
        if (bytes is null)
        {
            if (before is not null) dead.Add(PackArea.Meta, before);
            return null;
        }
        Hash256 hash = Hash256.Of(bytes);
        if (before is not null && before.Hash == hash) return before;
        if (before is not null) dead.Add(PackArea.Meta, before);
        Placement placement = await meta.AddAsync(bytes, cancellationToken).ConfigureAwait(false);
        return new Reference(run, placement.Pack, placement.Ordinal, hash);
    }

    private PointManifest Describe(Run run, List<DiskProgress> disks, Reference? configuration, bool complete, Hash256 delta, IReadOnlyList<string> heads)
    {
        string[] reasons = disks.Select(d => d.Reason).Append(request.ConsistencyReason).Where(r => r is not null).Distinct().ToArray()!;
        var manifest = new PointManifest
        {
            ApplianceId = _appliance,
            Run = run,
            TimeUtc = request.TimeUtc,
            Incomplete = !complete,
            DeltaHash = delta,
            LogHeads = heads,
            ApplianceName = request.Appliance.Name,
            HypervisorKind = request.Appliance.HypervisorKind,
            Type = disks.TrueForAll(d => d.IsTracked) ? BackupType.Incremental : BackupType.Full,
            RequestedType = request.RequestedType,
            Reason = reasons.Length == 0 ? null : string.Join(" ", reasons),
            Consistency = request.Consistency,
            ReadBytes = _readBytes,
            StoredBytes = _storedBytes,
            Duration = core.Clock.GetElapsedTime(_started),
            Configuration = configuration,
            Disks = disks.Select(d => new ManifestDisk
            {
                DiskId = d.Disk.DiskId,
                Role = d.Disk.Role,
                SizeBytes = d.Source.SizeBytes,
                Root = d.Root,
                ParentSequence = d.ParentSequence,
                TrackingToken = d.TrackingToken,
                NativeId = d.TrackingToken is null ? null : NativeIdentity,
                CoveredBytes = d.CoveredBytes,
                DamageSeen = d.DamageSeen,
            }).ToArray(),
        };
        return request.Copy is CopiedPoint copy ? copy.Describe(manifest) : manifest;
    }

    /// <summary>
    /// The point exists, whatever happens to its record: so neither Ctrl-C nor a store that goes away now may turn the run into a failure. The next holder of the lease writes what is missing.
    /// </summary>
    private async Task RecordPublishedAsync(AuditLog log, PointManifest manifest)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            await log.AppendAsync(Record(manifest, late: false), core.SigningSeed, bounded.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
        }
    }

    /// <summary>Writes the records of points whose run died between manifest and record, marked as late.</summary>
    private async Task BackfillRecordsAsync(List<Run> published, List<AuditName> names, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(_appliance);
        _pointsInLog = new HashSet<long>(names.Where(n => n.Event == AuditEvents.PointMade).Select(n => n.Sequence));
        // Only the newest run can lack its record and have a name that looks like one: each was looked at by the run after it.
        if (published.Count > 0 && published[published.Count - 1].Sequence is var newest && _pointsInLog.Contains(newest))
        {
            IReadOnlyList<AuditRecord?> made = await log.ReadAllAsync(names.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence == newest), cancellationToken).ConfigureAwait(false);
            if (made.All(r => r is null)) _pointsInLog.Remove(newest);
        }
        List<Run> unrecorded = published.FindAll(r => !_pointsInLog.Contains(r.Sequence));
        foreach ((Run run, PointManifest? manifest, _) in await manifests.ReadAllAsync(_appliance, unrecorded, fromCatalog: false, cancellationToken).ConfigureAwait(false))
        {
            // Nothing can be said of a point that cannot be read; the repository's check reports it.
            if (manifest is null) _pointsInLog.Add(run.Sequence);
            else if (!manifest.Incomplete) await log.AppendAsync(Record(manifest, late: true), core.SigningSeed, cancellationToken).ConfigureAwait(false);
        }
    }

    private AuditEntry Record(PointManifest manifest, bool late) => new(AuditEvents.PointMade)
    {
        ApplianceId = _appliance,
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

    private AuditEntry RecordOfProtection(Run run) => new(AuditEvents.PointProtected)
    {
        ApplianceId = _appliance,
        RestorePointId = run.Id.ToString(),
        Sequence = run.Sequence,
        Reason = $"Protected in the repository that it is copied from, {request.Copy!.CopiedFrom.RepositoryId}.",
    };

    /// <summary>
    /// One more than every sequence that a manifest, a delta or a signed record used. What only claims to be one of them does not count: a name alone may be anybody's.
    /// </summary>
    private async Task<(long Next, HashSet<long> Recorded)> NextSequenceAsync(List<Run> published, List<AuditName> records, CancellationToken cancellationToken)
    {
        long highest = published.Count == 0 ? 0 : published[published.Count - 1].Sequence;
        AuditLog log = core.ApplianceLog(_appliance);
        // Above the newest manifest a record must be looked at: it may be all that is left of a point.
        List<AuditName> above = records.FindAll(n => n.Event == AuditEvents.PointMade && n.Sequence > highest);
        IReadOnlyList<AuditRecord?> genuine = await log.ReadAllAsync(above, cancellationToken).ConfigureAwait(false);
        var recorded = new HashSet<long>(above.Where((_, i) => genuine[i] is not null).Select(n => n.Sequence));
        foreach (long sequence in recorded) highest = Math.Max(highest, sequence);
        foreach (StoredObject delta in await core.Store.ListAllAsync(Layout.Deltas(_appliance), Behind(Layout.Deltas(_appliance), highest), cancellationToken).ConfigureAwait(false))
        {
            if (!Run.TryParse(Layout.FileName(delta.Name), out Run run) || run.Sequence <= highest) continue;
            if (await StrangeManifests.IsDeltaGenuineAsync(core, _appliance, run, cancellationToken).ConfigureAwait(false)) highest = run.Sequence;
        }
        return (highest + 1, recorded);
    }

    /// <summary>Takes away what stands above the newest manifest that is genuine and that nothing confirms: it may be anybody's, and would set the next number and be what the new point is compared with.</summary>
    private async Task DropUnconfirmedAsync(List<Run> published, List<AuditName> records, CancellationToken cancellationToken)
    {
        int end = published.Count;
        for (int count = 1; end > 0; count = 64)
        {
            int begin = Math.Max(0, end - count);
            List<Run> group = published.GetRange(begin, end - begin);
            IReadOnlyList<(Run Run, PointManifest? Manifest, NataliaException? Damage)> read = await manifests.ReadAllAsync(_appliance, group, fromCatalog: false, cancellationToken).ConfigureAwait(false);
            HashSet<Run> strange = await StrangeManifests.FindUnconfirmedAsync(core, _appliance, records, read.Where(r => r.Manifest is null).Select(r => r.Run), cancellationToken).ConfigureAwait(false);
            int genuine = group.FindLastIndex(r => !strange.Contains(r));
            end = begin + genuine + 1;
            if (genuine >= 0) break;
        }
        published.RemoveRange(end, published.Count - end);
    }

    /// <summary>Which of these points were removed on purpose.</summary>
    private async Task<HashSet<long>> RemovedAsync(HashSet<long> sequences, List<AuditName> records, CancellationToken cancellationToken)
    {
        var removed = new HashSet<long>();
        if (sequences.Count == 0) return removed;
        AuditLog log = core.ApplianceLog(_appliance);
        foreach (AuditRecord? record in await log.ReadAllAsync(records.FindAll(n => n.Event == AuditEvents.PointRemoved && sequences.Contains(n.Sequence)), cancellationToken).ConfigureAwait(false))
        {
            if (record?.Sequence is long sequence) removed.Add(sequence);
        }
        return removed;
    }

    /// <summary>In a room whose names begin with runs: behind every run with a sequence up to this one.</summary>
    private static string Behind(string room, long sequence) => room + Layout.Number(sequence) + "_";

    /// <summary>
    /// Deletes what runs left that died before they published anything: with the lease held, nobody else can be writing there. A run that the log knows as a point, or whose manifest is there, is no such run:
    /// when its manifest is gone for a reason that is not ours, everything that it needs stays for the day when the manifest comes back.
    /// </summary>
    private async Task SweepOrphansAsync(List<Run> published, HashSet<Run> named, HashSet<long> recorded, List<AuditName> records, CancellationToken cancellationToken)
    {
        long newest = published.Count == 0 ? 0 : published[published.Count - 1].Sequence;
        bool hasHistory = published.Count > 0 || recorded.Count > 0 || records.Exists(n => n.Event == AuditEvents.PointMade);
        foreach (string room in new[] { Layout.Packs(_appliance, PackArea.Data), Layout.Packs(_appliance, PackArea.Meta), Layout.Deltas(_appliance) })
        {
            foreach (StoredObject found in await core.Store.ListAllAsync(room, Behind(room, newest), cancellationToken).ConfigureAwait(false))
            {
                string token = found.Name.Substring(room.Length).Split('/')[0];
                if (!Run.TryParse(token, out Run run) || run.Sequence <= newest || named.Contains(run) || recorded.Contains(run.Sequence)) continue;
                // All manifests gone although the log knows points: then nothing at all is taken for an orphan.
                if (published.Count == 0 && hasHistory) continue;
                await DeleteUnlockedAsync(found.Name, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Takes back what a failed round stored. The error that ended it is what the user must see, so trouble here only leaves orphans for the next run.</summary>
    private async Task DiscardAsync(Run run)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            foreach (string room in new[] { Layout.Packs(_appliance, PackArea.Data), Layout.Packs(_appliance, PackArea.Meta), Layout.Deltas(_appliance) })
                await DeleteAllAsync(room + run, bounded.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
        }
    }

    /// <summary>The point is made: what goes wrong here leaves checkpoints for the next run to remove, or a catalog without its newest part, and is no failure.</summary>
    private async Task TidyAsync(List<Run> published, Run made)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        CancellationToken cancellationToken = bounded.Token;
        // A point that the log knows is no checkpoint, and what cannot be read tells nothing; the few others must be looked at.
        foreach (Run run in published.Where(r => !_pointsInLog.Contains(r.Sequence)))
        {
            try
            {
                PointManifest manifest = await manifests.ReadAsync(_appliance, run, cancellationToken).ConfigureAwait(false);
                if (manifest.Incomplete) await core.Store.DeleteAsync(Layout.Manifest(_appliance, run), cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
            {
                // Not a checkpoint that can be told, one that a lock keeps, or a store that has gone: nobody lists a checkpoint either way.
            }
        }
        try
        {
            await new PointCatalog(core, _appliance).UpdateAfterAsync(manifests, [.. published.Where(r => r != made), made], cancellationToken).ConfigureAwait(false);
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

    private async Task DeleteUnlockedAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            // Goes when its lock has ended.
        }
    }
}
