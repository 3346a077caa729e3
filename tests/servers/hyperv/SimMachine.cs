using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>A VM of the simulated host.</summary>
internal sealed class SimMachine(string name)
{
    internal string Id { get; init; } = Guid.NewGuid().ToString().ToUpperInvariant();

    internal string Name { get; set; } = name;

    internal string Notes { get; set; } = "";

    internal string Version { get; set; } = "9.0";

    internal string ControllerId { get; } = Guid.NewGuid().ToString().ToUpperInvariant();

    internal string IdeControllerId { get; } = Guid.NewGuid().ToString().ToUpperInvariant();

    /// <summary>The place of a disk on an IDE controller.</summary>
    internal static int Ide(int controller, int slot) => 1000 + controller * 2 + slot;

    /// <summary>Controller and slot, as ids have them.</summary>
    internal string KeyOf(int place) => place < 1000 ? $@"{ControllerId}\0\{place}"
        : $@"{IdeControllerId}\{(place - 1000) / 2}\{(place - 1000) % 2}";

    /// <summary>The disks, by their place on the SCSI controller, or <see cref="Ide"/>.</summary>
    internal SortedDictionary<int, SimDisk> Disks { get; } = [];

    /// <summary>Drives that were added and hold nothing yet.</summary>
    internal SortedSet<int> EmptyDrives { get; } = [];

    internal SortedSet<int> PassThrough { get; } = [];

    /// <summary>Disks that other VMs have, too.</summary>
    internal SortedSet<int> SharedDisks { get; } = [];

    internal bool HasController { get; set; } = true;

    internal List<SimAdapter> Adapters { get; } = [];

    internal List<SimSnapshot> Snapshots { get; } = [];

    internal List<SimReference> References { get; } = [];

    internal ushort State { get; set; } = 2;

    /// <summary>What it is doing beside, a value of OperationalStatus, and how often.</summary>
    internal List<ushort> Doing { get; } = [];

    /// <summary>The state of its VSS service, and whether it is switched on.</summary>
    internal ushort VssStatus { get; set; } = 2;

    internal bool IsVssOn { get; set; } = true;

    internal string OSName { get; set; } = "Debian GNU/Linux";

    internal string? Address { get; set; } = "192.168.200.7";

    internal string LinkLocalAddress { get; set; } =
        $"fe80::{Random.Shared.Next(1, 0xFFFF):x}:{Random.Shared.Next(1, 0xFFFF):x}";

    /// <summary>Whether its guest comes up when it is on.</summary>
    internal bool IsGuestHealthy { get; set; } = true;

    /// <summary>What the host told the guest.</summary>
    internal Dictionary<string, string> HostItems { get; } = new(StringComparer.Ordinal);

    /// <summary>What programs of the guest say to a command line.</summary>
    internal Func<string, (int ExitCode, string Output)>? Programs { get; set; }

    internal string FirmwareId { get; } = Guid.NewGuid().ToString("B").ToUpperInvariant();

    /// <summary>What its serial port is connected to.</summary>
    internal string SerialPort { get; set; } = "";

    internal bool IsGuestUp => State == 2 && IsGuestHealthy;

    internal ushort ReplicationMode { get; set; }

    internal ushort ReplicationState { get; set; }

    internal ushort ReplicationHealth { get; set; } = 1;

    internal ushort ReplicationInterval { get; set; }

    internal DateTime? LastReplication { get; set; }

    /// <summary>Where its replica is; null for none.</summary>
    internal string? ReplicaHost { get; set; }

    internal bool IsMergingOff { get; set; }

    /// <summary>The checkpoints that are let go of and not merged, because merging is off.</summary>
    internal List<SimSnapshot> Unmerged { get; } = [];

    internal bool HasTpm { get; set; }

    /// <summary>Whether it has files of its configuration, and checkpoints copies of them.</summary>
    internal bool HasFiles { get; set; }

    internal string? AppliedSnapshot { get; set; }

    /// <summary>What happens when the host starts; 2 is nothing.</summary>
    internal ushort StartupAction { get; set; } = 3;

    internal bool IsGen2 { get; set; } = true;

    internal bool IsSecureBootOn { get; set; }

    /// <summary>
    /// What a VM of generation 2 starts from, in order: new devices come last. <c>D</c> a drive, <c>N</c> the network.
    /// </summary>
    internal List<string> BootSources { get; } = [];

    internal ulong MemoryMiB { get; set; } = 2048;

    internal ulong Processors { get; set; } = 2;
}

/// <summary>A network adapter and its connection.</summary>
internal sealed class SimAdapter
{
    internal string Id { get; } = Guid.NewGuid().ToString().ToUpperInvariant();

    internal string? SwitchId { get; set; }

    internal ushort? Vlan { get; set; }

    internal string Mac { get; set; } = NewMac();

    /// <summary>One of the older kind, which a VM starts from over the network.</summary>
    internal bool IsEmulated { get; set; }

    /// <summary>The settings of it that are no VLAN's: a trunk.</summary>
    internal bool IsTrunk { get; set; }

    internal static string NewMac() => "00155D" + Guid.NewGuid().ToString("N")[..6].ToUpperInvariant();

    internal bool IsStaticMac { get; set; }

    internal bool IsConnected { get; set; } = true;
}

/// <summary>A checkpoint: of each disk the frozen file, and how the tracking stood.</summary>
internal sealed class SimSnapshot(string name, string type, DateTime time)
{
    internal string Id { get; } = Guid.NewGuid().ToString().ToUpperInvariant();

    internal string Name => name;

    internal string Type => type;

    internal DateTime Time => time;

    internal bool IsForeign { get; set; }

    internal byte ConsistencyLevel { get; init; } = 1;

    internal Dictionary<int, SimFrozen> Disks { get; } = [];
}

/// <summary>A disk in a checkpoint.</summary>
internal sealed class SimFrozen(SimDisk disk, SimLayer layer, long[] writtenAt, long write)
{
    internal SimDisk Disk => disk;

    internal SimLayer Layer { get; set; } = layer;

    internal long[] WrittenAt => writtenAt;

    internal long Write => write;
}

/// <summary>A reference point, and what its tracking ids stand for.</summary>
internal sealed class SimReference(SimSnapshot from)
{
    internal string Id { get; } = "Microsoft:" + Guid.NewGuid().ToString().ToUpperInvariant();

    internal string Name => from.Name;

    internal string SnapshotId => from.Id;

    internal bool IsForeign => from.IsForeign;

    internal byte ConsistencyLevel => from.ConsistencyLevel;

    /// <summary>By place: the id, and which write of which disk it stands for.</summary>
    internal Dictionary<int, (string RctId, SimDisk Disk, long Write)> Disks { get; } = from.Disks.ToDictionary(
        d => d.Key, d => ($"rctX:{Guid.NewGuid():N}:{d.Value.Write}", d.Value.Disk, d.Value.Write));
}

/// <summary>Something that takes time.</summary>
internal sealed class SimJob(DateTimeOffset due, Func<List<CimRow>> effect)
{
    internal string Id { get; } = Guid.NewGuid().ToString().ToUpperInvariant();

    internal DateTimeOffset Due => due;

    internal Func<List<CimRow>> Effect => effect;

    internal string? FailsWith { get; init; }

    internal (SimMachine Machine, ushort Doing)? Occupies { get; init; }

    /// <summary>Whether the host forgets it when it has ended.</summary>
    internal bool IsForgotten { get; init; }

    internal ushort State { get; set; } = 4;

    internal List<CimRow> Made { get; set; } = [];
}
