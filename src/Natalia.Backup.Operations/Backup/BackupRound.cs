using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Operations.Output;

namespace Natalia.Backup.Operations.Backup;

/// <summary>
/// Carries planned runs out, several at once, and says of each what came of it. The failure of one hinders no other.
/// </summary>
/// <param name="completion">Remembers the points that are made.</param>
/// <param name="evidence">Records what is made in a hypervisor's own storage.</param>
/// <param name="output">Takes points, failures and warnings.</param>
internal sealed class BackupRound(CompletionCache completion, EvidenceBook evidence, IOperationOutput output)
{
    /// <param name="runs">What to back up.</param>
    /// <param name="type">What was asked for.</param>
    /// <param name="limit">How many runs go on at once, 1 or more.</param>
    /// <param name="cancellationToken">Stops all of them; what was frozen is let go of all the same.</param>
    internal async Task RunAsync(IReadOnlyList<PlannedRun> runs, RequestedBackupType type, int limit,
        CancellationToken cancellationToken)
    {
        using var room = new SemaphoreSlim(limit);
        // One VM is never frozen twice at once: its runs follow each other.
        await Task.WhenAll(runs.GroupBy(r => r.Located.Description.ApplianceId).Select(async group =>
        {
            foreach (PlannedRun run in group)
            {
                await room.WaitAsync(cancellationToken).ConfigureAwait(false);
                try
                {
                    await RunAsync(run, type, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    room.Release();
                }
            }
        })).ConfigureAwait(false);
    }

    private async Task RunAsync(PlannedRun run, RequestedBackupType type, CancellationToken cancellationToken)
    {
        output.Tell($"{run.Target.Name}: backing up to repository '{run.Repository.Name}'.");
        if (run.Repository.Native is INativeRepository native)
            await RunNativeAsync(run, type, native, cancellationToken).ConfigureAwait(false);
        else
            await RunOwnAsync(run, type, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The hypervisor moves the data.</summary>
    private async Task RunNativeAsync(PlannedRun run, RequestedBackupType type, INativeRepository native,
        CancellationToken cancellationToken)
    {
        NativeBackupResult result;
        try
        {
            using IActivity activity = Begin(run);
            CdrBaselines.At? baseline = await CdrBaselines.TakeAsync(run, TimeProvider.System, output.Warn,
                cancellationToken).ConfigureAwait(false);
            NativeBackupRequest request = run.NativeRequest! with
            {
                CdrBaseline = baseline is null ? null : time => baseline(time),
            };
            result = await native.BackupAsync(run.Located.Description, request, activity,
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            output.Fail(e, run.Target);
            return;
        }
        catch (NataliaException e)
        {
            // Stopped by the user, and then something could not be put back: that must be seen.
            output.WarnInAnyCase($"{run.Target.Name}: {e.Message}");
            throw;
        }
        RestorePoint point = result.Point;
        await RecordAsync(run, result).ConfigureAwait(false);
        foreach (string warning in result.Warnings) output.WarnInAnyCase(warning);
        if (cancellationToken.IsCancellationRequested) output.WarnInAnyCase(MadeBeforeStop(run, point));
        if (point.Reason is string reason
            && (point.Consistency == Consistency.Crash || type == RequestedBackupType.Incremental))
            output.Warn($"{run.Target.Name}: {reason}");
        completion.Remember(point);
        output.Emit(point);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static string MadeBeforeStop(PlannedRun run, RestorePoint point) =>
        $"{run.Target.Name}: the restore point {point.RestorePointId} was made before the stop took effect.";

    private async Task RecordAsync(PlannedRun run, NativeBackupResult result)
    {
        RestorePoint point = result.Point;
        await evidence.RecordAsync(run.Repository, NativeEvent.PointMade, point, point.Reason,
        [
            new("type", point.Type.ToString()), new("requestedType", point.RequestedType.ToString()),
            new("consistency", point.Consistency.ToString()), new("run", run.NativeRequest!.RunId),
            new("disks", string.Join(", ", result.Disks.Where(d => d.IsIncluded).Select(d => d.DiskId))),
            new("sizeBytes", EvidenceBook.Text(point.SizeBytes)), new("readBytes", EvidenceBook.Text(point.ReadBytes)),
            new("seconds", EvidenceBook.Text(point.Duration?.TotalSeconds, "0")),
            new("cdrBaseline", point.CdrBaseline?.ToString()),
            new("warnings", result.Warnings.Count == 0 ? null : EvidenceBook.Text(result.Warnings.Count)),
        ]).ConfigureAwait(false);
    }

    /// <summary>This product moves the data, into a repository of its own format.</summary>
    private async Task RunOwnAsync(PlannedRun run, RequestedBackupType type, CancellationToken cancellationToken)
    {
        // Before anything is frozen: it can take its time.
        LockRenewal? renewal = await LockRenewals.RunAsync(run.Repository, run.ApplianceId, run.Target.Name,
            output.Tell, output.Warn, cancellationToken).ConfigureAwait(false);
        CdrBaselines.At? baseline = await CdrBaselines.TakeAsync(run, TimeProvider.System, output.Warn,
            cancellationToken).ConfigureAwait(false);
        RunOutcome outcome;
        using (IActivity activity = Begin(run))
            outcome = await BackupRunner.RunAsync(run, type, run.Repository.Repository, baseline, activity,
                cancellationToken).ConfigureAwait(false);
        // Also after Ctrl-C: what was left, and what nobody knows, is told then of all times.
        foreach (string warning in outcome.Warnings) output.WarnInAnyCase(warning);
        if (outcome.Point is not null)
        {
            if (cancellationToken.IsCancellationRequested)
                output.WarnInAnyCase(MadeBeforeStop(run, outcome.Point));
            completion.Remember(outcome.Point);
            Describe(run, outcome.Point, renewal);
            output.Emit(outcome.Point with { Requests = outcome.Point.Requests + (renewal?.Requests ?? 0) });
        }
        if (outcome.ReleaseFailure is not null)
        {
            output.WarnInAnyCase($"{run.Target.Name}: what was frozen on hypervisor '{run.Located.Hypervisor.Name}' "
                + $"could not be released and may still be there: {outcome.ReleaseFailure.Message}");
            output.Fail(outcome.ReleaseFailure, run.Target);
        }
        // Stopped by the user, and then something could not be put back: that must be seen.
        if (cancellationToken.IsCancellationRequested && outcome.Failure is NataliaException left)
            output.WarnInAnyCase($"{run.Target.Name}: {left.Message}");
        cancellationToken.ThrowIfCancellationRequested();
        if (outcome.Failure is not null) output.Fail(outcome.Failure, run.Target);
    }

    private void Describe(PlannedRun run, RestorePoint point, LockRenewal? renewal)
    {
        if (point.Requests is long requests)
            output.Tell(string.Format(CultureInfo.InvariantCulture, "{0}: {1} to the bucket.",
                run.Target.Name, Plural.Count(requests + (renewal?.Requests ?? 0), "request")));
        if (point is { LockedObjects: int locked, ImmutableUntilUtc: DateTime until })
            output.Tell(string.Format(CultureInfo.InvariantCulture,
                "{0}: {1} stored, each locked and its lock read back. All that the point needs is "
                + "locked until {2:yyyy-MM-dd HH:mm} UTC at the least.",
                run.Target.Name, Plural.Count(locked, "object was", "objects were"), until));
    }

    private IActivity Begin(PlannedRun run) =>
        output.Begin($"Backing up {run.Target.Name} to {run.Repository.Name}");
}
