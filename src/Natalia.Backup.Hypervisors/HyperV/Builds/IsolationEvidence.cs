using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>What was read of a test VM, and what that says of its isolation. Without side effects.</summary>
internal sealed record IsolationEvidence
{
    private const string Connection = "Msvm_EthernetPortAllocationSettingData";
    private const long Disabled = 3, StartsNever = 2, PciPort = 32770;
    private static readonly string[] s_ports =
        ["Msvm_SyntheticEthernetPortSettingData", "Msvm_EmulatedEthernetPortSettingData"];

    internal required Machine Machine { get; init; }

    /// <summary>The mark that it bears.</summary>
    internal required TestMark Mark { get; init; }

    /// <summary>The isolated place; null when the host has no such switch now.</summary>
    internal required NetworkPlace? Place { get; init; }

    /// <summary>Where that switch leads.</summary>
    internal required SwitchReach Reach { get; init; }

    /// <summary>The features of each connection, by its id.</summary>
    internal required IReadOnlyDictionary<string, IReadOnlyList<CimRow>> Features { get; init; }

    /// <summary>The adapters of all VMs of the host.</summary>
    internal required IReadOnlyList<CimRow> AllPorts { get; init; }

    /// <summary>One check for each thing through which something could leave the VM.</summary>
    /// <param name="wantedNetwork">The network that the test asked for.</param>
    internal IReadOnlyList<CheckResult> Judge(string wantedNetwork)
    {
        var checks = new List<CheckResult>();
        if (Mark.Network != wantedNetwork || Place is null)
            checks.Add(IsolationReading.Of("IsolatedNetwork", wantedNetwork, isProven: false, wantedNetwork,
                Place is null ? "no such switch" : Mark.Network));
        checks.Add(IsolationReading.Of("NoWayOut", $"{wantedNetwork} leads to", Reach.Result, SwitchReach.Expected,
            Reach.Actual));
        int number = 0;
        // Each connection by itself, also one whose adapter is not among the components.
        foreach (CimRow connection in Of(Connection))
            checks.Add(JudgeConnection(connection, $"adapter {number++}"));
        foreach (CimRow port in Machine.Components.Where(c => s_ports.Contains(c.ClassName)))
            checks.AddRange(JudgePort(port));
        foreach (CimRow other in Machine.Components)
        {
            if (WayOf(other) is string way)
                checks.Add(IsolationReading.Of("HostDevice", other.Text("ElementName") ?? other.ClassName,
                    isProven: false, "none", way));
        }
        foreach (DiskSlot disk in Machine.Disks.Where(d => !IsOwn(d)))
            checks.Add(IsolationReading.Of("Disks", disk.DiskId, isProven: false, "the VM's own files alone",
                disk.Path ?? disk.Obstacle ?? "unknown"));
        bool isStartedByHost = Machine.Settings.Number("AutomaticStartupAction") != StartsNever;
        checks.Add(IsolationReading.Of("StartsOnBoot", "started by the host", !isStartedByHost, "no",
            isStartedByHost ? "yes" : "no"));
        bool isReplicated = Machine.System.Number("ReplicationMode") is not (null or 0);
        checks.Add(IsolationReading.Of("Replication", "replicated", !isReplicated, "no",
            isReplicated ? "to another host" : "no"));
        return checks;
    }

    /// <summary>Whether a disk lies in the folder that was made for the VM.</summary>
    internal bool IsOwn(DiskSlot disk) => IsOwn(Mark, disk);

    /// <inheritdoc cref="IsOwn(DiskSlot)"/>
    internal static bool IsOwn(TestMark mark, DiskSlot disk) => MachineFolder.Holds(mark.Folder, disk);

    private CheckResult JudgeConnection(CimRow connection, string target)
    {
        string expected = $"on {Mark.Network}";
        if (connection.Number("EnabledState") == Disabled)
            return IsolationReading.Of("NetworkIsolation", target, isProven: true, expected, "not connected");
        List<string?> switches = [.. connection.Texts("HostResource")
            .Select(r => CimPath.TryParse(r, Wmi.HyperVHost.Namespace)?["Name"])];
        bool isThere = switches.Count == 1 && Place is not null
            && string.Equals(switches[0], Place.Switch.Id, StringComparison.OrdinalIgnoreCase);
        // Without a switch of its own it gets one of a pool when it starts.
        string actual = switches.Count == 0 ? "on any switch of its pool"
            : isThere ? $"on {Place!.Switch.Name}"
            : $"on {string.Join(", ", switches.Select(s => s ?? "something unknown"))}";
        IReadOnlyList<CimRow> features = Features.TryGetValue(connection.Text("InstanceID") ?? "",
            out IReadOnlyList<CimRow>? some) ? some : [];
        CimRow? vlan = features.FirstOrDefault(f => f.ClassName == "Msvm_EthernetSwitchPortVlanSettingData");
        int? id = NetworkAdapter.VlanOf(features);
        // Trunk and private VLANs reach others than the one that was asked for.
        bool isVlan = id == Place?.Vlan && (id is not null || vlan?.Number("OperationMode") is null or 0 or 1);
        if (id is not null) actual += $", VLAN {id}";
        else if (!isVlan && vlan is not null) actual += $", VLAN mode {vlan.Number("OperationMode")}";
        else if (Place?.Vlan is not null) actual += ", no VLAN";
        return IsolationReading.Of("NetworkIsolation", target, isThere && isVlan, expected, actual);
    }

    private IEnumerable<CheckResult> JudgePort(CimRow port)
    {
        string mac = port.Text("Address") ?? "";
        bool isStatic = port.Flag("StaticMacAddress") == true;
        // Before its first start an adapter has no address yet, which is written in noughts.
        bool isTwin = mac.Trim('0').Length > 0 && AllPorts.Any(p => p.Text("Address") == mac
            && p.Text("InstanceID")?.IndexOf(Machine.Id, StringComparison.OrdinalIgnoreCase) < 0);
        yield return IsolationReading.Of("MacAddress",
            $"address {(mac.Trim('0').Length > 0 ? mac : "of the first start")}", !isStatic && !isTwin,
            "given by the host",
            isTwin ? "another VM has it, too" : isStatic ? "a fixed one" : "given by the host");
    }

    /// <summary>What of the host, or of its network, a device leads to; null when it leads to nothing.</summary>
    private static string? WayOf(CimRow component)
    {
        if (component.ClassName.IndexOf("FcPort", StringComparison.Ordinal) >= 0) return "a Fibre Channel adapter";
        if (component.ClassName == "Msvm_PciExpressSettingData" || component.Number("ResourceType") == PciPort)
            return "a device of the host";
        return component.ClassName == "Msvm_SerialPortSettingData"
            ? component.Texts("Connection").FirstOrDefault(c => c.Length > 0) : null;
    }

    private IEnumerable<CimRow> Of(string className) => Machine.Components.Where(c =>
        string.Equals(c.ClassName, className, StringComparison.OrdinalIgnoreCase));
}
