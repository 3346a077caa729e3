using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Jobs;

/// <summary>
/// What a run keeps that brings no retention of its own: what the storage says, else what the node's vzdump.conf says,
/// else everything (pve-manager, VZDump.pm; a node tells by <c>GET /nodes/{node}/vzdump/defaults</c>).
/// Reads each answer once, so one belongs to one command.
/// </summary>
internal sealed class DefaultRetention(ApiClient client)
{
    private readonly Dictionary<string, (RetentionLimits? Limits, ApiException? Problem)> _nodes =
        new(StringComparer.Ordinal);
    private Dictionary<string, RetentionLimits>? _storages;

    /// <summary>What the storage itself says; null when it leaves that to the nodes.</summary>
    internal async Task<RetentionLimits?> OfStorageAsync(string storage, CancellationToken cancellationToken)
    {
        if (_storages is null)
        {
            ApiAnswer answer = await client.GetAsync(ApiPath.Of($"/storage"), cancellationToken).ConfigureAwait(false);
            _storages = new(StringComparer.Ordinal);
            foreach (JsonElement item in answer.Data.Items())
            {
                if (item.Text("storage") is not string name) continue;
                if (PruneLimits.Read(item.Member("prune-backups")) is RetentionLimits own) _storages[name] = own;
            }
        }
        return _storages.TryGetValue(storage, out RetentionLimits? limits) ? limits : null;
    }

    /// <summary>
    /// What a run on a node keeps in a storage that says nothing itself; null with the problem where the node cannot be
    /// asked now, or not by this account.
    /// </summary>
    internal async Task<(RetentionLimits? Limits, ApiException? Problem)> OfNodeAsync(
        string storage, string node, CancellationToken cancellationToken)
    {
        string key = $"{node}/{storage}";
        if (_nodes.TryGetValue(key, out (RetentionLimits? Limits, ApiException? Problem) found)) return found;
        try
        {
            ApiAnswer answer = await client.GetAsync(ApiPath.Of($"/nodes/{node}/vzdump/defaults"),
                new ApiArguments { { "storage", storage } },
                cancellationToken, new RequiredRight("Datastore.Audit", $"/storage/{storage}")).ConfigureAwait(false);
            found = (PruneLimits.Read(answer.Data.Member("prune-backups")) ?? new RetentionLimits(), null);
        }
        catch (ApiException e) when (e.IsSilentNode || e.ErrorId is ErrorIds.ServerError or ErrorIds.PermissionDenied)
        {
            // Not known is told as such: nobody may read it as "everything".
            found = (null, e);
        }
        return _nodes[key] = found;
    }
}
