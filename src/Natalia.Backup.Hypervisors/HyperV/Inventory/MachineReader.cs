using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Inventory;

/// <summary>Reads VMs from a host.</summary>
internal static class MachineReader
{
    internal const string Kind = "HyperV";

    /// <summary>The format of the configuration that is kept with points: the settings of the VM as CIM-XML.</summary>
    internal const string NativeFormat = "hyperv-cim";

    private const string SystemClass = "Msvm_ComputerSystem";
    private const string SettingsClass = "Msvm_VirtualSystemSettingData";

    /// <summary>
    /// The VMs of a host, without their settings. The host itself is among the objects of the class; its name is no
    /// GUID.
    /// </summary>
    internal static async Task<IReadOnlyList<CimRow>> ListAsync(HyperVHost host, CancellationToken cancellationToken) =>
        [.. (await host.QueryAsync(Wql.All(SystemClass), cancellationToken).ConfigureAwait(false))
            .Where(r => Guid.TryParse(r.Text("Name"), out _))];

    /// <summary>The VM with an id; null when the host has none.</summary>
    internal static async Task<Machine?> FindAsync(HyperVHost host, string id, CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> found = await host.QueryAsync(Wql.Where(SystemClass, "Name", id),
            cancellationToken).ConfigureAwait(false);
        CimRow? system = found.FirstOrDefault(r => Guid.TryParse(r.Text("Name"), out _));
        return system is null ? null : await ReadAsync(host, system, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The VM with its settings; null when it went away meanwhile.</summary>
    internal static async Task<Machine?> ReadAsync(HyperVHost host, CimRow system,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> settings = await host.AssociatorsAsync(system.Path!, "Msvm_SettingsDefineState",
            SettingsClass, cancellationToken).ConfigureAwait(false);
        if (settings.Count == 0) return null;
        IReadOnlyList<CimRow> components = await ComponentsAsync(host, settings[0].Path!,
            cancellationToken).ConfigureAwait(false);
        return new Machine(host, system, settings[0], components);
    }

    /// <summary>The settings of the devices of a VM, or of a checkpoint.</summary>
    internal static Task<IReadOnlyList<CimRow>> ComponentsAsync(HyperVHost host, CimPath settings,
        CancellationToken cancellationToken) =>
        host.AssociatorsAsync(settings, "Msvm_VirtualSystemSettingDataComponent", null, cancellationToken);

    internal static string ApplianceIdOf(Machine machine) => ApplianceIdOf(machine.Id, machine.IsReplica);

    /// <summary>
    /// The appliance's id: the VM's own, which it keeps when it moves to another host. Its replica has the same one,
    /// and is another appliance.
    /// </summary>
    internal static string ApplianceIdOf(string id, bool isReplica) =>
        ApplianceIdentity.Create(Kind, isReplica ? "replica" : "", id.ToUpperInvariant());

    /// <summary>The VM as the product describes it.</summary>
    internal static async Task<ApplianceDescription> DescribeAsync(Machine machine,
        IReadOnlyDictionary<string, string> switches, CancellationToken cancellationToken)
    {
        var disks = new List<ApplianceDisk>();
        foreach (DiskSlot slot in machine.Disks)
        {
            long? size = null;
            if (slot.Path is string path && slot.Obstacle is null)
            {
                try
                {
                    ImageInfo info = await ImageInfo.ReadAsync(machine.Host, path, cancellationToken)
                        .ConfigureAwait(false);
                    size = info.Size;
                }
                catch (NataliaException e) when (e.Kind is not (NataliaErrorKind.Connection
                    or NataliaErrorKind.PermissionDenied))
                {
                    // A disk whose file is missing is a disk of the VM all the same; a backup of it says what is wrong.
                }
            }
            disks.Add(new ApplianceDisk(slot.DiskId, slot.Role, size, slot.Path));
        }
        (IReadOnlyList<ApplianceNetwork> networks, IReadOnlyList<CimRow> features) = await NetworksAsync(machine,
            switches, cancellationToken).ConfigureAwait(false);
        return new ApplianceDescription
        {
            ApplianceId = ApplianceIdOf(machine),
            Name = machine.Name,
            HypervisorKind = Kind,
            NativeId = machine.Id,
            ProcessorCount = (int?)machine.Component("Msvm_ProcessorSettingData")?.Number("VirtualQuantity"),
            MemoryBytes = machine.Component("Msvm_MemorySettingData")?.Number("VirtualQuantity") * 1024 * 1024,
            Networks = networks,
            Disks = disks,
            NativeFormat = NativeFormat,
            NativeConfiguration = Configuration(machine, features),
            State = new ApplianceState
            {
                VMHost = machine.Host.Name,
                Power = MachineWords.Power(machine),
                GuestAgent = MachineWords.Vss(machine),
                Lock = machine.Occupation,
                Generation = MachineWords.Generation(machine),
                IntegrationServices = MachineWords.IntegrationServices(machine),
                Replication = MachineWords.Replication(machine),
            },
        };
    }

    /// <summary>The names of a host's switches, by their ids.</summary>
    internal static async Task<IReadOnlyDictionary<string, string>> SwitchesAsync(HyperVHost host,
        CancellationToken cancellationToken)
    {
        var names = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (CimRow row in await host.QueryAsync(Wql.All("Msvm_VirtualEthernetSwitch"),
            cancellationToken).ConfigureAwait(false))
        {
            if (row.Text("Name") is string id) names[id] = row.Text("ElementName") ?? id;
        }
        return names;
    }

    private static async Task<(IReadOnlyList<ApplianceNetwork>, IReadOnlyList<CimRow>)> NetworksAsync(
        Machine machine, IReadOnlyDictionary<string, string> switches, CancellationToken cancellationToken)
    {
        var networks = new List<ApplianceNetwork>();
        var features = new List<CimRow>();
        foreach (NetworkAdapter adapter in NetworkAdapter.Read(machine.Components))
        {
            IReadOnlyList<CimRow> all = await machine.Host.AssociatorsAsync(adapter.Connection.Path!,
                "Msvm_EthernetPortSettingDataComponent", null, cancellationToken).ConfigureAwait(false);
            features.AddRange(all);
            networks.Add(new ApplianceNetwork(adapter.SwitchName(switches) ?? "not connected",
                NetworkAdapter.VlanOf(all), adapter.MacAddress));
        }
        return (networks, features);
    }

    private static string Configuration(Machine machine, IReadOnlyList<CimRow> features)
    {
        var text = new StringBuilder("<CIM>");
        EmbeddedInstance settings = EmbeddedInstance.From(machine.Settings)
            .Set("Notes", new[] { NoteText.WithoutMarks(machine.Settings.Texts("Notes")) });
        text.Append('\n').Append(settings.ToText());
        foreach (CimRow row in machine.Components.Concat(features))
            text.Append('\n').Append(EmbeddedInstance.From(row).ToText());
        return text.Append("\n</CIM>").ToString();
    }
}
