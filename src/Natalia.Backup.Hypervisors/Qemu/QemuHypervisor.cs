using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Ssh;

namespace Natalia.Backup.Hypervisors.Qemu;

/// <summary>
/// Plain QEMU on this machine: a directory with one folder per VM, laid out as for the folder hypervisor, and in its
/// description <c>vm.json</c> what QEMU needs besides. Running VMs are backed up with QEMU's own change tracking; VMs
/// of restore points of every hypervisor are built and tested. docs/hypervisor-qemu.md tells the members of the
/// description.
/// </summary>
/// <remarks>Linux, and PowerShell 7: the sockets by which QEMU is spoken to are not to be had elsewhere.</remarks>
public sealed class QemuHypervisor : IHypervisor, IIsolatedNetworks
{
    /// <summary>The kind's name.</summary>
    public const string KindName = QemuHypervisorKind.Name;

    private readonly FolderHypervisor _folder;
    private readonly MachineFolders _machines;
    private readonly MachineBuilder _builder;
    private readonly TestMachines _tests;
    private readonly MachinePower _power;
    private readonly MachineDiskReplacer _replacer;
    private readonly MachineGuests _guests;
    private readonly ForwardedSsh _ssh;
    private readonly QemuImageSource _images;

    private QemuHypervisor(FolderHypervisor folder, TimeProvider clock, HostCalls calls)
    {
        _folder = folder;
        _machines = new MachineFolders(folder.Location);
        _builder = new MachineBuilder(folder.Location, _machines, calls, clock);
        _tests = new TestMachines(_machines, _builder, calls);
        _power = new MachinePower(_machines, calls);
        _ssh = new ForwardedSsh(_machines, calls);
        _guests = new MachineGuests(new AgentChannel(_machines, calls, clock), new SshGuestChannel(_ssh, clock));
        _images = new QemuImageSource(folder, new LiveBackups(calls, clock));
        _replacer = new MachineDiskReplacer(folder, _images, calls);
    }

    /// <inheritdoc/>
    public string Kind => QemuHypervisorKind.Name;

    /// <inheritdoc/>
    public string Location => _folder.Location;

    /// <inheritdoc/>
    public IReadOnlyList<string> IsolatedNetworks => QemuNetworks.Isolated;

    /// <inheritdoc/>
    public string? IsolatedNetworkWithSsh => QemuNetworks.Restricted;

    /// <summary>Opens a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="clock">The clock; null for the system's.</param>
    /// <exception cref="NataliaException"><c>HypervisorNotFound</c>; <c>CapabilityMissing</c> on a system that is not
    /// Linux, and on Windows PowerShell.</exception>
    public static QemuHypervisor Open(string path, TimeProvider? clock = null) => Open(path, clock, new HostCalls());

    internal static QemuHypervisor Open(string path, TimeProvider? clock, HostCalls calls)
    {
        if (IsSupported)
            return new QemuHypervisor(FolderHypervisor.Open(path, clock, QemuHypervisorKind.Name),
                clock ?? TimeProvider.System, calls);
        throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            "QEMU can be used on Linux with PowerShell 7.4 or newer only.", path,
            "Connect from such a machine; for images of switched-off VMs use -Folder.");
    }

    /// <inheritdoc/>
    public T? Find<T>() where T : class =>
        typeof(T) == typeof(ITestBench) ? new BuilderTestBench(this) as T
        : this as T ?? _builder as T ?? _tests as T ?? _guests as T ?? _ssh as T ?? _images as T
        ?? _power as T ?? _replacer as T;

    /// <inheritdoc/>
    /// <remarks>VMs that are being built, and those of tests, are not listed.</remarks>
    public async Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken)
    {
        ApplianceInventory all = await _folder.GetAppliancesAsync(cancellationToken).ConfigureAwait(false);
        HashSet<string> ours = new(_machines.GetAll().Where(m => m.Building is not null || m.Test is not null)
            .Select(m => m.Id).OfType<string>(), StringComparer.Ordinal);
        return new ApplianceInventory(await _images.WithStateAsync(
            [.. all.Where(a => a.NativeId is null || !ours.Contains(a.NativeId))], cancellationToken)
            .ConfigureAwait(false), all.Problems);
    }

    private static bool IsSupported =>
#if NET8_0_OR_GREATER
        OperatingSystem.IsLinux();
#else
        false;
#endif

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();
}
