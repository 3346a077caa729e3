using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>VMs that were restored to stay, switched on: real QEMU, without a system on their disks.</summary>
public sealed class QemuPowerTests
{
    [QemuFact]
    public async Task A_vm_starts_when_its_adapters_were_read_back_and_runs_on_by_itself()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IPowerControl power = hypervisor.Require<IPowerControl>("power");
        ApplianceDescription vm = await BuildAsync(hypervisor, fixture, QemuNetworks.None, QemuNetworks.Restricted);
        await power.StartAsync(vm, default);

        Assert.True(fixture.IsRunning(vm.NativeId!));
        Machine machine = fixture.Find(vm.NativeId!);
        Assert.Equal(MachineProcess.Find(vm.NativeId!)!.Id.ToString(CultureInfo.InvariantCulture),
            File.ReadAllText(machine.FullPath(MachineCommandLine.ProcessFile)).Trim());
        string line = string.Join(" ", MachineProcess.Find(vm.NativeId!)!.Arguments);
        Assert.DoesNotContain("\"no-flush\":true", line, StringComparison.Ordinal);
        Assert.DoesNotContain("restore-test", line, StringComparison.Ordinal);
        Assert.Equal("running", (await hypervisor.GetAppliancesAsync(default))
            .Single(a => a.NativeId == vm.NativeId).State!.Power);
        await power.StartAsync(vm, default);
        await MachineProcess.StopAsync(vm.NativeId!, machine.Monitor, default);
        Assert.False(File.Exists(machine.FullPath(MachineCommandLine.ProcessFile)));
    }

    [QemuFact]
    public async Task What_is_connected_otherwise_than_described_is_not_started()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IPowerControl power = hypervisor.Require<IPowerControl>("power");
        ApplianceDescription vm = await BuildAsync(hypervisor, fixture, QemuNetworks.Restricted,
            QemuNetworks.Restricted);
        Machine machine = fixture.Find(vm.NativeId!);
        // As after a death between the two steps of a start.
        await MachineProcess.StartAsync(machine.Name, MachineCommandLine.Build(machine, Accelerator.Emulation, null),
            default);
        (machine with { Networks = [machine.Networks[0], machine.Networks[1] with { Name = QemuNetworks.None }] })
            .Write();
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() => power.StartAsync(vm, default));

        Assert.Equal(ErrorIds.ServerAnswerInvalid, refused.ErrorId);
        Assert.Null(MachineProcess.Find(vm.NativeId!));
        machine.Write();
        await MachineProcess.StartAsync(machine.Name, MachineCommandLine.Build(machine, Accelerator.Emulation, null),
            default);
        await power.StartAsync(vm, default);
        Assert.True(fixture.IsRunning(vm.NativeId!));
    }

    [QemuFact]
    public async Task A_vm_that_somebody_else_started_otherwise_is_left_running_and_left_halted()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IPowerControl power = hypervisor.Require<IPowerControl>("power");
        ApplianceDescription vm = await BuildAsync(hypervisor, fixture, QemuNetworks.None, QemuNetworks.None);
        Machine machine = fixture.Find(vm.NativeId!);
        List<string> line = [.. MachineCommandLine.Build(machine, Accelerator.Emulation, null), "-boot", "menu=off"];
        line.Remove("-S");
        await MachineProcess.StartAsync(machine.Name, line, default);
        await power.StartAsync(vm, default);
        Assert.True(fixture.IsRunning(vm.NativeId!));

        using (QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, TimeSpan.FromSeconds(10), default))
            await monitor.ExecuteAsync("stop", null, default);
        Assert.Equal(ErrorIds.ServerAnswerInvalid,
            (await Assert.ThrowsAsync<NataliaException>(() => power.StartAsync(vm, default))).ErrorId);
        Assert.NotNull(MachineProcess.Find(vm.NativeId!));
    }

    [QemuFact]
    public async Task What_stands_in_the_way_of_a_start_is_told_and_a_network_before_anything_is_made()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() => BuildAsync(hypervisor, fixture));
        Assert.Equal(ErrorIds.NetworkNotFound, refused.ErrorId);
        Assert.Equal(["original"], fixture.VMs);

        ApplianceDescription original = (await hypervisor.GetAppliancesAsync(default)).Single();
        Assert.Equal(ErrorIds.CapabilityMissing, (await Assert.ThrowsAsync<NataliaException>(
            () => hypervisor.Require<IPowerControl>("power").StartAsync(original, default))).ErrorId);
    }

    private static Task<ApplianceDescription> BuildAsync(IHypervisor hypervisor, QemuFixture fixture,
        params string[] networks)
    {
        var source = (RestoreSource.PointImage)fixture.Source;
        var image = new RestoreSource.PointImage(source.Point, source.Appliance with
        {
            Networks = [new ApplianceNetwork("voice"), new ApplianceNetwork("office")],
        }, source.Write);
        var how = new BuildRequest
        {
            Name = "restored",
            IsToStart = true,
            MemoryBytes = 256L << 20,
            Networks = image.Appliance.Networks.Zip(networks).ToDictionary(p => p.First.Name, p => p.Second),
        };
        return hypervisor.Require<IApplianceBuilder>("building").BuildAsync(image, how, null, default);
    }
}
