using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>
/// Reads the restore points of a storage. What rights hide is told as an error: an empty list must mean that there is
/// nothing.
/// </summary>
internal sealed class StoredPoints(ProxmoxCluster cluster)
{
    private const int ParallelReads = 12;

    internal string RepositoryIdOf(string storage) => Identify("natalia-proxmox-repository-1", storage);

    /// <summary>The points of one VM, or of all that the caller may back up. Newest first.</summary>
    /// <param name="storage">The storage.</param>
    /// <param name="label">What the repository is called.</param>
    /// <param name="vmid">The VM; null for all.</param>
    /// <param name="onHidden">Told which nodes' part of the storage cannot be read now; or null.</param>
    /// <param name="askArchives">Whether an archive is opened to name a VM whose name the overview has
    /// forgotten.</param>
    internal async Task<IReadOnlyList<StoredPoint>> ListAsync(string storage, string label, string? vmid,
        CancellationToken cancellationToken, Action<NataliaException>? onHidden = null, bool askArchives = true)
    {
        StorageInfo info = await cluster.GetStorageAsync(storage, cancellationToken).ConfigureAwait(false);
        if (info.Nodes.Count == 0)
            throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.ResourceUnavailable,
                $"No node of '{cluster.Location}' reaches the storage '{storage}' now.", storage,
                "Check the storage's server and the nodes' status.");
        IReadOnlyList<ClusterGuest> guests = await cluster.GetGuestsAsync(cancellationToken).ConfigureAwait(false);
        RightsMap rights = await cluster.GetRightsAsync(cancellationToken).ConfigureAwait(false);
        CheckRights(rights, storage, vmid, guests);

        var found = new Dictionary<string, StoredPoint>(StringComparer.Ordinal);
        var names = guests.Where(g => g.KnownName is not null).ToDictionary(g => g.Vmid, g => g.Name);
        var ids = new Dictionary<string, string>();
        string repositoryId = RepositoryIdOf(storage);
        // Every node sees the same content of a shared storage; of a local one each node has its own part.
        foreach ((string node, JsonElement data) in await ReadContentAsync(info, vmid, onHidden,
            cancellationToken).ConfigureAwait(false))
        {
            foreach (JsonElement item in data.Items())
                if (Read(item, info, repositoryId, label, node, names, ids) is { } point
                    && (vmid is null || point.Vmid == vmid) && !found.ContainsKey(point.Volid))
                    found.Add(point.Volid, point);
        }
        if (found.Count == 0 && vmid is null) CheckNothingIsHidden(rights, storage, guests);
        List<StoredPoint> ordered = [.. found.Values.OrderByDescending(p => p.Point)
            .ThenBy(p => p.Volid, StringComparer.Ordinal)];
        return await NameAsync(ordered, names, guests, askArchives, cancellationToken).ConfigureAwait(false);
    }

    private async Task<IReadOnlyList<(string Node, JsonElement Data)>> ReadContentAsync(StorageInfo info, string? vmid,
        Action<NataliaException>? onHidden, CancellationToken cancellationToken)
    {
        if (info.IsShared) return [await ProxmoxCluster.AtAnyNodeAsync(info.Nodes, ReadAsync).ConfigureAwait(false)];
        var parts = new List<(string, JsonElement)>();
        foreach (string away in info.AllNodes.Where(n => !info.Nodes.Contains(n)))
            onHidden?.Invoke(OutOfReach(info.Name, away, "the storage is not active there", null));
        foreach (string node in info.Nodes)
        {
            try
            {
                parts.Add(await ReadAsync(node).ConfigureAwait(false));
            }
            catch (ApiException e) when (e.IsSilentNode)
            {
                onHidden?.Invoke(OutOfReach(info.Name, node, e.Message, e));
            }
        }
        return parts;

        async Task<(string, JsonElement)> ReadAsync(string node) =>
            (node, (await cluster.Client.GetAsync(ApiPath.Of($"/nodes/{node}/storage/{info.Name}/content"),
            new ApiArguments { { "content", "backup" }, { "vmid", vmid } }, cancellationToken,
            new RequiredRight("Datastore.AllocateSpace", $"/storage/{info.Name}")).ConfigureAwait(false)).Data);
    }

    private static NataliaException OutOfReach(string storage, string node, string why, Exception? cause) =>
        new(ErrorIds.StoreUnavailable, NataliaErrorKind.ResourceUnavailable,
        $"What the local storage '{storage}' of node '{node}' holds is not known: {why.TrimEnd('.')}. Its restore "
        + "points are missing from the list.",
        $"{storage} on {node}", "They are there again when the node is.", cause);

    /// <summary>
    /// Names the VMs that the overview does not name, by what was written into their points: those of VMs that are
    /// gone, and those whose node has been down for more than five minutes.
    /// </summary>
    private async Task<IReadOnlyList<StoredPoint>> NameAsync(List<StoredPoint> points, Dictionary<string, string> names,
        IReadOnlyList<ClusterGuest> guests, bool askArchives, CancellationToken cancellationToken)
    {
        List<StoredPoint> newest = [.. points.Where(p => !names.ContainsKey(p.Vmid)).GroupBy(p => p.Vmid)
            .Select(g => g.FirstOrDefault(p => p.Point.IsFinished) ?? g.First())];
        if (newest.Count == 0) return points;
        foreach (StoredPoint point in points.Where(p => !names.ContainsKey(p.Vmid)))
            if (point.GuestName is string noted) names[point.Vmid] = noted;
        var exist = new HashSet<string>(guests.Select(g => g.Vmid));
        if (askArchives)
        {
            // Only for VMs that are there: that of one which is gone would cost a request in each list for ever.
            await InParallel.RunAsync(newest.FindAll(p => exist.Contains(p.Vmid) && !names.ContainsKey(p.Vmid)),
                ParallelReads, async point =>
            {
                try
                {
                    if ((await ProxmoxRepository.ReadArchivedConfigAsync(cluster, point,
                        cancellationToken).ConfigureAwait(false))["name"] is string archived)
                        lock (names) names[point.Vmid] = archived;
                }
                catch (NataliaException)
                {
                    // Its number will do.
                }
            }, cancellationToken).ConfigureAwait(false);
        }
        foreach (StoredPoint point in newest)
            if (exist.Contains(point.Vmid) && names.TryGetValue(point.Vmid, out string? name))
                cluster.RememberName(point.Vmid, name);
        return [.. points
            .Select(p => names.TryGetValue(p.Vmid, out string? name) && p.Point.ApplianceName != name
                ? p with { Point = p.Point with { ApplianceName = name } }
                : p)];
    }

    /// <summary>A point as it is now.</summary>
    /// <exception cref="NataliaException"><c>RestorePointNotFound</c>.</exception>
    internal async Task<StoredPoint> FindAsync(RestorePoint point, CancellationToken cancellationToken)
    {
        string volid = point.NativeId ?? "";
        int colon = volid.IndexOf(':');
        if (point.RepositoryKind != ProxmoxCluster.KindName || colon <= 0)
            throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.InvalidArgument,
                $"The restore point {point} does not lie in a Proxmox VE storage.", point.RestorePointId);
        string storage = volid.Substring(0, colon);
        var hidden = new List<NataliaException>();
        IReadOnlyList<StoredPoint> all = await ListAsync(storage, point.Repository, VmidOf(volid), cancellationToken,
            hidden.Add).ConfigureAwait(false);
        if (all.FirstOrDefault(p => p.Volid == volid) is StoredPoint found) return found;
        // What cannot be looked at is not gone.
        if (hidden.Count > 0) throw hidden[0];
        throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
            $"The restore point {point} ('{volid}') is no longer in the storage '{storage}'.", point.RestorePointId);
    }

    internal string PointIdOf(string volid) => Identify("natalia-proxmox-point-1", volid);

    /// <summary>
    /// The VM's number in a volume name: <c>pbs:backup/vm/100/…</c>, <c>nas:backup/vzdump-qemu-100-…</c>; null where it
    /// has another name.
    /// </summary>
    internal static string? VmidOf(string volid)
    {
        string path = volid.Substring(volid.IndexOf(':') + 1);
        string[] parts = path.Split('/');
        if (parts.Length >= 4 && parts[1] == "vm") return parts[2];
        string[] name = parts[parts.Length - 1].Split('-');
        return name.Length > 3 && name[0] == "vzdump" && name[1] == "qemu" && name[2].All(char.IsDigit)
            ? name[2]
            : null;
    }

    private StoredPoint? Read(JsonElement item, StorageInfo storage, string repositoryId, string label, string node,
        Dictionary<string, string> names, Dictionary<string, string> ids)
    {
        if (item.Text("volid") is not string volid) return null;
        string? kind = item.Text("subtype") ?? item.Text("format");
        if (kind is "lxc" or "pbs-ct") return null;
        string? vmid = item.Text("vmid") ?? VmidOf(volid);
        if (vmid is null || item.Time("ctime") is not DateTime time) return null;
        if (!ids.TryGetValue(vmid, out string? applianceId)) ids.Add(vmid, applianceId = cluster.ApplianceIdOf(vmid));
        PointNotes? notes = PointNotes.Parse(item.Text("notes"));
        JsonElement? verification = item.Member("verification");
        long? size = item.Long("size") is > 1 and long s
            ? s
            : item.Long("approximate-size") is > 1 and long a ? a : null;
        var point = new RestorePoint
        {
            RestorePointId = PointIdOf(volid),
            ApplianceId = applianceId,
            ApplianceName = names.TryGetValue(vmid, out string? name) ? name : "VM " + vmid,
            HypervisorKind = ProxmoxCluster.KindName,
            RepositoryId = repositoryId,
            Repository = label,
            RepositoryKind = ProxmoxCluster.KindName,
            NativeId = volid,
            TimeUtc = time,
            Type = notes?.Type ?? BackupType.Unknown,
            RequestedType = notes?.RequestedType ?? RequestedBackupType.Auto,
            Consistency = notes?.Consistency ?? Consistency.Unknown,
            SizeBytes = size,
            // A backup server lists what it is still writing, and what was broken off, too: of such a one it has no
            // index yet, and so knows no size. The node makes a 1 of that.
            IsFinished = size is not null || !storage.IsBackupServer,
            IsProtected = item.Flag("protected") == true,
            // A file storage does not say; on a backup server the fingerprint of the key is there, or a bare 1.
            IsEncrypted = item.Text("encrypted") is string encrypted
                ? encrypted is not ("" or "0")
                : storage.IsBackupServer ? false : null,
            Verification = verification?.Text("state") switch
            {
                "ok" => VerificationState.Good,
                null =>
                VerificationState.Unknown,
                _ => VerificationState.Failed
            },
            VerifiedUtc = Upid.TryParse(verification?.Text("upid"), out Upid task) ? task.StartUtc : null,
            CdrBaseline = notes?.CdrBaseline,
            Note = PointNotes.HumanPart(item.Text("notes")),
            IsDataDiskOnly = notes?.DataDiskOnly ?? false,
            IsRenamed = storage.KeepsFiles && !ArchiveName.IsStandard(volid),
        };
        return new StoredPoint(point, vmid, volid, storage.Name, node, PointNotes.GuestNameIn(item.Text("notes")));
    }

    /// <summary>The server leaves out what the caller may not back up, without a word.</summary>
    private void CheckRights(RightsMap rights, string storage, string? vmid, IReadOnlyList<ClusterGuest> guests)
    {
        string path = $"/storage/{storage}";
        if (rights.Has(path, "Datastore.Allocate")) return;
        if (!rights.Has(path, "Datastore.AllocateSpace"))
            throw Hidden(storage, "Datastore.AllocateSpace (or Datastore.Allocate)", path);
        if (vmid is not null && !rights.Has($"/vms/{vmid}", "VM.Backup"))
            throw Hidden(storage, "VM.Backup", $"/vms/{vmid}");
        if (vmid is null && !rights.Has("/vms", "VM.Backup")
            && !guests.Any(g => rights.Has($"/vms/{g.Vmid}", "VM.Backup")))
            throw Hidden(storage, "VM.Backup", "/vms");
    }

    private void CheckNothingIsHidden(RightsMap rights, string storage, IReadOnlyList<ClusterGuest> guests)
    {
        if (rights.Has($"/storage/{storage}", "Datastore.Allocate")) return;
        if (guests.Count == 0) cluster.RequireAnywhere(rights, "VM.Backup", "/vms", "VM's points");
        ClusterGuest? hidden = guests.FirstOrDefault(g => !rights.Has($"/vms/{g.Vmid}", "VM.Backup"));
        if (hidden is not null) throw Hidden(storage, "VM.Backup", $"/vms/{hidden.Vmid}");
    }

    private NataliaException Hidden(string storage, string privilege, string path) =>
        new(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
        $"'{cluster.Client.User}' cannot see the restore points in the storage '{storage}' on '{cluster.Location}': "
        + $"the server would leave them out without a word. Missing: {privilege} on {path}.",
        path,
        $"Give the account a role with {privilege} on {path}. An API token with privilege separation needs it itself, "
        + "besides its user.");

    private string Identify(string purpose, string name)
    {
        using var hash = SHA256.Create();
        byte[] bytes = hash.ComputeHash(Encoding.UTF8.GetBytes($"{purpose}\n{cluster.Identity}\n{name}"));
        return string.Concat(bytes.Take(16).Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));
    }
}
