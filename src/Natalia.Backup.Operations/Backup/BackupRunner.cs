using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Backup;

/// <summary>Makes a point in the repository. <see cref="Repository.BackupAsync"/>, or what a test puts in its place.</summary>
internal delegate Task<RestorePoint> MakePoint(BackupRequest request, Func<CancellationToken, Task>? beforePublish, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

/// <summary>One run: freeze, back up, look whether the state really was frozen, publish, release. What was frozen is released whatever happens.</summary>
internal static class BackupRunner
{
    // Long enough for a slow datastore, short enough that a dead host does not hold a user at the prompt for ever.
    private static readonly TimeSpan ReleaseLimit = TimeSpan.FromMinutes(10);

    /// <param name="run">What to back up.</param>
    /// <param name="type">What was asked for.</param>
    /// <param name="makePoint">The repository.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Stops the run; the release goes on regardless.</param>
    internal static async Task<RunOutcome> RunAsync(PlannedRun run, RequestedBackupType type, MakePoint makePoint, IProgress<OperationProgress> progress, CancellationToken cancellationToken)
    {
        ApplianceDescription appliance = run.Located.Description;
        IFrozenDisks frozen;
        try
        {
            IImageSource source = run.Located.Hypervisor.Hypervisor.Require<IImageSource>("disk images that can be read");
            frozen = await source.FreezeAsync(appliance, [.. run.Disks.Select(d => d.DiskId)], cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            return new RunOutcome(null, e, null, []);
        }

        RestorePoint? point = null;
        Exception? failure = null, releaseFailure = null;
        List<IDiskSource> sources = [];
        try
        {
            List<BackupDisk> disks = [];
            foreach (ApplianceDisk disk in run.Disks)
            {
                IDiskSource source = frozen.GetDisk(disk.DiskId);
                sources.Add(source);
                disks.Add(new BackupDisk(disk.DiskId, disk.Role, source));
            }
            var request = new BackupRequest
            {
                Appliance = appliance with { ApplianceId = run.ApplianceId },
                Disks = disks,
                RequestedType = type,
                TimeUtc = frozen.TimeUtc,
                Consistency = frozen.Consistency,
                ConsistencyReason = frozen.ConsistencyReason,
            };
            point = await makePoint(request, frozen.VerifyUnchangedAsync, progress, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }
        try
        {
            foreach (IDiskSource source in sources) source.Dispose();
            // Not the caller's token: after Ctrl-C of all times nothing may stay behind.
            using var limit = new CancellationTokenSource(ReleaseLimit);
            await frozen.ReleaseAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            releaseFailure = e;
        }
        return new RunOutcome(point, failure, releaseFailure, point is null ? [] : Warnings(point, frozen));
    }

    private static IReadOnlyList<string> Warnings(RestorePoint point, IFrozenDisks frozen)
    {
        string? consistencyReason = frozen.ConsistencyReason;
        List<string> warnings = [.. frozen.Warnings.Select(w => $"{point.ApplianceName}: {w}")];
        if (point.RequestedType == RequestedBackupType.Incremental && point.Type == BackupType.Full)
            warnings.Add($"{point.ApplianceName}: an incremental was asked for, and a full was made. {point.Reason}".TrimEnd());
        else if (point.RequestedType == RequestedBackupType.Auto && point.Reason is not null && point.Reason != consistencyReason)
            warnings.Add($"{point.ApplianceName}: {point.Reason}");
        if (point.ClockWarning is not null) warnings.Add($"{point.ApplianceName}: {point.ClockWarning}");
        if (consistencyReason is not null)
            warnings.Add($"{point.ApplianceName}: the state is {point.Consistency}-consistent. {consistencyReason}");
        return warnings;
    }
}
