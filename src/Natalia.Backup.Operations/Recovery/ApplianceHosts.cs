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

    /// <summary>Whether a repository lies off the host of appliances of a hypervisor, and how that is known.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="hypervisor">The appliance's hypervisor; null when it is not connected.</param>
    internal (bool? IsOffHost, string Detail) Locate(RepositoryConnection repository, HypervisorConnection? hypervisor)
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
        bool isHere = place.IsThisMachine == true;
        if (machines.Any(m => (isHere && ThisMachine.Is(m)) || (place.HostName is string name && IsSame(m, name))))
            return (false, where + ", as the appliance's hypervisor does.");
        if (place.HostName is null && !isHere && !machines.All(ThisMachine.Is))
            return (null, where + ", which may be that of the appliance's hypervisor.");
        string others = string.Join(", ", machines.Select(m => $"'{m}'"));
        return (true, $"{where}, and the appliance's hypervisor on {others}.");
    }

    /// <summary>A name with its domain and one without mean the same machine; addresses are compared whole.</summary>
    private static bool IsSame(string a, string b) =>
        a.Equals(b, StringComparison.OrdinalIgnoreCase)
        || (!System.Net.IPAddress.TryParse(a, out _) && !System.Net.IPAddress.TryParse(b, out _)
            && a.Split('.')[0].Equals(b.Split('.')[0], StringComparison.OrdinalIgnoreCase)
            && (a.IndexOf('.') < 0 || b.IndexOf('.') < 0));
}
