using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// The locks of the points that the retention policies of an immutable repository keep: extends them, and tells whether
/// they last.
/// </summary>
internal sealed class KeptPointLocks(RepositoryCore core, ManifestReader manifests, PointListing listing,
    PointRemover remover, PolicyBook policies)
{
    internal async Task<LockRenewal> RenewAsync(string applianceId, bool look, ImmutabilityPolicy policy,
        CancellationToken cancellationToken)
    {
        StoreMeter? meter = core.Store.Find<IMeteredStore>()?.Meter.Measure();
        LockRenewal renewal = await new LockRenewer(core, manifests, applianceId, policy,
            core.Store.ObjectLock!).ExecuteAsync(look,
            () => ListAsync(applianceId, cancellationToken),
            points => FindKeptAsync(applianceId, points, cancellationToken), cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return renewal with { Requests = meter?.Usage.Requests };
    }

    internal async IAsyncEnumerable<CheckResult> CheckAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (core.Immutability is not ImmutabilityPolicy policy) yield break;
        foreach (string appliance in await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (await CheckAsync(appliance, policy, cancellationToken).ConfigureAwait(false) is CheckResult result)
                yield return result;
        }
    }

    private async Task<CheckResult?> CheckAsync(string appliance, ImmutabilityPolicy policy,
        CancellationToken cancellationToken)
    {
        long started = core.Clock.GetTimestamp();
        IReadOnlyList<RestorePoint> points = await ListAsync(appliance, cancellationToken).ConfigureAwait(false);
        if (points.Count == 0) return null;
        HashSet<string> kept = await FindKeptAsync(appliance, points, cancellationToken).ConfigureAwait(false);
        if (kept.Count == 0) return null;
        DateTime now = core.Clock.UtcNow();
        List<DateTime> ends = [.. points.Where(p => kept.Contains(p.RestorePointId))
            .Select(p => p.ImmutableUntilUtc ?? DateTime.MinValue).OrderBy(d => d)];
        RestorePoint newest = points.Where(p => kept.Contains(p.RestorePointId)).OrderByDescending(p => p.TimeUtc)
            .First();
        int open = ends.Count(d => d <= now);
        // What is only not known hides nothing that is.
        if (await FindUntrueAsync(newest, cancellationToken).ConfigureAwait(false)
            is (CheckOutcome outcome, string actual, string detail)
            && (outcome == CheckOutcome.Failed || open == 0 || !policy.WhileKept))
            return new CheckResult
            {
                Name = "KeptPointLocks",
                Result = outcome,
                Target = points[0].ApplianceName,
                Expected = Expected(policy),
                Actual = actual,
                Detail = detail,
                ErrorId = outcome == CheckOutcome.Failed ? ErrorIds.ObjectNotLocked : null,
                ApplianceId = appliance,
                RepositoryId = core.RepositoryId,
                Duration = core.Clock.GetElapsedTime(started),
            };
        bool late = policy.WhileKept && ends[0] < now + policy.Period;
        return new CheckResult
        {
            Name = "KeptPointLocks",
            Result = open > 0 && policy.WhileKept
                ? CheckOutcome.Failed
                : open > 0 || late ? CheckOutcome.Warning : CheckOutcome.Passed,
            Target = points[0].ApplianceName,
            Expected = Expected(policy),
            Actual = open > 0 ? $"{open} of {Plural.Count(ends.Count, "kept point")} without a lock"
                : $"{Plural.Count(ends.Count, "kept point")} locked until "
                    + $"{ends[0]:yyyy-MM-dd HH:mm} UTC",
            Detail = !policy.WhileKept
                ? open == 0
                    ? null
                    : "The retention policy keeps points for longer than this repository locks them: who has the "
                        + "bucket's credentials can delete those."
                : open > 0
                    ? "Nothing has extended the locks for longer than they are held ahead. Run "
                        + "Invoke-NataliaRetention or a backup now: it locks what is there again."
                : late ? "The locks were not extended when they should have been. Let Invoke-NataliaBackup or "
                    + "Invoke-NataliaRetention run regularly." : null,
            ErrorId = open > 0 && policy.WhileKept ? ErrorIds.ObjectNotLocked : null,
            ApplianceId = appliance,
            RepositoryId = core.RepositoryId,
            Duration = core.Clock.GetElapsedTime(started),
        };
    }

    private static string Expected(ImmutabilityPolicy policy) =>
        policy.WhileKept
            ? $"locked {Plural.Count(policy.Days, "day")} ahead"
            : $"locked for {Plural.Count(policy.Days, "day")}";

    /// <summary>
    /// Why what points say of their locks is not true here: the store holds none, as a mirror of a bucket in a folder
    /// does not, or a shorter one of the newest point's manifest; a warning where it shows none of it, as to keys that
    /// may not read locks; null where the lock is there.
    /// </summary>
    private async Task<(CheckOutcome Outcome, string Actual, string Detail)?> FindUntrueAsync(RestorePoint newest,
        CancellationToken cancellationToken)
    {
        if (core.Store.ObjectLock is not IObjectLock locks)
            return (CheckOutcome.Failed, "no locks",
                $"The repository is immutable, but {core.Store.Location} holds no locks: who can write there can "
                + "delete all of its points.");
        if (newest.ImmutableUntilUtc is not DateTime until || until <= core.Clock.UtcNow()
            || newest.Sequence is not long sequence || !Id128.TryParse(newest.RestorePointId, out Id128 id))
            return null;
        string name = Layout.Manifest(newest.ApplianceId, new Run(sequence, id));
        DateTime? held;
        try
        {
            held = await locks.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            // Removed since the points were listed.
            return null;
        }
        // To a key without the right to read locks, a bucket answers as if there were none.
        if (held is null)
            return (CheckOutcome.Warning, "no lock is shown",
                $"The newest point is to be locked until {until:yyyy-MM-dd HH:mm} UTC, but {core.Store.Location} shows "
                + $"no lock of '{name}': it was lifted or copied without, or this key may not read locks "
                + "(s3:GetObjectRetention).");
        // Stores keep whole seconds.
        if (held + TimeSpan.FromSeconds(1) > until) return null;
        return (CheckOutcome.Failed, $"locked until {held:yyyy-MM-dd HH:mm} UTC",
            $"The newest point is to be locked until {until:yyyy-MM-dd HH:mm} UTC, but the lock of '{name}' in "
            + $"{core.Store.Location} does not last until then: the objects were copied there without their locks, or "
            + "the locks were lifted.");
    }

    private Task<IReadOnlyList<RestorePoint>> ListAsync(string applianceId, CancellationToken cancellationToken) =>
        listing.ReadAsync(new RestorePointFilter { ApplianceId = applianceId }, _ => { }, null, cancellationToken);

    /// <summary>The ids of the points that the policy of an appliance keeps.</summary>
    private async Task<HashSet<string>> FindKeptAsync(string applianceId, IReadOnlyList<RestorePoint> points,
        CancellationToken cancellationToken)
    {
        StoredRetentionPolicy? stored = await policies.FindAsync(applianceId, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<RetentionPoint> described = await remover.DescribeAsync(points,
            cancellationToken).ConfigureAwait(false);
        // No lock goes by a time that cannot be true: it would never end. Nor by who reads a point just now: that keeps
        // it from being removed by this process, and for that it needs no lock.
        IEnumerable<RetentionPlanRow> plan = RetentionPlanner.Plan(
            described.Where(p => !p.IsInFuture).Select(p => p with { IsInUse = false }),
            stored?.Policy ?? new RetentionPolicy(), core.Clock.UtcNow());
        return [.. plan.Where(r => r.Action is RetentionAction.Keep or RetentionAction.Protected)
            .Select(r => r.RestorePointId!)];
    }
}
