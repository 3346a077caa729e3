using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// What restore points tell of VMs of which the cluster tells nothing, since their node is down: how they were
/// configured when they were backed up last, and what they are called. Looks through every backup storage that the
/// account sees, so it is asked for such VMs only.
/// </summary>
internal sealed class ArchivedGuests(ProxmoxCluster cluster, StoredPoints points)
{
    private const int ParallelReads = 12;

    /// <summary>The VMs of which some restore point can be read, by number. The names are remembered.</summary>
    internal async Task<IReadOnlyDictionary<string, ArchivedGuest>> ReadAsync(IReadOnlyCollection<string> vmids,
        CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, ArchivedGuest>(StringComparer.Ordinal);
        if (vmids.Count == 0) return found;
        var newest = new Dictionary<string, StoredPoint>(StringComparer.Ordinal);
        foreach (StorageInfo storage in (await cluster.GetStoragesAsync(cancellationToken).ConfigureAwait(false))
            .Where(s => s.TakesBackups && s.Nodes.Count > 0))
        {
            try
            {
                foreach (StoredPoint point in await points.ListAsync(storage.Name, storage.Name, null,
                    cancellationToken, askArchives: false).ConfigureAwait(false))
                    if (vmids.Contains(point.Vmid) && point.Point.IsFinished
                        && point.Point.Verification != VerificationState.Failed
                        && (!newest.TryGetValue(point.Vmid, out StoredPoint? other)
                            || other.Point.CompareTo(point.Point) < 0))
                        newest[point.Vmid] = point;
            }
            catch (NataliaException e)
                when (e.ErrorId is ErrorIds.PermissionDenied or ErrorIds.StoreUnavailable or ErrorIds.StorageNotFound
                    or ErrorIds.ServerError or ErrorIds.ServerUnreachable)
            {
                // What this storage holds is not to be had; another may tell.
            }
        }
        await InParallel.RunAsync(newest.Values, ParallelReads, async point =>
        {
            try
            {
                GuestConfig config = await ProxmoxRepository.ReadArchivedConfigAsync(cluster, point,
                    cancellationToken).ConfigureAwait(false);
                lock (found) found[point.Vmid] = new ArchivedGuest(point, config);
                if (config["name"] is string name) cluster.RememberName(point.Vmid, name);
            }
            catch (NataliaException)
            {
                // An archive that cannot be opened tells nothing; whoever asked says of which VMs nothing is known.
            }
        }, cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <summary>The same VMs, those that the overview does not name with the name that their points tell.</summary>
    internal async Task<IReadOnlyList<ClusterGuest>> NameAsync(IReadOnlyList<ClusterGuest> guests,
        CancellationToken cancellationToken)
    {
        List<string> nameless = [.. guests.Where(g => g.KnownName is null).Select(g => g.Vmid)];
        if (nameless.Count == 0) return guests;
        IReadOnlyDictionary<string, ArchivedGuest> archived = await ReadAsync(nameless,
            cancellationToken).ConfigureAwait(false);
        return [.. guests
            .Select(g => g.KnownName is null && archived.TryGetValue(g.Vmid, out ArchivedGuest? then)
                ? g with { KnownName = then.Config["name"] }
                : g)];
    }
}
