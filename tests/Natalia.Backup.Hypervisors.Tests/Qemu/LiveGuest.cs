using System.Text.Json.Nodes;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// A real guest (tests/servers/qemu/guest.sh) that writes all the while: a file system on one disk, single blocks on
/// the other; with the QEMU guest agent. Started once for a class of tests, on the first use.
/// </summary>
public sealed class LiveGuest : IDisposable
{
    private readonly TemporaryFolder _root = new();
    private readonly Lazy<Machine> _machine;

    public LiveGuest() => _machine = new Lazy<Machine>(Start);

    internal string VMs => _root["vms"];

    internal Machine Machine => _machine.Value;

    internal string this[string name] => _root[name];

    internal static (int Code, string Said) Run(string program, params string[] arguments)
    {
        (int code, string output, string errors) = QemuPrograms.RunAsync(program, arguments, TimeSpan.FromMinutes(10),
            default).GetAwaiter().GetResult();
        return (code, output + errors);
    }

    public void Dispose()
    {
        if (_machine.IsValueCreated)
            MachineProcess.StopAsync(Machine.Id!, Machine.Monitor, default).GetAwaiter().GetResult();
        _root.Dispose();
    }

    private Machine Start()
    {
        (int code, string said) = Run("bash",
            Path.Combine(BuildLayout.RepositoryRoot, "tests", "servers", "qemu", "guest.sh"), _root["guest"]);
        Assert.True(code == 0, said);
        var machine = new Machine
        {
            Folder = Directory.CreateDirectory(Path.Combine(VMs, "live")).FullName,
            Id = Guid.NewGuid().ToString(),
            Name = "live",
            MonitorSocket = "qmp.sock",
            AgentSocket = "agent.sock",
            Disks =
            [
                // A raw disk has bitmaps that end with the VM, a qcow2 one keeps them.
                new MachineDisk("files", "files.raw", DiskRole.System, ImageFormat.Raw),
                new MachineDisk("blocks", "blocks.qcow2", DiskRole.Data, ImageFormat.Qcow2),
            ],
        };
        machine.Write();
        Assert.Equal(0, Run("qemu-img", "create", "-q", "-f", "raw", machine.FullPath("files.raw"), "64M").Code);
        Assert.Equal(0, Run("qemu-img", "create", "-q", "-f", "qcow2", machine.FullPath("blocks.qcow2"), "16M").Code);
        var line = new List<string>
        {
            "-nodefaults", "-daemonize", "-display", "none", "-machine", "q35",
            "-accel", Accelerator.FindAsync().GetAwaiter().GetResult(), "-cpu", "max", "-m", "256", "-smp", "2",
            "-uuid", machine.Id, "-kernel", _root["guest/kernel"], "-initrd", _root["guest/initrd.gz"],
            "-append", "quiet", "-qmp", $"unix:{machine.Monitor},server=on,wait=off",
            "-chardev", $"socket,id=agent,path={machine.Agent},server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
        };
        foreach (MachineDisk disk in machine.Disks)
        {
            line.AddRange(["-blockdev", new JsonObject
            {
                ["driver"] = disk.Format == ImageFormat.Raw ? "raw" : "qcow2",
                ["node-name"] = disk.Id,
                ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = machine.FullPath(disk.Path) },
            }.ToJsonString()]);
            line.AddRange(["-device", $"virtio-blk-pci,drive={disk.Id}"]);
        }
        MachineProcess.StartAsync("live", line, default).GetAwaiter().GetResult();
        return machine;
    }
}
