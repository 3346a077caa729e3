using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>
/// A host, or all hosts of its failover cluster. In a cluster a VM is seen by the host alone that owns it at that
/// moment, so whoever wants it asks all of them, the last known one first.
/// </summary>
internal sealed class HyperVSite : IDisposable
{
    private const string ClusterNamespace = "root/MSCluster";

    private readonly HyperVHost _first;
    private readonly Func<string, HyperVHost> _open;
    private readonly object _gate = new();
    private readonly Dictionary<string, HyperVHost> _hosts = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, HyperVHost> _lastOwners = new(StringComparer.OrdinalIgnoreCase);

    private HyperVSite(HyperVHost first, Func<string, HyperVHost> open) => (_first, _open) = (first, open);

    /// <summary>The host that was connected to.</summary>
    internal HyperVHost First => _first;

    internal TimeProvider Clock => _first.Clock;

    /// <summary>Connects, and proves that a Hyper-V answers.</summary>
    /// <param name="host">The host.</param>
    /// <param name="open">Opens a host by name; nothing is asked of it yet.</param>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>PermissionDenied</c>,
    /// <c>HypervisorNotFound</c>.</exception>
    internal static async Task<HyperVSite> ConnectAsync(string host, Func<string, HyperVHost> open,
        CancellationToken cancellationToken)
    {
        HyperVHost first = open(host);
        try
        {
            await first.ServiceAsync("Msvm_VirtualSystemManagementService", cancellationToken).ConfigureAwait(false);
            return new HyperVSite(first, open);
        }
        catch
        {
            first.Dispose();
            throw;
        }
    }

    /// <summary>All hosts that are up; one without a cluster is alone.</summary>
    internal async Task<IReadOnlyList<HyperVHost>> HostsAsync(CancellationToken cancellationToken) =>
        (await LookAsync(cancellationToken).ConfigureAwait(false)).Up;

    /// <summary>All hosts that are up, and those of the cluster that are not, for the eye: nobody sees their VMs until
    /// another host has them.</summary>
    internal async Task<(IReadOnlyList<HyperVHost> Up, IReadOnlyList<string> Away)> LookAsync(
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> nodes;
        try
        {
            nodes = await _first.QueryAsync(Wql.All("MSCluster_Node"), cancellationToken,
                ClusterNamespace).ConfigureAwait(false);
        }
        catch (NataliaException e) when (e.InnerException is CimFaultException
        {
            Fault: CimFault.NoSuchClass or CimFault.NotFound
        })
        {
            return ([_first], []);
        }
        // MSCluster_Node.State: 0 up, 1 down, 2 paused (its VMs run), 3 joining.
        List<string> up = [.. nodes.Where(n => n.Number("State") is 0 or 2).Select(n => n.Text("Name"))
            .OfType<string>()];
        List<string> away = [.. nodes.Select(n => n.Text("Name")).OfType<string>()
            .Where(n => !up.Contains(n) && !(up.Count == 0 && IsFirst(n))).Select(n => $"the host '{n}'")];
        if (up.Count == 0) return ([_first], away);
        lock (_gate)
        {
            return ([.. up.Select(name =>
            {
                if (IsFirst(name)) return _first;
                if (!_hosts.TryGetValue(name, out HyperVHost? known)) _hosts[name] = known = _open(name);
                return known;
            })], away);
        }
    }

    /// <summary>The VM, from the host that has it now.</summary>
    /// <exception cref="NataliaException"><c>ApplianceNotFound</c>; what asking a host throws when no other host has
    /// the VM.</exception>
    internal async Task<Machine> RequireAsync(string? nativeId, string name, CancellationToken cancellationToken) =>
        await FindAsync(nativeId, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The appliance '{name}' is no longer on the Hyper-V '{_first.Name}'.", name,
                "List what is there with Get-NataliaAppliance -Name *.");

    /// <summary>The VM, or null when no host has it.</summary>
    internal async Task<Machine?> FindAsync(string? nativeId, CancellationToken cancellationToken)
    {
        if (nativeId is null || !Guid.TryParse(nativeId, out _)) return null;
        HyperVHost? last;
        lock (_gate) _lastOwners.TryGetValue(nativeId, out last);
        NataliaException? trouble = null;
        try
        {
            if (last is not null && await TryAsync(last).ConfigureAwait(false) is Machine stayed) return stayed;
        }
        catch (NataliaException e) when (e.Kind == NataliaErrorKind.Connection)
        {
            // Where it died, another host has taken the VM over.
            trouble = e;
        }
        foreach (HyperVHost host in await HostsAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                if (host != last && await TryAsync(host).ConfigureAwait(false) is Machine found) return found;
            }
            catch (NataliaException e) when (e.Kind == NataliaErrorKind.Connection)
            {
                trouble ??= e;
            }
        }
        return trouble is null ? null : throw trouble;

        async Task<Machine?> TryAsync(HyperVHost host)
        {
            Machine? machine = await MachineReader.FindAsync(host, nativeId, cancellationToken).ConfigureAwait(false);
            if (machine is null) return null;
            lock (_gate) _lastOwners[nativeId] = host;
            return machine;
        }
    }

    /// <summary>The VM; null when it is certain that it is gone, which a host that is away leaves open.</summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>.</exception>
    internal async Task<Machine?> FindOrKnowGoneAsync(string nativeId, CancellationToken cancellationToken)
    {
        Machine? machine = await FindAsync(nativeId, cancellationToken).ConfigureAwait(false);
        if (machine is null) await RequireWholeAsync(nativeId, cancellationToken).ConfigureAwait(false);
        return machine;
    }

    /// <summary>Every host of a cluster is up, so that a VM that none of them has is gone.</summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>.</exception>
    internal async Task RequireWholeAsync(string id, CancellationToken cancellationToken) =>
        PartialCollection.RequireWhole((await LookAsync(cancellationToken).ConfigureAwait(false)).Away, id,
            _first.Name);

    /// <summary>Does something for each VM of each host; what fails is told of that host or VM.</summary>
    internal async Task<IReadOnlyList<NataliaException>> ForEachAsync(Func<HyperVHost, CimRow, bool> wanted,
        Func<Machine, Task> deed, CancellationToken cancellationToken)
    {
        var problems = new List<NataliaException>();
        IReadOnlyList<HyperVHost> hosts = await HostsAsync(cancellationToken).ConfigureAwait(false);
        foreach (HyperVHost host in hosts)
        {
            try
            {
                foreach (CimRow system in await MachineReader.ListAsync(host, cancellationToken).ConfigureAwait(false))
                {
                    if (!wanted(host, system)) continue;
                    try
                    {
                        Machine? machine = await MachineReader.ReadAsync(host, system,
                            cancellationToken).ConfigureAwait(false);
                        if (machine is not null) await deed(machine).ConfigureAwait(false);
                    }
                    catch (NataliaException e) when (e.Kind != NataliaErrorKind.Connection)
                    {
                        problems.Add(e);
                    }
                }
            }
            catch (NataliaException e) when (hosts.Count > 1)
            {
                problems.Add(e);
            }
        }
        return problems;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _first.Dispose();
            foreach (HyperVHost host in _hosts.Values) host.Dispose();
            _hosts.Clear();
        }
    }

    private bool IsFirst(string name) =>
        string.Equals(name, _first.Name, StringComparison.OrdinalIgnoreCase)
        || _first.Name.StartsWith(name + ".", StringComparison.OrdinalIgnoreCase);
}
