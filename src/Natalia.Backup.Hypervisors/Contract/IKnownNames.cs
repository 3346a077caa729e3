using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: the names that earlier answers held, for completion. They may have changed. All members may be called
/// from any thread.
/// </summary>
public interface IKnownNames
{
    /// <summary>Storages that take backups.</summary>
    IReadOnlyList<string> BackupStorages { get; }

    /// <summary>Storages that take disks.</summary>
    IReadOnlyList<string> DiskStorages { get; }

    /// <summary>The VM hosts.</summary>
    IReadOnlyList<string> VMHosts { get; }

    /// <summary>Asks the hypervisor for the names when no answer has held any yet.</summary>
    /// <exception cref="NataliaException">What asking throws.</exception>
    Task LearnAsync(CancellationToken cancellationToken);
}
