using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// The command line of a VM: a pure function of its description, so that what runs can be compared with what
/// should run.
/// </summary>
internal static class MachineCommandLine
{
    /// <summary>The file in a VM's folder with the number of its process.</summary>
    internal const string ProcessFile = "vm.pid";

    private const int SataPorts = 6;

    /// <summary>The arguments, without the program. The VM starts with its processors stopped.</summary>
    /// <param name="machine">The VM, which has a monitor; of a test VM every network is one of
    /// <see cref="QemuNetworks.Isolated"/>.</param>
    /// <param name="accelerator">One of <see cref="Accelerator"/>.</param>
    /// <param name="uefi">The firmware's files; null for a BIOS.</param>
    internal static IReadOnlyList<string> Build(Machine machine, string accelerator, UefiFirmware? uefi)
    {
        string monitor = machine.Monitor ?? throw new ArgumentException("It has no monitor.", nameof(machine));
        var line = new List<string>
        {
            "-nodefaults", "-no-user-config", "-S", "-daemonize",
            "-uuid", machine.Id!,
            // With its key: a name with an equals sign would be taken for another.
            "-name", "guest=" + Escape(machine.Name),
            "-machine", "q35", "-accel", accelerator, "-cpu", "max",
            "-smp", Number(machine.ProcessorCount), "-m", Number(machine.MemoryBytes >> 20) + "M",
            "-display", "none", "-device", "VGA,id=screen",
            "-qmp", $"unix:{Escape(monitor)},server=on,wait=off",
            // The end of what the guest writes to its console; never more, whatever it writes.
            "-chardev", "ringbuf,id=console,size=65536", "-serial", "chardev:console",
            "-object", "rng-builtin,id=entropy", "-device", "virtio-rng-pci,id=entropy-device,rng=entropy",
        };
        if (machine.Agent is string agent)
        {
            line.AddRange(["-chardev", $"socket,id=agent,path={Escape(agent)},server=on,wait=off"]);
            line.AddRange(["-device", "virtio-serial-pci,id=channels"]);
            line.AddRange(["-device", "virtserialport,id=agent-port,chardev=agent,name=org.qemu.guest_agent.0"]);
        }
        // By which its owner finds the process of a VM that stays.
        if (machine.Test is null) line.AddRange(["-pidfile", machine.FullPath(ProcessFile)]);
        if (machine.Test is TestMark test)
        {
            // What tells the guest that it is a test, for whoever looks there: two ways that Linux shows under /sys.
            line.AddRange(["-fw_cfg", $"name=opt/org.natalia/restore-test,string={Escape(test.RunId)}"]);
            line.AddRange(["-smbios", $"type=11,value=natalia-restore-test={Escape(test.RunId)}"]);
        }
        if (uefi is not null) AddUefi(line, machine, uefi);
        AddDisks(line, machine);
        AddNetworks(line, machine);
        return line;
    }

    internal static string Json(JsonObject value) => value.ToJsonString();

    private static void AddUefi(List<string> line, Machine machine, UefiFirmware uefi)
    {
        string variables = machine.FullPath(machine.Nvram
            ?? throw new ArgumentException("It has no UEFI variables.", nameof(machine)));
        line.AddRange(["-drive", $"if=pflash,format=raw,readonly=on,file={Escape(uefi.Code)}"]);
        line.AddRange(["-drive", $"if=pflash,format=raw,file={Escape(variables)}"]);
    }

    private static void AddDisks(List<string> line, Machine machine)
    {
        for (int i = 1; machine.Bus == DiskBus.Sata && i * SataPorts < machine.Disks.Count; i++)
            line.AddRange(["-device", $"ahci,id=ahci{Number(i)}"]);
        MachineDisk? boot = machine.Disks.FirstOrDefault(d => d.Role == DiskRole.System);
        int bootIndex = boot is null ? 0 : 1;
        for (int i = 0; i < machine.Disks.Count; i++)
        {
            MachineDisk disk = machine.Disks[i];
            string node = NodeOf(i);
            line.AddRange(["-blockdev",
                Json(disk.Export is null ? Image(machine, disk, node) : Served(machine, disk, node))]);
            var device = new JsonObject
            {
                ["driver"] = machine.Bus == DiskBus.Sata ? "ide-hd" : "virtio-blk-pci",
                ["id"] = DeviceOf(i),
                ["drive"] = node,
                ["bootindex"] = disk == boot ? 0 : bootIndex++,
            };
            // A store that is away for moments halts it, instead of failing the guest's read; who moves its disks lets
            // it go on. Nobody does with a test VM.
            if (disk.Export is not null && machine.Test is null) device["rerror"] = "stop";
            if (machine.Bus == DiskBus.Sata)
                device["bus"] = i < SataPorts
                    ? "ide." + Number(i)
                    : $"ahci{Number(i / SataPorts)}.{Number(i % SataPorts)}";
            line.AddRange(["-device", Json(device)]);
        }
    }

    /// <summary>The node of a disk that is in its image.</summary>
    internal static JsonObject Image(Machine machine, MachineDisk disk, string node)
    {
        JsonObject cache = Cache(machine);
        return new JsonObject
        {
            ["driver"] = disk.Format == ImageFormat.Qcow2 ? "qcow2" : "raw",
            ["node-name"] = node,
            ["cache"] = cache,
            ["file"] = new JsonObject
            {
                ["driver"] = "file",
                ["filename"] = machine.FullPath(disk.Path),
                ["cache"] = cache.DeepClone(),
            },
        };
    }

    /// <summary>The node of a disk that is served.</summary>
    private static JsonObject Served(Machine machine, MachineDisk disk, string node)
    {
        JsonObject cache = Cache(machine);
        return new JsonObject
        {
            ["driver"] = "raw",
            ["node-name"] = node,
            ["cache"] = cache,
            ["file"] = new JsonObject
            {
                ["driver"] = "nbd",
                ["server"] = new JsonObject { ["type"] = "unix", ["path"] = machine.DiskSocket },
                ["export"] = disk.Export,
                ["cache"] = cache.DeepClone(),
            },
        };
    }

    /// <summary>Nothing of a test VM outlives it, so nothing needs to be flushed.</summary>
    private static JsonObject Cache(Machine machine) => new() { ["no-flush"] = machine.Test is not null };

    /// <summary>What QEMU calls the node that a disk has when the VM is started.</summary>
    internal static string NodeOf(int disk) => "disk" + Number(disk);

    /// <summary>What QEMU calls the device of a disk.</summary>
    internal static string DeviceOf(int disk) => NodeOf(disk) + "-device";

    private static void AddNetworks(List<string> line, Machine machine)
    {
        bool isForwarded = false;
        for (int i = 0; i < machine.Networks.Count; i++)
        {
            ApplianceNetwork network = machine.Networks[i];
            string backend = "net" + Number(i);
            switch (network.Name)
            {
                case QemuNetworks.None:
                    // A hub of its own, to which nothing else is connected.
                    line.AddRange(["-netdev", $"hubport,id={backend},hubid={Number(i)}"]);
                    break;
                case QemuNetworks.Restricted:
                    string forward = isForwarded ? "" : ",hostfwd=tcp:127.0.0.1:0-:22";
                    isForwarded = true;
                    line.AddRange(["-netdev", $"user,id={backend},restrict=on{forward}"]);
                    break;
                case string bridge when machine.Test is null:
                    line.AddRange(["-netdev", $"bridge,id={backend},br={Escape(bridge)}"]);
                    break;
                default:
                    throw new ArgumentException($"The network '{network.Name}' is not isolated.", nameof(machine));
            }
            line.AddRange(["-device", Json(new()
            {
                ["driver"] = machine.Bus == DiskBus.Sata ? "e1000e" : "virtio-net-pci",
                ["id"] = "nic" + Number(i),
                ["netdev"] = backend,
                ["mac"] = Address(machine, i),
            })]);
        }
    }

    /// <summary>The adapter's address as the guest knows it; where none is told, one that stays the same.</summary>
    private static string Address(Machine machine, int adapter)
    {
        string stated = (machine.Networks[adapter].MacAddress ?? "").Replace('-', ':').ToLowerInvariant();
        // An adapter has no group address, which an odd first byte makes.
        if (Regex.IsMatch(stated, "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$") && stated != "00:00:00:00:00:00")
            return stated;
        using var hash = SHA256.Create();
        byte[] bytes = hash.ComputeHash(Encoding.UTF8.GetBytes(machine.Id + "/" + Number(adapter)));
        return string.Format(CultureInfo.InvariantCulture, "52:54:00:{0:x2}:{1:x2}:{2:x2}", bytes[0], bytes[1],
            bytes[2]);
    }

    /// <summary>A comma inside a value is doubled (qemu(1)).</summary>
    private static string Escape(string value) => value.Replace(",", ",,");

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
