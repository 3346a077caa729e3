using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.HyperV.Builds;

/// <summary>
/// Finds test VMs by the marks in their notes, proves that nothing leads out of them, starts and destroys them.
/// </summary>
internal sealed class TestMachines(HyperVSite site) : ITestVMControl
{
    public async Task<IReadOnlyList<TestVMInfo>> GetTestVMsAsync(CancellationToken cancellationToken)
    {
        var found = new List<TestVMInfo>();
        (IReadOnlyList<HyperVHost> hosts, IReadOnlyList<string> away) = await site.LookAsync(cancellationToken)
            .ConfigureAwait(false);
        foreach (HyperVHost host in hosts)
        {
            foreach (CimRow settings in await BuilderService.ActiveAsync(host, cancellationToken).ConfigureAwait(false))
            {
                if (NoteText.Test(settings.Texts("Notes")) is TestMark mark
                    && settings.Text("VirtualSystemIdentifier") is string id)
                    found.Add(new TestVMInfo
                    {
                        NativeId = id,
                        Name = settings.Text("ElementName") ?? id,
                        RunId = mark.RunId,
                        IsolatedNetwork = mark.Network,
                        CreatedUtc = mark.CreatedUtc,
                    });
            }
        }
        return PartialCollection.Of(found, away);
    }

    public async Task<IReadOnlyList<CheckResult>> ReadIsolationAsync(TestVMInfo vm,
        CancellationToken cancellationToken)
    {
        Machine machine = await site.RequireAsync(vm.NativeId, vm.Name, cancellationToken).ConfigureAwait(false);
        return (await ReadAsync(machine, RequireMark(machine, vm), cancellationToken).ConfigureAwait(false))
            .Judge(vm.IsolatedNetwork);
    }

    public async Task StartTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        Machine machine = await site.RequireAsync(vm.NativeId, vm.Name, cancellationToken).ConfigureAwait(false);
        TestMark mark = RequireMark(machine, vm);
        IReadOnlyList<CheckResult> checks = (await ReadAsync(machine, mark, cancellationToken).ConfigureAwait(false))
            .Judge(vm.IsolatedNetwork);
        if (checks.FirstOrDefault(c => c.Result != CheckOutcome.Passed) is CheckResult open)
            throw new NataliaException(ErrorIds.IsolationNotProven, NataliaErrorKind.Security,
                $"The test VM {vm} is not started: {open.Target}: {open.Actual} instead of {open.Expected}.",
                vm.NativeId, "Destroy it, and find out who changed it.");
        // Told before it starts, so that no program of the guest is earlier; a host that takes it of running VMs only
        // is told again.
        bool isMarked = await TryMarkAsync(machine, mark, cancellationToken).ConfigureAwait(false);
        await MachineFactory.StartAsync(machine, cancellationToken).ConfigureAwait(false);
        if (!isMarked) await GuestFacts.MarkAsync(machine, mark.RunId, cancellationToken).ConfigureAwait(false);
    }

    public async Task DestroyTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        if (await site.FindOrKnowGoneAsync(vm.NativeId, cancellationToken).ConfigureAwait(false)
            is not Machine machine)
            return;
        TestMark mark = RequireMark(machine, vm);
        // A copy that somebody made of a test VM bears its mark as well; a disk of somebody's own is not ours to lose.
        if (machine.Disks.FirstOrDefault(d => !IsolationEvidence.IsOwn(mark, d)) is DiskSlot foreign)
            throw NotOurs(vm, $"it has a disk that the test did not make ('{foreign.Path ?? foreign.DiskId}')");
        await MachineFactory.DestroyAsync(machine, mark.Folder, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> TryMarkAsync(Machine machine, TestMark mark, CancellationToken cancellationToken)
    {
        try
        {
            await GuestFacts.MarkAsync(machine, mark.RunId, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (NataliaException e) when (e.Kind is not (NataliaErrorKind.Connection
            or NataliaErrorKind.PermissionDenied))
        {
            return false;
        }
    }

    private static async Task<IsolationEvidence> ReadAsync(Machine machine, TestMark mark,
        CancellationToken cancellationToken)
    {
        HyperVHost host = machine.Host;
        IReadOnlyList<VirtualSwitch> switches = await VirtualSwitch.ListAsync(host, cancellationToken)
            .ConfigureAwait(false);
        NetworkPlace? place = NetworkPlace.TryFind(switches, mark.Network);
        var features = new Dictionary<string, IReadOnlyList<CimRow>>(StringComparer.OrdinalIgnoreCase);
        foreach (CimRow connection in machine.Components.Where(c =>
            c.ClassName == "Msvm_EthernetPortAllocationSettingData"))
            features[connection.Text("InstanceID") ?? ""] = await host.AssociatorsAsync(connection.Path!,
                "Msvm_EthernetPortSettingDataComponent", null, cancellationToken).ConfigureAwait(false);
        return new IsolationEvidence
        {
            Machine = machine,
            Mark = mark,
            Place = place,
            Reach = place is null ? new SwitchReach(CheckOutcome.NotEvidenced, "no such switch")
                : await SwitchReach.ReadAsync(host, place.Switch, cancellationToken).ConfigureAwait(false),
            Features = features,
            AllPorts =
            [
                .. await host.QueryAsync(Wql.All("Msvm_SyntheticEthernetPortSettingData"), cancellationToken)
                    .ConfigureAwait(false),
                .. await host.QueryAsync(Wql.All("Msvm_EmulatedEthernetPortSettingData"), cancellationToken)
                    .ConfigureAwait(false),
            ],
        };
    }

    private static TestMark RequireMark(Machine machine, TestVMInfo vm) =>
        NoteText.Test(machine.Settings.Texts("Notes")) is TestMark mark && mark.RunId == vm.RunId ? mark
            : throw NotOurs(vm, "it does not carry the mark of the test");

    private static NataliaException NotOurs(TestVMInfo vm, string why) =>
        new(ErrorIds.NotATestAppliance, NataliaErrorKind.Security,
        $"The VM {vm} is not touched: {why}.", vm.NativeId,
        "Look at it. If nobody needs it, remove it by hand.");
}
