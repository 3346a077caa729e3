using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>Protects points and removes them, and knows which are never removed.</summary>
internal sealed class PointRemover(RepositoryCore core, PointListing listing, PointFinder finder)
{
    /// <summary>After so many removals the log is looked at again, and everything is made durable.</summary>
    private const int RemovalsAtOnce = 64;

    private static readonly TimeSpan s_lookAgainAfter = TimeSpan.FromSeconds(5);

    /// <summary>Why a point could not be removed as things are now, or null when it could.</summary>
    internal async Task<NataliaException?> FindRefusalAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        IReadOnlyList<RestorePoint> points = await ListAsync(point.ApplianceId,
            cancellationToken).ConfigureAwait(false);
        if (points.FirstOrDefault(p => p.RestorePointId == point.RestorePointId) is not RestorePoint current)
            return await finder.FindAbsenceAsync(point, cancellationToken).ConfigureAwait(false);
        HashSet<long> damaged = await DamagedSequencesAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
        PointStates states = await PointStates.ReadAsync(core.ApplianceLog(point.ApplianceId), [current.Sequence ?? 0],
            cancellationToken).ConfigureAwait(false);
        HashSet<string> readers = await ReaderMarks.ReadAsync(core, point.ApplianceId,
            cancellationToken).ConfigureAwait(false);
        return FindRefusal(current, states, readers,
            IndispensablePoints.Of(points.Select(p => Describe(p, damaged, readers))));
    }

    internal async Task<IReadOnlyList<RetentionPoint>> DescribeAsync(IReadOnlyList<RestorePoint> points,
        CancellationToken cancellationToken)
    {
        var damaged = new Dictionary<string, HashSet<long>>(StringComparer.Ordinal);
        var readers = new HashSet<string>(StringComparer.Ordinal);
        foreach (string appliance in points.Select(p => p.ApplianceId).Distinct(StringComparer.Ordinal))
        {
            damaged[appliance] = await DamagedSequencesAsync(appliance, cancellationToken).ConfigureAwait(false);
            readers.UnionWith(await ReaderMarks.ReadAsync(core, appliance, cancellationToken).ConfigureAwait(false));
        }
        return points.Select(p => Describe(p, damaged[p.ApplianceId], readers)).ToArray();
    }

    internal async Task RemoveAsync(string applianceId, IReadOnlyList<PointRemoval> removals,
        Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken)
    {
        _ = core.SigningSeed;
        if (removals.Any(r => r.Point.ApplianceId != applianceId))
            throw new ArgumentException("Every point must be one of the appliance's.", nameof(removals));
        AuditLog log = core.ApplianceLog(applianceId);
        Lease lease = await core.AcquireLeaseAsync(applianceId, LeasePurposes.Removal,
            cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            // The lease keeps out new points, other removals and changes of protection.
            List<RestorePoint> points = [.. await ListAsync(applianceId, cancellationToken).ConfigureAwait(false)];
            HashSet<long> damaged = await DamagedSequencesAsync(applianceId, cancellationToken).ConfigureAwait(false);
            Dictionary<string, RestorePoint> byId = points.ToDictionary(p => p.RestorePointId, StringComparer.Ordinal);
            HashSet<string> readers = await ReaderMarks.ReadAsync(core, applianceId,
                cancellationToken).ConfigureAwait(false);
            IndispensablePoints indispensable =
                IndispensablePoints.Of(points.Select(p => Describe(p, damaged, readers)));
            var refused = new List<(RestorePoint Point, NataliaException? Refusal)>();
            for (int at = 0; at < removals.Count; at += RemovalsAtOnce)
            {
                PointRemoval[] group = removals.Skip(at).Take(RemovalsAtOnce).ToArray();
                List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
                PointStates states = await PointStates.ReadAsync(log, names,
                    [.. group.Select(r => r.Point.Sequence ?? 0)], cancellationToken).ConfigureAwait(false);
                AuditLog.End end = await log.FindEndAsync(names, cancellationToken).ConfigureAwait(false);
                await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
                long looked = core.Clock.GetTimestamp();
                refused.Clear();
                try
                {
                    foreach (PointRemoval removal in group)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        NataliaException? refusal = byId.TryGetValue(removal.Point.RestorePointId,
                            out RestorePoint? current)
                            ? FindRefusal(current, states, readers, indispensable) ?? FindOutdated(removal, byId)
                            : await finder.FindAbsenceAsync(removal.Point, cancellationToken).ConfigureAwait(false);
                        if (refusal is null)
                        {
                            // A machine may have slept between two removals, and its lease be another's.
                            if (core.Clock.GetElapsedTime(looked) > s_lookAgainAfter)
                            {
                                await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
                                looked = core.Clock.GetTimestamp();
                            }
                            AuditEntry entry = RemovalEntry(current!, removal.Reason);
                            // The last one looks at the log again, and so joins what others wrote meanwhile.
                            string hash = removal == group[group.Length - 1]
                                ? await log.AppendAsync(entry, core.SigningSeed,
                                    cancellationToken).ConfigureAwait(false)
                                : await log.AppendAsync(end, entry, core.SigningSeed,
                                    cancellationToken).ConfigureAwait(false);
                            end = end.After(hash);
                            byId.Remove(current!.RestorePointId);
                        }
                        refused.Add((removal.Point, refusal));
                    }
                }
                finally
                {
                    // Also when the group was cut short: what is recorded is removed, and must be told. A removal that
                    // cannot be flushed is not claimed.
                    if (refused.Exists(r => r.Refusal is null))
                        await core.Store.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                    foreach ((RestorePoint point, NataliaException? refusal) in refused) removed(point, refusal);
                }
            }
        }
    }

    internal async Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason,
        CancellationToken cancellationToken)
    {
        _ = core.SigningSeed;
        Lease? lease = null;
        try
        {
            lease = await core.AcquireLeaseAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException held) when (held.ErrorId == ErrorIds.LeaseHeld)
        {
            // A backup that runs for hours must not keep a point unprotected: it removes nothing. A removal may be
            // about to remove this very point, and is over soon.
            if ((await Lease.FindHolderAsync(core.Store, point.ApplianceId,
                cancellationToken).ConfigureAwait(false))?.Purpose == LeasePurposes.Removal)
                throw;
        }
        try
        {
            PointFinder.Found before = await finder.FindAsync(point.ApplianceId, point.RestorePointId,
                cancellationToken).ConfigureAwait(false);
            // Another reason for which a point stays is worth a record of its own; the same one, told every night, not.
            if (isProtected ? before.States.IsProtectedFor(point.RestorePointId, reason) : !before.Point.IsProtected)
            {
                // It may be of a call whose flush failed.
                await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
                if (lease is not null || !isProtected) return before.Point;
                await RequireNoRemovalAsync(point, cancellationToken).ConfigureAwait(false);
                return (await finder.FindAsync(point.ApplianceId, point.RestorePointId,
                    cancellationToken).ConfigureAwait(false)).Point;
            }
            long sequence = before.Manifest.Run.Sequence;
            await core.ApplianceLog(point.ApplianceId)
                .AppendAsync(new AuditEntry(isProtected ? AuditEvents.PointProtected : AuditEvents.PointUnprotected)
                {
                    ApplianceId = point.ApplianceId,
                    RestorePointId = point.RestorePointId,
                    Sequence = sequence,
                    Reason = reason,
                }, core.SigningSeed, cancellationToken).ConfigureAwait(false);
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
            if (lease is null && isProtected)
                await RequireNoRemovalAsync(point, cancellationToken).ConfigureAwait(false);
            // Also tells whether somebody removed it at the same moment.
            RestorePoint now = (await finder.FindAsync(point.ApplianceId, point.RestorePointId,
                cancellationToken).ConfigureAwait(false)).Point;
            return now with { IsProtected = isProtected };
        }
        finally
        {
            if (lease is not null) await lease.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// A protection that was recorded without the lease is sure only when no removal is at work afterwards: one that
    /// had begun has read what is protected, and may not have come to this point yet. One that begins later sees the
    /// record; what one that has ended did shows in the log.
    /// </summary>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>.</exception>
    private async Task RequireNoRemovalAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        LeaseRoom room = await LeaseRoom.ReadAsync(core.Store, point.ApplianceId,
            cancellationToken).ConfigureAwait(false);
        if (room.IsEnded) return;
        LeaseHolder? holder = await room.FindHolderAsync(core.Store, cancellationToken).ConfigureAwait(false);
        // One that cannot be read may be anybody's.
        if (holder is null || holder.Purpose == LeasePurposes.Removal)
            throw new NataliaException(ErrorIds.LeaseHeld, NataliaErrorKind.ResourceBusy,
                $"It is not sure that the point {point} stays. That it is protected is recorded, but "
                + (holder is null ? "another run" : $"a removal by {holder.User} on {holder.Host} (process "
                    + $"{holder.ProcessId})")
                + " had begun before, and may remove it all the same.", point.RestorePointId,
                "Wait until the other run has ended, then protect the point again: that tells whether it is there.");
    }

    private NataliaException? FindRefusal(RestorePoint point, PointStates states, HashSet<string> readers,
        IndispensablePoints indispensable)
    {
        if (states.FindDoubt(point.RestorePointId, point.Sequence ?? 0) is string unreadable)
            return new NataliaException(ErrorIds.RestorePointProtected, NataliaErrorKind.PermissionDenied,
                $"The point {point} counts as protected: the record '{unreadable}' says so, and cannot be read, so "
                    + $"that it cannot be told whether it means this point.", point.RestorePointId,
                "Put the record back from a copy of the repository; or lift the protection with "
                    + "Unprotect-NataliaRestorePoint, with a reason.");
        if (states.IsProtected(point.RestorePointId, point.Sequence ?? 0))
            return new NataliaException(ErrorIds.RestorePointProtected, NataliaErrorKind.PermissionDenied,
                $"The point {point} is protected.", point.RestorePointId, "Lift its protection first, with a reason.");
        if (point.ImmutableUntilUtc is DateTime until && until > core.Clock.UtcNow())
            return new NataliaException(ErrorIds.RestorePointLocked, NataliaErrorKind.PermissionDenied,
                $"The point {point} is locked until {until:yyyy-MM-dd HH:mm:ss} UTC.", point.RestorePointId);
        if (PointsInUse.Contains(core.RepositoryId, point.RestorePointId))
            return new NataliaException(ErrorIds.RestorePointInUse, NataliaErrorKind.ResourceBusy,
                $"A restore reads the point {point}, or it is served as a disk.", point.RestorePointId,
                "Remove it when that has ended; Get-NataliaMount lists what is served.");
        if (readers.Contains(point.RestorePointId))
            return new NataliaException(ErrorIds.RestorePointInUse, NataliaErrorKind.ResourceBusy,
                $"The point {point} is served as a disk by another PowerShell session, of this machine or of another "
                    + "one.", point.RestorePointId,
                "Dismount it there with Dismount-NataliaRestorePoint. Where that session has died, its mark runs out "
                + $"within {ReaderMark.Lifetime.TotalMinutes:0} minutes.");
        if (point.RestorePointId == indispensable.Newest?.RestorePointId
            || point.RestorePointId == indispensable.NewestGood?.RestorePointId)
            return new NataliaException(ErrorIds.RestorePointIsNewest, NataliaErrorKind.InvalidOperation,
                $"The point {point} is the newest "
                + $"{(point.RestorePointId == indispensable.Newest?.RestorePointId ? "" : "undamaged ")}one of its "
                + "appliance, and that is never removed.",
                point.RestorePointId,
                "Make a newer point first.");
        if (point.RestorePointId == indispensable.LastMade?.RestorePointId)
            return new NataliaException(ErrorIds.RestorePointIsNewest, NataliaErrorKind.InvalidOperation,
                $"The point {point} is the undamaged one of its appliance that was made in this repository last, "
                + "though not the newest by its time, and that is never removed.",
                point.RestorePointId,
                "Make or copy another point first.");
        return null;
    }

    /// <summary>
    /// A plan is made before the lease is taken. Of two that were made beside each other one may remove what the other
    /// takes for kept.
    /// </summary>
    private static NataliaException? FindOutdated(PointRemoval removal, Dictionary<string, RestorePoint> points)
    {
        string? gone = removal.Because.FirstOrDefault(id => !points.ContainsKey(id));
        return gone is null ? null : new NataliaException(ErrorIds.RetentionPlanOutdated,
            NataliaErrorKind.InvalidOperation,
            $"The point {removal.Point} stays: it was to be removed because others are kept, and one of them, {gone}, "
            + "has gone since that was planned.", removal.Point.RestorePointId,
            "Apply the policy again: it is planned anew from what is there.");
    }

    private static AuditEntry RemovalEntry(RestorePoint point, string reason) =>
        RemovalRecord.Entry(point.ApplianceId, point.RestorePointId, point.Sequence ?? 0, reason, isLost: false,
            point.ApplianceName, point.TimeUtc,
        point is { OriginalRepositoryId: string repository, OriginalRestorePointId: string original }
            ? new PointOrigin(repository, original)
            : null);

    /// <summary>The sequences of points that a verification or a repair found damaged.</summary>
    private async Task<HashSet<long>> DamagedSequencesAsync(string applianceId, CancellationToken cancellationToken) =>
        [.. (await DamageRecords.ReadAsync(core, applianceId, cancellationToken).ConfigureAwait(false)).Points.Keys];

    private Task<IReadOnlyList<RestorePoint>> ListAsync(string applianceId, CancellationToken cancellationToken) =>
        listing.ReadAsync(new RestorePointFilter { ApplianceId = applianceId }, _ => { }, null, cancellationToken);

    private RetentionPoint Describe(RestorePoint point, HashSet<long> damaged, HashSet<string> readers) =>
        RetentionPoint.From(point) with
        {
            IsGood = !damaged.Contains(point.Sequence ?? 0),
            IsInUse = PointsInUse.Contains(core.RepositoryId, point.RestorePointId)
                || readers.Contains(point.RestorePointId),
        };
}
