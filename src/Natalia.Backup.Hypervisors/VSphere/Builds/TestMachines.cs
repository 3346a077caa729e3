using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>
/// VMs of restore tests: known by their mark, isolated by their adapters being disconnected and on a network without a
/// way out, reached by guest operations, which need no network.
/// </summary>
/// <param name="builder">Who builds them.</param>
internal sealed class TestMachines(BuilderService builder) : ITestVMControl, IPowerControl
{
    /// <summary>What no test VM has: through each of them something could leave it.</summary>
    private static readonly string[] s_waysOut =
    [
        "VirtualPCIPassthrough", "VirtualUSB", "VirtualSerialPort", "VirtualParallelPort", "VirtualSCSIPassthrough",
        "VirtualSriovEthernetCard",
    ];

    public async Task<IReadOnlyList<TestVMInfo>> GetTestVMsAsync(CancellationToken cancellationToken)
    {
        var found = new List<TestVMInfo>();
        IReadOnlyList<VirtualMachine> marked = await builder.MarkedAsync(TestMark.Key, cancellationToken)
            .ConfigureAwait(false);
        foreach (VirtualMachine machine in marked)
            if (TestMark.Of(machine.Config) is TestMark mark)
                found.Add(new TestVMInfo
                {
                    NativeId = machine.InstanceUuid,
                    Name = machine.Name,
                    RunId = mark.RunId,
                    IsolatedNetwork = mark.Network,
                    CreatedUtc = mark.CreatedUtc,
                });
        return PartialCollection.Of(found, PartialCollection.UnseenOf(marked));
    }

    public async Task<IReadOnlyList<CheckResult>> ReadIsolationAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        VirtualMachine machine = await RequireAsync(vm, cancellationToken).ConfigureAwait(false);
        var checks = new List<CheckResult>();
        // One for each adapter, in the order of the devices.
        IReadOnlyList<ApplianceNetwork> networks = await new NetworkNames(builder.Machines.Vim).ReadAsync(machine,
            cancellationToken).ConfigureAwait(false);
        List<XElement> devices = [.. machine.Config.At("hardware").Members("device")];
        List<XElement> adapters = devices.FindAll(NetworkNames.IsAdapter);
        bool isConnected = false;
        for (int i = 0; i < adapters.Count; i++)
        {
            string network = networks[i].Name;
            string place = networks[i].Vlan is int vlan
                ? network + ", VLAN " + vlan.ToString(CultureInfo.InvariantCulture) : network;
            bool isDown = adapters[i].Flag("connectable.startConnected") == false
                && adapters[i].Flag("connectable.connected") != true;
            isConnected |= !isDown;
            Add("NetworkIsolation", adapters[i].Text("deviceInfo.label") ?? $"adapter {i}",
                network == vm.IsolatedNetwork && isDown, $"on {vm.IsolatedNetwork}, disconnected",
                $"on {place}, {(isDown ? "disconnected" : "connected")}");
        }
        foreach (XElement device in devices.Where(d => s_waysOut.Contains(VimXml.TypeOf(d))))
            Add("HostDevice", device.Text("deviceInfo.label") ?? "device", false, "none", VimXml.TypeOf(device));
        Add("TestMark", machine.Name, TestMark.Of(machine.Config)?.RunId == vm.RunId, vm.RunId,
            TestMark.Of(machine.Config)?.RunId ?? "none");
        if (await FindUplinksAsync(machine, vm.IsolatedNetwork, cancellationToken).ConfigureAwait(false)
            is string uplinks)
            checks.Add(IsolationReading.Of("IsolatedNetwork", vm.IsolatedNetwork,
                isConnected ? CheckOutcome.Failed : CheckOutcome.Warning, SwitchUplinks.Expected, uplinks,
                $"The switch of the network '{vm.IsolatedNetwork}' has a way out ({uplinks}); "
                    + (isConnected
                        ? "an adapter of the test VM is connected, and would reach it."
                        : "only the adapters being disconnected keeps the test VM off it.")));
        return checks;

        void Add(string name, string what, bool isProven, string? expected, string? actual) =>
            checks.Add(IsolationReading.Of(name, $"VM {vm.Name} {what}", isProven, expected, actual));
    }

    public async Task StartTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken) =>
        await builder.Tasks.PowerOnAsync(await RequireAsync(vm, cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);

    public async Task StartAsync(ApplianceDescription appliance, CancellationToken cancellationToken)
    {
        VirtualMachine machine = await builder.Machines.RequireAsync(appliance,
            cancellationToken).ConfigureAwait(false);
        if (!machine.IsRunning) await builder.Tasks.PowerOnAsync(machine, cancellationToken).ConfigureAwait(false);
    }

    public async Task DestroyTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        VirtualMachine? machine = await builder.FindOrKnowGoneAsync(vm.NativeId,
            cancellationToken).ConfigureAwait(false);
        if (machine is null) return;
        if (TestMark.Of(machine.Config)?.RunId != vm.RunId)
            throw new NataliaException(ErrorIds.NotATestAppliance, NataliaErrorKind.Security,
                $"The VM {vm.NativeId} ('{machine.Name}') does not carry the mark of the test {vm.RunId}, and is not "
                + "destroyed.", vm.NativeId, "Look at what this VM is.");
        string? folder = BuildMark.Of(machine.Config)?.Folder ?? Marks.Read(machine.Config, BuildMark.FolderKey);
        // A copy that somebody made of a test VM bears its mark as well; a disk of somebody's own is not ours to lose.
        if (BuildMark.FindForeignDisk(machine, folder) is string foreign)
            throw new NataliaException(ErrorIds.NotATestAppliance, NataliaErrorKind.Security,
                $"The VM {vm} is not touched: it has a disk that the test did not make ('{foreign}').", vm.NativeId,
                "Look at it. If nobody needs it, remove it by hand.");
        await builder.DestroyAsync(machine, folder, cancellationToken).ConfigureAwait(false);
    }

    private async Task<VirtualMachine> RequireAsync(TestVMInfo vm, CancellationToken cancellationToken) =>
        await builder.Machines.FindAsync(vm.NativeId, cancellationToken).ConfigureAwait(false)
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The test VM {vm} is no longer on '{builder.Machines.Location}'.", vm.NativeId);

    /// <summary>The physical adapters behind a standard network; null when there are none.</summary>
    private async Task<string?> FindUplinksAsync(VirtualMachine machine, string network,
        CancellationToken cancellationToken)
    {
        if (machine.Host is not VimReference host) return "its host is not known";
        return SwitchUplinks.Of((await builder.Machines.Vim.GetPropertiesAsync([host], SwitchUplinks.Paths,
            cancellationToken).ConfigureAwait(false)).FirstOrDefault(), network);
    }
}
