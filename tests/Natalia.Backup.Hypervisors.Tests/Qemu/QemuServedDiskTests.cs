using System.Diagnostics;
using System.Text.Json.Nodes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Qemu.Protocol;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// VMs that run from a disk that is served to them: real QEMU, without a system on its disks; what serves is QEMU's own
/// qemu-nbd.
/// </summary>
public sealed class QemuServedDiskTests : IDisposable
{
    private static readonly byte[] s_data = Natalia.Backup.Testing.Hypervisors.PointImages.Disks["data"];

    private readonly TemporaryFolder _folder = new();
    private Process? _server;

    public void Dispose()
    {
        Kill();
        _folder.Dispose();
    }

    private void Kill()
    {
        if (_server is null) return;
        _server.Kill();
        _server.WaitForExit();
        _server = null;
    }

    private ServedDisks Serve(Action<string>? tell = null) => new(["data"], async (socket, stop) =>
    {
        File.WriteAllBytes(_folder["data.raw"], s_data);
        _server = Process.Start("qemu-nbd", ["-f", "raw", "-k", socket, "-x", "data", "-t", "-e", "8",
            _folder["data.raw"]]);
        for (int i = 0; i < 1000 && !await UnixSocket.IsListeningAsync(socket, stop); i++) await Task.Delay(10, stop);
    })
    {
        Tell = tell,
    };

    /// <summary>QEMU makes whole sectors of it.</summary>
    private static void AssertHasData(QemuFixture fixture, ApplianceDescription vm) =>
        Assert.Equal(s_data, fixture.Read(vm.NativeId!, "data")[..s_data.Length]);

    /// <summary>The point, of whose data disk nothing is written.</summary>
    private static RestoreSource.PointImage Uncopied(QemuFixture fixture)
    {
        var source = (RestoreSource.PointImage)fixture.Source;
        return new RestoreSource.PointImage(source.Point, source.Appliance, async (disk, target, progress, stop) =>
        {
            if (disk != "data")
            {
                await source.Write(disk, target, progress, stop);
                return;
            }
            await target.BeginAsync(s_data.Length, stop);
            await target.CompleteAsync(stop);
        });
    }

    private static Task<ApplianceDescription> BuildAsync(IHypervisor hypervisor, QemuFixture fixture,
        ServedDisks served, CancellationToken stop = default) =>
        hypervisor.Require<IServedDiskBuilder>("running from a repository").BuildAsync(Uncopied(fixture),
            new BuildRequest
            {
                Name = "restored",
                IsToStart = true,
                MemoryBytes = 256L << 20,
                Networks = new Dictionary<string, string> { ["lan"] = QemuNetworks.None },
                ServedDisks = served,
            }, null, stop);

    [QemuFact]
    public async Task A_vm_runs_from_a_served_disk_and_has_its_own_in_the_end()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        string? unfinished = null;
        ApplianceDescription vm = await BuildAsync(hypervisor, fixture, Serve(_ =>
        {
            // Until it has all of its disks it is no appliance, and found again after a death.
            Machine building = fixture.Folders.GetAll().Single(m => m.Name == "restored");
            Assert.Equal("data", building.Disks.Single(d => d.Id == "data").Export);
            unfinished = building.Building?.BuildId;
            Assert.True(fixture.IsRunning(building.Id!));
        }));
        Kill();

        Assert.NotNull(unfinished);
        Assert.True(fixture.IsRunning(vm.NativeId!));
        AssertHasData(fixture, vm);
        Machine machine = fixture.Find(vm.NativeId!);
        Assert.Null(machine.Building);
        Assert.All(machine.Disks, d => Assert.Null(d.Export));
        Assert.Equal("running", (await hypervisor.GetAppliancesAsync(default))
            .Single(a => a.NativeId == vm.NativeId).State!.Power);
        using (QmpClient monitor = await QmpClient.ConnectAsync(machine.Monitor!, TimeSpan.FromSeconds(10), default))
        {
            Assert.DoesNotContain("nbd", (await monitor.ExecuteAsync("query-named-block-nodes", null, default))
                .GetRawText(), StringComparison.Ordinal);
            Assert.Equal(0, (await monitor.ExecuteAsync("query-jobs", null, default)).GetArrayLength());
        }
        // Switched off and on again it has what it had.
        await MachineProcess.StopAsync(vm.NativeId!, machine.Monitor, default);
        await hypervisor.Require<IPowerControl>("power").StartAsync(vm, default);
        Assert.True(fixture.IsRunning(vm.NativeId!));
    }

    [QemuFact]
    public async Task A_move_that_is_stopped_or_loses_its_source_removes_the_vm_and_says_what_is_lost()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        using var stop = new CancellationTokenSource();
        NataliaException stopped = await Assert.ThrowsAsync<NataliaException>(() =>
            BuildAsync(hypervisor, fixture, Serve(_ => stop.Cancel()), stop.Token));
        Assert.Equal(ErrorIds.DiskMoveFailed, stopped.ErrorId);
        Assert.Contains("what it wrote since its start is lost", stopped.Message, StringComparison.Ordinal);
        Assert.Equal(["original"], fixture.VMs);
        Kill();

        NataliaException lost = await Assert.ThrowsAsync<NataliaException>(() =>
            BuildAsync(hypervisor, fixture, Serve(_ => Kill())));
        Assert.Equal(ErrorIds.DiskMoveFailed, lost.ErrorId);
        Assert.Equal(["original"], fixture.VMs);
    }

    [QemuFact]
    public async Task After_a_death_at_the_end_the_next_one_takes_the_vm_that_has_its_disks()
    {
        await using var fixture = new QemuFixture();
        using IHypervisor dying = QemuHypervisor.Open(fixture.Root, new HastyClock(), new DyingCalls("end building"));
        await Assert.ThrowsAnyAsync<Exception>(() => BuildAsync(dying, fixture, Serve()));
        Kill();
        Assert.NotNull(fixture.Folders.GetAll().Single(m => m.Name == "restored").Building);

        IHypervisor next = await fixture.ConnectAsync();
        Assert.Empty(await next.Require<IApplianceBuilder>("building").FindUnfinishedAsync(default));
        ApplianceDescription vm = (await next.GetAppliancesAsync(default)).Single(a => a.Name == "restored");
        Assert.Equal("running", vm.State!.Power);
        AssertHasData(fixture, vm);
    }

    [QemuFact]
    public async Task After_a_death_before_the_end_the_vm_is_found_unfinished_and_removed()
    {
        await using var fixture = new QemuFixture();
        using IHypervisor dying = QemuHypervisor.Open(fixture.Root, new HastyClock(), new DyingCalls("take own disks"));
        await Assert.ThrowsAnyAsync<Exception>(() => BuildAsync(dying, fixture, Serve()));
        Kill();

        IApplianceBuilder next = (await fixture.ConnectAsync()).Require<IApplianceBuilder>("building");
        UnfinishedAppliance left = Assert.Single(await next.FindUnfinishedAsync(default));
        await next.RemoveUnfinishedAsync(left, default);
        Assert.Equal(["original"], fixture.VMs);
    }

    [QemuFact]
    public async Task A_test_vm_is_isolated_with_a_served_disk_and_is_destroyed_when_that_has_gone()
    {
        await using var fixture = new QemuFixture();
        ITestBench bench = (await fixture.ConnectAsync()).Require<ITestBench>("test bench");
        await using ITestVM vm = await bench.PrepareAsync(Uncopied(fixture), new TestVMRequest
        {
            IsolatedNetwork = QemuNetworks.None,
            ServedDisks = Serve(),
        }, null, default);
        IReadOnlyList<CheckResult> checks = await vm.ProveIsolationAsync(default);
        Assert.All(checks, c => Assert.Equal(CheckOutcome.Passed, c.Result));
        await vm.StartAsync(default);
        Assert.True(fixture.IsRunning(vm.Info.NativeId));
        // A disk of another server, added behind our back.
        using (QmpClient monitor = await QmpClient.ConnectAsync(fixture.Find(vm.Info.NativeId).Monitor!,
            TimeSpan.FromSeconds(10), default))
            await monitor.ExecuteAsync("blockdev-add", new JsonObject
            {
                ["driver"] = "null-co",
                ["node-name"] = "other",
                ["size"] = 512,
            }, default);
        Assert.Equal("Disks", Assert.Single(await vm.ProveIsolationAsync(default),
            c => c.Result != CheckOutcome.Passed).Name);
        Kill();
        await vm.DestroyAsync(default);
        Assert.Equal(["original"], fixture.VMs);
    }

    /// <summary>The process dies before a call of this name.</summary>
    private sealed class DyingCalls(string at) : HostCalls
    {
        private bool _isDead;

        internal override void Before(string call)
        {
            _isDead |= call == at;
            if (_isDead) throw new IOException($"The process has died ({call}).");
        }
    }
}
