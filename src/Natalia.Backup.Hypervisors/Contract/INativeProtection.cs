using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: the hypervisor moves the data itself, into storages of its own (Proxmox VE).</summary>
public interface INativeProtection
{
    /// <summary>Opens one of the hypervisor's backup storages as a repository.</summary>
    /// <param name="storage">The storage's name on the hypervisor.</param>
    /// <param name="label">What the session is called; shows in restore points.</param>
    /// <exception cref="NataliaException"><c>StorageNotFound</c>, <c>StorageNotSuitable</c>,
    /// <c>PermissionDenied</c>.</exception>
    Task<INativeRepository> OpenRepositoryAsync(string storage, string label, CancellationToken cancellationToken);
}
