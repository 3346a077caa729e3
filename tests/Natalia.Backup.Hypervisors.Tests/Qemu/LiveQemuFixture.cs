using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// A VM of QEMU with two disks. Its processors are stopped: what a guest would write, QEMU writes through the device
/// itself, the same way past bitmaps and jobs.
/// </summary>
internal sealed class LiveQemuFixture : HypervisorFixture
{
    private readonly TemporaryFolder _root = new();
    private readonly Machine _machine;
    private readonly bool _isPersistent;

    /// <param name="isPersistent">Whether the disks' images keep bitmaps.</param>
    /// <param name="agentSocket">Where somebody plays the guest's agent; null when there is none.</param>
    internal LiveQemuFixture(bool isPersistent, string? agentSocket = null)
    {
        _isPersistent = isPersistent;
        ImageFormat format = isPersistent ? ImageFormat.Qcow2 : ImageFormat.Raw;
        _machine = new Machine
        {
            Folder = Directory.CreateDirectory(_root["vm"]).FullName,
            Id = Guid.NewGuid().ToString(),
            Name = "natalia-qemu",
            MonitorSocket = "qmp.sock",
            AgentSocket = agentSocket,
            Disks =
            [
                new MachineDisk("data", "data.img", DiskRole.Data, format),
                new MachineDisk("system", "system.img", DiskRole.System, format),
            ],
        };
        _machine.Write();
        Make("data", RepositoryFixture.Disk(1 << 20, 1));
        Make("system", RepositoryFixture.Disk(307_200, 2));
        Start();
    }

    internal string Root => _root.Path;

    internal Machine Machine => _machine;

    public override string DataDisk => "data";

    public override string OtherDisk => "system";

    public override bool IsLive => true;

    public override int StatesPerRepository => 1;

    public override ApplianceDescription Vm
    {
        get
        {
            using IHypervisor hypervisor = Connect();
            return Assert.Single(hypervisor.GetAppliancesAsync(default).GetAwaiter().GetResult());
        }
    }

    public override int ForeignThings =>
        Bitmaps().Count(b => b.StartsWith("natalia-foreign", StringComparison.Ordinal));

    public override (int Snapshots, int States) OurThings
    {
        get
        {
            List<string> bitmaps = Bitmaps();
            int states = BackupNote.GetAll(_machine).Count(n => bitmaps.Contains(n.Bitmap));
            if (MachineProcess.Find(_machine.Id!) is null) return (Overlays(), 0);
            JsonElement? jobs = Ask("query-jobs"), exports = Ask("query-block-exports");
            int stray = bitmaps.Count(b => b.EndsWith("-changes", StringComparison.Ordinal))
                + BackupNote.GetAll(_machine).Count(n => !bitmaps.Contains(n.Bitmap));
            return (jobs.Items().Count + exports.Items().Count + Overlays() + stray, states);
        }
    }

    public override IHypervisor Connect(CallFault? fault = null) => QemuHypervisor.Open(_root.Path, null,
        fault is null ? new HostCalls() : new FaultyCalls(fault));

    public override void Write(string diskId, long offset, byte[] bytes)
    {
        string source = _root["bytes"];
        File.WriteAllBytes(source, bytes);
        string said = Monitor(m => m.ExecuteLineAsync(string.Format(CultureInfo.InvariantCulture,
            "qemu-io -d /machine/peripheral/{0}-device/virtio-backend \"write -s {1} {2} {3}\"", diskId, source, offset, bytes.Length), default));
        Assert.DoesNotContain("failed", said, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("rror", said, StringComparison.Ordinal);
    }

    public override byte[] Content(string diskId)
    {
        string image = Path.Combine(_machine.Folder, diskId + ".img");
        if (!_isPersistent) return File.ReadAllBytes(image);
        // QEMU keeps the tables of a qcow2 image to itself until it is told to flush.
        if (MachineProcess.Find(_machine.Id!) is not null)
            Monitor(m => m.ExecuteLineAsync($"qemu-io -d /machine/peripheral/{diskId}-device/virtio-backend flush", default));
        string raw = _root[diskId + ".content"];
        Assert.Equal(0, Image("convert", "-U", "-f", "qcow2", "-O", "raw", image, raw));
        return File.ReadAllBytes(raw);
    }

    /// <summary>Switches the VM off and on again.</summary>
    internal void Restart()
    {
        Stop();
        Start();
    }

    public override void Detach(string diskId) => Stop();

    public override void Replace(string diskId, byte[] bytes)
    {
        Stop();
        Make(diskId, bytes);
        Start();
    }

    public override void MakeForeign() => Monitor(m => m.ExecuteAsync("block-dirty-bitmap-add", new JsonObject
    {
        ["node"] = "data-node",
        ["name"] = "natalia-foreign" + Guid.NewGuid().ToString("N"),
    }, default));

    public override void Dispose()
    {
        Stop();
        _root.Dispose();
    }

    private void Make(string diskId, byte[] bytes)
    {
        string image = Path.Combine(_machine.Folder, diskId + ".img"), raw = _root[diskId + ".new"];
        File.WriteAllBytes(_isPersistent ? raw : image, bytes);
        if (_isPersistent) Assert.Equal(0, Image("convert", "-f", "raw", "-O", "qcow2", raw, image));
    }

    private void Start()
    {
        var line = new List<string>
        {
            "-nodefaults", "-S", "-daemonize", "-display", "none", "-machine", "q35", "-m", "32",
            "-uuid", _machine.Id!, "-qmp", $"unix:{_machine.Monitor},server=on,wait=off",
        };
        foreach (MachineDisk disk in _machine.Disks)
        {
            line.AddRange(["-blockdev", new JsonObject
            {
                ["driver"] = _isPersistent ? "qcow2" : "raw",
                ["node-name"] = disk.Id + "-node",
                ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = _machine.FullPath(disk.Path) },
            }.ToJsonString()]);
            line.AddRange(["-device", $"virtio-blk-pci,id={disk.Id}-device,drive={disk.Id}-node"]);
        }
        MachineProcess.StartAsync("fixture", line, default).GetAwaiter().GetResult();
    }

    private void Stop() => MachineProcess.StopAsync(_machine.Id!, _machine.Monitor, default).GetAwaiter().GetResult();

    private int Overlays() => Directory.Exists(Path.Combine(_machine.Folder, ".natalia"))
        ? Directory.GetFiles(Path.Combine(_machine.Folder, ".natalia"), "*.qcow2").Length
        : 0;

    private List<string> Bitmaps() => MachineProcess.Find(_machine.Id!) is null ? []
        : [.. ((JsonElement?)Ask("query-named-block-nodes")).Items()
            .SelectMany(n => n.Member("dirty-bitmaps").Items()).Select(b => b.Text("name") ?? "")];

    private JsonElement Ask(string command) => Monitor(m => m.ExecuteAsync(command, null, default));

    private T Monitor<T>(Func<QmpClient, Task<T>> deed) => Task.Run(async () =>
    {
        using QmpClient monitor = await QmpClient.ConnectAsync(_machine.Monitor!, TimeSpan.FromSeconds(10), default);
        return await deed(monitor);
    }).GetAwaiter().GetResult();

    private static int Image(params string[] arguments) =>
        QemuPrograms.RunAsync("/usr/bin/qemu-img", arguments, TimeSpan.FromMinutes(1), default).GetAwaiter().GetResult()
            .Code;
}
