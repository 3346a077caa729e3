using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: tells where a running VM's guest says that it is reached. Nothing proves that who answers there is that
/// guest. Any thread.
/// </summary>
public interface IGuestAddresses
{
    /// <summary>Asks the hypervisor for what the guest tells it.</summary>
    /// <param name="appliance">The VM, as listed by this hypervisor.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>Where its SSH server would be, in the guest's order, a bounded number of places; empty while the guest
    /// tells no address.</returns>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>, and what the hypervisor refuses.</exception>
    Task<IReadOnlyList<SshEndpoint>> FindGuestAsync(ApplianceDescription appliance,
        CancellationToken cancellationToken);
}
