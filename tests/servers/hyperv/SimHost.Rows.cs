using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

internal sealed partial class SimHost
{
    private static readonly string[] s_services =
    [
        "Msvm_VirtualSystemManagementService", "Msvm_VirtualSystemSnapshotService",
        "Msvm_VirtualSystemReferencePointService", "Msvm_ImageManagementService", "Msvm_ReplicationService",
    ];

    /// <summary>All objects of a class.</summary>
    private IEnumerable<CimRow> Rows(string className) => className switch
    {
        "Msvm_ComputerSystem" => ListsNothing ? [] : Machines.Select(SystemRow).Prepend(Row(className, "Name", name,
            ("Caption", "Hosting Computer System"), ("ElementName", name))),
        "Msvm_VirtualSystemSettingData" => Machines.SelectMany(m => m.Snapshots
            .Select(s => SnapshotRow(m, s)).Prepend(SettingsRow(m))),
        "Msvm_VirtualSystemReferencePoint" => Machines.SelectMany(m => m.References.Select(r => ReferenceRow(m, r))),
        "Msvm_VirtualEthernetSwitch" => Switches.Select(SwitchRow),
        "Msvm_DiskMergeSettingData" => Machines.Select(m => Row(className, "InstanceID", $@"Microsoft:{m.Id}\Merge",
            ("EnabledState", m.IsMergingOff ? 0u : 1u))),
        "Msvm_ConcreteJob" => _jobs.Select(JobRow),
        "Msvm_ReplicationSettingData" => Machines.Where(m => m.ReplicaHost is not null).Select(ReplicationSettings),
        "Msvm_ReplicationRelationship" => Machines.Where(m => m.ReplicaHost is not null).Select(Relationship),
        "MSCluster_Node" => Nodes.Select(n => Row(className, "Name", n.Key, ("State", n.Value))),
        "Msvm_ResourceAllocationSettingData" => ActiveComponents(className).Prepend(Row(className, "InstanceID",
            @"Microsoft:Definition\Scsi\Default", ("ResourceType", (ushort)6),
            ("ResourceSubType", "Microsoft:Hyper-V:Synthetic SCSI Controller"))),
        "Win32_OperatingSystem" => !ShowsSystem
            ? throw new CimFaultException(CimFault.AccessDenied, "Access denied")
            : [Row(className, "Name", "Microsoft Windows Server 2022", ("CSName", SystemName),
                ("LastBootUpTime", BootUtc))],
        "Win32_NTLogEvent" => !ShowsEvents ? throw new CimFaultException(CimFault.AccessDenied, "Access denied")
            : ShowsEmptyLog ? []
            : UncleanStarts.Select(t => (Code: 41, Time: t)).Concat(_starts.Select(t => (Code: 6005, Time: t)))
                .Append((Code: 6013, Time: BootUtc.AddHours(12))).Where(e => e.Time >= LogBegins)
                .Select((e, i) => Row(className, "RecordNumber", $"{i}", ("Logfile", "System"),
                    ("EventCode", (ushort)e.Code), ("TimeGenerated", e.Time))),
        "Win32_Volume" => Volumes.Select(v => Row(className, "DeviceID", $@"\\?\Volume{{{v}}}\", ("Name", v),
            ("FreeSpace", FreeSpace))),
        "Msvm_BootSourceSettingData" => Machines.SelectMany(m => m.BootSources.Select(b => BootRow(m, b))),
        "Win32_LogicalDisk" => [Row(className, "DeviceID", "D:", ("FreeSpace", FreeSpace))],
        "Msvm_VirtualSystemManagementServiceSettingData" => [Row(className, "InstanceID", "Microsoft:Service",
            ("DefaultVirtualHardDiskPath", @"D:\Disks"), ("DefaultExternalDataRoot", @"D:\VMs"))],
        _ when s_services.Contains(className) => [Row(className, "Name", className, ("SystemName", name),
            ("Started", ServiceStarts.TryGetValue(className, out bool? isStarted) ? isStarted : true))],
        "Msvm_EthernetPortAllocationSettingData" => ExternalSwitches.Select(s => Row(className, "InstanceID",
            $@"Microsoft:{s}\Port", ("HostResource", new[] { CardRow(s, true).Path!.ToText(name) })))
            .Concat(ExternalSwitches.Union(InternalSwitches).Select(s => Row(className, "InstanceID",
                $@"Microsoft:{s}\Host", ("HostResource",
                    new[] { Row("Msvm_ComputerSystem", "Name", name).Path!.ToText(name) }))))
            .Concat(ActiveComponents(className)),
        "Msvm_ExternalEthernetPort" => ExternalSwitches.Union(LostCards).Select(s => CardRow(s, true))
            .Append(CardRow("free", false)),
        "MSFT_NetNat" => Translations.Select(t => Row(className, "Name", t)),
        "MSFT_NetIPInterface" => InternalSwitches.Select(s => Row(className, "InterfaceAlias",
            $"vEthernet ({Switches[s]})", ("Forwarding", (byte)(Routed.Contains(s) ? 1 : 0)))),
        _ => ActiveComponents(className),
    };

    private IEnumerable<CimRow> ActiveComponents(string className) =>
        Machines.SelectMany(m => Components(m, m.Id, m.Disks.ToDictionary(d => d.Key, d => d.Value.Top.Path)))
            .Concat(Machines.SelectMany(m => m.Adapters.SelectMany(a => Features(m, a))))
            .Concat(Machines.SelectMany(Devices)).Where(r => r.ClassName == className);

    private CimRow SystemRow(SimMachine m) => Row("Msvm_ComputerSystem", "Name", m.Id,
        ("Caption", "Virtual Machine"), ("CreationClassName", "Msvm_ComputerSystem"), ("ElementName", m.Name),
        ("EnabledState", m.State), ("OperationalStatus", m.Doing.Prepend((ushort)2).Distinct().ToArray()),
        ("ReplicationMode", m.ReplicationMode), ("ReplicationState", m.ReplicationState),
        ("ReplicationHealth", m.ReplicationHealth));

    private static CimRow BootRow(SimMachine m, string source) => Row("Msvm_BootSourceSettingData", "InstanceID",
        $@"Microsoft:{m.Id}\{source}", ("BootSourceType", source[0] == 'D' ? 1u : 2u));

    private CimRow SettingsRow(SimMachine m) => Row("Msvm_VirtualSystemSettingData", "InstanceID",
        "Microsoft:" + m.Id, ("ElementName", m.Name), ("VirtualSystemIdentifier", m.Id),
        ("VirtualSystemType", "Microsoft:Hyper-V:System:Realized"), ("Notes", new[] { m.Notes }),
        ("Version", m.Version), ("VirtualSystemSubType", $"Microsoft:Hyper-V:SubType:{(m.IsGen2 ? 2 : 1)}"),
        ("BIOSGUID", m.FirmwareId), ("SecureBootEnabled", m.IsSecureBootOn),
        ("AutomaticStartupAction", m.StartupAction),
        ("ConfigurationDataRoot", $@"D:\VMs\{m.Name}"),
        ("ConfigurationFile", m.HasFiles ? $@"Virtual Machines\{m.Id}.vmcx" : null),
        ("GuestStateFile", m.HasFiles ? $@"Virtual Machines\{m.Id}.vmgs" : null),
        ("BootSourceOrder", m.IsGen2 ? m.BootSources.Select(b => BootRow(m, b).Path!.ToText(name)).ToArray() : null),
        ("IncrementalBackupEnabled", false));

    private static CimRow SnapshotRow(SimMachine m, SimSnapshot s) => Row("Msvm_VirtualSystemSettingData",
        "InstanceID", "Microsoft:" + s.Id, ("ElementName", s.Name), ("VirtualSystemIdentifier", m.Id),
        ("VirtualSystemType", s.Type), ("CreationTime", s.Time), ("ConfigurationDataRoot", $@"D:\VMs\{m.Name}"),
        ("ConfigurationFile", m.HasFiles ? $@"Snapshots\{s.Id}.vmcx" : null),
        ("GuestStateFile", m.HasFiles ? $@"Snapshots\{s.Id}.vmgs" : null));

    private static CimRow ReferenceRow(SimMachine m, SimReference r) => Row("Msvm_VirtualSystemReferencePoint",
        "InstanceID", r.Id, ("VirtualSystemIdentifier", m.Id), ("ElementName", r.Name),
        ("ConsistencyLevel", (ushort)r.ConsistencyLevel), ("ReferencePointType", (ushort)2),
        ("VirtualDiskIdentifiers", r.Disks.Keys
            .Select(p => $@"Microsoft:{r.SnapshotId}\{m.KeyOf(p)}\L").ToArray()),
        ("ResilientChangeTrackingIdentifiers", r.Disks.Values.Select(d => d.RctId).ToArray()));

    private CimRow SwitchRow(KeyValuePair<string, string> s) => Row("Msvm_VirtualEthernetSwitch", "Name", s.Key,
        ("ElementName", s.Value), ("CreationClassName", "Msvm_VirtualEthernetSwitch"));

    private CimRow CardRow(string id, bool isBound) => Row("Msvm_ExternalEthernetPort", "DeviceID", id,
        ("SystemName", name), ("ElementName", "Intel " + id), ("IsBound", isBound));

    private static CimRow JobRow(SimJob j) => Row("Msvm_ConcreteJob", "InstanceID", j.Id, ("JobState", j.State),
        ("PercentComplete", (ushort)(j.State == 7 ? 100 : 50)), ("Cancellable", true),
        ("ErrorCode", (ushort)(j.State == 10 ? 32768 : 0)), ("ErrorDescription", j.FailsWith));

    /// <summary>The settings of the devices of a VM or of a checkpoint, under the id of either.</summary>
    private IEnumerable<CimRow> Components(SimMachine m, string owner, IReadOnlyDictionary<int, string> disks)
    {
        string controller = $@"Microsoft:{owner}\{m.ControllerId}\0";
        const string resource = "Msvm_ResourceAllocationSettingData";
        yield return Row("Msvm_MemorySettingData", "InstanceID", $@"Microsoft:{owner}\Memory",
            ("ResourceType", (ushort)4), ("VirtualQuantity", m.MemoryMiB));
        yield return Row("Msvm_ProcessorSettingData", "InstanceID", $@"Microsoft:{owner}\Processor",
            ("ResourceType", (ushort)3), ("VirtualQuantity", m.Processors));
        yield return Row("Msvm_VssComponentSettingData", "InstanceID", $@"Microsoft:{owner}\Vss",
            ("ElementName", "VSS"), ("EnabledState", (ushort)(m.IsVssOn ? 2 : 3)));
        foreach ((string service, bool isOn) in new[]
        {
            ("Heartbeat", true), ("KvpExchange", true), ("Shutdown", true), ("TimeSync", true),
            ("GuestServiceInterface", false),
        })
            yield return Row($"Msvm_{service}ComponentSettingData", "InstanceID", $@"Microsoft:{owner}\{service}",
                ("EnabledState", (ushort)(isOn ? 2 : 3)));
        if (m.HasTpm)
            yield return Row("Msvm_SecuritySettingData", "InstanceID", $@"Microsoft:{owner}\Security",
                ("TpmEnabled", true));
        if (m.HasController)
            yield return Row(resource, "InstanceID", controller, ("ResourceType", (ushort)6),
                ("ResourceSubType", "Microsoft:Hyper-V:Synthetic SCSI Controller"));
        for (int ide = 0; ide < (m.IsGen2 ? 0 : 2); ide++)
            yield return Row(resource, "InstanceID", $@"Microsoft:{owner}\{m.IdeControllerId}\{ide}",
                ("ResourceType", (ushort)5), ("ResourceSubType", "Microsoft:Hyper-V:Emulated IDE Controller"),
                ("Address", $"{ide}"));
        yield return Row("Msvm_SerialPortSettingData", "InstanceID", $@"Microsoft:{owner}\Serial\0",
            ("ElementName", "COM 1"), ("ResourceType", (ushort)21), ("Connection", new[] { m.SerialPort }));
        foreach (int place in disks.Keys.Concat(m.PassThrough).Concat(m.EmptyDrives).Distinct().Order())
        {
            string key = $@"Microsoft:{owner}\{m.KeyOf(place)}", drive = $@"{key}\D";
            string[] parts = key.Split('\\');
            bool isPassThrough = m.PassThrough.Contains(place);
            yield return Row(resource, "InstanceID", drive, ("ResourceType", (ushort)17),
                ("ResourceSubType", isPassThrough ? "Microsoft:Hyper-V:Physical Disk Drive"
                    : "Microsoft:Hyper-V:Synthetic Disk Drive"),
                ("Parent", Text(resource, string.Join('\\', parts[..^1]))), ("AddressOnParent", parts[^1]));
            if (disks.TryGetValue(place, out string? path))
                yield return Row("Msvm_StorageAllocationSettingData", "InstanceID", $@"{key}\L",
                    ("ResourceType", (ushort)31), ("ResourceSubType", "Microsoft:Hyper-V:Virtual Hard Disk"),
                    ("Parent", Text(resource, drive)), ("HostResource", new[] { path }),
                    ("PersistentReservationsSupported", m.SharedDisks.Contains(place)));
        }
        foreach (SimAdapter a in m.Adapters)
        {
            string port = $@"Microsoft:{owner}\{a.Id}";
            string kind = a.IsEmulated ? "Emulated" : "Synthetic";
            yield return Row($"Msvm_{kind}EthernetPortSettingData", "InstanceID", port, ("ResourceType", (ushort)10),
                ("ResourceSubType", $"Microsoft:Hyper-V:{kind} Ethernet Port"), ("Address", a.Mac),
                ("StaticMacAddress", a.IsStaticMac));
            yield return Row("Msvm_EthernetPortAllocationSettingData", "InstanceID", port + @"\C",
                ("ResourceType", (ushort)33), ("ResourceSubType", "Microsoft:Hyper-V:Ethernet Connection"),
                ("Parent", Text($"Msvm_{kind}EthernetPortSettingData", port)),
                ("EnabledState", (ushort)(a.IsConnected ? 2 : 3)),
                ("HostResource", a.SwitchId is null ? Array.Empty<string>()
                    : [SwitchRow(new(a.SwitchId, "")).Path!.ToText(name)]));
        }
    }

    private static IEnumerable<CimRow> Features(SimMachine m, SimAdapter a)
    {
        if (a.IsTrunk)
            yield return Row("Msvm_EthernetSwitchPortVlanSettingData", "InstanceID", $@"Microsoft:{m.Id}\{a.Id}\Vlan",
                ("OperationMode", 2u));
        else if (a.Vlan is ushort vlan)
            yield return Row("Msvm_EthernetSwitchPortVlanSettingData", "InstanceID", $@"Microsoft:{m.Id}\{a.Id}\Vlan",
                ("OperationMode", 1u), ("AccessVlanId", vlan));
    }

    private static IEnumerable<CimRow> Devices(SimMachine m)
    {
        yield return Row("Msvm_VssComponent", "DeviceID", $@"{m.Id}\Vss", ("SystemName", m.Id),
            ("OperationalStatus", new[] { m.VssStatus }));
        yield return Row("Msvm_HeartbeatComponent", "DeviceID", $@"{m.Id}\Heartbeat", ("SystemName", m.Id),
            ("OperationalStatus", new[] { (ushort)(m.IsGuestUp ? 2 : 12) }));
        yield return Row("Msvm_KvpExchangeComponent", "DeviceID", $@"{m.Id}\Kvp", ("SystemName", m.Id),
            ("GuestIntrinsicExchangeItems", !m.IsGuestUp ? Array.Empty<string>() :
            [
                Item("OSName", m.OSName), Item("NetworkAddressIPv4", m.Address ?? ""),
                Item("NetworkAddressIPv6", m.LinkLocalAddress),
            ]));
    }

    private static string Item(string key, string value) => new EmbeddedInstance("Msvm_KvpExchangeDataItem")
        .Set("Name", key).Set("Data", value).Set("Source", (ushort)2).ToText();

    private string Text(string className, string instanceId) =>
        CimPath.Of(Namespace, className, "InstanceID", instanceId).ToText(name);

    private static CimRow Row(string className, string key, string id, params (string Name, object? Value)[] values)
    {
        var all = new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase) { [key] = id };
        foreach ((string property, object? value) in values)
        {
            string type = SimContract.TypeOf(className, property)
                ?? throw new InvalidOperationException($"{className} has no {property}.");
            if (value is not null && type != SimContract.TypeOf(value.GetType(), false))
                throw new InvalidOperationException($"{className}.{property} is a {type}, not a {value.GetType()}.");
            all[property] = value;
        }
        string place = className switch
        {
            "MSCluster_Node" => "root/MSCluster",
            "Win32_LogicalDisk" or "Win32_Volume" or "Win32_OperatingSystem" or "Win32_NTLogEvent" => "root/cimv2",
            "MSFT_NetNat" or "MSFT_NetIPInterface" => "root/StandardCimv2",
            _ => Namespace,
        };
        IReadOnlyList<string> keys = SimContract.KeysOf(className) ?? [key];
        foreach (string more in keys.Where(k => !all.ContainsKey(k)))
            all[more] = more switch
            {
                "CreationClassName" => className,
                "SystemCreationClassName" => "Msvm_ComputerSystem",
                _ => throw new InvalidOperationException($"{className} lacks its key {more}."),
            };
        return new CimRow(className, new CimPath(place, className,
            [.. keys.Select(k => new KeyValuePair<string, object>(k, all[k]!))]), all);
    }
}
