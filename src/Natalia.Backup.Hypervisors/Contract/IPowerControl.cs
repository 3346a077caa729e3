using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: switches VMs on. May be called from any thread.</summary>
public interface IPowerControl
{
    /// <summary>Switches a VM on, and returns when the hypervisor says that it runs.</summary>
    /// <param name="appliance">The VM, as listed by this hypervisor.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>TaskFailed</c>,
    /// <c>PermissionDenied</c>.</exception>
    Task StartAsync(ApplianceDescription appliance, CancellationToken cancellationToken);
}
