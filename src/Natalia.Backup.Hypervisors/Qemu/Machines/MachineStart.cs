using System.Text.Json;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Switches VMs on in two steps: the process with its processors stopped, of which everything that it is connected to
/// is read back; then the processors.
/// </summary>
internal sealed class MachineStart(HostCalls calls)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Starts a VM's process, its processors stopped, where it is not there already.</summary>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>TaskFailed</c>, <c>TaskNotFinished</c>.
    /// </exception>
    internal async Task EnsureProcessAsync(Machine machine, CancellationToken cancellationToken)
    {
        if (calls.Make("look for process", () => MachineProcess.Find(machine.Id!)) is not null) return;
        UefiFirmware? uefi = machine.Firmware == Firmware.Uefi ? UefiFirmware.Require() : null;
        string accelerator = await Accelerator.FindAsync().ConfigureAwait(false);
        IReadOnlyList<string> line = MachineCommandLine.Build(machine, accelerator, uefi);
        await calls.MakeAsync("start process", async () =>
        {
            await MachineProcess.StartAsync(machine.Name, line, cancellationToken).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    /// <summary>Reads back of a VM's process what it is connected to: one check for each way out of it.</summary>
    internal Task<IReadOnlyList<CheckResult>> ReadBackAsync(Machine machine, CancellationToken cancellationToken) =>
        calls.MakeAsync("read isolation", () => ReadAsync(machine, cancellationToken));

    /// <summary>Lets the processors run.</summary>
    /// <exception cref="NataliaException"><c>TaskFailed</c>: they do not.</exception>
    internal Task RunAsync(Machine machine, CancellationToken cancellationToken) => calls.MakeAsync("run", async () =>
    {
        using QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, s_patience,
            cancellationToken).ConfigureAwait(false);
        await monitor.ExecuteAsync("cont", null, cancellationToken).ConfigureAwait(false);
        if (!await monitor.IsRunningAsync(cancellationToken).ConfigureAwait(false))
            throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"The VM '{machine.Name}' was switched on and does not run.", machine.Id);
    });

    private static async Task<IReadOnlyList<CheckResult>> ReadAsync(Machine machine,
        CancellationToken cancellationToken)
    {
        MachineProcess process = MachineProcess.Find(machine.Id!)
            ?? throw new NataliaException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"The process of the VM '{machine.Name}' has ended.", machine.Id);
        UefiFirmware? uefi = machine.Firmware == Firmware.Uefi ? UefiFirmware.Require() : null;
        using QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, s_patience, cancellationToken)
            .ConfigureAwait(false);
        if (!await monitor.IsOfAsync(machine.Id!, cancellationToken).ConfigureAwait(false))
            return [IsolationEvidence.Check("Channels", machine, "another VM's monitor", "its own monitor")];
        var evidence = new IsolationEvidence
        {
            Arguments = [.. process.Arguments.Skip(1)],
            Networks = await monitor.ExecuteLineAsync("info network", cancellationToken).ConfigureAwait(false),
            Forwards = await monitor.ExecuteLineAsync("info usernet", cancellationToken).ConfigureAwait(false),
            Devices =
            [
                await ListAsync(monitor, "/machine/peripheral", cancellationToken).ConfigureAwait(false),
                await ListAsync(monitor, "/machine/peripheral-anon", cancellationToken).ConfigureAwait(false),
            ],
            Channels = await monitor.ExecuteAsync("query-chardev", null, cancellationToken).ConfigureAwait(false),
            Disks = await monitor.ExecuteAsync("query-named-block-nodes", null, cancellationToken)
                .ConfigureAwait(false),
        };
        return evidence.Judge(machine,
        [
            MachineCommandLine.Build(machine, Accelerator.Emulation, uefi),
            MachineCommandLine.Build(machine, Accelerator.Kvm, uefi),
        ]);
    }

    private static Task<JsonElement> ListAsync(QmpClient monitor, string path, CancellationToken cancellationToken) =>
        monitor.ExecuteAsync("qom-list", new JsonObject { ["path"] = path }, cancellationToken);
}
