using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A connected hypervisor. What it can do beyond listing is a capability: <see cref="Find{T}"/> asks for one, and for
/// <see cref="HypervisorExtensions.Require{T}"/> a missing one is a typed error that names it. Nobody asks the
/// hypervisor object itself what it is: a capability may be an object of its own. All members may be called from any
/// thread.
/// </summary>
public interface IHypervisor : IDisposable
{
    /// <summary><c>Folder</c>, <c>Qemu</c>, <c>VMware</c>, <c>Proxmox</c> or <c>HyperV</c>.</summary>
    string Kind { get; }

    /// <summary>Where it is, without secrets: a full path, a host name.</summary>
    string Location { get; }

    /// <summary>
    /// All VMs that the caller may see, in no particular order, descriptions complete; and what was found but could not
    /// be listed.
    /// </summary>
    Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken);

    /// <summary>
    /// A capability, or null where the hypervisor lacks it. It belongs to the hypervisor, and ends with it.
    /// </summary>
    /// <typeparam name="T">The capability's interface.</typeparam>
    T? Find<T>() where T : class;
}

/// <summary>Help for callers of <see cref="IHypervisor"/>.</summary>
public static class HypervisorExtensions
{
    /// <summary>The hypervisor as a capability.</summary>
    /// <typeparam name="T">The capability's interface.</typeparam>
    /// <param name="hypervisor">The hypervisor.</param>
    /// <param name="capability">What a user would call it, for the error.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>.</exception>
    public static T Require<T>(this IHypervisor hypervisor, string capability) where T : class =>
        hypervisor.Find<T>() ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            $"The {hypervisor.Kind} hypervisor '{hypervisor.Location}' has no {capability}.", hypervisor.Location);
}
