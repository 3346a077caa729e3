using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Copy;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// Copies restore points from one open repository to another. A copy is made the way a backup run makes a point: with
/// the destination's lease held, for one point or for several, resumable, its blocks compared with those of the
/// destination's newest point, its objects locked where the destination is immutable. The source is only read, but for
/// a record in its log; like a restore it takes no lease there, so that no backup waits for a copy. Not thread-safe:
/// one copy at a time. The repositories are the caller's, and stay open.
/// </summary>
public sealed class PointCopier
{
    private readonly Repository _source, _destination;
    private readonly Action<NataliaException>? _onTrouble;
    private HeldLease? _held;
    private readonly Dictionary<string, PointsThere> _there = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<string, PointsThere.Removal>> _removed = new(StringComparer.Ordinal);

    /// <summary>Checks that the two can be copied between.</summary>
    /// <param name="source">Where the points are.</param>
    /// <param name="destination">Where the copies are made.</param>
    /// <param name="onTrouble">Told of what went wrong without harming the copies: a record that the source's log did
    /// not take. Or null.</param>
    /// <exception cref="NataliaException"><c>CopyOntoItself</c>, <c>PasswordRequired</c>,
    /// <c>ObjectLockNotSupported</c>.</exception>
    public PointCopier(Repository source, Repository destination, Action<NataliaException>? onTrouble)
    {
        (_source, _destination, _onTrouble) = (source, destination, onTrouble);
        if (source.RepositoryId == destination.RepositoryId)
            throw new NataliaException(ErrorIds.CopyOntoItself, NataliaErrorKind.InvalidArgument,
                $"'{source.Label}' ({source.Location}) and '{destination.Label}' ({destination.Location}) are the "
                + "same repository, or one is a copy of the other's files.",
                destination.Label, "Make a repository of its own for the copies with New-NataliaRepository.");
        _ = source.Core.Keys;
        _ = destination.Core.SigningSeed;
        destination.EnsureCanLock();
    }

    /// <summary>
    /// Tells what <see cref="CopyAsync"/> would find: the copy that is there already, or that it was removed there.
    /// Null when the point would be copied: also when what is there is known to be damaged, or was given up by a repair
    /// because it was lost.
    /// </summary>
    /// <param name="point">The point in the source.</param>
    /// <param name="again">Whether points that were removed from the destination are copied once more.</param>
    /// <exception cref="NataliaException">A store error.</exception>
    public async Task<PointCopy?> FindAsync(RestorePoint point, bool again, CancellationToken cancellationToken)
    {
        string original = point.OriginalRestorePointId ?? point.RestorePointId;
        PointsThere there = await ReadThereAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
        if (there.Find(original) is PointManifest found) return Describe(point, CopyStatus.AlreadyThere, found);
        if (again) return null;
        if (!_removed.TryGetValue(point.ApplianceId, out Dictionary<string, PointsThere.Removal>? removed))
            _removed[point.ApplianceId] =
                removed = await PointsThere.ReadRemovedAsync(_destination.Core.ApplianceLog(point.ApplianceId),
                cancellationToken).ConfigureAwait(false);
        if (!removed.TryGetValue(original, out PointsThere.Removal? removal) || removal.IsLost) return null;
        // What is there and damaged was made after the removal: somebody wanted it since.
        return there.FindDamaged(original) is PointManifest damaged && damaged.Run.Sequence > removal.Sequence
            ? null
            : Describe(point, CopyStatus.RemovedThere, null);
    }

    /// <summary>
    /// Takes the destination's lease for several points of one appliance, until the result is disposed; without it each
    /// point takes its own. That saves five requests a point, and two seconds where a store cannot create exclusively.
    /// </summary>
    /// <remarks>
    /// Meanwhile backups of the appliance into the destination, and removals there, are refused with <c>LeaseHeld</c>.
    /// They do not wait, but fail at once: a gap of milliseconds between two points would hardly ever let one through,
    /// so nothing is gained by giving the lease up there. So hold it for copying alone: not while a user is asked, nor
    /// when all points are there already, and dispose of it after the last point and after a failure. Backups into the
    /// source are never concerned. A process that dies with it is like one that dies in a backup.
    /// </remarks>
    /// <param name="applianceId">The appliance.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>, a store error.</exception>
    /// <exception cref="InvalidOperationException">One is held already.</exception>
    public async Task<IAsyncDisposable> HoldAsync(string applianceId, CancellationToken cancellationToken)
    {
        if (_held is not null) throw new InvalidOperationException("A lease is held already.");
        return _held = new HeldLease(this, applianceId,
            await _destination.Core.AcquireLeaseAsync(applianceId, LeasePurposes.Copy,
                cancellationToken).ConfigureAwait(false));
    }

    private sealed class HeldLease(PointCopier copier, string applianceId, Lease lease) : IAsyncDisposable
    {
        internal string ApplianceId => applianceId;
        internal Lease Lease => lease;

        public ValueTask DisposeAsync()
        {
            if (copier._held != this) return default;
            copier._held = null;
            return lease.DisposeAsync();
        }
    }

    /// <summary>
    /// Copies a point, unless the destination has it whole, as far as is known. What is damaged there stays beside the
    /// new copy. Points of an appliance are copied in the order of their age: each then stores only what changed since
    /// the one before.
    /// </summary>
    /// <param name="point">The point in the source.</param>
    /// <param name="again">Copy it although a copy was removed from the destination.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it; what was stored up to the last checkpoint is used by the next
    /// try.</param>
    /// <exception cref="NataliaException">
    /// <c>RestorePointNotFound</c>; <c>RestorePointDamaged</c> when the source has not got whole what the point needs,
    /// and nothing was made of it; <c>LeaseHeld</c>, <c>LeaseLost</c>, <c>ObjectArchived</c>, a store error of either
    /// side.
    /// </exception>
    public async Task<PointCopy> CopyAsync(RestorePoint point, bool again, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken)
    {
        if (await FindAsync(point, again, cancellationToken).ConfigureAwait(false) is PointCopy known) return known;
        using IDisposable use = PointsInUse.Enter(_source.RepositoryId, point.RestorePointId);
        RepositoryCore core = _source.Core;
        long started = _destination.Core.Clock.GetTimestamp();
        PointFinder.Found found = await FindSourceAsync(point, cancellationToken).ConfigureAwait(false);
        PointManifest manifest = found.Manifest;
        PackReader packs = core.PackReader(manifest.ApplianceId);
        var proofs = new PackProofs(core, _source.Manifests, manifest.ApplianceId);
        CopiedDisk[] disks = manifest.Disks
            .Select(d => new CopiedDisk(core, _source.Manifests, manifest, d, packs, proofs))
            .ToArray();
        CopyRunResult run;
        try
        {
            byte[]? configuration = await ReadConfigurationAsync(core, manifest, packs,
                cancellationToken).ConfigureAwait(false);
            var copied = new CopiedPoint(manifest, new PointOrigin(core.RepositoryId, manifest.PointId), configuration,
                await ReadAttachmentsAsync(core, manifest, packs, cancellationToken).ConfigureAwait(false),
                // As it is now: copying may have begun hours after the point was listed.
                found.Point.IsProtected);
            Lease? held = _held?.ApplianceId == manifest.ApplianceId ? _held.Lease : null;
            run = await _destination.RunCopyAsync(copied, disks, held, progress,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.RestorePointDamaged)
        {
            await NoteDamageAsync(manifest, damage).ConfigureAwait(false);
            throw;
        }
        PointManifest? damaged = _there[manifest.ApplianceId].FindDamaged(manifest.OriginalPointId);
        _there[manifest.ApplianceId].Add(run.Manifest);
        if (run.WasAlreadyThere) return Describe(point, CopyStatus.AlreadyThere, run.Manifest);
        await RecordAsync(manifest.Run, run.Manifest, late: false, CancellationToken.None).ConfigureAwait(false);
        return Describe(point, CopyStatus.Copied, run.Manifest) with
        {
            ReadBytes = disks.Sum(d => d.FetchedBytes),
            WrittenBytes = run.Manifest.StoredBytes,
            SkippedBytes = Math.Max(0, BlockBytes(manifest) - disks.Sum(d => d.MovedBytes)),
            Duration = _destination.Core.Clock.GetElapsedTime(started),
            Reason = Join(damaged is null
                ? null
                : $"The point with id {damaged.PointId} in '{_destination.Label}' holds the same state and was found "
                    + "damaged, so that it was copied again.",
                run.IgnoredParentReason),
        };
    }

    private static string? Join(string? one, string? two) => one is null || two is null ? one ?? two : one + " " + two;

    private static long BlockBytes(PointManifest manifest) =>
        manifest.Disks.Sum(d => Math.Min(d.Root.Blocks * BlockGeometry.BlockBytes, d.SizeBytes));

    private async Task<PointFinder.Found> FindSourceAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        try
        {
            return await _source.FindPointAsync(point.ApplianceId, point.RestorePointId,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId == ErrorIds.ManifestDamaged)
        {
            throw new NataliaException(ErrorIds.RestorePointDamaged, NataliaErrorKind.InvalidData,
                $"The point {point} ({point.RestorePointId}) is damaged in the repository '{_source.Label}' and was "
                + $"not copied: {damage.Message}",
                damage.Target, damage.RecommendedAction, damage);
        }
    }

    private async Task<PointsThere> ReadThereAsync(string applianceId, CancellationToken cancellationToken)
    {
        if (_there.TryGetValue(applianceId, out PointsThere? known)) return known;
        List<Run> runs = await _destination.Manifests.ListAsync(applianceId, cancellationToken).ConfigureAwait(false);
        PointsThere there = await PointsThere.ReadAsync(_destination.Core, _destination.Manifests, applianceId, runs,
            cancellationToken).ConfigureAwait(false);
        await BackfillAsync(there, cancellationToken).ConfigureAwait(false);
        return _there[applianceId] = there;
    }

    /// <summary>
    /// The VM configuration as it was stored: it is not read and written anew, so that nothing of a newer version is
    /// lost.
    /// </summary>
    private static async Task<byte[]?> ReadConfigurationAsync(RepositoryCore core, PointManifest manifest,
        PackReader packs, CancellationToken cancellationToken)
    {
        if (manifest.Configuration is null) return null;
        using var codec = new SegmentCodec();
        try
        {
            return await packs.ReadSegmentAsync(PackArea.Meta, manifest.Configuration, codec,
                cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged)
        {
            throw CopiedDisk.Damaged(core, manifest, damage);
        }
    }

    private static async Task<IReadOnlyList<RunAttachment>> ReadAttachmentsAsync(RepositoryCore core,
        PointManifest manifest, PackReader packs, CancellationToken cancellationToken)
    {
        var attachments = new List<RunAttachment>();
        try
        {
            foreach (ManifestAttachment attachment in manifest.Attachments)
                attachments.Add(new RunAttachment(attachment.Name, attachment.Kind,
                    await CompanionReader.ReadAsync(packs, attachment, cancellationToken).ConfigureAwait(false)));
            return attachments;
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.PackMissing or ErrorIds.ObjectDamaged)
        {
            throw CopiedDisk.Damaged(core, manifest, damage);
        }
    }

    /// <summary>
    /// Keeps in the source's log which pack is damaged, so that its next full backup stores again what it can. The
    /// point's own failure is what the user must see.
    /// </summary>
    private async Task NoteDamageAsync(PointManifest manifest, NataliaException damage)
    {
        if (damage.Target?.StartsWith(Layout.Appliance(manifest.ApplianceId), StringComparison.Ordinal) != true) return;
        await TryAsync(async cancellationToken =>
        {
            // What was removed and given back while it was copied is no damage.
            PointStates states = await PointStates.ReadAsync(_source.Core.ApplianceLog(manifest.ApplianceId),
                [manifest.Run.Sequence], cancellationToken).ConfigureAwait(false);
            if (states.IsRemoved(manifest.PointId)) return;
            // Once is enough, however often the copy is tried.
            if (!(await DamageRecords.ReadAsync(_source.Core, manifest.ApplianceId,
                cancellationToken).ConfigureAwait(false)).Packs.Contains(damage.Target))
                await DamageRecords.WriteAsync(_source.Core, manifest.ApplianceId, manifest.PointId,
                    manifest.Run.Sequence, [damage.Target], "Found when the point was to be copied.",
                    cancellationToken).ConfigureAwait(false);
        }, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Writes into the source's log where the point was copied to.</summary>
    private Task RecordAsync(Run original, PointManifest copy, bool late, CancellationToken cancellationToken) =>
        TryAsync(stop => _source.Core.ApplianceLog(copy.ApplianceId).AppendAsync(new AuditEntry(AuditEvents.PointCopied)
        {
            ApplianceId = copy.ApplianceId,
            RestorePointId = original.Id.ToString(),
            Sequence = original.Sequence,
            WriteData = json =>
            {
                if (late) json.WriteBoolean("late", true);
                json.WriteString("name", copy.ApplianceName);
                json.WriteString("timeUtc", JsonText.Time(copy.TimeUtc));
                new PointOrigin(_destination.RepositoryId, copy.PointId).Write(json, "copiedTo");
            },
        }, _source.Core.SigningSeed, stop), cancellationToken);

    /// <summary>A run that died right after its last copy was made could not tell the source's log of it.</summary>
    private async Task BackfillAsync(PointsThere there, CancellationToken cancellationToken)
    {
        if (there.NewestCopy is not { CopiedFrom: PointOrigin from } copy || from.RepositoryId != _source.RepositoryId)
            return;
        List<Run> runs = await _source.Manifests.ListAsync(copy.ApplianceId, cancellationToken).ConfigureAwait(false);
        if (!runs.Exists(r => r.Id.ToString() == from.PointId)) return;
        Run run = runs.Find(r => r.Id.ToString() == from.PointId);
        AuditLog log = _source.Core.ApplianceLog(copy.ApplianceId);
        List<AuditName> told =
            (await log.ListAsync(cancellationToken).ConfigureAwait(false)).FindAll(
                n => n.Event == AuditEvents.PointCopied && n.Sequence == run.Sequence);
        foreach (AuditRecord? record in await log.ReadAllAsync(told, cancellationToken).ConfigureAwait(false))
        {
            using JsonDocument data = JsonDocument.Parse(record?.Data ?? "{}");
            if (PointOrigin.Read(data.RootElement, "copiedTo") is PointOrigin to
                && to.RepositoryId == _destination.RepositoryId)
                return;
        }
        await RecordAsync(run, copy, late: true, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The copy is made, whatever the source's log takes: a source that may only be read is no reason to fail.
    /// </summary>
    private async Task TryAsync(Func<CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        using var bounded = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bounded.CancelAfter(TimeSpan.FromSeconds(30));
        try
        {
            await write(bounded.Token).ConfigureAwait(false);
            await _source.Core.Store.FlushAsync(bounded.Token).ConfigureAwait(false);
        }
        catch (NataliaException trouble)
        {
            _onTrouble?.Invoke(new NataliaException(trouble.ErrorId, trouble.Kind,
                $"The audit log of the repository '{_source.Label}' could not be told of it: {trouble.Message}",
                trouble.Target, trouble.RecommendedAction, trouble));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            _onTrouble?.Invoke(new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout,
                $"The audit log of the repository '{_source.Label}' could not be told of it within 30 seconds.",
                _source.Label));
        }
    }

    private PointCopy Describe(RestorePoint original, CopyStatus status, PointManifest? copy) => new()
    {
        Status = status,
        ApplianceId = original.ApplianceId,
        ApplianceName = original.ApplianceName,
        TimeUtc = original.TimeUtc,
        RestorePointId = copy?.PointId,
        RepositoryId = _destination.RepositoryId,
        Repository = _destination.Label,
        SourceRestorePointId = original.RestorePointId,
        SourceRepositoryId = _source.RepositoryId,
        SourceRepository = _source.Label,
        ImmutableUntilUtc = copy?.ImmutableUntilUtc,
    };
}
