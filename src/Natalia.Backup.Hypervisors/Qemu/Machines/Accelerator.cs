using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Whether this machine's processors run VMs themselves (KVM). That a device /dev/kvm is there says little: on some
/// machines a VM hangs, or crawls, although it can be opened. So a tiny VM is started, which boots from a disk of one
/// sector and switches itself off; it takes a fifth of a second where KVM works.
/// </summary>
internal static class Accelerator
{
    internal const string Kvm = "kvm", Emulation = "tcg,thread=multi";

    private const string Device = "/dev/kvm";

    /// <summary>What the boot sector writes to the port that ends the VM; QEMU makes an exit code of it.</summary>
    private const byte Signal = 0x2A;

    private const int ExpectedExitCode = Signal * 2 + 1;

    /// <summary>Twenty times what it takes; where it takes longer, emulation is the better choice.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(3);

    private static readonly Lazy<Task<string>> s_best = new(
        () => ProbeAsync(Device, QemuPrograms.Find(QemuPrograms.System), TimeProvider.System));

    /// <summary>The accelerator to use on this machine; looked for once in the life of the process.</summary>
    internal static Task<string> FindAsync() => s_best.Value;

    /// <summary>Starts the tiny VM.</summary>
    /// <param name="device">Without it, or without the right to open it, nothing is tried.</param>
    /// <param name="program">QEMU's, or null when it is not installed.</param>
    /// <param name="clock">By which the limit is counted.</param>
    internal static async Task<string> ProbeAsync(string device, string? program, TimeProvider clock)
    {
        if (!CanOpen(device) || program is null) return Emulation;
        string disk = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(disk, BootSector());
            (int code, _, _) = await QemuPrograms.RunAsync(program, [
                "-nodefaults", "-no-user-config", "-machine", "q35", "-accel", Kvm, "-m", "32", "-display", "none",
                "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
                "-blockdev", MachineCommandLine.Json(new()
                {
                    ["driver"] = "raw",
                    ["node-name"] = "disk",
                    ["file"] = new System.Text.Json.Nodes.JsonObject { ["driver"] = "file", ["filename"] = disk },
                }),
                "-device", "virtio-blk-pci,drive=disk",
            ], s_limit, CancellationToken.None, clock).ConfigureAwait(false);
            return code == ExpectedExitCode ? Kvm : Emulation;
        }
        catch (NataliaException)
        {
            return Emulation;
        }
        finally
        {
            File.Delete(disk);
        }
    }

    /// <summary>mov al, signal; out 0xF4, al; hlt; again.</summary>
    private static byte[] BootSector()
    {
        byte[] sector = new byte[512];
        new byte[] { 0xB0, Signal, 0xE6, 0xF4, 0xF4, 0xEB, 0xFD }.CopyTo(sector, 0);
        (sector[510], sector[511]) = (0x55, 0xAA);
        return sector;
    }

    private static bool CanOpen(string device)
    {
        try
        {
            if (!File.Exists(device)) return false;
            using var opened = new FileStream(device, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 1);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }
}
