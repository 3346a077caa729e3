using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Wmi;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>A simulated host that VMs are built and tested on, seen from outside.</summary>
internal sealed class SimBuilderFixture : IBuilderFixture, ITestBenchFixture
{
    private readonly string _root = Path.Combine(Path.GetTempPath(), "natalia-hyperv-" + Guid.NewGuid().ToString("N"));
    private readonly SimHost _host;

    internal SimBuilderFixture()
    {
        _host = new SimHost("hv1", _root, Clock);
        var original = new SimMachine("original");
        original.Adapters.Add(new SimAdapter { SwitchId = _host.AddSwitch("lan") });
        _host.AddSwitch("lab");
        _host.AddSwitch("nowhere", isInternal: true);
        Dialer = new SimDialer(_host, "nowhere");
        _host.Machines.Add(original);
    }

    internal JumpingClock Clock { get; } = new();

    internal SimHost Host => _host;

    internal SimDialer Dialer { get; }

    public RestoreSource Source { get; } = PointImages.Create();

    public string IsolatedNetwork => "nowhere";

    public string OtherNetwork => "lab";

    public IReadOnlyCollection<string> VMs
    {
        get
        {
            // The folder of a VM that is gone is gone, too.
            string disks = _host.ToLocal(@"D:\Disks");
            int folders = Directory.Exists(disks) ? Directory.GetDirectories(disks).Length : 0;
            Assert.InRange(folders, 0, _host.Machines.Count - 1);
            return [.. _host.Machines.Select(m => m.Id).Order()];
        }
    }

    public async Task<IHypervisor> ConnectAsync(int? lifetime = null)
    {
        var life = new SimLife();
        HyperVHypervisor hypervisor = await HyperVHypervisor.ConnectAsync("hv1",
            name => new HyperVHost(name, new SimGateway(_host, life), _host, Clock), default, Dialer.Way);
        life.Left = lifetime;
        return hypervisor;
    }

    public IReadOnlyList<string> NetworksOf(string nativeId) =>
        [.. Find(nativeId).Adapters.Select(a => _host.Switches[a.SwitchId!])];

    public byte[] Read(string nativeId, string diskId)
    {
        byte[] bytes = Find(nativeId).Disks.Values.First(d => d.Top.Path.EndsWith($@"\{diskId}.vhdx",
            StringComparison.Ordinal)).Content();
        // A disk ends with a sector.
        int length = PointImages.Disks[diskId].Length;
        Assert.All(bytes.Skip(length), b => Assert.Equal(0, b));
        Assert.InRange(bytes.Length - length, 0, 511);
        return bytes[..length];
    }

    public Task<bool> StartAsync(string nativeId)
    {
        Find(nativeId).State = 2;
        return Task.FromResult(true);
    }

    public void Replace(string nativeId)
    {
        _host.Machines.Remove(Find(nativeId));
        _host.Machines.Add(new SimMachine("somebody else's") { Id = nativeId });
    }

    public bool IsRunning(string nativeId) => Find(nativeId).State == 2;

    public void MoveAdapter(string nativeId) =>
        Find(nativeId).Adapters[0].SwitchId = _host.Switches.First(s => s.Value == "lan").Key;

    public void TakeMark(string nativeId) => Find(nativeId).Notes = "";

    public void SetGuest(string nativeId, bool answers, string output)
    {
        SimMachine machine = Find(nativeId);
        machine.IsGuestHealthy = answers;
        machine.Programs = _ => (0, output);
    }

    internal SimMachine Find(string nativeId) => _host.Machines.First(m => m.Id == nativeId);

    public ValueTask DisposeAsync()
    {
        if (Directory.Exists(_root)) Directory.Delete(_root, recursive: true);
        Assert.Empty(_host.Violations);
        return default;
    }
}
