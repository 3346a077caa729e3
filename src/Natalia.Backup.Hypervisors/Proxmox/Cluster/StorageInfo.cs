namespace Natalia.Backup.Hypervisors.Proxmox.Cluster;

/// <summary>A storage as the cluster's overview shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">Its type: <c>pbs</c>, <c>nfs</c>, <c>zfspool</c>, …</param>
/// <param name="IsShared">Whether all nodes see the same content.</param>
/// <param name="Content">What it takes.</param>
/// <param name="Nodes">The nodes that reach it now.</param>
/// <param name="AllNodes">All nodes that it is configured for.</param>
internal sealed record StorageInfo(string Name, string Kind, bool IsShared, IReadOnlyList<string> Content,
    IReadOnlyList<string> Nodes, IReadOnlyList<string> AllNodes)
{
    internal bool TakesBackups => Content.Contains("backup");

    /// <summary>Whether backups are files in a folder, whose names and times people can change.</summary>
    internal bool KeepsFiles => Kind is "dir" or "nfs" or "cifs" or "cephfs" or "btrfs" or "glusterfs";

    internal bool IsBackupServer => Kind == "pbs";
}
