namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>
/// A VM as the cluster's overview shows it. The node is good for the next request, not for later. The name is null
/// where the overview has forgotten it: five minutes after the VM's node went down.
/// </summary>
internal sealed record ClusterGuest(string Vmid, string? KnownName, string Node, string? Status, string? Lock,
    string? HighAvailability, string? Pool, IReadOnlyList<string> Tags, bool IsTemplate, int? Processors,
    long? MemoryBytes)
{
    /// <summary>For the eye.</summary>
    internal string Name => KnownName ?? "VM " + Vmid;

    internal bool IsRunning => Status == "running";
}
