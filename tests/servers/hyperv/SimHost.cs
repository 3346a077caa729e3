using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>
/// A Hyper-V host as its documentation has it: VMs, checkpoints, reference points, jobs that take time, disks that are
/// real VHDX files. What a call does that the documentation does not know is a violation. It is our model of the
/// documented behaviour, and no Hyper-V.
/// </summary>
internal sealed partial class SimHost(string name, string root, TimeProvider clock) : IHostFiles
{
    internal const string Namespace = HyperVHost.Namespace;

    private readonly object _gate = new();
    private readonly List<SimJob> _jobs = [];
    private readonly List<DateTime> _starts = [new(2026, 11, 1, 0, 0, 0, DateTimeKind.Utc)];
    private long _writes;

    internal string Name => name;

    internal TimeProvider Clock => clock;

    /// <summary>The name that the host's system gives itself.</summary>
    internal string SystemName { get; set; } = name.ToUpperInvariant();

    internal List<SimMachine> Machines { get; } = [];

    /// <summary>The switches: id, name.</summary>
    internal Dictionary<string, string> Switches { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Those of them that stand on a network card of the host.</summary>
    internal HashSet<string> ExternalSwitches { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>When the host started last.</summary>
    internal DateTime BootUtc
    {
        get => _starts[^1];
        set => _starts.Add(value);
    }

    /// <summary>What is older is gone from its event log.</summary>
    internal DateTime LogBegins { get; set; }

    /// <summary>When it started after it had not gone down cleanly.</summary>
    internal List<DateTime> UncleanStarts { get; } = [];

    /// <summary>Whether its event log is shown to the user.</summary>
    internal bool ShowsEvents { get; set; } = true;

    /// <summary>Whether it is shown empty instead of being refused.</summary>
    internal bool ShowsEmptyLog { get; set; }

    /// <summary>Whether the user is told the host's name and since when it is up.</summary>
    internal bool ShowsSystem { get; set; } = true;

    /// <summary>The paths of its volumes; the user is told of the drives alone when there is none.</summary>
    internal List<string> Volumes { get; } = [@"D:\"];

    /// <summary>Those that the host itself is on.</summary>
    internal HashSet<string> InternalSwitches { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Cards of the host that are on a switch which does not say so.</summary>
    internal HashSet<string> LostCards { get; } = [];

    /// <summary>The address translations of the host.</summary>
    internal List<string> Translations { get; } = [];

    /// <summary>The switches for whose interface the host is a router.</summary>
    internal HashSet<string> Routed { get; } = [];

    /// <summary>Whether the user is shown no VM, nor the host itself.</summary>
    internal bool ListsNothing { get; set; }

    /// <summary>The services, by class, that are not started (false), or do not say so (null).</summary>
    internal Dictionary<string, bool?> ServiceStarts { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether a VM is told nothing before it runs.</summary>
    internal bool TellsRunningOnly { get; set; }

    internal ulong FreeSpace { get; set; } = 100UL << 30;

    /// <summary>The nodes of its failover cluster and their states; empty for a host alone.</summary>
    internal Dictionary<string, uint> Nodes { get; } = [];

    /// <summary>What was asked for that there is not.</summary>
    internal List<string> Violations { get; } = [];

    internal Dictionary<string, SimFault> Faults { get; } = new(StringComparer.Ordinal);

    /// <summary>Every call, for the eye.</summary>
    internal List<string> Log { get; } = [];

    internal TimeSpan JobTime { get; set; } = TimeSpan.FromSeconds(1);

    internal TimeSpan MergeTime { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How much one answer about changes covers at most.</summary>
    internal long MostProcessed { get; set; } = long.MaxValue;

    /// <summary>Called at every call, before it.</summary>
    internal Action<string>? OnCall { get; set; }

    /// <summary>Called for every VM that is made.</summary>
    internal Action<SimMachine>? OnMade { get; set; }

    public string ToLocal(string hostPath) =>
        Path.Combine([root, .. hostPath.Replace(":", "").Split('\\', StringSplitOptions.RemoveEmptyEntries)]);

    internal string AddSwitch(string switchName, bool isInternal = false)
    {
        string id = Guid.NewGuid().ToString().ToUpperInvariant();
        Switches[id] = switchName;
        if (isInternal) InternalSwitches.Add(id);
        return id;
    }

    internal SimDisk NewDisk(SimMachine machine, int place, byte[] bytes, Guid? virtualDiskId = null)
    {
        lock (_gate)
        {
            string file = $"disk{place}-{Guid.NewGuid().ToString("N")[..6]}.vhdx";
            var disk = new SimDisk($@"D:\VMs\{machine.Name}\{file}", bytes)
            {
                VirtualDiskId = virtualDiskId ?? Guid.NewGuid(),
            };
            machine.Disks[place] = disk;
            disk.Store(disk.Top, ToLocal);
            return disk;
        }
    }

    /// <summary>Gives a VM the files of its configuration.</summary>
    internal void WriteFiles(SimMachine machine, byte[] configuration, byte[] state)
    {
        string folder = ToLocal($@"D:\VMs\{machine.Name}\Virtual Machines");
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, machine.Id + ".vmcx"), configuration);
        File.WriteAllBytes(Path.Combine(folder, machine.Id + ".vmgs"), state);
        machine.HasFiles = true;
    }

    /// <summary>What the guest does.</summary>
    internal void Write(SimMachine machine, int place, long offset, byte[] bytes)
    {
        lock (_gate) machine.Disks[place].Write(offset, bytes, ++_writes);
    }

    internal byte[] Content(SimMachine machine, int place)
    {
        lock (_gate) return machine.Disks[place].Content();
    }

    /// <summary>Takes a disk away, with its files.</summary>
    internal void Detach(SimMachine machine, int place)
    {
        lock (_gate)
        {
            SimDisk disk = machine.Disks[place];
            machine.Disks.Remove(place);
            foreach (SimLayer layer in disk.Layers.Where(l => File.Exists(ToLocal(l.Path))))
            {
                using (FileStream file = new(ToLocal(layer.Path), FileMode.Open, FileAccess.Write,
                    FileShare.ReadWrite | FileShare.Delete))
                    file.SetLength(0);
                File.Delete(ToLocal(layer.Path));
            }
        }
    }

    /// <summary>What another product leaves, under a name like ours: a checkpoint and a reference point.</summary>
    internal void MakeForeign(SimMachine machine)
    {
        lock (_gate)
        {
            SimSnapshot kept = Freeze(machine, "Natalia.Backup " + new string('f', 32), Recovery, 1);
            kept.IsForeign = true;
            SimSnapshot converted = Freeze(machine, "Natalia.Backup " + new string('e', 32), Recovery, 1);
            converted.IsForeign = true;
            machine.References.Add(new SimReference(converted));
            Remove(machine, converted);
        }
    }

    internal const string Recovery = "Microsoft:Hyper-V:Snapshot:Recovery";

    internal SimSnapshot Freeze(SimMachine machine, string snapshotName, string type, byte consistency)
    {
        var snapshot = new SimSnapshot(snapshotName, type, clock.GetUtcNow().UtcDateTime)
        {
            ConsistencyLevel = consistency,
        };
        foreach ((int place, SimDisk disk) in machine.Disks)
        {
            SimLayer frozen = disk.Top;
            disk.Store(frozen, ToLocal);
            string stem = frozen.Path[..frozen.Path.LastIndexOf('.')].Split('_')[0];
            disk.Layers.Add(new SimLayer($"{stem}_{Guid.NewGuid():D}.avhdx", new byte[disk.Size], isBase: false));
            snapshot.Disks[place] = new SimFrozen(disk, frozen, (long[])disk.WrittenAt.Clone(), _writes);
        }
        machine.Snapshots.Add(snapshot);
        if (machine.HasFiles)
        {
            Directory.CreateDirectory(ToLocal($@"D:\VMs\{machine.Name}\Snapshots"));
            foreach (string extension in new[] { "vmcx", "vmgs" })
                File.Copy(ToLocal($@"D:\VMs\{machine.Name}\Virtual Machines\{machine.Id}.{extension}"),
                    ToLocal($@"D:\VMs\{machine.Name}\Snapshots\{snapshot.Id}.{extension}"));
        }
        return snapshot;
    }

    /// <summary>Removes a checkpoint; its disks are merged at once.</summary>
    private void Remove(SimMachine machine, SimSnapshot snapshot)
    {
        machine.Snapshots.Remove(snapshot);
        foreach (SimFrozen frozen in snapshot.Disks.Values) Merge(machine, frozen);
    }

    private void Merge(SimMachine machine, SimFrozen frozen)
    {
        SimDisk disk = frozen.Disk;
        int at = disk.Layers.IndexOf(frozen.Layer);
        bool isHeld = machine.Snapshots.Any(s => s.Disks.Values.Any(d => d.Layer == frozen.Layer));
        if (at < 0 || at + 1 >= disk.Layers.Count || isHeld) return;
        SimLayer below = disk.Layers[at], above = disk.Layers[at + 1];
        for (int s = 0; s < above.Present.Length; s++)
        {
            if (!above.Present[s]) continue;
            above.Data.AsSpan(s * SimDisk.Sector, SimDisk.Sector).CopyTo(below.Data.AsSpan(s * SimDisk.Sector));
            below.Present[s] = true;
        }
        below.State = above.State;
        disk.Layers.RemoveAt(at + 1);
        foreach (SimFrozen later in machine.Snapshots.SelectMany(s => s.Disks.Values).Where(d => d.Layer == above))
            later.Layer = below;
        File.Delete(ToLocal(above.Path));
        // What is frozen in other checkpoints is written anew, with the parents that it has now.
        foreach (SimLayer layer in disk.Layers.Skip(at).Where(l => l != disk.Top)) disk.Store(layer, ToLocal);
    }

    /// <summary>Serves one call, in the order in which they come.</summary>
    internal T Serve<T>(string what, Func<T> call)
    {
        OnCall?.Invoke(what);
        lock (_gate)
        {
            Log.Add(what);
            Advance();
            return call();
        }
    }

    /// <summary>Lets what takes time come to its end.</summary>
    private void Advance()
    {
        foreach (SimJob job in _jobs.Where(j => j.State == 4 && j.Due <= clock.GetUtcNow()).ToList())
        {
            job.Occupies?.Machine.Doing.Remove(job.Occupies.Value.Doing);
            if (job.FailsWith is not null)
            {
                job.State = 10;
                continue;
            }
            job.Made = job.Effect();
            job.State = 7;
        }
        _jobs.RemoveAll(j => j.IsForgotten && j.State != 4);
    }

    private SimJob Start(SimMachine? machine, ushort doing, TimeSpan time, Func<List<CimRow>> effect)
    {
        var job = new SimJob(clock.GetUtcNow() + time, effect)
        {
            Occupies = machine is null ? null : (machine, doing),
        };
        machine?.Doing.Add(doing);
        _jobs.Add(job);
        return job;
    }
}
