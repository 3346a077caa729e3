using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>The names that the last answer about storages held.</summary>
internal sealed class KnownNames(ProxmoxCluster cluster) : IKnownNames
{
    public IReadOnlyList<string> BackupStorages =>
        [.. cluster.KnownStorages.Where(s => s.TakesBackups).Select(s => s.Name)];

    public IReadOnlyList<string> DiskStorages =>
        [.. cluster.KnownStorages.Where(s => s.Content.Contains("images")).Select(s => s.Name)];

    public IReadOnlyList<string> VMHosts =>
        [.. cluster.KnownStorages.SelectMany(s => s.AllNodes).Distinct().OrderBy(n => n, StringComparer.Ordinal)];

    public Task LearnAsync(CancellationToken cancellationToken) =>
        cluster.KnownStorages.Count > 0 ? Task.CompletedTask : cluster.GetStoragesAsync(cancellationToken);
}
