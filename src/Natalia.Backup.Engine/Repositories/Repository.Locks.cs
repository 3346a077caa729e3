using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>How points are locked; null when they are not.</summary>
    public ImmutabilityPolicy? Immutability => _core.Immutability;

    /// <summary>
    /// In a repository whose points are locked as long as they are kept: makes sure that everything which the kept points of an appliance need stays locked for <see cref="ImmutabilityPolicy.Days"/> from now.
    /// Mostly three requests find that nothing is due; about once in a third of the days, two for each object that a kept point needs. May run beside a backup and beside itself.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="look">Look at every point, also where the log says that nothing is due.</param>
    /// <param name="cancellationToken">Stops it; locks that were extended stay so.</param>
    /// <returns>What was done; null in a repository of another kind. Points that could not be extended are told in <see cref="LockRenewal.Failures"/>, and the others are extended all the same.</returns>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ObjectLockNotSupported</c>, a store error.</exception>
    public async Task<LockRenewal?> RenewLocksAsync(string applianceId, bool look, CancellationToken cancellationToken)
    {
        if (_core.Immutability is not { WhileKept: true } policy) return null;
        _ = _core.SigningSeed;
        EnsureCanLock();
        IObjectLock locks = _core.Store.ObjectLock!;
        StoreMeter? meter = _core.Store.Find<IMeteredStore>()?.Meter.Measure();
        LockRenewal renewal = await new LockRenewer(_core, _manifests, applianceId, policy, locks).ExecuteAsync(look,
            () => GetRestorePointsAsync(new RestorePointFilter { ApplianceId = applianceId }, _ => { }, cancellationToken),
            points => FindKeptAsync(applianceId, points, cancellationToken), cancellationToken).ConfigureAwait(false);
        await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return renewal with { Requests = meter?.Usage.Requests };
    }

    /// <summary>In an immutable repository: whether the points that the policies keep are locked now, and for long enough. One result for each appliance with points; none in other repositories.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public async IAsyncEnumerable<CheckResult> CheckLocksAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_core.Immutability is not ImmutabilityPolicy policy) yield break;
        foreach (string appliance in await _core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            long started = _core.Clock.GetTimestamp();
            IReadOnlyList<RestorePoint> points = await GetRestorePointsAsync(new RestorePointFilter { ApplianceId = appliance }, _ => { }, cancellationToken).ConfigureAwait(false);
            if (points.Count == 0) continue;
            HashSet<string> kept = await FindKeptAsync(appliance, points, cancellationToken).ConfigureAwait(false);
            if (kept.Count == 0) continue;
            DateTime now = _core.Clock.UtcNow();
            List<DateTime> ends = [.. points.Where(p => kept.Contains(p.RestorePointId)).Select(p => p.ImmutableUntilUtc ?? DateTime.MinValue).OrderBy(d => d)];
            int open = ends.Count(d => d <= now);
            bool late = policy.WhileKept && ends[0] < now + policy.Period;
            yield return new CheckResult
            {
                Name = "KeptPointLocks",
                Result = open > 0 && policy.WhileKept ? CheckOutcome.Failed : open > 0 || late ? CheckOutcome.Warning : CheckOutcome.Passed,
                Target = points[0].ApplianceName,
                Expected = policy.WhileKept ? $"locked {policy.Days} days ahead" : $"locked for {policy.Days} days",
                Actual = open > 0 ? $"{open} of {ends.Count} kept points without a lock" : $"{ends.Count} kept {(ends.Count == 1 ? "point" : "points")} locked until {ends[0]:yyyy-MM-dd HH:mm} UTC",
                Detail = !policy.WhileKept ? open == 0 ? null : "The retention policy keeps points for longer than this repository locks them: who has the bucket's credentials can delete those."
                    : open > 0 ? "Nothing has extended the locks for longer than they are held ahead. Run Invoke-NataliaRetention or a backup now: it locks what is there again."
                    : late ? "The locks were not extended when they should have been. Let Invoke-NataliaBackup or Invoke-NataliaRetention run regularly." : null,
                ErrorId = open > 0 && policy.WhileKept ? ErrorIds.ObjectNotLocked : null,
                ApplianceId = appliance,
                RepositoryId = RepositoryId,
                Duration = _core.Clock.GetElapsedTime(started),
            };
        }
    }

    /// <summary>The ids of the points that the policy of an appliance keeps.</summary>
    private async Task<HashSet<string>> FindKeptAsync(string applianceId, IReadOnlyList<RestorePoint> points, CancellationToken cancellationToken)
    {
        StoredRetentionPolicy? stored = await ReadPolicyAsync(_core.ApplianceLog(applianceId), applianceId, cancellationToken).ConfigureAwait(false)
            ?? await ReadPolicyAsync(_core.RepositoryLog, null, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<RetentionPoint> described = await DescribeForRetentionAsync(points, cancellationToken).ConfigureAwait(false);
        // No lock goes by a time that cannot be true: it would never end.
        return [.. RetentionPlanner.Plan(described.Where(p => !p.IsInFuture), stored?.Policy ?? new RetentionPolicy(), _core.Clock.UtcNow()).Where(r => r.Action is RetentionAction.Keep or RetentionAction.Protected).Select(r => r.RestorePointId!)];
    }

    /// <summary>The extensions of an appliance's locks that still last; none in a repository where locks are not extended.</summary>
    private async Task<IReadOnlyList<RenewalRecord>> ReadRenewalsAsync(string applianceId, CancellationToken cancellationToken)
    {
        if (_core.Immutability?.WhileKept != true) return [];
        AuditLog log = _core.ApplianceLog(applianceId);
        return await RenewalRecord.ReadAsync(log, await log.ListAsync(cancellationToken).ConfigureAwait(false), _core.Clock.UtcNow(), cancellationToken).ConfigureAwait(false);
    }

    private static RestorePoint WithRenewal(RestorePoint point, IReadOnlyList<RenewalRecord> renewals) =>
        RenewalRecord.Until(renewals, point.RestorePointId) is DateTime until && !(point.ImmutableUntilUtc >= until) ? point with { ImmutableUntilUtc = until } : point;
}
