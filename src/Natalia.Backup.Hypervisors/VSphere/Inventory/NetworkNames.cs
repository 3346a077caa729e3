using System.Xml.Linq;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>
/// Names and VLANs of what adapters are connected to. What was asked once is kept for the listing that it was made for.
/// </summary>
internal sealed class NetworkNames(IVimService vim)
{
    private const int Trunk = 4095;

    private readonly Dictionary<string, (string Name, int? Vlan)> _portgroups = new(StringComparer.Ordinal);
    private readonly Dictionary<VimReference, XElement?> _hosts = [];

    /// <summary>Whether a device is a network adapter.</summary>
    internal static bool IsAdapter(XElement device) => device.Member("macAddress") is not null;

    /// <summary>The adapters of a VM, in the order of its devices.</summary>
    internal async Task<IReadOnlyList<ApplianceNetwork>> ReadAsync(VirtualMachine machine,
        CancellationToken cancellationToken)
    {
        var networks = new List<ApplianceNetwork>();
        foreach (XElement device in machine.Config.At("hardware").Members("device").Where(IsAdapter))
        {
            XElement? backing = device.Member("backing");
            (string name, int? vlan) = backing.Text("port.portgroupKey") is string key
                ? await PortgroupAsync(key, cancellationToken).ConfigureAwait(false)
                : backing.Text("deviceName") is { Length: > 0 } standard
                    ? (standard, await VlanAsync(machine.Host, standard, cancellationToken).ConfigureAwait(false))
                    : (backing.Text("opaqueNetworkId") ?? "not connected", null);
            networks.Add(new ApplianceNetwork(name, vlan, device.Text("macAddress")));
        }
        return networks;
    }

    private async Task<(string, int?)> PortgroupAsync(string key, CancellationToken cancellationToken)
    {
        if (_portgroups.TryGetValue(key, out (string, int?) known)) return known;
        (string, int?) found = (key, null);
        try
        {
            IReadOnlyList<VimObject> read = await vim.GetPropertiesAsync(
                [new VimReference("DistributedVirtualPortgroup", key)], ["name", "config.defaultPortConfig"],
                cancellationToken).ConfigureAwait(false);
            if (read.Count > 0)
                found = (read[0].Text("name") ?? key, IdOf(read[0]["config.defaultPortConfig"].Number("vlan.vlanId")));
        }
        catch (VimFaultException)
        {
            // Without the right to see it, its key is what is known.
        }
        return _portgroups[key] = found;
    }

    private async Task<int?> VlanAsync(VimReference? host, string name, CancellationToken cancellationToken)
    {
        if (host is null) return null;
        if (!_hosts.TryGetValue(host, out XElement? groups))
        {
            IReadOnlyList<VimObject> read = await vim.GetPropertiesAsync([host], ["config.network.portgroup"],
                cancellationToken).ConfigureAwait(false);
            _hosts[host] = groups = read.Count > 0 ? read[0]["config.network.portgroup"] : null;
        }
        XElement? group = groups?.Elements().FirstOrDefault(g => g.Text("spec.name") == name);
        return IdOf(group.Number("spec.vlanId"));
    }

    private static int? IdOf(long? vlan) => vlan is > 0 and < Trunk ? (int)vlan : null;
}
