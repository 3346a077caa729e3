using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: switches on, for a VM, the service by which its guest is asked to put its data in order. Any thread.
/// </summary>
public interface IQuiescingControl
{
    /// <summary>Switches it on and reads it back. Nothing is done where it is on.</summary>
    /// <param name="appliance">The VM.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>; <c>ApplianceNotSuitable</c>: the VM has no such
    /// service; <c>ServerRefused</c> and the hypervisor's other refusals.</exception>
    Task<QuiescingService> EnableQuiescingAsync(ApplianceDescription appliance, CancellationToken cancellationToken);
}

/// <summary>How the service is now.</summary>
/// <param name="WasEnabled">Whether it was switched on before.</param>
/// <param name="Trouble">Why the guest cannot be asked all the same, in a full sentence; null when it can.</param>
public sealed record QuiescingService(bool WasEnabled, string? Trouble);
