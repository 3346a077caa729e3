namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: describes only the wanted VMs, where describing all of them would cost a request each.
/// </summary>
public interface IApplianceFinder
{
    /// <summary>
    /// The VMs that are wanted, descriptions complete, in no particular order; and what was wanted but could not be
    /// described.
    /// </summary>
    /// <param name="wanted">Asked once for every VM that the caller may see, with its name, its appliance id and the
    /// hypervisor's own id; from one thread at a time.</param>
    Task<ApplianceInventory> FindAppliancesAsync(Func<ApplianceLabel, bool> wanted,
        CancellationToken cancellationToken);
}
