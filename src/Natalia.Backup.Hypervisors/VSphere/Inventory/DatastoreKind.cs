namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>What a datastore's type (<c>summary.type</c>) says of it.</summary>
internal static class DatastoreKind
{
    /// <summary>
    /// Whether it is a file system of the host's own: a disk is a pair of plain files there, which can be read by
    /// ranges and uploaded, and what was ever allocated of it is known. Elsewhere (<c>vsan</c>, <c>VVOL</c>) it is not.
    /// </summary>
    internal static bool IsFileSystem(string? type) => type?.ToUpperInvariant() is "VMFS" or "NFS" or "NFS41";
}
