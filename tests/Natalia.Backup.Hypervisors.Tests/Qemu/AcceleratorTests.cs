using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// Whether VMs run with KVM, asked of a stand-in of QEMU: a script. The real one is asked by every test that runs a VM.
/// </summary>
public sealed class AcceleratorTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();

    public AcceleratorTests() => File.WriteAllText(Device, "");

    public void Dispose() => _folder.Dispose();

    private string Device => _folder["kvm"];

    [Theory]
    [InlineData("exit 85", Accelerator.Kvm)]
    [InlineData("exit 0", Accelerator.Emulation)]
    [InlineData("echo 'failed to initialize kvm' >&2; exit 1", Accelerator.Emulation)]
    public async Task What_the_tiny_vm_ends_with_decides(string script, string accelerator)
    {
        if (!OperatingSystem.IsLinux()) return;
        Assert.Equal(accelerator, await Accelerator.ProbeAsync(Device, Program(script), _clock).WaitAsync(s_patience));
    }

    /// <summary>As on machines where the device can be opened and no VM ever gets anywhere.</summary>
    [Theory]
    [InlineData("exec sleep 600")]
    [InlineData("exec sleep 600 > /dev/null 2>&1")]
    [InlineData("trap '' TERM INT; sleep 600; sleep 600")]
    public async Task A_vm_that_hangs_is_ended_after_three_seconds_and_emulation_is_taken(string script)
    {
        if (!OperatingSystem.IsLinux()) return;
        string pid = _folder["pid"];
        Task<string> probe = Accelerator.ProbeAsync(Device, Program($"echo $$ > '{pid}.new'; mv '{pid}.new' '{pid}'\n"
            + script), _clock);
        using var started = new CancellationTokenSource(s_patience);
        while (!File.Exists(pid))
        {
            started.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
        _clock.Advance(TimeSpan.FromMilliseconds(2999));
        Assert.False(probe.IsCompleted);

        _clock.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(Accelerator.Emulation, await probe.WaitAsync(s_patience));
        string process = $"/proc/{File.ReadAllText(pid).Trim()}";
        while (Runs(process))
        {
            started.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    /// <summary>
    /// Not one that has ended, whether or not its parent has been told; it may end while it is looked at.
    /// </summary>
    private static bool Runs(string process)
    {
        try { return !File.ReadAllText(process + "/stat").Contains(") Z "); }
        catch (IOException) { return false; }
    }

    [Fact]
    public async Task Without_the_device_or_qemu_nothing_is_started()
    {
        if (!OperatingSystem.IsLinux()) return;
        string program = Program("exit 85");
        Assert.Equal(Accelerator.Emulation, await Accelerator.ProbeAsync(_folder["none"], program, _clock));
        Assert.Equal(Accelerator.Emulation, await Accelerator.ProbeAsync(Device, null, _clock));
    }

    private string Program(string script)
    {
        string path = _folder["qemu"];
        File.WriteAllText(path, "#!/bin/sh\n" + script + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
