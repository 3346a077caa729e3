using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository : IRetentionStore
{
    /// <inheritdoc/>
    public Task<string?> GetFixedTimeZoneAsync(CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(CancellationToken cancellationToken)
    {
        var policies = new List<StoredRetentionPolicy>();
        if (await ReadPolicyAsync(_core.RepositoryLog, null, cancellationToken).ConfigureAwait(false) is StoredRetentionPolicy standard) policies.Add(standard);
        foreach (string appliance in await _core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (await ReadPolicyAsync(_core.ApplianceLog(appliance), appliance, cancellationToken).ConfigureAwait(false) is StoredRetentionPolicy own) policies.Add(own);
        }
        return policies;
    }

    /// <inheritdoc/>
    public async Task SetRetentionPolicyAsync(string? applianceId, string? applianceName, RetentionPolicy? policy, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        if (policy?.KeepsEverything == true)
            throw new NataliaException(ErrorIds.RetentionPolicyKeepsNothing, NataliaErrorKind.InvalidArgument, "A retention policy whose every rule is off names nothing to keep, and is refused.", applianceId,
                "Give at least one rule 1 or more. To keep everything, set no policy.");
        if (policy is not null) TimeZones.Find(policy.TimeZoneId);
        // Needs no lease: setting a policy must not wait for a backup that runs for hours, and the later record counts.
        AuditLog log = applianceId is null ? _core.RepositoryLog : _core.ApplianceLog(applianceId);
        if (policy is null) await RequirePolicyForLocksAsync(applianceId, cancellationToken).ConfigureAwait(false);
        await log.AppendAsync(RetentionEntry(applianceId, applianceName, policy), _core.SigningSeed, cancellationToken).ConfigureAwait(false);
        await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        // Behind a name that nobody can read, a policy has no effect: that must not look like success.
        if ((await ReadPolicyAsync(log, applianceId, cancellationToken).ConfigureAwait(false))?.Damage is string damage)
            throw new NataliaException(ErrorIds.RetentionPolicyDamaged, NataliaErrorKind.InvalidData, $"The policy was written to the log of the repository '{Label}', but has no effect: a later record of a policy cannot be read. {damage}", applianceId ?? Label,
                "Look at that object with Test-NataliaAudit. When somebody put it there, delete it; when it is damaged, put it back from a copy. Then set the policy again.");
    }

    private static AuditEntry RetentionEntry(string? applianceId, string? applianceName, RetentionPolicy? policy) => new(AuditEvents.RetentionSet)
    {
        ApplianceId = applianceId,
        Reason = policy is null ? "The policy was taken away." : $"The policy is now {policy}.",
        WriteData = json =>
        {
            if (applianceName is not null) json.WriteString("name", applianceName);
            RetentionPolicyData.Write(json, policy);
        },
    };

    /// <summary>Where locks follow the policy, the last policy that holds cannot be taken away.</summary>
    private async Task RequirePolicyForLocksAsync(string? applianceId, CancellationToken cancellationToken)
    {
        if (_core.Immutability?.WhileKept != true) return;
        if (applianceId is not null && await ReadPolicyAsync(_core.RepositoryLog, null, cancellationToken).ConfigureAwait(false) is { Damage: null }) return;
        throw new NataliaException(ErrorIds.ImmutabilityWithoutRetention, NataliaErrorKind.InvalidOperation,
            $"The points of the repository '{Label}' stay locked as long as they are kept, {_core.Immutability.Days} days ahead: without a retention policy everything would be kept, and stay locked, for ever.", applianceId ?? Label,
            "Set the policy that is wanted instead.");
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<RetentionPoint>> DescribeForRetentionAsync(IReadOnlyList<RestorePoint> points, CancellationToken cancellationToken)
    {
        var damaged = new Dictionary<string, HashSet<long>>(StringComparer.Ordinal);
        foreach (string appliance in points.Select(p => p.ApplianceId).Distinct(StringComparer.Ordinal))
            damaged[appliance] = await DamagedSequencesAsync(appliance, cancellationToken).ConfigureAwait(false);
        return points.Select(p => DescribeForRetention(p, damaged[p.ApplianceId])).ToArray();
    }

    private RetentionPoint DescribeForRetention(RestorePoint point, HashSet<long> damaged) => RetentionPoint.From(point) with
    {
        IsGood = !damaged.Contains(point.Sequence ?? 0),
        IsInUse = PointsInUse.Contains(RepositoryId, point.RestorePointId),
    };

    /// <summary>Removes a point: records the removal with its reason, after which nobody sees the point any more.</summary>
    /// <param name="point">The point.</param>
    /// <param name="reason">Why, for the audit log.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>, <c>RestorePointProtected</c>, <c>RestorePointLocked</c>, <c>RestorePointIsNewest</c>, <c>RestorePointInUse</c>, <c>LeaseHeld</c>.</exception>
    public async Task RemoveRestorePointAsync(RestorePoint point, string reason, CancellationToken cancellationToken)
    {
        NataliaException? refusal = null;
        await RemoveRestorePointsAsync(point.ApplianceId, [new PointRemoval(point, reason)], (_, why) => refusal = why, cancellationToken).ConfigureAwait(false);
        if (refusal is not null) throw refusal;
    }

    /// <summary>Why a point could not be removed as things are now, or null when it could. Changes nothing, and takes no lease: a removal looks again.</summary>
    /// <param name="point">The point.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<NataliaException?> FindRemovalRefusalAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        IReadOnlyList<RestorePoint> points = await GetRestorePointsAsync(new RestorePointFilter { ApplianceId = point.ApplianceId }, _ => { }, cancellationToken).ConfigureAwait(false);
        if (points.FirstOrDefault(p => p.RestorePointId == point.RestorePointId) is not RestorePoint current) return await FindAbsenceAsync(point, cancellationToken).ConfigureAwait(false);
        HashSet<long> damaged = await DamagedSequencesAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
        PointStates states = await PointStates.ReadAsync(_core.ApplianceLog(point.ApplianceId), [current.Sequence ?? 0], cancellationToken).ConfigureAwait(false);
        return FindRefusal(current, states, IndispensablePoints.Of(points.Select(p => DescribeForRetention(p, damaged))));
    }

    /// <inheritdoc/>
    public async Task RemoveRestorePointsAsync(string applianceId, IReadOnlyList<PointRemoval> removals, Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        if (removals.Any(r => r.Point.ApplianceId != applianceId)) throw new ArgumentException("Every point must be one of the appliance's.", nameof(removals));
        AuditLog log = _core.ApplianceLog(applianceId);
        Lease lease = await _core.AcquireLeaseAsync(applianceId, LeasePurposes.Removal, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            // The lease keeps out new points, other removals and changes of protection.
            List<RestorePoint> points = [.. await GetRestorePointsAsync(new RestorePointFilter { ApplianceId = applianceId }, _ => { }, cancellationToken).ConfigureAwait(false)];
            HashSet<long> damaged = await DamagedSequencesAsync(applianceId, cancellationToken).ConfigureAwait(false);
            Dictionary<string, RestorePoint> byId = points.ToDictionary(p => p.RestorePointId, StringComparer.Ordinal);
            IndispensablePoints indispensable = IndispensablePoints.Of(points.Select(p => DescribeForRetention(p, damaged)));
            var refused = new List<(RestorePoint Point, NataliaException? Refusal)>();
            for (int at = 0; at < removals.Count; at += RemovalsAtOnce)
            {
                PointRemoval[] group = removals.Skip(at).Take(RemovalsAtOnce).ToArray();
                List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
                PointStates states = await PointStates.ReadAsync(log, names, [.. group.Select(r => r.Point.Sequence ?? 0)], cancellationToken).ConfigureAwait(false);
                AuditLog.End end = await log.FindEndAsync(names, cancellationToken).ConfigureAwait(false);
                await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
                long looked = _core.Clock.GetTimestamp();
                refused.Clear();
                try
                {
                    foreach (PointRemoval removal in group)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        NataliaException? refusal = byId.TryGetValue(removal.Point.RestorePointId, out RestorePoint? current) ? FindRefusal(current, states, indispensable)
                            : await FindAbsenceAsync(removal.Point, cancellationToken).ConfigureAwait(false);
                        if (refusal is null)
                        {
                            // A machine may have slept between two removals, and its lease be another's.
                            if (_core.Clock.GetElapsedTime(looked) > s_lookAgainAfter)
                            {
                                await lease.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
                                looked = _core.Clock.GetTimestamp();
                            }
                            AuditEntry entry = RemovalEntry(current!, removal.Reason);
                            // The last one looks at the log again, and so joins what others wrote meanwhile.
                            string hash = removal == group[group.Length - 1] ? await log.AppendAsync(entry, _core.SigningSeed, cancellationToken).ConfigureAwait(false)
                                : await log.AppendAsync(end, entry, _core.SigningSeed, cancellationToken).ConfigureAwait(false);
                            end = end.After(hash);
                            byId.Remove(current!.RestorePointId);
                        }
                        refused.Add((removal.Point, refusal));
                    }
                }
                finally
                {
                    // Also when the group was cut short: what is recorded is removed, and must be told. A removal that cannot be flushed is not claimed.
                    if (refused.Exists(r => r.Refusal is null)) await _core.Store.FlushAsync(CancellationToken.None).ConfigureAwait(false);
                    foreach ((RestorePoint point, NataliaException? refusal) in refused) removed(point, refusal);
                }
            }
        }
    }

    /// <summary>After so many removals the log is looked at again, and everything is made durable.</summary>
    private const int RemovalsAtOnce = 64;

    private static readonly TimeSpan s_lookAgainAfter = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public async Task<RestorePoint> SetProtectionAsync(RestorePoint point, bool isProtected, string reason, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        Lease? lease = null;
        try
        {
            lease = await _core.AcquireLeaseAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException held) when (held.ErrorId == ErrorIds.LeaseHeld)
        {
            // A backup that runs for hours must not keep a point unprotected: it removes nothing. A removal may be about to remove this very point, and is over soon.
            if ((await Lease.FindHolderAsync(_core.Store, point.ApplianceId, cancellationToken).ConfigureAwait(false))?.Purpose == LeasePurposes.Removal) throw;
        }
        try
        {
            PointManifest manifest = await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
            await _core.ApplianceLog(point.ApplianceId).AppendAsync(new AuditEntry(isProtected ? AuditEvents.PointProtected : AuditEvents.PointUnprotected)
            {
                ApplianceId = point.ApplianceId,
                RestorePointId = point.RestorePointId,
                Sequence = manifest.Run.Sequence,
                Reason = reason,
            }, _core.SigningSeed, cancellationToken).ConfigureAwait(false);
            await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
            await FindAsync(point.ApplianceId, point.RestorePointId, cancellationToken).ConfigureAwait(false);
            return WithRenewal(Describe(manifest, isProtected), await ReadRenewalsAsync(point.ApplianceId, cancellationToken).ConfigureAwait(false));
        }
        finally
        {
            if (lease is not null) await lease.DisposeAsync().ConfigureAwait(false);
        }
    }

    private NataliaException? FindRefusal(RestorePoint point, PointStates states, IndispensablePoints indispensable)
    {
        if (states.IsProtected(point.RestorePointId))
            return new NataliaException(ErrorIds.RestorePointProtected, NataliaErrorKind.PermissionDenied, $"The point {point} is protected.", point.RestorePointId, "Lift its protection first, with a reason.");
        if (point.ImmutableUntilUtc is DateTime until && until > _core.Clock.UtcNow())
            return new NataliaException(ErrorIds.RestorePointLocked, NataliaErrorKind.PermissionDenied, $"The point {point} is locked until {until:yyyy-MM-dd HH:mm:ss} UTC.", point.RestorePointId);
        if (PointsInUse.Contains(RepositoryId, point.RestorePointId))
            return new NataliaException(ErrorIds.RestorePointInUse, NataliaErrorKind.ResourceBusy, $"A restore reads the point {point}.", point.RestorePointId, "Remove it when the restore has ended.");
        if (point.RestorePointId == indispensable.Newest?.RestorePointId || point.RestorePointId == indispensable.NewestGood?.RestorePointId)
            return new NataliaException(ErrorIds.RestorePointIsNewest, NataliaErrorKind.InvalidOperation,
                $"The point {point} is the newest {(point.RestorePointId == indispensable.Newest?.RestorePointId ? "" : "undamaged ")}one of its appliance, and that is never removed.", point.RestorePointId,
                "Make a newer point first.");
        if (point.RestorePointId == indispensable.LastMade?.RestorePointId)
            return new NataliaException(ErrorIds.RestorePointIsNewest, NataliaErrorKind.InvalidOperation,
                $"The point {point} is the undamaged one of its appliance that was made in this repository last, though not the newest by its time, and that is never removed.", point.RestorePointId,
                "Make or copy another point first.");
        return null;
    }

    private static AuditEntry RemovalEntry(RestorePoint point, string reason) => RemovalRecord.Entry(point.ApplianceId, point.RestorePointId, point.Sequence ?? 0, reason, isLost: false, point.ApplianceName, point.TimeUtc,
        point is { OriginalRepositoryId: string repository, OriginalRestorePointId: string original } ? new PointOrigin(repository, original) : null);

    /// <summary>The sequences of points that a verification or a repair found damaged.</summary>
    private async Task<HashSet<long>> DamagedSequencesAsync(string applianceId, CancellationToken cancellationToken) =>
        [.. (await DamageRecords.ReadAsync(_core, applianceId, cancellationToken).ConfigureAwait(false)).Points.Keys];

    private static async Task<StoredRetentionPolicy?> ReadPolicyAsync(AuditLog log, string? applianceId, CancellationToken cancellationToken)
    {
        List<AuditName> all = (await log.ListAsync(cancellationToken).ConfigureAwait(false)).FindAll(n => n.Event == AuditEvents.RetentionSet);
        string? trouble = null;
        // Of one number the genuine one counts: beside a name that nobody can read, a policy that was set since has the same.
        foreach (AuditName newest in Enumerable.Reverse(all).TakeWhile(n => n.Number == all[all.Count - 1].Number))
        {
            try
            {
                AuditRecord record = await log.ReadAsync(newest, cancellationToken).ConfigureAwait(false);
                return RetentionPolicyData.Read(record.Data, out string? name) is RetentionPolicy policy ? new StoredRetentionPolicy(applianceId, name, policy, record.TimeUtc) : null;
            }
            catch (FormatException damage)
            {
                trouble ??= $"'{newest.ObjectName}': {damage.Message}";
            }
        }
        // An older policy may remove what this one kept: better none than that.
        return trouble is null ? null : new StoredRetentionPolicy(applianceId, null, new RetentionPolicy(), null, trouble);
    }
}
