using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Natalia.Backup.Testing;

/// <summary>
/// A program of the distribution that tests run. Where it is missing they are skipped with the reason; with
/// NATALIA_REQUIRE_REAL=1 it is installed, and where that does not work they fail.
/// </summary>
/// <param name="name">Its folder in tests/servers, with install.sh.</param>
/// <param name="program">The program.</param>
/// <param name="probe">Arguments with which it ends well when everything that is needed is there.</param>
public sealed class Counterpart(string name, string program, params string[] probe)
{
    private readonly Lazy<string?> _missing = new(() => FindMissing(name, program, probe),
        LazyThreadSafetyMode.ExecutionAndPublication);

    public static Counterpart Python { get; } = new("python", "/usr/bin/python3", "-c",
        "import cryptography, zstandard");
    public static Counterpart Mono { get; } = new("mono", "mono", "--version");

    /// <summary>Reads and writes disk images.</summary>
    public static Counterpart QemuImg { get; } = new("disk-images", "qemu-img", "--version");

    /// <summary>Reads VHD and VHDX images, differencing ones as well.</summary>
    public static Counterpart Vhdi { get; } = new("disk-images", "/usr/bin/python3", "-c", "import pyvhdi");

    /// <summary>Runs programs for Windows.</summary>
    public static Counterpart Wine { get; } = new("wine", "/usr/lib/wine/wine64", "--version");

    /// <summary>Shows pages; with what else reads reports: OpenSSL, and a parser of OpenMetrics.</summary>
    public static Counterpart Chromium { get; } = new("chromium", "bash", "-c",
        "chromium --version && openssl version && /usr/bin/python3 -c 'import prometheus_client'");

    public static Counterpart Strace { get; } = new("strace", "strace", "-f", "-o", "/dev/null", "true");

    /// <summary>What the benchmarks measure other programs and ours with.</summary>
    public static Counterpart Benchmarks { get; } = new("benchmarks", "bash", "-c",
        "test -x /usr/bin/time && /usr/bin/python3 --version");

    /// <summary>Reads unit files and calendar expressions as systemd does.</summary>
    public static Counterpart Systemd { get; } = new("systemd", "systemd-analyze", "--version");

    public static Counterpart Qemu { get; } = new("qemu", "bash", "-c",
        "qemu-system-x86_64 --version && qemu-img --version && command -v cpio "
        + "&& test -e /usr/share/OVMF/OVMF_CODE_4M.fd");

    /// <summary>What makes the bootable test appliance, and starts it.</summary>
    public static Counterpart Appliance { get; } = new("appliance", "bash", "-c",
        "qemu-system-x86_64 --version && mmdebstrap --version && mkfs.ext4 -V && sfdisk --version "
        + "&& grub-mkimage --version && test -e /usr/lib/grub/i386-pc/boot.img && test $(id -u) = 0");

    /// <summary>govmomi's simulator of a vCenter, and the compiler of its language.</summary>
    public static Counterpart VSphere { get; } = new("vsphere", "bash", "-c",
        "go version && test -d /usr/share/gocode/src/github.com/vmware/govmomi/simulator");

    /// <summary>A server of SSH, and what makes keys.</summary>
    public static Counterpart Ssh { get; } = new("ssh", "bash", "-c",
        "test -x /usr/sbin/sshd && command -v ssh-keygen && test $(id -u) = 0");

    /// <summary>Clients of NBD and iSCSI: libnbd's, libiscsi's, QEMU's.</summary>
    public static Counterpart BlockClients { get; } = new("block-clients", "bash", "-c",
        "nbdinfo --version && nbdcopy --version && qemu-io --version && command -v iscsi-test-cu "
        + "&& ls /usr/lib/*/qemu/block-iscsi.so");

    private static bool IsRequired => Environment.GetEnvironmentVariable("NATALIA_REQUIRE_REAL") == "1";

    /// <summary>Why its tests are skipped, or null.</summary>
    public string? Obstacle => IsRequired ? null : _missing.Value;

    /// <summary>Fails where it is required, and could not be installed.</summary>
    public void MustBeThere() => Assert.True(_missing.Value is null, _missing.Value);

    /// <summary>Runs it to its end.</summary>
    public (int Code, string Output, string Errors) Run(IReadOnlyDictionary<string, string?> environment,
        params string[] arguments)
    {
        MustBeThere();
        return Start(program, environment, arguments);
    }

    private static string? FindMissing(string name, string program, string[] probe)
    {
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Linux)) return $"{program} of a Linux distribution is needed.";
        if (!IsRequired)
            return Works()
                ? null
                : $"{program} with what the tests need is not installed: run tests/servers/{name}/install.sh.";
        // Does nothing where it is there, and waits where another process is at it.
        (int code, string output, string errors) = Start("bash", new Dictionary<string, string?>(),
            [Path.Combine(AppContext.BaseDirectory, "servers", name, "install.sh")]);
        return code == 0 && Works()
            ? null
            : $"{program} with what the tests need could not be installed: {errors}{output}";

        bool Works()
        {
            try
            {
                return Start(program, new Dictionary<string, string?>(), probe).Code == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }
    }

    private static (int Code, string Output, string Errors) Start(string program,
        IReadOnlyDictionary<string, string?> environment, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (KeyValuePair<string, string?> variable in environment)
            start.Environment[variable.Key] = variable.Value;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Result, errors);
    }
}

/// <summary>A test that runs the escape kit under the distribution's Python.</summary>
public sealed class PythonFactAttribute : FactAttribute
{
    public PythonFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Python.Obstacle);
}

/// <summary>As <see cref="PythonFactAttribute"/>, with data.</summary>
public sealed class PythonTheoryAttribute : TheoryAttribute
{
    public PythonTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Python.Obstacle);
}

/// <summary>A test that runs the netstandard2.0 build of the engine under Mono.</summary>
public sealed class MonoFactAttribute : FactAttribute
{
    public MonoFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Mono.Obstacle);
}

/// <summary>A test, with data, that runs the netstandard2.0 build of the engine under Mono.</summary>
public sealed class MonoTheoryAttribute : TheoryAttribute
{
    public MonoTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Mono.Obstacle);
}

/// <summary>A test that runs programs for Windows under the distribution's Wine.</summary>
public sealed class WineFactAttribute : FactAttribute
{
    public WineFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Wine.Obstacle);
}

/// <summary>As <see cref="WineFactAttribute"/>, with data.</summary>
public sealed class WineTheoryAttribute : TheoryAttribute
{
    public WineTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Wine.Obstacle);
}

/// <summary>A test that lets the system's calls fail, with strace.</summary>
public sealed class StraceFactAttribute : FactAttribute
{
    public StraceFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Strace.Obstacle);
}

/// <summary>As <see cref="StraceFactAttribute"/>, under Mono.</summary>
public sealed class StraceMonoTheoryAttribute : TheoryAttribute
{
    public StraceMonoTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Strace.Obstacle ?? Counterpart.Mono.Obstacle);
}

/// <summary>A test that holds our images against qemu-img.</summary>
public sealed class QemuImgFactAttribute : FactAttribute
{
    public QemuImgFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.QemuImg.Obstacle);
}

/// <summary>As <see cref="QemuImgFactAttribute"/>, with data.</summary>
public sealed class QemuImgTheoryAttribute : TheoryAttribute
{
    public QemuImgTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.QemuImg.Obstacle);
}

/// <summary>A test, with data, that holds our images against libvhdi.</summary>
public sealed class VhdiTheoryAttribute : TheoryAttribute
{
    public VhdiTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Vhdi.Obstacle);
}

/// <summary>A test that runs VMs of QEMU on this machine.</summary>
public sealed class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Qemu.Obstacle);
}

/// <summary>As <see cref="QemuFactAttribute"/>, with data.</summary>
public sealed class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Qemu.Obstacle);
}

/// <summary>A test that boots the test appliance of the distribution's packages.</summary>
public sealed class ApplianceFactAttribute : FactAttribute
{
    public ApplianceFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Appliance.Obstacle);
}

/// <summary>
/// A test that boots the small guest with an agent, whose disk is made with the programs of the test appliance.
/// </summary>
public sealed class BenchGuestFactAttribute : FactAttribute
{
    public BenchGuestFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Qemu.Obstacle ?? Counterpart.Appliance.Obstacle);
}

/// <summary>A test that talks to a simulated vCenter or ESXi host.</summary>
public sealed class VSphereFactAttribute : FactAttribute
{
    public VSphereFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.VSphere.Obstacle);
}

/// <summary>As <see cref="VSphereFactAttribute"/>, with data.</summary>
public sealed class VSphereTheoryAttribute : TheoryAttribute
{
    public VSphereTheoryAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.VSphere.Obstacle);
}

/// <summary>A test that logs in to a real OpenSSH server on this machine.</summary>
public sealed class SshFactAttribute : FactAttribute
{
    public SshFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Ssh.Obstacle);
}

/// <summary>A test that lets clients of NBD and iSCSI read what is served.</summary>
public sealed class BlockClientFactAttribute : FactAttribute
{
    public BlockClientFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.BlockClients.Obstacle);
}

/// <summary>A test that lets systemd's own tools read what was written for it.</summary>
public sealed class SystemdFactAttribute : FactAttribute
{
    public SystemdFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Systemd.Obstacle);
}

/// <summary>A test that runs the scripts of the benchmarks.</summary>
public sealed class BenchmarkFactAttribute : FactAttribute
{
    public BenchmarkFactAttribute([CallerMemberName] string test = "") =>
        (Skip, DisplayName) = SkippedTest.With(test, Counterpart.Benchmarks.Obstacle);
}
