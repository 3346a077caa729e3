using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

internal sealed partial class SimHost
{
    private static readonly Regex s_query =
        new(@"^SELECT \* FROM (?<class>\w+)(?: WHERE|$)(?:(?: AND)? (?<property>\w+) = '(?<value>(?:\\.|[^'\\])*)')*$");

    internal CimRow? Get(CimPath path)
    {
        RequireKeys(path, "What is got");
        return Rows(path.ClassName).FirstOrDefault(r => r.Path!.Equals(path));
    }

    internal IReadOnlyList<CimRow> Query(string @namespace, string wql)
    {
        Match match = s_query.Match(wql);
        if (!match.Success) throw Violation($"The query cannot be read: {wql}");
        string className = match.Groups["class"].Value;
        if (@namespace == "root/MSCluster" && Nodes.Count == 0)
            throw new CimFaultException(CimFault.NoSuchClass, "Invalid namespace");
        Require(className);
        IEnumerable<CimRow> rows = Rows(className);
        for (int i = 0; i < match.Groups["property"].Captures.Count; i++)
        {
            string property = match.Groups["property"].Captures[i].Value;
            if (SimContract.TypeOf(className, property) is null) throw Violation($"{className} has no {property}.");
            string value = Regex.Replace(match.Groups["value"].Captures[i].Value, @"\\(.)", "$1");
            rows = rows.Where(r => string.Equals(r.Text(property), value, StringComparison.OrdinalIgnoreCase));
        }
        return [.. rows];
    }

    internal IReadOnlyList<CimRow> Associators(CimPath from, string? association, string? resultClass)
    {
        RequireKeys(from, "What is associated");
        if (association is not null) Require(association);
        if (resultClass is not null && !resultClass.StartsWith("CIM_", StringComparison.Ordinal)) Require(resultClass);
        CimRow start = Rows(from.ClassName).FirstOrDefault(r => r.Path!.Equals(from))
            ?? throw new CimFaultException(CimFault.NotFound, "Not found");
        SimMachine? m = MachineOf(start);
        IEnumerable<CimRow> found = (start.ClassName, association) switch
        {
            ("Msvm_ComputerSystem", "Msvm_SettingsDefineState") => m is null ? [] : [SettingsRow(m)],
            ("Msvm_ComputerSystem", "Msvm_SnapshotOfVirtualSystem") => m!.Snapshots.Select(s => SnapshotRow(m, s)),
            ("Msvm_ComputerSystem", "Msvm_ReferencePointOfVirtualSystem") =>
                m!.References.Select(r => ReferenceRow(m, r)),
            ("Msvm_ComputerSystem", "Msvm_LastAppliedSnapshot") => m!.Snapshots
                .Where(s => s.Id == m.AppliedSnapshot).Select(s => SnapshotRow(m, s)),
            ("Msvm_ComputerSystem", "Msvm_SystemDevice") => Devices(m!),
            ("Msvm_ComputerSystem", "Msvm_SystemReplicationRelationship") =>
                m!.ReplicaHost is null ? [] : [Relationship(m)],
            ("Msvm_VirtualSystemSettingData", "Msvm_VirtualSystemSettingDataComponent") => ComponentsOf(start, m!),
            ("Msvm_EthernetPortAllocationSettingData", "Msvm_EthernetPortSettingDataComponent") =>
                Features(m!, m!.Adapters.First(a => from["InstanceID"]!.Contains(a.Id))),
            ("Msvm_ConcreteJob", "Msvm_AffectedJobElement") => _jobs.First(j => j.Id == from["InstanceID"]).Made,
            _ => throw Violation($"{association} does not lead away from {start.ClassName}."),
        };
        return [.. found.Where(r => resultClass is null || SimContract.Is(r.ClassName, resultClass))];
    }

    internal CimAnswer Invoke(CimPath target, string method, CimArguments arguments)
    {
        RequireKeys(target, $"The target of {method}");
        if (Rows(target.ClassName).All(r => !r.Path!.Equals(target)))
            throw new CimFaultException(CimFault.NotFound, "Not found");
        Dictionary<string, object?> values = Check(target.ClassName, method, arguments);
        CimAnswer answer = Answer(target, method, values);
        IReadOnlyDictionary<long, string> codes = SimContract.CodesOf(target.ClassName, method);
        return codes.ContainsKey(answer.ReturnValue)
            || (answer.ReturnValue >= 32768 && SimContract.AllowsVendorCodes(target.ClassName, method))
            ? answer
            : throw Violation($"{method} does not return {answer.ReturnValue}.");
    }

    private CimAnswer Answer(CimPath target, string method, Dictionary<string, object?> values)
    {
        if (Faults.TryGetValue(method, out SimFault? fault) && fault.When?.Invoke(values) != false && fault.Times-- > 0)
        {
            if (fault.WorksAllTheSame) Do(target, method, values);
            if (fault.Breaks is CimFault broken) throw new CimFaultException(broken, "The call broke.");
            if (fault.Code is long code) return new CimAnswer(code, CimRow.Empty);
            SimJob failing = new(clock.GetUtcNow() + JobTime, () => []) { FailsWith = fault.Message };
            _jobs.Add(failing);
            return Started(failing);
        }
        return Do(target, method, values);
    }

    private CimAnswer Do(CimPath target, string method, Dictionary<string, object?> values)
    {
        switch (method)
        {
            case "CreateSnapshot": return CreateSnapshot(values);
            case "DestroySnapshot": return DestroySnapshot(values);
            case "ConvertToReferencePoint": return Convert(values);
            case "DestroyReferencePoint":
                {
                    CimPath path = (CimPath)values["AffectedReferencePoint"]!;
                    SimMachine? owner = Machines.Find(m => m.References.Any(r => r.Id == path["InstanceID"]));
                    if (owner is null) return new CimAnswer(32773, CimRow.Empty);
                    return Started(Start(null, 0, JobTime, () =>
                    {
                        owner.References.RemoveAll(r => r.Id == path["InstanceID"]);
                        return [];
                    }));
                }
            case "GetVirtualHardDiskSettingData": return ImageData((string)values["Path"]!);
            case "GetVirtualDiskChanges": return Changes(values);
            case "ModifySystemSettings": return ModifySystem(values);
            case "GetErrorEx":
                return Done(("Errors", new[]
                {
                    new EmbeddedInstance("Msvm_Error").Set("Message",
                        _jobs.First(j => j.Id == target["InstanceID"]).FailsWith).ToText(),
                }));
            case "RequestStateChange" when target.ClassName == "Msvm_ConcreteJob":
                return Done();
            default: return DoMore(target, method, values);
        }
    }

    private CimAnswer CreateSnapshot(Dictionary<string, object?> values)
    {
        SimMachine m = Machines.First(v => v.Id == ((CimPath)values["AffectedSystem"]!)["Name"]);
        CimRow settings = Embedded(values["SnapshotSettings"], "Msvm_VirtualSystemSnapshotSettingData");
        if ((ushort)values["SnapshotType"]! != 32768) return new CimAnswer(4, CimRow.Empty);
        byte level = (byte)(settings.Number("ConsistencyLevel") ?? 0);
        if (m.Doing.Count > 0) return new CimAnswer(5, CimRow.Empty);
        if (m.PassThrough.Count > 0 && settings.Flag("IgnoreNonSnapshottableDisks") != true)
            return new CimAnswer(32768, CimRow.Empty);
        if (level == 1 && m.State == 2 && (m.VssStatus is not (2 or 3) || !m.IsVssOn))
        {
            var failing = new SimJob(clock.GetUtcNow() + JobTime, () => [])
            {
                FailsWith = $"Production checkpoints cannot be created for '{m.Name}'.",
            };
            _jobs.Add(failing);
            return Started(failing);
        }
        string snapshotName = settings.Text("ElementName") ?? "Checkpoint";
        return Started(Start(m, 32768, JobTime, () => [SnapshotRow(m, Freeze(m, snapshotName, Recovery, level))]));
    }

    private CimAnswer DestroySnapshot(Dictionary<string, object?> values)
    {
        (SimMachine? m, SimSnapshot? snapshot) = FindSnapshot((CimPath)values["AffectedSnapshot"]!);
        if (m is null) return new CimAnswer(4, CimRow.Empty);
        return Started(Start(m, 32770, JobTime, () =>
        {
            LetGo(m, snapshot!);
            return [];
        }));
    }

    private CimAnswer Convert(Dictionary<string, object?> values)
    {
        (SimMachine? m, SimSnapshot? snapshot) = FindSnapshot((CimPath)values["AffectedSnapshot"]!);
        if (m is null) return new CimAnswer(4, CimRow.Empty);
        if (snapshot!.Type != Recovery) return new CimAnswer(6, CimRow.Empty);
        return Started(Start(m, 32770, JobTime, () =>
        {
            var reference = new SimReference(snapshot);
            m.References.Add(reference);
            LetGo(m, snapshot);
            return [ReferenceRow(m, reference)];
        }));
    }

    /// <summary>The checkpoint is gone at once; its disks are merged in the background.</summary>
    private void LetGo(SimMachine m, SimSnapshot snapshot)
    {
        m.Snapshots.Remove(snapshot);
        if (m.HasFiles)
            foreach (string extension in new[] { "vmcx", "vmgs" })
                File.Delete(ToLocal($@"D:\VMs\{m.Name}\Snapshots\{snapshot.Id}.{extension}"));
        if (m.IsMergingOff) m.Unmerged.Add(snapshot);
        else Start(m, 32772, MergeTime, () =>
        {
            foreach (SimFrozen frozen in snapshot.Disks.Values) Merge(m, frozen);
            return [];
        });
    }

    private CimAnswer ImageData(string path)
    {
        SimDisk? disk = Machines.SelectMany(m => m.Disks.Values)
            .FirstOrDefault(d => d.Layers.Exists(l => l.Path == path));
        if (disk is null) return ImageDataOfFile(path);
        return Done(("SettingData", new EmbeddedInstance("Msvm_VirtualHardDiskSettingData")
            .Set("Path", path).Set("Format", (ushort)3).Set("Type", (ushort)3).Set("MaxInternalSize", (ulong)disk.Size)
            .Set("VirtualDiskId", disk.VirtualDiskId.ToString("D")).ToText()));
    }

    private CimAnswer Changes(Dictionary<string, object?> values)
    {
        string path = (string)values["Path"]!;
        SimFrozen? frozen = Machines.SelectMany(m => m.Snapshots).SelectMany(s => s.Disks.Values)
            .FirstOrDefault(d => d.Layer.Path == path);
        if (frozen is null) return new CimAnswer(32779, CimRow.Empty);
        string limit = (string)values["LimitId"]!;
        (string RctId, SimDisk Disk, long Write) since = Machines.SelectMany(m => m.References)
            .SelectMany(r => r.Disks.Values).FirstOrDefault(d => d.RctId == limit && d.Disk == frozen.Disk);
        if (since.RctId is null) return new CimAnswer(32773, CimRow.Empty);
        long from = (long)(ulong)values["ByteOffset"]!;
        long length = Math.Min((long)(ulong)values["ByteLength"]!, MostProcessed);
        if (from + length > frozen.Disk.Size) return new CimAnswer(32773, CimRow.Empty);
        List<ulong> starts = [], lengths = [];
        for (long unit = from / SimDisk.Unit; unit * SimDisk.Unit < from + length; unit++)
        {
            if (frozen.WrittenAt[unit] <= since.Write) continue;
            long at = Math.Max(unit * SimDisk.Unit, from), end = Math.Min((unit + 1) * SimDisk.Unit, from + length);
            if (starts.Count > 0 && starts[^1] + lengths[^1] == (ulong)at) lengths[^1] += (ulong)(end - at);
            else (starts, lengths) = ([.. starts, (ulong)at], [.. lengths, (ulong)(end - at)]);
        }
        return Done(("ProcessedByteLength", (ulong)length),
            ("ChangedByteOffsets", starts.Count == 0 ? null : starts.ToArray()),
            ("ChangedByteLengths", starts.Count == 0 ? null : lengths.ToArray()));
    }

    private CimAnswer ModifySystem(Dictionary<string, object?> values)
    {
        CimRow settings = Embedded(values["SystemSettings"], "Msvm_VirtualSystemSettingData");
        string id = settings.Text("InstanceID") ?? throw Violation("The settings have no InstanceID.");
        SimMachine? m = Machines.Find(v => "Microsoft:" + v.Id == id);
        if (m is null) return new CimAnswer(4, CimRow.Empty);
        m.Notes = string.Join("\r\n", settings.Texts("Notes"));
        m.Name = settings.Text("ElementName") ?? m.Name;
        if (!m.IsGen2 || settings.Texts("BootSourceOrder") is not { Count: > 0 } order) return Done();
        string[] wanted = [.. order.Select(o => CimPath.TryParse(o, Namespace)?["InstanceID"]?.Split('\\')[^1] ?? "")];
        // Other sources than the VM has are refused.
        if (!wanted.Order().SequenceEqual(m.BootSources.Order())) return new CimAnswer(4, CimRow.Empty);
        m.BootSources.Clear();
        m.BootSources.AddRange(wanted);
        return Done();
    }

    private (SimMachine? Machine, SimSnapshot? Snapshot) FindSnapshot(CimPath path)
    {
        string id = path["InstanceID"]!.Replace("Microsoft:", "");
        SimMachine? m = Machines.Find(v => v.Snapshots.Exists(s => s.Id == id));
        return (m, m?.Snapshots.Find(s => s.Id == id));
    }

    private SimMachine? MachineOf(CimRow row)
    {
        string id = row.Path!["InstanceID"] ?? row.Path["Name"] ?? "";
        return Machines.Find(m => id.Contains(m.Id)) ?? Machines.Find(m => m.Snapshots.Exists(s => id.Contains(s.Id)));
    }

    private IEnumerable<CimRow> ComponentsOf(CimRow settings, SimMachine m)
    {
        string id = settings.Text("InstanceID")!.Replace("Microsoft:", "");
        SimSnapshot? snapshot = m.Snapshots.Find(s => s.Id == id);
        return snapshot is null
            ? Components(m, m.Id, m.Disks.ToDictionary(d => d.Key, d => d.Value.Top.Path))
            : Components(m, id, snapshot.Disks.ToDictionary(d => d.Key, d => d.Value.Layer.Path));
    }

    private Dictionary<string, object?> Check(string className, string method, CimArguments arguments)
    {
        IReadOnlyList<(string Name, string Direction, string Type)> known = SimContract.ParametersOf(className, method)
            ?? throw Violation($"{className} has no method {method}.");
        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (CimArgument argument in arguments)
        {
            (string name, string direction, string type) = known.FirstOrDefault(p => p.Name == argument.Name);
            if (name is null || !direction.StartsWith("in", StringComparison.Ordinal))
                throw Violation($"{method} takes no {argument.Name}.");
            string given = argument.Kind == CimKind.Reference ? argument.IsArray ? "REF[]" : "REF"
                : argument.Kind.ToString().ToLowerInvariant() + (argument.IsArray ? "[]" : "");
            if (!type.EndsWith(given, StringComparison.OrdinalIgnoreCase))
                throw Violation($"{method}.{name} is a {type}, not a {given}.");
            CimPath[] paths = argument.Value as CimPath[] ?? [.. new[] { argument.Value }.OfType<CimPath>()];
            foreach (CimPath path in paths) RequireKeys(path, $"{method}.{name}");
            values[name] = argument.Value;
        }
        foreach ((string name, string direction, _) in known)
        {
            if (direction == "in" && !values.ContainsKey(name)) throw Violation($"{method} lacks {name}.");
        }
        return values;
    }

    private CimRow Embedded(object? text, params string[] classNames)
    {
        CimRow row = EmbeddedInstance.Read((string)text!);
        if (!classNames.Contains(row.ClassName)) throw Violation($"{row.ClassName} is none of {string.Join(", ",
            classNames)}.");
        foreach ((string property, object? value) in row.Values)
        {
            string type = SimContract.TypeOf(row.ClassName, property)
                ?? throw Violation($"{row.ClassName} has no {property}.");
            if (value is not null && SimContract.TypeOf(value.GetType(), false) != type)
                throw Violation($"{row.ClassName}.{property} is a {type}, not a {value.GetType()}.");
            if (value is not (string or string[])) continue;
            foreach (string one in row.Texts(property))
            {
                if (CimPath.TryParse(one, Namespace) is { Keys.Count: > 0 } path
                    && SimContract.HasClass(path.ClassName))
                    RequireKeys(path, $"{row.ClassName}.{property}");
            }
        }
        return row;
    }

    private CimFaultException Violation(string what)
    {
        Violations.Add(what);
        return new CimFaultException(CimFault.Provider, what);
    }

    /// <summary>A path has every key of its class, by its name, and no other one; their order is free.</summary>
    private void RequireKeys(CimPath path, string what)
    {
        Require(path.ClassName);
        string given = Names(path);
        if (Rows(path.ClassName).FirstOrDefault()?.Path is CimPath right && given != Names(right))
            throw Violation($"{what} names a {path.ClassName} by '{given}'; its keys are '{Names(right)}'.");
        if (path.Keys.Count == 0) throw Violation($"{what} names no {path.ClassName}: it has no keys.");

        static string Names(CimPath one) => string.Join(", ",
            one.Keys.Select(k => k.Key.ToUpperInvariant()).Order(StringComparer.Ordinal));
    }

    private void Require(string className)
    {
        if (!SimContract.HasClass(className)) throw Violation($"There is no class {className}.");
    }

    private static CimAnswer Done(params (string Name, object? Value)[] outputs) =>
        new(0, new CimRow("", null, outputs.ToDictionary(o => o.Name, o => o.Value)));

    private static CimAnswer Started(SimJob job) => new(4096, new CimRow("", null,
        new Dictionary<string, object?> { ["Job"] = JobRow(job).Path }));
}
