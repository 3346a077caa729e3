using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: says beforehand what would fail.</summary>
public interface IPrerequisites
{
    /// <summary>
    /// Checks everything that the product needs on the hypervisor for an appliance. Nothing is changed.
    /// </summary>
    /// <param name="appliance">The VM; null checks only what concerns the hypervisor.</param>
    /// <param name="request">For what.</param>
    Task<IReadOnlyList<CheckResult>> TestPrerequisitesAsync(ApplianceDescription? appliance,
        PrerequisiteRequest request, CancellationToken cancellationToken);
}
