namespace Natalia.Backup.Hypervisors;

/// <summary>Capability: the names that earlier answers held, for completion. Nothing is asked for them, and they may have changed. All members may be called from any thread.</summary>
public interface IKnownNames
{
    /// <summary>Storages that take backups.</summary>
    IReadOnlyList<string> BackupStorages { get; }

    /// <summary>Storages that take disks.</summary>
    IReadOnlyList<string> DiskStorages { get; }

    /// <summary>The nodes.</summary>
    IReadOnlyList<string> Nodes { get; }
}
