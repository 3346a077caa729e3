using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;

namespace Natalia.Backup.Hypervisors.Proxmox.Backups;

/// <summary>Backup storages of the cluster, opened as repositories.</summary>
internal sealed class ProtectionService(ProxmoxCluster cluster) : INativeProtection
{
    public async Task<INativeRepository> OpenRepositoryAsync(string storage, string label,
        CancellationToken cancellationToken)
    {
        StorageInfo info = await cluster.GetStorageAsync(storage, cancellationToken).ConfigureAwait(false);
        if (!info.TakesBackups)
            throw new NataliaException(ErrorIds.StorageNotSuitable, NataliaErrorKind.InvalidOperation,
                $"The storage '{storage}' on '{cluster.Location}' does not take backups; it takes: "
                + $"{string.Join(", ", info.Content)}.",
                storage,
                "Choose another storage, or allow the content type 'VZDump backup file' for it under Datacenter > "
                + "Storage.");
        return new ProxmoxRepository(cluster, info.Name, info.Kind, label, info.IsShared);
    }
}
