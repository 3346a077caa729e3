namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>A VM as the cluster's overview shows it. The node is good for the next request, not for later.</summary>
internal sealed record ClusterGuest(string Vmid, string Name, string Node, string? Status, string? Lock, string? HighAvailability, string? Pool, IReadOnlyList<string> Tags, bool IsTemplate, int? Processors, long? MemoryBytes)
{
    internal bool IsRunning => Status == "running";
}
