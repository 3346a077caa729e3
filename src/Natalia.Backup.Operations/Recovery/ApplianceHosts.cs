using Natalia.Backup.Engine.Network;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Recovery;

/// <summary>
/// Tells whether a repository lies on the machine of an appliance's hypervisor. Each repository and each hypervisor is
/// asked once.
/// </summary>
internal sealed class ApplianceHosts
{
    private readonly Dictionary<RepositoryConnection, StorePlacement?> _places = [];
    private readonly Dictionary<HypervisorConnection, IReadOnlyCollection<string>> _machines = [];

    /// <summary>Looks where they are; what cannot tell is left out.</summary>
    internal async Task ReadAsync(IEnumerable<RepositoryConnection> repositories,
        IEnumerable<HypervisorConnection> hypervisors, Action<Exception, object?> onTrouble,
        CancellationToken cancellationToken)
    {
        foreach (RepositoryConnection repository in repositories.Where(r => r.IsOwn))
        {
            try
            {
                _places[repository] = await repository.Repository.GetPlacementAsync(
                    cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                onTrouble(e, repository.Session);
            }
        }
        foreach (HypervisorConnection hypervisor in hypervisors)
        {
            try
            {
                IReadOnlyCollection<string> found = await hypervisor.Settings.FindMachinesAsync(
                    cancellationToken).ConfigureAwait(false);
                // A folder on no share lies on this machine, and so do the VMs that run here.
                _machines[hypervisor] = found.Count == 0 ? [Environment.MachineName] : found;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                onTrouble(e, hypervisor.Session);
            }
        }
    }

    /// <summary>Whether a repository lies off the host of an appliance, and how that is known.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="hypervisor">The appliance's hypervisor; null when it is not connected.</param>
    /// <param name="vmHost">The VM host that the appliance is on; null when unknown.</param>
    internal (bool? IsOffHost, string Detail) Locate(RepositoryConnection repository, HypervisorConnection? hypervisor,
        string? vmHost)
    {
        if (repository.Native is INativeRepository native)
            return native.IsShared
                ? (true, $"the storage '{native.Storage}' ({native.StorageKind}) is shared by all VM hosts.")
                : (false, $"the storage '{native.Storage}' ({native.StorageKind}) lies on the VM host itself.");
        if (!_places.TryGetValue(repository, out StorePlacement? place) || place is null
            || (place.HostName is null && place.IsThisMachine is null))
            return (null, "it cannot be told on which machine it lies.");
        string where = place.HostName is string host ? $"it lies on '{host}'"
            : place.IsThisMachine == true ? "it lies on this machine" : "it lies on another machine";
        if (place.HostName == "AWS") return (true, "it lies in a bucket of AWS.");
        if (hypervisor is null || !_machines.TryGetValue(hypervisor, out IReadOnlyCollection<string>? machines))
            return (null, where + "; the appliance's hypervisor is not connected, so that its machine is not known.");
        return Compare(place, where, machines, vmHost);
    }

    /// <summary>Compares where a store lies with the machines of a hypervisor. Asks nobody.</summary>
    /// <param name="place">Where the store lies.</param>
    /// <param name="where">That in words.</param>
    /// <param name="machines">The machines whose loss takes the VMs along, by name or address.</param>
    /// <param name="vmHost">The one that the appliance is on, as its hypervisor calls it; null when unknown.</param>
    internal static (bool? IsOffHost, string Detail) Compare(StorePlacement place, string where,
        IReadOnlyCollection<string> machines, string? vmHost)
    {
        bool isHere = place.IsThisMachine == true;
        string[] all = vmHost is null ? [.. machines] : [.. machines, vmHost];
        if (all.Any(m => (isHere && ThisMachine.Is(m)) || IsOn(m) == true))
            return (false, where + ", as the appliance's hypervisor does.");
        if (place.HostName is null && !isHere && !machines.All(ThisMachine.Is))
            return (null, where + ", which may be that of the appliance's hypervisor.");
        // One machine goes by its name and by its addresses. Where the VM's own host is known to be another one, the
        // other machines of the hypervisor do not matter.
        if (!isHere && (vmHost is null || IsOn(vmHost) is null)
            && all.FirstOrDefault(m => place.HostName is not null && IsOn(m) is null) is string untold)
            return (null, $"{where}, and the appliance's hypervisor on '{untold}': one is an address and the other a "
                + "name, or an address of another family, and whether they are one machine cannot be told. Connect "
                + "both by name, or both by addresses of one family.");
        string others = string.Join(", ", all.Distinct(StringComparer.OrdinalIgnoreCase).Select(m => $"'{m}'"));
        return (true, $"{where}, and the appliance's hypervisor on {others}.");

        bool? IsOn(string machine) => place.HostName is string name ? MachineNames.AreSame(machine, name) : false;
    }
}
