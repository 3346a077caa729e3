using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Jobs;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// Retention: the policies are those of the backup jobs, and what waits for a job; time is that of the nodes.
/// </summary>
internal sealed partial class ProxmoxRepository
{
    public async Task<IReadOnlyList<StoredRetentionPolicy>> GetRetentionPoliciesAsync(
        CancellationToken cancellationToken)
    {
        IReadOnlyList<ClusterGuest> guests = await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        var unreadable = new List<(ClusterGuest Guest, string Damage)>();
        IReadOnlyDictionary<string, RetentionLimits> own = await Jobs.GetRetentionsAsync(Storage, guests, unreadable,
            cancellationToken).ConfigureAwait(false);
        // A run that says nothing of it prunes by what the storage says, and where that says nothing by what its node
        // says.
        var defaults = new DefaultRetention(_cluster.Client);
        RetentionLimits? common = await defaults.OfStorageAsync(Storage, cancellationToken).ConfigureAwait(false);
        var byNode = new List<(ClusterGuest Guest, RetentionLimits Limits)>();
        var unasked = new List<(ClusterGuest Guest, NataliaException Problem)>();
        if (common is null)
        {
            foreach (ClusterGuest guest in guests.Where(g => unreadable.All(u => u.Guest.Vmid != g.Vmid)))
            {
                (RetentionLimits? limits, ApiException? problem) = await defaults.OfNodeAsync(Storage, guest.Node,
                    cancellationToken).ConfigureAwait(false);
                if (problem is not null) unasked.Add((guest, problem));
                else if (limits is { KeepsAll: false }) byNode.Add((guest, limits));
            }
        }
        // Whether a VM that cannot be read has a policy is not known; it matters only where there is something to
        // remove.
        var withPoints = new HashSet<string>(unreadable.Count + unasked.Count == 0
            ? []
            : (await _points.ListAsync(Storage, Label, null, cancellationToken).ConfigureAwait(false))
                .Select(p => p.Vmid));
        unreadable.RemoveAll(u => !withPoints.Contains(u.Guest.Vmid));
        unasked.RemoveAll(u => !withPoints.Contains(u.Guest.Vmid));
        if (own.Count + unreadable.Count + unasked.Count + byNode.Count == 0 && common is null or { KeepsAll: true })
            return [];
        string zone = await ReadTimeZoneAsync(cancellationToken).ConfigureAwait(false);
        var names = guests.ToDictionary(g => g.Vmid, g => g.Name);
        // The VM's own come first; what its host applies holds where there is none, and when that is taken away.
        List<StoredRetentionPolicy> policies =
        [
            .. unreadable.Select(u => Of(u.Guest, new RetentionLimits()) with { Damage = u.Damage }),
            .. own.OrderBy(r => r.Key, StringComparer.Ordinal)
                .Select(r => new StoredRetentionPolicy(_cluster.ApplianceIdOf(r.Key),
                    names.TryGetValue(r.Key, out string? name) ? name : "VM " + r.Key, ToPolicy(r.Value, zone), null)),
            .. unasked.Select(u => Of(u.Guest, new RetentionLimits()) with
            {
                IsHostDefault = true,
                Damage = $"It may stand in the settings of the node '{u.Guest.Node}', which cannot be read now. "
                    + $"{u.Problem.Message}",
            }),
            .. byNode.Select(n => Of(n.Guest, n.Limits) with { IsHostDefault = true }),
        ];
        if (common is { KeepsAll: false })
            policies.Add(new StoredRetentionPolicy(null, null, ToPolicy(common, zone), null));
        return policies;

        StoredRetentionPolicy Of(ClusterGuest guest, RetentionLimits limits) =>
            new(_cluster.ApplianceIdOf(guest.Vmid), guest.KnownName, ToPolicy(limits, zone), null);
    }

    public async Task<string?> GetFixedTimeZoneAsync(CancellationToken cancellationToken) =>
        await ReadTimeZoneAsync(cancellationToken).ConfigureAwait(false);

    public async Task SetRetentionPolicyAsync(string? applianceId, string? applianceName, RetentionPolicy? policy,
        CancellationToken cancellationToken)
    {
        if (applianceId is null)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The default retention of the storage '{Storage}' is its own setting on the cluster.", Storage,
                "Name an appliance, or change it under Datacenter > Storage > Backup Retention.");
        if (policy is { KeepsEverything: true })
            throw new NataliaException(ErrorIds.RetentionPolicyKeepsNothing, NataliaErrorKind.InvalidArgument,
                "The policy has no rule.", applianceName);
        ClusterGuest guest =
            (await _cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false)).FirstOrDefault(
                g => _cluster.ApplianceIdOf(g.Vmid) == applianceId)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The cluster '{_cluster.Location}' has no VM '{applianceName ?? applianceId}'.",
                applianceName ?? applianceId);
        if (policy is not null && await ReadTimeZoneAsync(cancellationToken).ConfigureAwait(false) is string zone
            && !TimeZones.AreSame(zone, policy.TimeZoneId))
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The cluster applies its retention in the nodes' time zone, '{zone}', and in no other.",
                policy.TimeZoneId, "Leave -TimeZone out.");
        await Jobs.SetRetentionAsync(guest.Vmid, Storage, policy is null ? null : ToLimits(policy),
            cancellationToken).ConfigureAwait(false);
    }

    public Task<IReadOnlyList<RetentionPoint>> DescribeForRetentionAsync(IReadOnlyList<RestorePoint> points,
        CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<RetentionPoint>>(
            [.. points
                .Select(p => RetentionPoint.From(p) with { IsGood = p.Verification != VerificationState.Failed })]);

    public async Task RemoveRestorePointsAsync(string applianceId, IReadOnlyList<PointRemoval> removals,
        Action<RestorePoint, NataliaException?> removed, CancellationToken cancellationToken)
    {
        foreach (PointRemoval removal in removals)
        {
            cancellationToken.ThrowIfCancellationRequested();
            NataliaException? refusal = null;
            try
            {
                await RemoveRestorePointAsync(removal.Point, removal.Reason, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException e) when (!ConcernsAll(e))
            {
                refusal = e;
            }
            removed(removal.Point, refusal);
        }
    }

    /// <summary>A cluster that is gone, or lets nobody in, is told once and not for each point.</summary>
    private static bool ConcernsAll(NataliaException e) =>
        e.ErrorId is ErrorIds.ServerUnreachable or ErrorIds.ServerNotTrusted or ErrorIds.AuthenticationFailed
            or ErrorIds.SessionExpired or ErrorIds.StorageNotFound or ErrorIds.StoreUnavailable;

    internal static RetentionLimits ToLimits(RetentionPolicy policy) =>
        new(policy.Last ?? 0, policy.Hourly ?? 0, policy.Daily ?? 0, policy.Weekly ?? 0, policy.Monthly ?? 0,
            policy.Yearly ?? 0);

    private JobService Jobs => new(_cluster, new LeftOutDisks(_cluster));

    private static RetentionPolicy ToPolicy(RetentionLimits limits, string zone) =>
        new()
        {
            Last = limits.Last,
            Hourly = limits.Hourly,
            Daily = limits.Daily,
            Weekly = limits.Weekly,
            Monthly = limits.Monthly,
            Yearly = limits.Yearly,
            TimeZoneId = zone,
        };

    /// <summary>
    /// The zone of a node that reaches the storage. A backup server's own zone is not to be had from here; where it
    /// differs, the server's dry run will.
    /// </summary>
    private async Task<string> ReadTimeZoneAsync(CancellationToken cancellationToken)
    {
        StorageInfo storage = await _cluster.GetStorageAsync(Storage, cancellationToken).ConfigureAwait(false);
        if (storage.Nodes.Count == 0) return RetentionPolicy.DefaultTimeZoneId;
        try
        {
            return await ProxmoxCluster.AtAnyNodeAsync(storage.Nodes, async node =>
                (await _cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/time"), cancellationToken,
                    new RequiredRight("Sys.Audit",
                        $"/nodes/{node}")).ConfigureAwait(false)).Data.Text("timezone")).ConfigureAwait(false)
                ?? RetentionPolicy.DefaultTimeZoneId;
        }
        catch (ApiException e) when (e.ErrorId == ErrorIds.PermissionDenied)
        {
            return RetentionPolicy.DefaultTimeZoneId;
        }
    }
}
