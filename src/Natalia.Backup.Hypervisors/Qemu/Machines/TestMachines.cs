using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Switches test VMs. The proof of isolation starts the VM's process with its processors stopped, and reads from the
/// process itself what it is connected to; only then do the processors run.
/// </summary>
internal sealed class TestMachines(MachineFolders folders, MachineBuilder builder, HostCalls calls) : ITestVMControl
{
    private readonly MachineStart _start = new(calls);

    public Task<IReadOnlyList<TestVMInfo>> GetTestVMsAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<TestVMInfo>>([.. calls.Make("list tests", folders.GetAll)
            .Where(m => m is { Test: not null, Id: not null })
            .Select(m => new TestVMInfo
            {
                NativeId = m.Id!,
                Name = m.Name,
                RunId = m.Test!.RunId,
                IsolatedNetwork = m.Test.Network,
                CreatedUtc = m.Test.CreatedUtc,
            })]);

    public async Task<IReadOnlyList<CheckResult>> ReadIsolationAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        Machine machine = Find(vm);
        List<CheckResult> wrong = JudgeDescription(machine, vm);
        // What would be connected somewhere is not even started with its processors stopped.
        if (wrong.Count > 0) return wrong;
        await _start.EnsureProcessAsync(machine, cancellationToken).ConfigureAwait(false);
        return await _start.ReadBackAsync(machine, cancellationToken).ConfigureAwait(false);
    }

    public async Task StartTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        Machine machine = Find(vm);
        IReadOnlyList<CheckResult> checks = await ReadIsolationAsync(vm, cancellationToken).ConfigureAwait(false);
        if (checks.FirstOrDefault(c => c.Result != CheckOutcome.Passed) is CheckResult open)
            throw new NataliaException(ErrorIds.IsolationNotProven, NataliaErrorKind.Security,
                $"The test VM {vm} is not started: {open.Target}: {open.Actual} instead of {open.Expected}.",
                vm.NativeId, "Destroy it, and find out who changed it.");
        await _start.RunAsync(machine, cancellationToken).ConfigureAwait(false);
    }

    public async Task DestroyTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken)
    {
        if (calls.Make("find test", () => folders.Find(vm.NativeId)) is not Machine machine)
        {
            // Its folder may be gone and its process not, which is known by the VM's id alone.
            await MachineProcess.StopAsync(vm.NativeId, null, cancellationToken).ConfigureAwait(false);
            return;
        }
        RequireMark(machine, vm);
        await calls.MakeAsync("switch off", () => MachineProcess.StopAsync(vm.NativeId, machine.Monitor,
            cancellationToken)).ConfigureAwait(false);
        builder.Remove(machine);
    }

    private Machine Find(TestVMInfo vm)
    {
        Machine machine = calls.Make("find test", () => folders.Find(vm.NativeId))
            ?? throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"The test VM {vm} is gone.", vm.NativeId);
        RequireMark(machine, vm);
        return machine;
    }

    private static void RequireMark(Machine machine, TestVMInfo vm)
    {
        if (machine.Test?.RunId == vm.RunId) return;
        throw new NataliaException(ErrorIds.NotATestAppliance, NataliaErrorKind.Security,
            $"The VM {vm.NativeId} in '{machine.Folder}' does not carry the mark of the test {vm.RunId}, and was left "
            + "alone.",
            vm.NativeId, "See what took its place.");
    }

    private static List<CheckResult> JudgeDescription(Machine machine, TestVMInfo vm)
    {
        var wrong = new List<CheckResult>();
        if (machine.Test!.Network != vm.IsolatedNetwork || !QemuNetworks.IsIsolated(machine.Test.Network))
            wrong.Add(IsolationEvidence.Check("NetworkIsolation", machine, machine.Test.Network, vm.IsolatedNetwork));
        for (int i = 0; i < machine.Networks.Count; i++)
        {
            string network = machine.Networks[i].Name;
            if (network != vm.IsolatedNetwork)
                wrong.Add(IsolationEvidence.Check("NetworkIsolation", machine, network, vm.IsolatedNetwork, $"nic{i}"));
        }
        if (machine.Disks.FirstOrDefault(d => !IsInside(machine, d.Path)) is MachineDisk outside)
            wrong.Add(IsolationEvidence.Check("Disks", machine, outside.Path, "the VM's own files alone"));
        if (!IsInside(machine, machine.MonitorSocket ?? "") || !IsInside(machine, machine.AgentSocket ?? "")
            || (machine.Nvram is string nvram && !IsInside(machine, nvram)))
            wrong.Add(IsolationEvidence.Check("Channels", machine, "a path outside the VM's folder",
                "in the VM's folder"));
        return wrong;
    }

    private static bool IsInside(Machine machine, string stated) =>
        stated.Length > 0 && Path.GetDirectoryName(machine.FullPath(stated)) == machine.Folder;
}
