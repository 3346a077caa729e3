using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// One run of the format: packs, delta, manifest. Ends when all disks are done, or when enough was stored for a
/// checkpoint.
/// </summary>
internal sealed class RunRound(
    RepositoryCore core, IRunSource source, History history, RunParents parents, RunResources resources,
    PackReader packs, Run run, List<DiskProgress> disks, IProgress<OperationProgress>? progress)
{
    /// <summary>A round that stored enough for a checkpoint ends at the latest after this time.</summary>
    private static readonly TimeSpan s_longestRound = TimeSpan.FromMinutes(10);

    private readonly string _appliance = source.Appliance.ApplianceId;

    /// <summary>Carries it out.</summary>
    /// <param name="before">What the manifest before has besides maps and can be read.</param>
    /// <returns>The manifest that it published: a point, or a checkpoint.</returns>
    internal async Task<PointManifest> ExecuteAsync(Lease lease, Run? previous, IReadOnlyList<Reference> before,
        CancellationToken cancellationToken)
    {
        using var data = new PackWriter(core.Store, _appliance, PackArea.Data, run, core.Keys, resources.DataBuffers,
            cancellationToken)
        { NewZstd = core.Options.NewZstd };
        using var meta = new PackWriter(core.Store, _appliance, PackArea.Meta, run, core.Keys, resources.MetaBuffers,
            cancellationToken);
        var dead = disks.ToDictionary(d => d.Disk.DiskId, _ => new DeadList(), StringComparer.Ordinal);
        dead[""] = new DeadList();
        long roundStarted = core.Clock.GetTimestamp();
        bool published = false;
        Companions companions;
        try
        {
            using (PackWriter.Worker metaWorker = meta.NewWorker())
            {
                companions = await new CompanionWriter(metaWorker, run, before, dead[""])
                    .StoreAsync(source.Configuration, source.Attachments, cancellationToken).ConfigureAwait(false);
                foreach (DiskProgress disk in disks)
                {
                    if (disk.IsFinished) continue;
                    await DiskRoundAsync(disk, data, metaWorker, dead[disk.Disk.DiskId], IsRoundOver,
                        cancellationToken).ConfigureAwait(false);
                    if (!disk.IsFinished) break;
                }
            }
            IReadOnlyList<PackInfo> stored = [.. await data.CompleteAsync(cancellationToken).ConfigureAwait(false),
                .. await meta.CompleteAsync(cancellationToken).ConfigureAwait(false)];
            EncodedObject delta = new RunDelta(_appliance, run, previous, stored).Encode(dead, core.Keys);
            await core.Store.PutAsync(Layout.Delta(_appliance, run), delta.Content, PutOptions.Metadata,
                cancellationToken).ConfigureAwait(false);
            resources.StoredBytes += stored.Sum(p => p.Bytes) + delta.Bytes.Length;
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);

            bool complete = disks.TrueForAll(d => d.IsFinished);
            DateTime? until = null;
            if (complete)
            {
                // What cannot be locked is found while everything can still be read once more: behind the seal
                // nothing can.
                until = await parents.SecureAsync([.. disks.Select(d => d.Root)], companions,
                    resources.StartedUtc, cancellationToken).ConfigureAwait(false);
                await source.SealAsync(cancellationToken).ConfigureAwait(false);
            }
            AuditLog log = core.ApplianceLog(_appliance);
            AuditLog.End end = await log.FindEndAsync(await log.ListAsync(cancellationToken).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false);
            if (complete && source.EntryBefore(run) is AuditEntry entry)
                end = end.After(await log.AppendAsync(end, entry, core.SigningSeed,
                    cancellationToken).ConfigureAwait(false));
            PointManifest manifest =
                Describe(companions, complete, delta.Hash, end.Heads) with { ImmutableUntilUtc = until };
            await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            // From here on the manifest may exist, whatever the answer says: what it needs is not taken back any more.
            published = true;
            if (complete) resources.State = PublishState.Unclear;
            await PublishAsync(Layout.Manifest(_appliance, run), manifest.Encode(core.Keys),
                cancellationToken).ConfigureAwait(false);
            // Not the caller's token: the point is there, and Ctrl-C must not make a failure of it.
            await core.Store.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            if (complete) resources.State = PublishState.Published;
            if (complete) await history.RecordPublishedAsync(manifest).ConfigureAwait(false);
            return manifest;

            bool IsRoundOver()
            {
                long added = data.StoredBytes;
                return added >= core.Options.CheckpointBytes
                    && (added >= (resources.StoredBytes + added) / 4
                        || core.Clock.GetElapsedTime(roundStarted) >= s_longestRound);
            }
        }
        catch
        {
            await AfterFailure.ClearAsync(data.AbandonAsync, meta.AbandonAsync,
                () => published ? Task.CompletedTask : history.DiscardAsync(run)).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Puts a manifest. An unclear answer is settled by looking: an object is there whole or not at all. What was
    /// refused and is not there was not published; what was asked for and is not there may still come.
    /// </summary>
    private async Task PublishAsync(string name, EncodedObject manifest, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.PutAsync(name, manifest.Content, PutOptions.Metadata,
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception unclear) when (unclear is NataliaException or OperationCanceledException)
        {
            bool? isThere = await IsThereAsync(name).ConfigureAwait(false);
            if (isThere == true) return;
            if (isThere == false && IsRefusal(unclear)) resources.State = PublishState.NotPublished;
            throw;
        }
    }

    /// <summary>An answer, and not the lack of one.</summary>
    private static bool IsRefusal(Exception e) => e is NataliaException
    {
        ErrorId: ErrorIds.StoreFull or ErrorIds.StoreAccessDenied or ErrorIds.StoreCredentialRefused
            or ErrorIds.StoreClockSkewed,
    };

    /// <summary>Not the caller's token: also after Ctrl-C it must be known what was made.</summary>
    /// <returns>Null when nobody could tell.</returns>
    private async Task<bool?> IsThereAsync(string name)
    {
        using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            return await core.Store.StatAsync(name, bounded.Token).ConfigureAwait(false) is not null;
        }
        catch (Exception silence) when (silence is NataliaException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <summary>Goes on with one disk until its end or the round's.</summary>
    private async Task DiskRoundAsync(DiskProgress disk, PackWriter data, PackWriter.Worker meta, DeadList dead,
        Func<bool> isRoundOver, CancellationToken cancellationToken)
    {
        MapReader? parent = disk.Root.Reference is null ? null : new MapReader(packs, disk.Root);
        var builder = new MapBuilder(parent, disk.Disk.SizeBytes, meta, run, dead);
        var workers = new List<ILeafProcessor>();
        try
        {
            int count = disk.Disk.IsOrdered ? 1 : Math.Max(1, core.Options.Workers);
            for (int i = 0; i < count; i++)
                workers.Add(disk.Disk.NewWorker(parent, data, parents.IsUsable, resources.LeafBuffer(i)));
            await OrderedPipeline.RunAsync(workers, NextAsync,
                (worker, work, stop) => worker.ProcessAsync(work, stop), TakeAsync,
                    cancellationToken).ConfigureAwait(false);
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
            resources.ReadBytes += result.ReadBytes;
            progress?.Report(new OperationProgress($"{source.Activity} {source.Appliance.Name} ({disk.Disk.DiskId})",
                resources.ReadBytes, resources.PlannedBytes));
            if (result.Content is null) return;
            foreach (Reference block in result.DeadBlocks) dead.Add(PackArea.Data, block);
            await builder.SetLeafAsync(result.Leaf, result.Content, result.Old, stop).ConfigureAwait(false);
        }
    }

    private PointManifest Describe(
        Companions companions, bool complete, Hash256 delta,
        IReadOnlyList<string> heads) => source.Describe(new PointManifest
        {
            ApplianceId = _appliance,
            Run = run,
            TimeUtc = core.Clock.UtcNow(),
            Incomplete = !complete,
            DeltaHash = delta,
            LogHeads = heads,
            ApplianceName = source.Appliance.Name,
            HypervisorKind = source.Appliance.HypervisorKind,
            Type = disks.TrueForAll(d => d.IsTracked) ? BackupType.Incremental : BackupType.Full,
            RequestedType = RequestedBackupType.Auto,
            Consistency = Consistency.Crash,
            ReadBytes = resources.ReadBytes,
            StoredBytes = resources.StoredBytes,
            Duration = core.Clock.GetElapsedTime(resources.Started),
            Configuration = companions.Configuration,
            Attachments = companions.Attachments,
            Disks = disks.Select(d => new ManifestDisk
            {
                DiskId = d.Disk.DiskId,
                Role = d.Disk.Role,
                SizeBytes = d.Disk.SizeBytes,
                Root = d.Root,
                ParentSequence = d.ParentSequence,
                CoveredBytes = d.CoveredBytes,
                DamageSeen = d.DamageSeen,
            }).ToArray(),
        }, [.. disks.Select(d => d.Reason).Concat(disks.Select(d => d.Disk.TrackingFault)).OfType<string>()]);
}
