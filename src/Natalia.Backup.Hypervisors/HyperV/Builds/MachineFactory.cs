using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>Makes VMs on a host, changes their devices, and destroys them.</summary>
internal static class MachineFactory
{
    internal const string Service = "Msvm_VirtualSystemManagementService";
    private const string Resource = "Msvm_ResourceAllocationSettingData";
    private const string Storage = "Msvm_StorageAllocationSettingData";
    private const string Port = "Msvm_SyntheticEthernetPortSettingData";
    private const string Connection = "Msvm_EthernetPortAllocationSettingData";
    private const string Vlan = "Msvm_EthernetSwitchPortVlanSettingData";
    private const ushort Enabled = 2, Off = 3;

    /// <summary>Msvm_BootSourceSettingData.BootSourceType: 1 drive, 2 network, 3 file.</summary>
    private const long BootsFromDrive = 1;

    private static readonly TimeSpan s_switchLimit = TimeSpan.FromMinutes(5);

    /// <summary>Makes a VM without disks, with its records in its notes from its first moment on.</summary>
    internal static async Task<Machine> DefineAsync(HyperVHost host, string name, FormerSettings like, string notes,
        CancellationToken cancellationToken)
    {
        EmbeddedInstance settings = new EmbeddedInstance("Msvm_VirtualSystemSettingData")
            .Set("ElementName", name)
            .Set("Notes", new[] { notes })
            .Set("VirtualSystemSubType", like.SubType)
            // It starts when somebody starts it, and never by itself.
            .Set("AutomaticStartupAction", (ushort)2)
            .Set("AutomaticSnapshotsEnabled", false);
        if (like.IsSecondGeneration)
            settings.Set("SecureBootEnabled", like.IsSecureBootOn).Set("SecureBootTemplateId", like.SecureBootTemplate);
        var arguments = new CimArguments
        {
            { "SystemSettings", settings.ToText() },
            { "ResourceSettings", Array.Empty<string>() },
        };
        arguments.AddNoReference("ReferenceConfiguration");
        CimRow outputs = await host.CallAsync(Service, "DefineSystem", arguments, cancellationToken)
            .ConfigureAwait(false);
        CimRow? made = null;
        if (outputs.Reference("Job") is CimPath job)
            made = (await host.AssociatorsAsync(job, "Msvm_AffectedJobElement", "Msvm_ComputerSystem",
                cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        else if (outputs.Reference("ResultingSystem") is CimPath path)
            made = await host.GetAsync(path, cancellationToken).ConfigureAwait(false);
        return (made is null ? null : await MachineReader.ReadAsync(host, made, cancellationToken)
            .ConfigureAwait(false)) ?? throw NotThere(host, name);
    }

    /// <summary>Gives the VM its processors, memory, controller and adapters.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="processors">How many, or null for the host's default.</param>
    /// <param name="memoryBytes">How much, or null for the host's default.</param>
    /// <param name="places">For each adapter the switch and VLAN.</param>
    internal static async Task EquipAsync(Machine machine, int? processors, long? memoryBytes,
        IReadOnlyList<NetworkPlace> places, CancellationToken cancellationToken)
    {
        var changed = new List<string>();
        if (processors is int count && machine.Component("Msvm_ProcessorSettingData") is CimRow processor)
            changed.Add(EmbeddedInstance.From(processor).Set("VirtualQuantity", (ulong)count).ToText());
        if (memoryBytes is long bytes && machine.Component("Msvm_MemorySettingData") is CimRow memory)
        {
            // Hyper-V counts in MiB, even ones.
            ulong mib = (ulong)Math.Max(32, bytes >> 20) / 2 * 2;
            changed.Add(EmbeddedInstance.From(memory).Set("VirtualQuantity", mib).Set("Reservation", mib)
                .Set("Limit", mib).Set("DynamicMemoryEnabled", false).ToText());
        }
        if (changed.Count > 0)
            await machine.Host.CallAsync(Service, "ModifyResourceSettings",
                new CimArguments { { "ResourceSettings", changed } }, cancellationToken).ConfigureAwait(false);
        if (machine.Components.All(c => c.Number("ResourceType") != 6))
            await AddAsync(machine, await TemplateAsync(machine.Host, Resource,
                "Microsoft:Hyper-V:Synthetic SCSI Controller", 6, cancellationToken).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false);
        foreach (NetworkPlace place in places)
        {
            EmbeddedInstance port = (await TemplateAsync(machine.Host, Port,
                "Microsoft:Hyper-V:Synthetic Ethernet Port", 10, cancellationToken).ConfigureAwait(false))
                .Set("ElementName", "Network Adapter")
                // The host gives a new address: the original may be on the network with the old one.
                .Set("StaticMacAddress", false);
            CimPath added = await AddAsync(machine, port, cancellationToken).ConfigureAwait(false);
            EmbeddedInstance connection = (await TemplateAsync(machine.Host, Connection,
                "Microsoft:Hyper-V:Ethernet Connection", 33, cancellationToken).ConfigureAwait(false))
                .Set("Parent", machine.Host.TextOf(added))
                .Set("HostResource", new[] { machine.Host.TextOf(place.Switch.Path) })
                .Set("EnabledState", Enabled);
            CimPath connected = await AddAsync(machine, connection, cancellationToken).ConfigureAwait(false);
            if (place.Vlan is int vlan)
                await SetVlanAsync(machine.Host, connected, vlan, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Puts a connection into a VLAN, as an access port.</summary>
    private static async Task SetVlanAsync(HyperVHost host, CimPath connection, int vlan,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> rows = await host.QueryAsync(Wql.All(Vlan), cancellationToken).ConfigureAwait(false);
        CimRow? standard = rows.FirstOrDefault(IsStandard);
        string setting = (standard is null ? new EmbeddedInstance(Vlan) : EmbeddedInstance.From(standard))
            // Msvm_EthernetSwitchPortVlanSettingData.OperationMode: 1 access.
            .Set("OperationMode", 1u)
            .Set("AccessVlanId", (ushort)vlan)
            .ToText();
        await host.CallAsync(Service, "AddFeatureSettings", new CimArguments
        {
            { "AffectedConfiguration", connection },
            { "FeatureSettings", new[] { setting } },
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Attaches an image to a place on a controller of the VM.</summary>
    internal static async Task AttachAsync(Machine machine, DiskPlace place, string hostPath,
        CancellationToken cancellationToken)
    {
        CimRow controller = machine.Components.FirstOrDefault(place.IsOn)
            ?? throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                $"The VM '{machine.Name}' has no controller for the disk '{place}'.", machine.Name);
        EmbeddedInstance drive = (await TemplateAsync(machine.Host, Resource,
            "Microsoft:Hyper-V:Synthetic Disk Drive", 17, cancellationToken).ConfigureAwait(false))
            .Set("Parent", machine.Host.TextOf(controller.Path!))
            .Set("AddressOnParent", place.Slot.ToString(System.Globalization.CultureInfo.InvariantCulture));
        CimPath added = await AddAsync(machine, drive, cancellationToken).ConfigureAwait(false);
        EmbeddedInstance image = (await TemplateAsync(machine.Host, Storage, "Microsoft:Hyper-V:Virtual Hard Disk", 31,
            cancellationToken).ConfigureAwait(false))
            .Set("Parent", machine.Host.TextOf(added))
            .Set("HostResource", new[] { hostPath });
        await AddAsync(machine, image, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Has a VM of generation 2 start from its disks before its adapters. In the order in which they came it would run
    /// first what any server on its network offers (PXE). The host itself says what each source is.
    /// </summary>
    internal static async Task PutDisksFirstAsync(Machine machine, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> order = machine.Settings.Texts("BootSourceOrder");
        var sources = new List<(string Source, bool IsDrive)>();
        foreach (string source in order)
        {
            CimRow? row = CimPath.TryParse(source, HyperVHost.Namespace) is CimPath path
                ? await machine.Host.GetAsync(path, cancellationToken).ConfigureAwait(false)
                : null;
            sources.Add((source, row?.Number("BootSourceType") == BootsFromDrive));
        }
        string[] wanted = [.. sources.OrderBy(s => s.IsDrive ? 0 : 1).Select(s => s.Source)];
        if (wanted.SequenceEqual(order)) return;
        await machine.Host.CallAsync(Service, "ModifySystemSettings", new CimArguments
        {
            { "SystemSettings", EmbeddedInstance.From(machine.Settings).Set("BootSourceOrder", wanted).ToText() },
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Switches the VM off, if it is on, and destroys it. The folder of its disks goes first: the VM bears the record
    /// by which it is found.
    /// </summary>
    /// <param name="machine">The VM, which is known to be one of ours.</param>
    /// <param name="folder">The folder as its record names it.</param>
    internal static async Task DestroyAsync(Machine machine, string folder, CancellationToken cancellationToken)
    {
        // Msvm_ComputerSystem.EnabledState: 3 off, 6 saved. Either is destroyed as it is.
        if (machine.System.Number("EnabledState") is not (3 or 6))
            await SwitchAsync(machine, Off, cancellationToken).ConfigureAwait(false);
        await MachineFolder.RemoveAsync(machine.Host, folder, cancellationToken).ConfigureAwait(false);
        await machine.Host.CallAsync(Service, "DestroySystem", new CimArguments { { "AffectedSystem", machine.Path } },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Switches the VM on, and looks that it runs.</summary>
    internal static async Task StartAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (machine.IsRunning) return;
        await SwitchAsync(machine, Enabled, cancellationToken).ConfigureAwait(false);
        CimRow? now = await machine.Host.GetAsync(machine.Path, cancellationToken).ConfigureAwait(false);
        if (now?.Number("EnabledState") == Enabled) return;
        throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
            $"The VM '{machine.Name}' was switched on and does not run.", machine.Name,
            "Look at the event log Microsoft-Windows-Hyper-V-Worker-Admin of the host.");
    }

    private static Task SwitchAsync(Machine machine, ushort state, CancellationToken cancellationToken) =>
        machine.Host.CallAsync(machine.Path, "RequestStateChange", new CimArguments
        {
            { "RequestedState", state },
            { "TimeoutPeriod", (DateTime?)null },
        }, cancellationToken, s_switchLimit);

    private static async Task<CimPath> AddAsync(Machine machine, EmbeddedInstance resource,
        CancellationToken cancellationToken)
    {
        CimRow outputs = await machine.Host.CallAsync(Service, "AddResourceSettings", new CimArguments
        {
            { "AffectedConfiguration", machine.SettingsPath },
            { "ResourceSettings", new[] { resource.ToText() } },
        }, cancellationToken).ConfigureAwait(false);
        if (outputs["ResultingResourceSettings"] is CimPath[] { Length: 1 } made) return made[0];
        if (outputs.Reference("Job") is CimPath job)
        {
            IReadOnlyList<CimRow> affected = await machine.Host.AssociatorsAsync(job, "Msvm_AffectedJobElement", null,
                cancellationToken).ConfigureAwait(false);
            if (affected.FirstOrDefault(a => a.Text("ResourceType") is not null)?.Path is CimPath path) return path;
        }
        throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"The Hyper-V host '{machine.Host.Name}' did not say which device it added to '{machine.Name}'.",
            machine.Name);
    }

    /// <summary>The host's own default of a kind of device, to be changed; it stands under an id of its own.</summary>
    private static async Task<EmbeddedInstance> TemplateAsync(HyperVHost host, string className, string subType,
        ushort type, CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> rows = await host.QueryAsync(Wql.Where(className, "ResourceSubType", subType),
            cancellationToken).ConfigureAwait(false);
        CimRow? standard = rows.FirstOrDefault(IsStandard);
        return standard is not null
            ? EmbeddedInstance.From(standard)
            : new EmbeddedInstance(className).Set("ResourceType", type).Set("ResourceSubType", subType);
    }

    private static bool IsStandard(CimRow row) =>
        row.Text("InstanceID")?.EndsWith(@"\Default", StringComparison.OrdinalIgnoreCase) == true;

    private static NataliaException NotThere(HyperVHost host, string name) =>
        new(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
        $"The Hyper-V host '{host.Name}' says that it made the VM '{name}', and it is not there.", name);
}
