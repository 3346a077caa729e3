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

    /// <param name="tell">What a person is told.</param>
    /// <param name="readFails">Whether one read of it fails.</param>
    private ServedDisks Serve(Action<string>? tell = null, bool readFails = false) =>
        new(["data"], async (socket, stop) =>
        {
            File.WriteAllBytes(_folder["data.raw"], s_data);
            string[] image = readFails
                ? ["--image-opts", "driver=raw,file.driver=blkdebug,file.image.driver=file,"
                    + $"file.image.filename={_folder["data.raw"]},file.inject-error.0.event=none,"
                    + "file.inject-error.0.iotype=read,file.inject-error.0.sector=64,file.inject-error.0.once=on"]
                : ["-f", "raw", _folder["data.raw"]];
            _server = Process.Start("qemu-nbd", ["-k", socket, "-x", "data", "-t", "-e", "8", .. image]);
            for (int i = 0; i < 1000 && !await UnixSocket.IsListeningAsync(socket, stop); i++)
                await Task.Delay(10, stop);
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
        ServedDisks served, CancellationToken stop = default, string name = "restored") =>
        hypervisor.Require<IServedDiskBuilder>("running from a repository").BuildAsync(Uncopied(fixture),
            new BuildRequest
            {
                Name = name,
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

    /// <summary>Before and after it was noted; and when the VM was switched off before anybody looked.</summary>
    [QemuTheory]
    [InlineData("note move", true)]
    [InlineData("end building", true)]
    [InlineData("end building", false)]
    public async Task After_a_death_at_the_end_the_next_one_takes_the_vm_that_has_its_disks(string death, bool runs)
    {
        await using var fixture = new QemuFixture();
        using IHypervisor dying = QemuHypervisor.Open(fixture.Root, new HastyClock(), new DyingCalls(death));
        await DieAsync(() => BuildAsync(dying, fixture, Serve()));
        Kill();
        Machine left = fixture.Folders.GetAll().Single(m => m.Name == "restored");
        Assert.NotNull(left.Building);
        if (!runs) await MachineProcess.StopAsync(left.Id!, left.Monitor, default);

        IHypervisor next = await fixture.ConnectAsync();
        IServedDiskBuilder builder = next.Require<IServedDiskBuilder>("building");
        UnfinishedAppliance unfinished = Assert.Single(await builder.FindUnfinishedAsync(default));
        Assert.DoesNotContain(await next.GetAppliancesAsync(default), a => a.Name == "restored");
        Assert.True(await builder.TryCompleteAsync(unfinished, default));
        Assert.Empty(await builder.FindUnfinishedAsync(default));
        ApplianceDescription vm = (await next.GetAppliancesAsync(default)).Single(a => a.Name == "restored");
        Assert.Equal(runs, fixture.IsRunning(vm.NativeId!));
        AssertHasData(fixture, vm);
        Assert.False(File.Exists(left.DiskSocket));
        // What is whole is not to be completed, nor removed.
        Assert.False(await builder.TryCompleteAsync(unfinished, default));
        await Assert.ThrowsAsync<NataliaException>(() => builder.RemoveUnfinishedAsync(unfinished, default));
    }

    /// <summary>As in a full folder.</summary>
    [QemuTheory]
    [InlineData("note move")]
    [InlineData("let go of served disks")]
    [InlineData("end building")]
    public async Task A_vm_that_has_its_disks_is_not_removed_when_that_cannot_be_written_down(string call)
    {
        await using var fixture = new QemuFixture();
        using IHypervisor hypervisor = QemuHypervisor.Open(fixture.Root, new HastyClock(),
            new FailingCalls(call, 1, () => new IOException("There is no room.")));
        NataliaException failure = await Assert.ThrowsAsync<NataliaException>(() =>
            BuildAsync(hypervisor, fixture, Serve()));
        Assert.Equal(ErrorIds.RestoreNotRecorded, failure.ErrorId);
        Assert.Contains("runs and has all of its disks", failure.Message, StringComparison.Ordinal);
        Kill();

        IServedDiskBuilder builder = hypervisor.Require<IServedDiskBuilder>("building");
        UnfinishedAppliance left = Assert.Single(await builder.FindUnfinishedAsync(default));
        Assert.True(fixture.IsRunning(left.NativeId));
        Assert.True(await builder.TryCompleteAsync(left, default));
        AssertHasData(fixture, (await hypervisor.GetAppliancesAsync(default)).Single(a => a.Name == "restored"));
    }

    [QemuFact]
    public async Task A_monitor_that_does_not_answer_costs_no_vm()
    {
        await using var fixture = new QemuFixture();
        using IHypervisor hypervisor = QemuHypervisor.Open(fixture.Root, new HastyClock(),
            new FailingCalls("look at jobs", 2, Silence));
        var told = new List<string>();
        ApplianceDescription vm = await BuildAsync(hypervisor, fixture, Serve(told.Add));
        Kill();
        Assert.Single(told, t => t.Contains("does not answer", StringComparison.Ordinal));
        Assert.True(fixture.IsRunning(vm.NativeId!));
        AssertHasData(fixture, vm);

        // The same at the last step, and to who looks later.
        using IHypervisor dying = QemuHypervisor.Open(fixture.Root, new HastyClock(),
            new DyingCalls("take own disks"));
        await DieAsync(() => BuildAsync(dying, fixture, Serve(), name: "second"));
        using IHypervisor next = QemuHypervisor.Open(fixture.Root, new HastyClock(),
            new FailingCalls("ask for disks", 1, Silence));
        IServedDiskBuilder builder = next.Require<IServedDiskBuilder>("building");
        UnfinishedAppliance left = Assert.Single(await builder.FindUnfinishedAsync(default));
        Assert.Equal(ErrorIds.ServerUnreachable, (await Assert.ThrowsAsync<NataliaException>(() =>
            builder.TryCompleteAsync(left, default))).ErrorId);
        Assert.True(fixture.IsRunning(left.NativeId));
        Assert.False(await builder.TryCompleteAsync(left, default));
        await builder.RemoveUnfinishedAsync(left, default);

        static NataliaException Silence() =>
            new(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection, "Another program holds it.");
    }

    /// <summary>Where this user may mount a small file system.</summary>
    [QemuFact]
    public async Task A_folder_that_is_full_is_waited_for()
    {
        await using var fixture = new QemuFixture();
        string mount = Directory.CreateDirectory(_folder["small"]).FullName, filler = Path.Combine(mount, "filler");
        if (Run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount) != 0) return;
        string? id = null;
        try
        {
            var told = new List<string>();
            using IHypervisor hypervisor = QemuHypervisor.Open(mount, new HastyClock());
            ApplianceDescription vm = await BuildAsync(hypervisor, fixture, Serve(text =>
            {
                told.Add(text);
                if (told.Count == 1) Fill(filler);
                else File.Delete(filler);
            }));
            id = vm.NativeId;
            Kill();
            Assert.Contains("There is no room in", told[1], StringComparison.Ordinal);
            Assert.NotNull(MachineProcess.Find(id!));
            Assert.Equal(s_data, File.ReadAllBytes(Path.Combine(mount, "restored", "data.raw"))[..s_data.Length]);
        }
        finally
        {
            if (id is not null) await MachineProcess.StopAsync(id, null, default);
            Run("umount", "--lazy", mount);
        }

        static void Fill(string path)
        {
            using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1);
            try
            {
                while (true) file.Write(new byte[4096]);
            }
            catch (IOException)
            {
                // Full.
            }
        }
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }

    [QemuFact]
    public async Task A_read_that_fails_for_a_moment_is_tried_again()
    {
        await using var fixture = new QemuFixture();
        var told = new List<string>();
        ApplianceDescription vm = await BuildAsync(await fixture.ConnectAsync(), fixture,
            Serve(told.Add, readFails: true));
        Kill();
        // Whoever read it first, the guest's firmware or the move.
        Assert.Contains(told, t => t.Contains("cannot be read", StringComparison.Ordinal)
            || t.Contains("could not be read", StringComparison.Ordinal));
        Assert.True(fixture.IsRunning(vm.NativeId!));
        AssertHasData(fixture, vm);
    }

    [QemuFact]
    public async Task After_a_death_before_the_end_the_vm_is_found_unfinished_and_removed()
    {
        await using var fixture = new QemuFixture();
        using IHypervisor dying = QemuHypervisor.Open(fixture.Root, new HastyClock(), new DyingCalls("take own disks"));
        await DieAsync(() => BuildAsync(dying, fixture, Serve()));
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

    /// <summary>Calls of this name fail, before they do anything: so many of them.</summary>
    private sealed class FailingCalls(string at, int times, Func<Exception> failure) : HostCalls
    {
        private int _left = times;

        internal override void Before(string call)
        {
            if (call == at && _left-- > 0) throw failure();
        }
    }

    /// <summary>It dies where it is meant to, and fails for no other reason before.</summary>
    private static async Task DieAsync(Func<Task> build)
    {
        Exception death = await Assert.ThrowsAnyAsync<Exception>(build);
        Assert.Contains("The process has died (", death.ToString(), StringComparison.Ordinal);
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
