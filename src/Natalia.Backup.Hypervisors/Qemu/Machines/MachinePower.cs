using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Machines;

/// <summary>
/// Switches VMs of the folder on, as processes of their own that outlive this one. Each adapter is read back before the
/// processors run.
/// </summary>
internal sealed class MachinePower(MachineFolders folders, HostCalls calls) : IPowerControl
{
    /// <summary>As QEMU calls them (RunState): with its processors running, and not yet let run once.</summary>
    private const string Running = "running", NeverRan = "prelaunch";

    private static readonly TimeSpan s_cleanUpLimit = TimeSpan.FromMinutes(1), s_patience = TimeSpan.FromSeconds(30);

    private readonly MachineStart _start = new(calls);

    /// <exception cref="NataliaException">Beside the contract's: <c>CapabilityMissing</c>: the VM cannot be started by
    /// this product, or a program is missing. <c>NetworkNotFound</c>; <c>ServerAnswerInvalid</c>: it is not connected
    /// as its description says, and was not started.</exception>
    public async Task StartAsync(ApplianceDescription appliance, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Machine machine = Find(appliance);
        string? status = await FindStatusAsync(machine, cancellationToken).ConfigureAwait(false);
        if (status is Running) return;
        RequireStartable(machine);
        // What ran before, however it was started, is not ended here. Of what was left between the two steps of a
        // start, the start goes on.
        bool isNew = status is NeverRan || status is null && MachineProcess.Find(machine.Id!) is null;
        try
        {
            await _start.EnsureProcessAsync(machine, cancellationToken).ConfigureAwait(false);
            IReadOnlyList<CheckResult> read =
                await _start.ReadBackAsync(machine, cancellationToken).ConfigureAwait(false);
            if (read.FirstOrDefault(c => c.Result != CheckOutcome.Passed) is CheckResult wrong)
                throw new NataliaException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
                    $"The VM '{machine.Name}' is not switched on: {wrong.Target}: {wrong.Actual} instead of "
                    + $"{wrong.Expected}.", machine.Id, "See whether another program changed its description.");
            await _start.RunAsync(machine, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            if (isNew) await StopAsync(machine).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>What QEMU says of the VM; null when nobody answers behind its monitor, as of one that is off.</summary>
    private Task<string?> FindStatusAsync(Machine machine, CancellationToken cancellationToken) =>
        calls.MakeAsync("look", async () =>
    {
        if (machine.Monitor is not string socket
            || !await UnixSocket.IsListeningAsync(socket, cancellationToken).ConfigureAwait(false))
            return null;
        using QmpClient monitor = await QmpClient.ConnectAsync(socket, s_patience,
            cancellationToken).ConfigureAwait(false);
        return await monitor.GetStatusAsync(cancellationToken).ConfigureAwait(false);
    });

    private Machine Find(ApplianceDescription appliance)
    {
        Machine? machine = appliance.NativeId is string id ? calls.Make("find", () => folders.Find(id)) : null;
        if (machine is null && appliance.NativeId is not null)
            throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.NotFound,
                $"There is no VM {appliance.NativeId}.", appliance.NativeId);
        if (machine is { Building: null, Test: null } && Guid.TryParse(machine.Id, out _)) return machine;
        throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            machine is { Building: not null } or { Test: not null }
                ? $"The VM '{appliance.Name}' is being built, or is a test's."
                : $"The VM '{appliance.Name}' cannot be switched on from here: its 'id' is no UUID, by which its "
                    + "process would be known.", appliance.Name,
                "State an 'id' in its vm.json, as uuidgen prints one.");
    }

    private static void RequireStartable(Machine machine)
    {
        if (machine.MonitorSocket is null)
            throw CannotStart(machine, "its vm.json states no 'monitorSocket'");
        if (machine.Disks.FirstOrDefault(d => d.Format is not (ImageFormat.Raw or ImageFormat.Qcow2))
            is MachineDisk disk)
            throw CannotStart(machine, $"its disk '{disk.Id}' is neither a raw nor a qcow2 image");
        if (machine.Firmware == Firmware.Uefi && machine.Nvram is null)
            throw CannotStart(machine, "it boots by UEFI, and its vm.json states no 'nvram'");
        if (machine.Networks.FirstOrDefault(n => !QemuNetworks.CanConnect(n.Name)) is ApplianceNetwork network)
            throw QemuNetworks.NotFound(network.Name);
    }

    /// <summary>A VM that was not switched on has no process; it is there, with its disks, as before.</summary>
    private async Task StopAsync(Machine machine)
    {
        using var limit = new CancellationTokenSource(s_cleanUpLimit);
        try
        {
            await calls.MakeAsync("stop", () => MachineProcess.StopAsync(machine.Id!, machine.Monitor, limit.Token))
                .ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            // Its processors are stopped; the next start goes on with it.
        }
    }

    private static NataliaException CannotStart(Machine machine, string why) =>
        new(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            $"The VM '{machine.Name}' cannot be switched on from here: {why}.", machine.Name,
            "Correct its vm.json, or start it as it was started before.");
}
