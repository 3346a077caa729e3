using Natalia.Backup.Engine.Model;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Wmi;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>A VM on a simulated Hyper-V host.</summary>
internal sealed class HyperVFixture : HypervisorFixture
{
    private readonly string _root = Path.Combine(Path.GetTempPath(), "natalia-hyperv-" + Guid.NewGuid().ToString("N"));

    internal HyperVFixture()
    {
        Host = new SimHost("hv1", _root, Clock);
        Machine = new SimMachine("natalia-01");
        Machine.Adapters.Add(new SimAdapter { SwitchId = Host.AddSwitch("LAN"), Vlan = 12 });
        Host.Machines.Add(Machine);
        Host.WriteFiles(Machine, Bytes(70_000, 3), Bytes(4 << 20, 4));
        Host.NewDisk(Machine, 0, Bytes(1 << 20, 1));
        Host.NewDisk(Machine, 1, Bytes(585 * 512, 2));
    }

    internal JumpingClock Clock { get; } = new();

    internal SimHost Host { get; }

    internal SimMachine Machine { get; }

    public override string DataDisk => "scsi0:0";

    public override string OtherDisk => "scsi0:1";

    public override bool IsLive => true;

    public override ApplianceDescription Vm => new()
    {
        ApplianceId = IdOfMachine,
        Name = Machine.Name,
        HypervisorKind = "HyperV",
        NativeId = Machine.Id,
        Disks = [.. Machine.Disks.Select(d => new ApplianceDisk($"scsi0:{d.Key}", DiskRole.Unknown, d.Value.Size))],
    };

    private string IdOfMachine => Natalia.Backup.Hypervisors.HyperV.Inventory.MachineReader.ApplianceIdOf(Machine.Id,
        false);

    public override IHypervisor Connect(CallFault? fault = null)
    {
        var life = new SimLife();
        // Connecting is no call of a run.
        HyperVHypervisor hypervisor = HyperVHypervisor.ConnectAsync("hv1", name => new HyperVHost(name,
            new SimGateway(Host, life), Host, Clock), default).GetAwaiter().GetResult();
        life.Fault = fault;
        return hypervisor;
    }

    public override void Write(string diskId, long offset, byte[] bytes) =>
        Host.Write(Machine, Place(diskId), offset, bytes);

    public override byte[] Content(string diskId) => Host.Content(Machine, Place(diskId));

    public override void Detach(string diskId) => Host.Detach(Machine, Place(diskId));

    public override void Replace(string diskId, byte[] bytes)
    {
        Host.Detach(Machine, Place(diskId));
        Host.NewDisk(Machine, Place(diskId), bytes);
    }

    public override void DeafenGuest() => Machine.VssStatus = 12;

    public override void MakeForeign() => Host.MakeForeign(Machine);

    public override int ForeignThings =>
        Machine.Snapshots.Count(s => s.IsForeign) + Machine.References.Count(r => r.IsForeign);

    public override int ForeignSnapshots => Machine.Snapshots.Count(s => s.IsForeign);

    public override (int Snapshots, int States) OurThings =>
        (Machine.Snapshots.Count(s => !s.IsForeign), Machine.References.Count(r => !r.IsForeign));

    public override int StatesPerRepository => 1;

    public override void Dispose()
    {
        if (Directory.Exists(_root)) Directory.Delete(_root, recursive: true);
        Assert.Empty(Host.Violations);
    }

    internal static byte[] Bytes(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        // Part of it empty, as disks are.
        bytes.AsSpan(length / 2, length / 4).Clear();
        return bytes;
    }

    private static int Place(string diskId) => int.Parse(diskId.Split(':')[1]);
}
