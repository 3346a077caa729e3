using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// A connected hypervisor. What it can do beyond listing is a capability: <see cref="Find{T}"/> asks for one, and for <see cref="HypervisorExtensions.Require{T}"/> a missing one is a
/// typed error that names it. Nobody asks the hypervisor object itself what it is: a capability may be an object of its own.
/// All members may be called from any thread.
/// </summary>
public interface IHypervisor : IDisposable
{
    /// <summary><c>Folder</c>, <c>VMware</c>, <c>Proxmox</c> or <c>HyperV</c>.</summary>
    string Kind { get; }

    /// <summary>Where it is, without secrets: a full path, a host name.</summary>
    string Location { get; }

    /// <summary>All VMs that the caller may see, in no particular order, descriptions complete; and what was found but could not be listed.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken);

    /// <summary>A capability, or null where the hypervisor lacks it. It belongs to the hypervisor, and ends with it.</summary>
    /// <typeparam name="T">The capability's interface.</typeparam>
    T? Find<T>() where T : class;
}

/// <summary>Capability: gives frozen disks whose bytes the engine reads (VMware, Hyper-V, Folder).</summary>
public interface IImageSource
{
    /// <summary>
    /// Freezes the named disks of an appliance at one common time. The caller disposes the result, which releases everything on the hypervisor;
    /// a crash before that must be cleaned by the next call or by <c>Remove-NataliaSnapshot</c>.
    /// </summary>
    /// <param name="appliance">The VM, as listed by this hypervisor.</param>
    /// <param name="diskIds">The disks wanted, each one of the VM's.</param>
    /// <param name="cancellationToken">Stops it; what was made until then is released before the call returns.</param>
    Task<IFrozenDisks> FreezeAsync(ApplianceDescription appliance, IReadOnlyList<string> diskIds, CancellationToken cancellationToken);
}

/// <summary>Disks frozen at one time.</summary>
public interface IFrozenDisks
{
    /// <summary>The time of the state, UTC.</summary>
    DateTime TimeUtc { get; }

    /// <summary>What was reached.</summary>
    Consistency Consistency { get; }

    /// <summary>Why it is less than application consistency, in a full sentence; null when there is nothing to say.</summary>
    string? ConsistencyReason { get; }

    /// <summary>What the user should know of the disks although they can be backed up, in full sentences; they become warnings of the run.</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>A disk by its id.</summary>
    /// <param name="diskId">One of those asked for.</param>
    IDiskSource GetDisk(string diskId);

    /// <summary>
    /// Throws when the state was not frozen after all (a cold image that somebody wrote meanwhile). Called when everything was read and before the point is made visible.
    /// </summary>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>DiskChangedWhileRead</c>.</exception>
    Task VerifyUnchangedAsync(CancellationToken cancellationToken);

    /// <summary>Releases everything on the hypervisor. Called exactly once, with a token that a user's Ctrl-C has not cancelled.</summary>
    /// <param name="cancellationToken">Bounds the clean-up.</param>
    Task ReleaseAsync(CancellationToken cancellationToken);
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
