using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>
/// Makes one restore point, with the lease held from its beginning to its end. A long run is cut into rounds: each
/// round ends with a
/// checkpoint, which is a manifest that nobody lists, and from which this run or, after a kill, the next one goes on.
/// </summary>
internal sealed class BackupRun(
    RepositoryCore core, ManifestReader manifests, IRunSource source, IProgress<OperationProgress>? progress)
{
    private readonly string _appliance = source.Appliance.ApplianceId;
    private readonly RunResources _resources = new(core.Clock, core.Options.Workers);
    private PackReader _packs = null!;

    /// <summary>Why less was shared with the earlier point than could have been, or null.</summary>
    internal string? IgnoredParentReason { get; private set; }

    /// <summary>What is wrong with clocks, in sentences; null where nothing is.</summary>
    internal string? ClockWarning { get; private set; }

    /// <summary>Whether the point is there.</summary>
    internal PublishState State => _resources.State;

    internal async Task<PointManifest> ExecuteAsync(CancellationToken cancellationToken)
    {
        Lease lease = await core.AcquireLeaseAsync(_appliance, source.Purpose, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
            return await ExecuteUnderAsync(lease, start: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same under a lease that was taken before, and stays the caller's.</summary>
    internal async Task<PointManifest> ExecuteAsync(Lease held, CancellationToken cancellationToken)
    {
        // A run begins with deleting what dead ones left: nobody else may have begun one since.
        await held.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        return await ExecuteUnderAsync(held, start: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same, going on from what was read when the lease was taken.</summary>
    internal Task<PointManifest> ExecuteAsync(Lease held, RunStart start, CancellationToken cancellationToken) =>
        ExecuteUnderAsync(held, start, cancellationToken);

    private async Task<PointManifest> ExecuteUnderAsync(Lease lease, RunStart? start,
        CancellationToken cancellationToken)
    {
        _packs = core.PackReader(_appliance);
        try
        {
            return await ExecuteAsync(lease, start, ignoreParents: null, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException damage)
            when (damage.ErrorId is ErrorIds.BlockMapDamaged or ErrorIds.PackMissing && !source.IsSealed)
        {
            // What is missing may have been given back by another run, to which the lease has gone meanwhile: what
            // that one stores must not be taken for what a dead one left.
            await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
            // The parent cannot be compared with. A point must be made all the same, and it must not lean on what is
            // damaged.
            _resources.StartAnew();
            string reason =
                $"The earlier point could not be compared with, so that everything was stored anew: {damage.Message}";
            return await ExecuteAsync(lease, start: null, reason, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<PointManifest> ExecuteAsync(Lease lease, RunStart? start, string? ignoreParents,
        CancellationToken cancellationToken)
    {
        History history = start?.History ?? new History(core, manifests, _appliance);
        if (start is null) await history.ReadAsync(lease, cancellationToken).ConfigureAwait(false);
        PointManifest? made = await source.FindMadeAsync(history, cancellationToken).ConfigureAwait(false);
        if (made is not null) return made;
        RunParents parents = start?.Parents ?? new RunParents(core, manifests, history, _appliance,
            [.. source.Disks.Select(d => d.DiskId)]);
        if (start is null) await parents.FindAsync(ignoreParents, cancellationToken).ConfigureAwait(false);
        ClockWarning = parents.FindClockWarning(lease);
        IgnoredParentReason = parents.IgnoredReason;
        IReadOnlyList<Reference> companions = await parents.FindCompanionsAsync(_packs,
            cancellationToken).ConfigureAwait(false);

        var disks = new List<DiskProgress>();
        try
        {
            foreach (IRunDisk disk in source.Disks)
                disks.Add(await PlanAsync(disk, parents, cancellationToken).ConfigureAwait(false));
            _resources.PlannedBytes = disks.Sum(d => d.PlannedBytes);
            if (disks.Exists(d => !d.IsTracked))
                await parents.FindUsablePacksAsync(cancellationToken).ConfigureAwait(false);

            while (true)
            {
                Run? previous = history.Newest;
                Run run = history.Begin();
                var round = new RunRound(core, source, history, parents, _resources, _packs, run, disks, progress);
                PointManifest manifest = await round.ExecuteAsync(lease, previous, companions,
                    cancellationToken).ConfigureAwait(false);
                if (!manifest.Incomplete)
                {
                    await history.TidyAsync(run).ConfigureAwait(false);
                    return manifest;
                }
                history.Add(run);
                foreach (DiskProgress disk in disks) disk.ParentSequence = run.Sequence;
                companions = [.. manifest.Companions.References.Distinct()];
                _packs = core.PackReader(_appliance);
            }
        }
        finally
        {
            foreach (DiskProgress disk in disks) await disk.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Decides what is read of a disk, and against what it is compared.</summary>
    private async Task<DiskProgress> PlanAsync(IRunDisk disk, RunParents parents, CancellationToken cancellationToken)
    {
        var plan = new DiskProgress(disk) { Reason = parents.FindIgnoredReason(disk.DiskId) };
        // What refers to nothing earlier refers to nothing that was found damaged.
        plan.DamageSeenBefore = parents.Damage.Newest;
        ParentDisk? parent = null;
        if (parents.Find(disk.DiskId) is var (point, before))
        {
            plan.Root = before.Root;
            plan.ParentSequence = point.Run.Sequence;
            plan.DamageSeenBefore = before.DamageSeen;
            parent = new ParentDisk(point, before, new MapReader(_packs, before.Root),
                parents.Damage.Newest > before.DamageSeen);
        }
        ChangedExtents changed = await disk.FindChangedAsync(parent, cancellationToken).ConfigureAwait(false);
        plan.Reason ??= changed.Reason;
        if (changed.Extents is not null)
        {
            plan.IsTracked = true;
            plan.DamageSeenAtEnd = plan.DamageSeenBefore;
            plan.PlannedBytes = changed.Extents.Sum(e => e.Length);
            plan.Work = LeafPlan.ChangedAsync(changed.Extents, disk.SizeBytes,
                cancellationToken).GetAsyncEnumerator(cancellationToken);
            return plan;
        }
        plan.DamageSeenAtEnd = parents.Damage.Newest;
        var allocated = new List<Extent>();
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(cancellationToken).ConfigureAwait(false))
            allocated.Add(extent);
        plan.PlannedBytes = allocated.Sum(e => e.Length);
        MapReader? map = plan.Root.Reference is null ? null : parent!.Map;
        plan.Work = LeafPlan.AllocatedAsync(allocated, disk.SizeBytes, map,
            cancellationToken).GetAsyncEnumerator(cancellationToken);
        return plan;
    }
}
