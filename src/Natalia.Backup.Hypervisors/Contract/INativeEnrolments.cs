using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability of a native repository: the hypervisor remembers with each VM that it is enrolled here, and how. Any thread.</summary>
public interface INativeEnrolments
{
    /// <summary>The settings of the VMs that are enrolled here. One that a schedule of this product backs up to here is enrolled, too.</summary>
    /// <param name="appliances">The VMs to look at, as the repository's hypervisor describes them; null looks at all.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<ApplianceSettings>> GetApplianceSettingsAsync(IReadOnlyList<ApplianceDescription>? appliances, CancellationToken cancellationToken);

    /// <summary>Enrols a VM, or changes its settings.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="settings">All settings, also the unchanged ones.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, <c>ApplianceLocked</c>, <c>PermissionDenied</c>.</exception>
    Task SetApplianceSettingsAsync(ApplianceDescription appliance, ApplianceSettings settings, CancellationToken cancellationToken);
}
