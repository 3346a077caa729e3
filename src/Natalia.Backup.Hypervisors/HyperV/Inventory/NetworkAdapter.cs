using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>A network adapter of a VM: the port, and the connection that hangs on it.</summary>
/// <param name="Port">The port's settings.</param>
/// <param name="Connection">The connection's settings.</param>
internal sealed record NetworkAdapter(CimRow Port, CimRow Connection)
{
    private const long Disabled = 3;

    internal bool IsConnected => Connection.Number("EnabledState") != Disabled && SwitchId is not null;

    /// <summary>The id of the switch; null when there is none.</summary>
    internal string? SwitchId => CimPath.TryParse(Connection.Texts("HostResource").FirstOrDefault(),
        HyperVHost.Namespace)?["Name"];

    /// <summary>Its address; null when it has none yet, as an adapter with a dynamic one of a VM that never ran, which
    /// Hyper-V shows as noughts.</summary>
    internal string? MacAddress =>
        Port.Text("Address") is string mac && mac.Any(c => c is not ('0' or '-' or ':')) ? mac : null;

    internal static IReadOnlyList<NetworkAdapter> Read(IReadOnlyList<CimRow> components)
    {
        var adapters = new List<NetworkAdapter>();
        foreach (CimRow connection in components.Where(c =>
            c.ClassName.Equals("Msvm_EthernetPortAllocationSettingData", StringComparison.OrdinalIgnoreCase)))
        {
            string? id = CimPath.TryParse(connection.Text("Parent"), HyperVHost.Namespace)?["InstanceID"];
            CimRow? port = components.FirstOrDefault(c => id is not null
                && string.Equals(c.Text("InstanceID"), id, StringComparison.OrdinalIgnoreCase));
            if (port is not null) adapters.Add(new NetworkAdapter(port, connection));
        }
        return adapters;
    }

    /// <summary>The switch's name; null when the adapter is on none.</summary>
    internal string? SwitchName(IReadOnlyDictionary<string, string> switches) =>
        !IsConnected ? null
        : switches.TryGetValue(SwitchId!, out string? name) ? name
        : Connection.Text("LastKnownSwitchName") is { Length: > 0 } last ? last : SwitchId;

    /// <summary>The VLAN of an access port among its features; null when there is none.</summary>
    internal static int? VlanOf(IReadOnlyList<CimRow> features) =>
        features.FirstOrDefault(f => f.ClassName.Equals("Msvm_EthernetSwitchPortVlanSettingData",
            StringComparison.OrdinalIgnoreCase)) is CimRow vlan && vlan.Number("OperationMode") == 1
            && vlan.Number("AccessVlanId") is > 0 and long id ? (int)id : null;
}
