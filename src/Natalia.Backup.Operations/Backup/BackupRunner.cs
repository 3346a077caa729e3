using System.Globalization;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// One run: take the lease, remove what dead runs left, freeze, back up, seal, publish, let go. What was frozen is
/// let go of whatever happens.
/// </summary>
internal static class BackupRunner
{
    // Long enough for a slow datastore, short enough that a dead host does not hold a user at the prompt for ever.
    private static readonly TimeSpan s_releaseLimit = TimeSpan.FromMinutes(10);

    /// <param name="run">What to back up.</param>
    /// <param name="type">What was asked for.</param>
    /// <param name="repository">Where to.</param>
    /// <param name="baseline">Gives the count of call records to keep, or null.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Stops the run; the release goes on regardless.</param>
    internal static async Task<RunOutcome> RunAsync(PlannedRun run, RequestedBackupType type, Repository repository,
        CdrBaselines.At? baseline, IProgress<OperationProgress> progress, CancellationToken cancellationToken)
    {
        RestorePoint? point = null;
        Exception? failure = null, releaseFailure = null;
        List<string> warnings = [];
        ApplianceDescription vm = run.Located.Description;
        string[] diskIds = [.. run.Disks.Select(d => d.DiskId)];
        try
        {
            IImageSource source =
                run.Located.Hypervisor.Hypervisor.Require<IImageSource>("disk images that can be read");
            // The lease first: while it is held, what earlier runs into this repository left on the hypervisor
            // belongs to dead ones.
            PendingBackup pending = await repository.BeginBackupAsync(run.ApplianceId, vm, diskIds,
                cancellationToken).ConfigureAwait(false);
            await using (pending.ConfigureAwait(false))
            {
                // Another VM may have taken the place while this run waited for its turn.
                ApplianceSettings? settings = await repository.FindApplianceSettingsAsync(run.ApplianceId,
                    cancellationToken).ConfigureAwait(false);
                if (settings is { FormerIds.Count: > 0 } && settings.VMId != vm.ApplianceId
                    && settings.VMId != run.StandingVMId)
                    throw Succession.Replaced(vm, new Enrolment(run.Repository, settings));
                if (run.Unheard.Count > 0 && pending.FollowsAnotherVM)
                    throw Succession.Unknown(vm, run.ApplianceId, repository.Label, run.Unheard[0].Name);
                var how = new FreezeRequest
                {
                    DiskIds = diskIds,
                    Quiescing = run.NeverQuiesce ? Quiescing.Skip
                        : run.OnQuiesceFailure == QuiesceFailure.Fail ? Quiescing.Require : Quiescing.Prefer,
                    RunId = pending.RunId,
                    RepositoryId = pending.RepositoryId,
                    HistoryId = run.ApplianceId,
                    KnownTokens = pending.KnownTokens,
                };
                warnings.AddRange(await Leftovers.RemoveAsync(source, vm, how,
                    cancellationToken).ConfigureAwait(false));
                // A takeover removes it as well; this is for what could not be removed then.
                if (settings is { FormerIds.Count: > 0 } && settings.VMId == vm.ApplianceId)
                {
                    (IReadOnlyList<string> removed, IReadOnlyList<string> kept) = await Leftovers.RemoveFormerAsync(
                        run.Located.Hypervisor.Hypervisor, vm, repository, h => h != run.ApplianceId,
                        cancellationToken).ConfigureAwait(false);
                    warnings.AddRange(removed);
                    warnings.AddRange(kept.Select(k => $"{k} The next backup tries again."));
                }
                IFrozenDisks frozen = await source.FreezeAsync(vm, how, cancellationToken).ConfigureAwait(false);
                List<IDiskSource> sources = [];
                try
                {
                    List<string> remarks = [.. ForeignSnapshots(frozen)];
                    BackupRequest request = Request(run, type, frozen, sources) with
                    {
                        CdrBaseline = baseline?.Invoke(frozen.TimeUtc),
                        Attachments = await FrozenAttachments.ReadAsync(vm, frozen, remarks,
                            cancellationToken).ConfigureAwait(false),
                        Remarks = remarks,
                    };
                    point = await pending.ExecuteAsync(request, frozen.SealAsync, progress,
                        cancellationToken).ConfigureAwait(false);
                    warnings.AddRange(Warnings(point, frozen, remarks));
                }
                catch (Exception e)
                {
                    failure = e;
                }
                if (pending.State == PublishState.Unclear) warnings.Add(Unclear(vm, repository));
                releaseFailure = await ReleaseAsync(frozen, sources, pending.State).ConfigureAwait(false);
            }
            if (point is not null) point = point with { Requests = pending.Requests };
        }
        catch (Exception e)
        {
            // Whatever comes behind it, a point that is there is told.
            if (point is null) failure ??= e;
            else releaseFailure ??= e;
        }
        return new RunOutcome(point, failure, releaseFailure, warnings);
    }

    private static BackupRequest Request(PlannedRun run, RequestedBackupType type, IFrozenDisks frozen,
        List<IDiskSource> sources)
    {
        List<BackupDisk> disks = [];
        foreach (ApplianceDisk disk in run.Disks)
        {
            IDiskSource source = frozen.GetDisk(disk.DiskId);
            sources.Add(source);
            disks.Add(new BackupDisk(disk.DiskId, disk.Role, source));
        }
        return new BackupRequest
        {
            Appliance = run.Located.Description with { ApplianceId = run.ApplianceId },
            Disks = disks,
            RequestedType = type,
            TimeUtc = frozen.TimeUtc,
            Consistency = frozen.Consistency,
            ReadMethod = sources.OfType<IReadMethodSource>().Select(s => (ReadMethod?)s.ReadMethod).FirstOrDefault(),
            ConsistencyReason = frozen.ConsistencyReason
                ?? (run.NeverQuiesce ? "The appliance is set to be backed up without its guest's help." : null),
        };
    }

    private static IReadOnlyList<string> ForeignSnapshots(IFrozenDisks frozen) =>
        (frozen as IForeignSnapshots)?.ForeignSnapshots switch
        {
            null or 0 => [],
            1 => ["The VM had a snapshot of others, which backups never touch."],
            int count => [$"The VM had {count.ToString(CultureInfo.InvariantCulture)} snapshots of others, which "
                + "backups never touch."],
        };

    /// <summary>Tells the hypervisor what became of the point, and lets go.</summary>
    /// <returns>Why not everything could be let go of; null when it was.</returns>
    private static async Task<Exception?> ReleaseAsync(IFrozenDisks frozen, List<IDiskSource> sources,
        PublishState state)
    {
        Exception? trouble = null;
        // Each step on its own: without what stands second, the third takes back what the point counts from.
        foreach (IDiskSource source in sources)
        {
            try
            {
                source.Dispose();
            }
            catch (Exception e)
            {
                trouble ??= e;
            }
        }
        try
        {
            // Not the caller's token: after Ctrl-C of all times nothing may stay behind.
            using var limit = new CancellationTokenSource(s_releaseLimit);
            if (state == PublishState.Published) await frozen.PublishedAsync(limit.Token).ConfigureAwait(false);
            else if (state == PublishState.Unclear) await frozen.UnclearAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            trouble ??= e;
        }
        try
        {
            await frozen.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            trouble ??= e;
        }
        return trouble;
    }

    private static string Unclear(ApplianceDescription vm, Repository repository) =>
        $"{vm.Name}: whether a point was made is not known: the answer of repository '{repository.Label}' was lost at "
        + "the very end. Get-NataliaRestorePoint shows it if it is there. "
        + "What either case needs was kept on the hypervisor, and the next backup removes what is not needed.";

    /// <summary>What the user should know of a point although it was made: full sentences.</summary>
    /// <param name="point">The point.</param>
    /// <param name="frozen">The frozen state.</param>
    /// <param name="remarks">What the point says of that state besides.</param>
    internal static IReadOnlyList<string> Warnings(RestorePoint point, IFrozenDisks frozen,
        IReadOnlyList<string> remarks)
    {
        string? consistencyReason = frozen.ConsistencyReason;
        List<string> warnings = [.. frozen.Warnings.Select(w => $"{point.ApplianceName}: {w}")];
        if (point.RequestedType == RequestedBackupType.Incremental && point.Type == BackupType.Full)
            warnings.Add(
                $"{point.ApplianceName}: an incremental was asked for, and a full was made. {point.Reason}".TrimEnd());
        else if (point.RequestedType == RequestedBackupType.Auto && point.Reason is not null
            && point.Reason != string.Join(" ", remarks.Prepend(consistencyReason).OfType<string>()))
            warnings.Add($"{point.ApplianceName}: {point.Reason}");
        else
            warnings.AddRange(remarks.Select(r => $"{point.ApplianceName}: {r}"));
        if (point.TrackingFault is not null && point.RequestedType == RequestedBackupType.Full)
            warnings.Add($"{point.ApplianceName}: {point.TrackingFault}");
        if (point.ClockWarning is not null) warnings.Add($"{point.ApplianceName}: {point.ClockWarning}");
        if (consistencyReason is not null)
            warnings.Add($"{point.ApplianceName}: the state is {point.Consistency}-consistent. {consistencyReason}");
        return warnings;
    }
}
