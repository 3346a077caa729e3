using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>What making, changing and destroying VMs does.</summary>
internal sealed partial class SimHost
{
    private CimAnswer DoMore(CimPath target, string method, Dictionary<string, object?> values) => method switch
    {
        "DefineSystem" => DefineSystem(values),
        "DestroySystem" => DestroySystem(values),
        "AddResourceSettings" => AddResources(values),
        "ModifyResourceSettings" => ModifyResources(values),
        "ModifyGuestServiceSettings" => ModifyVss((string[])values["GuestServiceSettings"]!),
        "ModifyDiskMergeSettings" => ModifyMerging(values),
        "ExportSystemDefinition" => Export(values),
        "AddFeatureSettings" => AddFeatures(values),
        "AddKvpItems" or "ModifyKvpItems" => TellGuest(method, values),
        "RequestStateChange" when target.ClassName == "Msvm_ComputerSystem" => ChangeState(target, values),
        _ when target.ClassName == "Msvm_ReplicationService" => Replicate(method, values),
        _ => throw Violation($"{target.ClassName}.{method} is not simulated."),
    };

    private CimAnswer DefineSystem(Dictionary<string, object?> values)
    {
        CimRow settings = Embedded(values["SystemSettings"], "Msvm_VirtualSystemSettingData");
        var machine = new SimMachine(settings.Text("ElementName") ?? "New Virtual Machine")
        {
            State = 3,
            HasController = false,
            Notes = string.Join("\r\n", settings.Texts("Notes")),
            IsGen2 = settings.Text("VirtualSystemSubType")?.EndsWith(":2", StringComparison.Ordinal) == true,
            IsSecureBootOn = settings.Flag("SecureBootEnabled") == true,
            StartupAction = (ushort)(settings.Number("AutomaticStartupAction") ?? 3),
        };
        return Started(Start(null, 0, JobTime, () =>
        {
            Machines.Add(machine);
            OnMade?.Invoke(machine);
            return [SystemRow(machine)];
        }));
    }

    private CimAnswer DestroySystem(Dictionary<string, object?> values)
    {
        SimMachine machine = Machines.First(m => m.Id == ((CimPath)values["AffectedSystem"]!)["Name"]);
        if (machine.State is not (3 or 6)) return new CimAnswer(5, CimRow.Empty);
        return Started(Start(machine, 2, JobTime, () =>
        {
            Machines.Remove(machine);
            return [];
        }));
    }

    private CimAnswer ChangeState(CimPath target, Dictionary<string, object?> values)
    {
        SimMachine machine = Machines.First(m => m.Id == target["Name"]);
        ushort state = (ushort)values["RequestedState"]!;
        if (state is not (2 or 3)) return new CimAnswer(32773, CimRow.Empty);
        return Started(Start(machine, 2, JobTime, () =>
        {
            machine.State = state;
            foreach (SimAdapter adapter in machine.Adapters.Where(a => a.Mac == NoMac))
                adapter.Mac = SimAdapter.NewMac();
            return [];
        }));
    }

    private CimAnswer AddResources(Dictionary<string, object?> values)
    {
        CimPath configuration = (CimPath)values["AffectedConfiguration"]!;
        SimMachine? machine = Machines.Find(m => "Microsoft:" + m.Id == configuration["InstanceID"]);
        if (machine is null) return new CimAnswer(4, CimRow.Empty);
        var made = new List<CimRow>();
        foreach (string text in (string[])values["ResourceSettings"]!)
        {
            CimRow row = Embedded(text, "Msvm_ResourceAllocationSettingData", "Msvm_StorageAllocationSettingData",
                "Msvm_SyntheticEthernetPortSettingData", "Msvm_EthernetPortAllocationSettingData");
            string? id = AddOne(machine, row);
            if (id is null) return new CimAnswer(4, CimRow.Empty);
            made.Add(ActiveComponents(row.ClassName).First(r => r.Text("InstanceID") == id));
        }
        return Started(Start(null, 0, JobTime, () => made));
    }

    /// <returns>The id of what was added; null when the host would refuse it.</returns>
    private string? AddOne(SimMachine m, CimRow row)
    {
        string controller = $@"Microsoft:{m.Id}\{m.ControllerId}\0";
        string? parent = CimPath.TryParse(row.Text("Parent"), Namespace)?["InstanceID"];
        string? resource = row.Texts("HostResource").FirstOrDefault();
        switch (row.Number("ResourceType"))
        {
            case 6:
                m.HasController = true;
                return controller;
            case 17 when int.TryParse(row.Text("AddressOnParent"), out int slot):
                int place = parent == controller ? slot
                    : parent == $@"Microsoft:{m.Id}\{m.IdeControllerId}\0" ? SimMachine.Ide(0, slot)
                    : parent == $@"Microsoft:{m.Id}\{m.IdeControllerId}\1" ? SimMachine.Ide(1, slot) : -1;
                if (place < 0 || (place >= 1000 && m.IsGen2) || !m.EmptyDrives.Add(place)) return null;
                return $@"Microsoft:{m.Id}\{m.KeyOf(place)}\D";
            case 31 when parent is not null && resource is not null && File.Exists(ToLocal(resource)):
                int at = m.EmptyDrives.First(p => parent == $@"Microsoft:{m.Id}\{m.KeyOf(p)}\D");
                m.Disks[at] = Load(resource);
                m.EmptyDrives.Remove(at);
                m.BootSources.Add($"D{at}");
                return $@"Microsoft:{m.Id}\{m.KeyOf(at)}\L";
            case 10:
                var adapter = new SimAdapter
                {
                    IsStaticMac = row.Flag("StaticMacAddress") == true,
                    Mac = NoMac,
                    IsConnected = false,
                };
                m.Adapters.Add(adapter);
                m.BootSources.Add($"N{m.Adapters.Count}");
                return $@"Microsoft:{m.Id}\{adapter.Id}";
            case 33 when m.Adapters.Find(a => parent == $@"Microsoft:{m.Id}\{a.Id}") is SimAdapter port:
                port.SwitchId = CimPath.TryParse(resource, Namespace)?["Name"];
                port.IsConnected = row.Number("EnabledState") == 2;
                return $@"Microsoft:{m.Id}\{port.Id}\C";
            default: return null;
        }
    }

    private CimAnswer ModifyVss(string[] texts)
    {
        foreach (string text in texts)
        {
            CimRow row = Embedded(text, "Msvm_VssComponentSettingData");
            SimMachine m = Machines.First(v => row.Text("InstanceID")!.Contains(v.Id));
            m.IsVssOn = row.Number("EnabledState") == 2;
        }
        return Done();
    }

    /// <summary>One without disks leaves merging switched off, as it was seen of hosts.</summary>
    private CimAnswer Export(Dictionary<string, object?> values)
    {
        SimMachine m = Machines.First(v => v.Id == ((CimPath)values["ComputerSystem"]!)["Name"]);
        CimRow how = Embedded(values["ExportSettingData"], "Msvm_VirtualSystemExportSettingData");
        return Started(Start(m, 32773, JobTime, () =>
        {
            if (how.Flag("CopyVmStorage") == false) m.IsMergingOff = true;
            return [];
        }));
    }

    /// <summary>What was let go of meanwhile is merged now.</summary>
    private CimAnswer ModifyMerging(Dictionary<string, object?> values)
    {
        CimRow row = Embedded(values["SettingData"], "Msvm_DiskMergeSettingData");
        SimMachine? m = Machines.Find(v => row.Text("InstanceID")?.Contains(v.Id) == true);
        if (m is null) return new CimAnswer(32773, CimRow.Empty);
        m.IsMergingOff = row.Number("EnabledState") == 0;
        List<SimSnapshot> left = [.. m.Unmerged];
        if (!m.IsMergingOff && left.Count > 0)
        {
            m.Unmerged.Clear();
            Start(m, 32772, MergeTime, () =>
            {
                foreach (SimFrozen frozen in left.SelectMany(s => s.Disks.Values)) Merge(m, frozen);
                return [];
            });
        }
        return Done();
    }

    /// <summary>What an adapter has before its VM is on for the first time.</summary>
    private const string NoMac = "000000000000";

    private CimAnswer AddFeatures(Dictionary<string, object?> values)
    {
        string? connection = ((CimPath)values["AffectedConfiguration"]!)["InstanceID"];
        (SimMachine? m, SimAdapter? adapter) = Machines.SelectMany(v => v.Adapters.Select(a => (v, a)))
            .FirstOrDefault(p => connection == $@"Microsoft:{p.v.Id}\{p.a.Id}\C");
        if (m is null) return new CimAnswer(4, CimRow.Empty);
        foreach (string text in (string[])values["FeatureSettings"]!)
        {
            CimRow row = Embedded(text, "Msvm_EthernetSwitchPortVlanSettingData");
            if (row.Number("OperationMode") != 1 || adapter!.Vlan is not null) return new CimAnswer(4, CimRow.Empty);
            adapter.Vlan = (ushort)row.Number("AccessVlanId")!;
        }
        return Done(("ResultingFeatureSettings", Features(m, adapter!).Select(f => f.Path!).ToArray()));
    }

    /// <summary>Microsoft: adding fails when a key stands already; changing when it does not.</summary>
    private CimAnswer TellGuest(string method, Dictionary<string, object?> values)
    {
        SimMachine m = Machines.First(v => v.Id == ((CimPath)values["TargetSystem"]!)["Name"]);
        if (TellsRunningOnly && m.State != 2) return new CimAnswer(32775, CimRow.Empty);
        var items = ((string[])values["DataItems"]!).Select(t => Embedded(t, "Msvm_KvpExchangeDataItem")).ToList();
        if (items.Count > 128 || items.Exists(i => i.Number("Source") != 0
            || m.HostItems.ContainsKey(i.Text("Name")!) == (method == "AddKvpItems")))
            return new CimAnswer(32773, CimRow.Empty);
        return Started(Start(null, 0, JobTime, () =>
        {
            foreach (CimRow item in items) m.HostItems[item.Text("Name")!] = item.Text("Data")!;
            return [];
        }));
    }

    private CimAnswer ModifyResources(Dictionary<string, object?> values)
    {
        foreach (string text in (string[])values["ResourceSettings"]!)
        {
            CimRow row = Embedded(text, "Msvm_MemorySettingData", "Msvm_ProcessorSettingData",
                "Msvm_VssComponentSettingData", "Msvm_StorageAllocationSettingData");
            if (row.ClassName == "Msvm_VssComponentSettingData") return ModifyVss([text]);
            SimMachine m = Machines.First(v => row.Text("InstanceID")!.Contains(v.Id));
            if (row.ClassName == "Msvm_StorageAllocationSettingData")
            {
                int place = m.Disks.Keys.First(p => row.Text("InstanceID") == $@"Microsoft:{m.Id}\{m.KeyOf(p)}\L");
                string path = row.Texts("HostResource")[0];
                if (m.State != 3 || m.Snapshots.Count > 0 || !File.Exists(ToLocal(path)))
                    return new CimAnswer(32775, CimRow.Empty);
                return Started(Start(m, 2, JobTime, () =>
                {
                    m.Disks[place] = Load(path);
                    return [];
                }));
            }
            ulong quantity = (ulong)row.Number("VirtualQuantity")!;
            if (row.ClassName == "Msvm_MemorySettingData") m.MemoryMiB = quantity;
            else m.Processors = quantity;
        }
        return Done();
    }

    /// <summary>The host opens an image that somebody wrote.</summary>
    private SimDisk Load(string path)
    {
        using VhdxDiskSource image = VhdxDiskSource.OpenAsync(RawDiskSource.OpenFrozen(ToLocal(path)), null, default)
            .GetAwaiter().GetResult();
        byte[] bytes = new byte[image.SizeBytes];
        image.ReadAsync(0, bytes, default).AsTask().GetAwaiter().GetResult();
        return new SimDisk(path, bytes) { VirtualDiskId = image.VirtualDiskId };
    }

    private static CimAnswer ImageDataOfFile(string path) => new(32779, CimRow.Empty);
}
