using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>Where a switch leads, and whether that was seen.</summary>
/// <param name="Result">Passed when nothing leads out of the host; Failed when something does; NotEvidenced when the
/// host did not tell enough.</param>
/// <param name="Actual">What was found.</param>
internal sealed record SwitchReach(CheckOutcome Result, string Actual)
{
    internal const string Expected = "nothing outside of the host";

    private const string NetworkNamespace = "root/StandardCimv2";

    /// <summary>The switch that Windows' clients make themselves: it shares the host's connection.</summary>
    private const string DefaultSwitch = "C08CB7B8-9B3C-408E-8E30-5E16A3AEB444";

    /// <summary>
    /// Reads it: an external switch has a port of its own on a network card, an internal one has one on the host, which
    /// may pass on what comes in there.
    /// </summary>
    internal static async Task<SwitchReach> ReadAsync(HyperVHost host, VirtualSwitch one,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> ports = await host.QueryAsync(Wql.All("Msvm_EthernetPortAllocationSettingData"),
            cancellationToken).ConfigureAwait(false);
        IReadOnlyList<CimRow> cards = await host.QueryAsync(Wql.All("Msvm_ExternalEthernetPort"),
            cancellationToken).ConfigureAwait(false);
        SwitchReach reach = Judge(one, ports, cards);
        if (reach.Result != CheckOutcome.Passed || reach.Actual != Internal) return reach;
        string? route = await RouteAsync(host, one, cancellationToken).ConfigureAwait(false);
        return route is null ? reach : new SwitchReach(CheckOutcome.Failed, route);
    }

    private const string Internal = "the host alone", Private = "nothing";

    /// <summary>What the settings of all ports and cards of the host say of a switch.</summary>
    internal static SwitchReach Judge(VirtualSwitch one, IReadOnlyList<CimRow> ports, IReadOnlyList<CimRow> cards)
    {
        if (string.Equals(one.Id, DefaultSwitch, StringComparison.OrdinalIgnoreCase))
            return new SwitchReach(CheckOutcome.Failed, "the host's own connection (the Default Switch)");
        // A port of the switch itself has the switch's id; one of a VM has the VM's.
        List<CimRow> own = [.. ports.Where(p =>
            p.Text("InstanceID")?.IndexOf(one.Id, StringComparison.OrdinalIgnoreCase) >= 0)];
        List<string> classes = [.. own.SelectMany(p => p.Texts("HostResource"))
            .Select(r => CimPath.TryParse(r, HyperVHost.Namespace)?.ClassName ?? "")];
        if (classes.Exists(c => c is "Msvm_ExternalEthernetPort" or "Msvm_WiFiPort"))
            return new SwitchReach(CheckOutcome.Failed, "a network card of the host");
        if (classes.Exists(c => c != "Msvm_ComputerSystem") || own.Exists(p => p.Texts("HostResource").Count == 0))
            return new SwitchReach(CheckOutcome.NotEvidenced, "a port whose other end is not told");
        // Of each card that is bound to a switch it must be told to which: else this one may have it.
        HashSet<string> told = new(ports.SelectMany(p => p.Texts("HostResource"))
            .Select(r => CimPath.TryParse(r, HyperVHost.Namespace)?["DeviceID"]).OfType<string>(),
            StringComparer.OrdinalIgnoreCase);
        if (cards.FirstOrDefault(c => c.Flag("IsBound") == true && !told.Contains(c.Text("DeviceID") ?? ""))
            is CimRow lost)
            return new SwitchReach(CheckOutcome.NotEvidenced,
                $"the card '{lost.Text("ElementName")}' is on a switch, and it is not told on which");
        return new SwitchReach(CheckOutcome.Passed, own.Count == 0 ? Private : Internal);
    }

    /// <summary>How the host passes on what an internal switch brings; null when it does not.</summary>
    private static async Task<string?> RouteAsync(HyperVHost host, VirtualSwitch one,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> translations = await QueryAsync("MSFT_NetNat").ConfigureAwait(false);
        if (translations.Count > 0)
            return $"the host translates addresses (NetNat '{translations[0].Text("Name")}')";
        string alias = $"vEthernet ({one.Name})";
        IReadOnlyList<CimRow> interfaces = await QueryAsync("MSFT_NetIPInterface").ConfigureAwait(false);
        List<CimRow> own = [.. interfaces.Where(i => string.Equals(i.Text("InterfaceAlias"), alias,
            StringComparison.OrdinalIgnoreCase))];
        // MSFT_NetIPInterface.Forwarding: 1 enabled. What comes in by the switch's own interface is passed on then.
        if (own.Exists(i => i.Number("Forwarding") == 1)) return $"the host is a router for '{alias}'";
        // Somebody gave it another name: any of those that pass something on may be it.
        return own.Count == 0 && interfaces.FirstOrDefault(i => i.Number("Forwarding") == 1) is CimRow other
            ? $"the host is a router for '{other.Text("InterfaceAlias")}', and has no '{alias}'" : null;

        async Task<IReadOnlyList<CimRow>> QueryAsync(string className)
        {
            try
            {
                return await host.QueryAsync(Wql.All(className), cancellationToken, NetworkNamespace)
                    .ConfigureAwait(false);
            }
            catch (Engine.NataliaException e) when (e.InnerException is CimFaultException
            {
                Fault: CimFault.NoSuchClass or CimFault.NotFound
            })
            {
                // A host without that part of Windows does not do it either.
                return [];
            }
        }
    }
}
