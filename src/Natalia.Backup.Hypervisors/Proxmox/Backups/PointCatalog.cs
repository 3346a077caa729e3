using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>Reads the restore points of a storage. What rights hide is told as an error: an empty list must mean that there is nothing.</summary>
internal sealed class PointCatalog(ProxmoxCluster cluster)
{
    internal string RepositoryIdOf(string storage) => Identify("natalia-proxmox-repository-1", storage);

    /// <summary>The points of one VM, or of all that the caller may back up. Newest first.</summary>
    internal async Task<IReadOnlyList<StoredPoint>> ListAsync(string storage, string label, string? vmid, CancellationToken cancellationToken)
    {
        StorageInfo info = await cluster.GetStorageAsync(storage, cancellationToken).ConfigureAwait(false);
        if (info.Nodes.Count == 0)
            throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.ResourceUnavailable, $"No node of '{cluster.Location}' reaches the storage '{storage}' now.", storage, "Check the storage's server and the nodes' status.");
        IReadOnlyList<ClusterGuest> guests = await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        RightsMap rights = await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false);
        CheckRights(rights, storage, vmid, guests);

        var found = new Dictionary<string, StoredPoint>(StringComparer.Ordinal);
        var names = guests.ToDictionary(g => g.Vmid, g => g.Name);
        var ids = new Dictionary<string, string>();
        string repositoryId = RepositoryIdOf(storage);
        // Every node sees the same content of a shared storage; of a local one each node has its own part.
        foreach (string node in info.IsShared ? info.Nodes.Take(1) : info.Nodes)
        {
            JsonElement data = (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/storage/{storage}/content"),
                new ApiArguments { { "content", "backup" }, { "vmid", vmid } }, cancellationToken, new RequiredRight("Datastore.AllocateSpace", $"/storage/{storage}")).ConfigureAwait(false)).Data;
            foreach (JsonElement item in data.Items())
                if (Read(item, info, repositoryId, label, node, names, ids) is { } point && (vmid is null || point.Vmid == vmid) && !found.ContainsKey(point.Volid)) found.Add(point.Volid, point);
        }
        if (found.Count == 0 && vmid is null) CheckNothingIsHidden(rights, storage, guests);
        return [.. found.Values.OrderByDescending(p => p.Point.TimeUtc).ThenBy(p => p.Volid, StringComparer.Ordinal)];
    }

    /// <summary>A point as it is now.</summary>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>.</exception>
    internal async Task<StoredPoint> FindAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        string volid = point.NativeId ?? "";
        int colon = volid.IndexOf(':');
        if (point.RepositoryKind != ProxmoxHypervisor.KindName || colon <= 0)
            throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.InvalidArgument, $"The restore point {point} does not lie in a Proxmox VE storage.", point.RestorePointId);
        string storage = volid.Substring(0, colon);
        IReadOnlyList<StoredPoint> all = await ListAsync(storage, point.Repository, VmidOf(volid), cancellationToken).ConfigureAwait(false);
        return all.FirstOrDefault(p => p.Volid == volid) ?? throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound, $"The restore point {point} ('{volid}') is no longer in the storage '{storage}'.", point.RestorePointId);
    }

    internal string PointIdOf(string volid) => Identify("natalia-proxmox-point-1", volid);

    /// <summary>The VM's number in a volume name: <c>pbs:backup/vm/100/…</c>, <c>nas:backup/vzdump-qemu-100-…</c>; null where it has another name.</summary>
    internal static string? VmidOf(string volid)
    {
        string path = volid.Substring(volid.IndexOf(':') + 1);
        string[] parts = path.Split('/');
        if (parts.Length >= 4 && parts[1] == "vm") return parts[2];
        string[] name = parts[parts.Length - 1].Split('-');
        return name.Length > 3 && name[0] == "vzdump" && name[1] == "qemu" && name[2].All(char.IsDigit) ? name[2] : null;
    }

    private StoredPoint? Read(JsonElement item, StorageInfo storage, string repositoryId, string label, string node, Dictionary<string, string> names, Dictionary<string, string> ids)
    {
        if (item.Text("volid") is not string volid) return null;
        string? kind = item.Text("subtype") ?? item.Text("format");
        if (kind is "lxc" or "pbs-ct") return null;
        string? vmid = item.Text("vmid") ?? VmidOf(volid);
        if (vmid is null || item.Time("ctime") is not DateTime time) return null;
        if (!ids.TryGetValue(vmid, out string? applianceId)) ids.Add(vmid, applianceId = cluster.ApplianceIdOf(vmid));
        PointNotes? notes = PointNotes.Parse(item.Text("notes"));
        JsonElement? verification = item.Member("verification");
        long? size = item.Long("size") is > 1 and long s ? s : item.Long("approximate-size") is > 1 and long a ? a : null;
        var point = new RestorePoint
        {
            RestorePointId = PointIdOf(volid),
            ApplianceId = applianceId,
            ApplianceName = names.TryGetValue(vmid, out string? name) ? name : "VM " + vmid,
            RepositoryId = repositoryId,
            Repository = label,
            RepositoryKind = ProxmoxHypervisor.KindName,
            NativeId = volid,
            TimeUtc = time,
            Type = notes?.Type ?? BackupType.Unknown,
            RequestedType = notes?.RequestedType ?? RequestedBackupType.Auto,
            Consistency = notes?.Consistency ?? Consistency.Unknown,
            SizeBytes = size,
            IsProtected = item.Flag("protected") == true,
            // A file storage does not say; on a backup server the fingerprint of the key is there, or a bare 1.
            IsEncrypted = item.Text("encrypted") is string encrypted ? encrypted is not ("" or "0") : storage.IsBackupServer ? false : null,
            Verification = verification?.Text("state") switch { "ok" => VerificationState.Good, null => VerificationState.Unknown, _ => VerificationState.Failed },
            VerifiedUtc = Upid.TryParse(verification?.Text("upid"), out Upid task) ? task.StartUtc : null,
            Note = PointNotes.HumanPart(item.Text("notes")),
            IsDataDiskOnly = notes?.DataDiskOnly ?? false,
        };
        return new StoredPoint(point, vmid, volid, storage.Name, node);
    }

    /// <summary>The server leaves out what the caller may not back up, without a word.</summary>
    private void CheckRights(RightsMap rights, string storage, string? vmid, IReadOnlyList<ClusterGuest> guests)
    {
        string path = $"/storage/{storage}";
        if (rights.Has(path, "Datastore.Allocate")) return;
        if (!rights.Has(path, "Datastore.AllocateSpace")) throw Hidden(storage, "Datastore.AllocateSpace (or Datastore.Allocate)", path);
        if (vmid is not null && !rights.Has($"/vms/{vmid}", "VM.Backup")) throw Hidden(storage, "VM.Backup", $"/vms/{vmid}");
        if (vmid is null && !rights.Has("/vms", "VM.Backup") && !guests.Any(g => rights.Has($"/vms/{g.Vmid}", "VM.Backup"))) throw Hidden(storage, "VM.Backup", "/vms");
    }

    private void CheckNothingIsHidden(RightsMap rights, string storage, IReadOnlyList<ClusterGuest> guests)
    {
        if (rights.Has($"/storage/{storage}", "Datastore.Allocate")) return;
        ClusterGuest? hidden = guests.FirstOrDefault(g => !rights.Has($"/vms/{g.Vmid}", "VM.Backup"));
        if (hidden is not null) throw Hidden(storage, "VM.Backup", $"/vms/{hidden.Vmid}");
    }

    private NataliaException Hidden(string storage, string privilege, string path) => new(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
        $"'{cluster.Client.User}' cannot see the restore points in the storage '{storage}' on '{cluster.Location}': the server would leave them out without a word. Missing: {privilege} on {path}.", path,
        $"Give the account a role with {privilege} on {path}. An API token with privilege separation needs it itself, besides its user.");

    private string Identify(string purpose, string name)
    {
        using var hash = SHA256.Create();
        byte[] bytes = hash.ComputeHash(Encoding.UTF8.GetBytes($"{purpose}\n{cluster.Identity}\n{name}"));
        return string.Concat(bytes.Take(16).Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));
    }
}
