using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class RestoreTests
{
    [Fact]
    public async Task A_point_becomes_a_new_vm_on_other_networks()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        var progress = new List<OperationProgress>();
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(
            point, new NativeRestoreRequest
            {
                NewName = "natalia-copy",
                Networks = new Dictionary<string, string> { ["vmbr0"] = "vmbr9" },
                Storage = "thin",
                Start = true,
            }, new Collect(progress), default);
        Assert.Equal(("101", "natalia-copy", "running"),
            (result.Appliance.NativeId, result.Appliance.Name, result.Appliance.State!.Power));
        Assert.NotEqual(point.ApplianceId, result.Appliance.ApplianceId);
        ApplianceNetwork network = Assert.Single(result.Appliance.Networks);
        Assert.Equal(("vmbr9", 20), (network.Name, network.Vlan));
        Assert.NotEqual("BC:24:11:12:34:56", network.MacAddress);
        Assert.StartsWith("thin:vm-101-", fixture.Cluster.Guest(101).Config["scsi1"]);
        Assert.Contains(progress, p => p.DoneBytes > 0);
        SimulatorRequest restore = fixture.Server.Requests.Single(r => r.Method == "POST" && r.Path.EndsWith("/qemu"));
        Assert.Equal(("1", null, null), (restore["unique"], restore["force"], restore["start"]));
        // Every other key of the adapter stays.
        Assert.Equal("virtio,bridge=vmbr9,firewall=1,tag=20", restore["net0"]);
    }

    [Fact]
    public async Task Networks_are_checked_before_anything_is_made()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        await ThrowsAsync(
            ErrorIds.NetworkNotFound,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, new NativeRestoreRequest
            {
                NewName = "copy",
                Networks = new Dictionary<string, string> { ["vmbr0"] = "vmbr77" },
            }, null, default));
        await ThrowsAsync(
            ErrorIds.NetworkNotFound,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, new NativeRestoreRequest
            {
                NewName = "copy",
                Networks = new Dictionary<string, string> { ["vmbr5"] = "vmbr9" },
            }, null, default));
        await ThrowsAsync(ErrorIds.StorageNotSuitable,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { NewName = "copy", Storage = "nas" }, null, default));
        await ThrowsAsync(ErrorIds.StorageNotSuitable,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { NewName = "copy", Storage = "tank", VMHost = "pve3" }, null, default));
        Assert.Single(fixture.Cluster.Guests);
    }

    [Fact]
    public async Task Of_a_point_without_network_adapters_no_empty_list_is_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Config.Remove("net0"));
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default));
        Assert.EndsWith("'vmbr0': it holds no network adapters.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_number_that_was_taken_meanwhile_is_not_touched()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.StaleNextId = 100);
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null,
            default);
        Assert.Equal("101", result.Appliance.NativeId);
        Assert.Equal("natalia-01", fixture.Cluster.Guest(100).Name);
        await ThrowsAsync(ErrorIds.DestinationExists,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                Copy() with { NativeId = "100", NewName = "other" }, null, default));
    }

    [Fact]
    public async Task A_failed_restore_leaves_no_half_vm()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.RestoreFailure = "command 'vma extract' failed: exit code 1");
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        Assert.Contains("vma extract",
            (await ThrowsAsync(ErrorIds.TaskFailed,
                () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default))).Message);
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
        Assert.Contains("short vma extent",
            (await ThrowsAsync(ErrorIds.TaskFailed,
                () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default))).Message);
        // Never by number alone: other disks of that number may be somebody's.
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Arguments.ContainsKey("destroy-unreferenced-disks"));
    }

    [Fact]
    public async Task Half_a_vm_that_its_maker_cannot_see_is_removed_all_the_same()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.RestoreFailure = "no space left");
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        fixture.Server.Intercept = r =>
        {
            if (r.Method == "POST" && r.Path.EndsWith("/qemu")) fixture.Cluster.Rights = new()
            {
                ["/"] = new[] { "VM.Allocate", "VM.Backup", "Datastore.Audit", "Datastore.AllocateSpace" }.ToDictionary(
                    n => n,
                    _ => true),
            };
            return null;
        };
        Assert.Contains("no space left",
            (await ThrowsAsync(ErrorIds.TaskFailed,
                () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default))).Message);
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
    }

    [Fact]
    public async Task What_cannot_be_cleared_is_told_beside_the_cause()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => (c.RestoreFailure, c.DestroyError) = ("no space left", "storage 'tank' is not online"));
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        string message = (await ThrowsAsync(ErrorIds.TaskFailed,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default))).Message;
        Assert.Contains("no space left", message);
        Assert.Contains("half of VM 101 on node 'pve1', could not be removed", message);
        Assert.Contains("storage 'tank' is not online", message);
    }

    [Fact]
    public async Task A_copy_never_starts_by_itself_beside_its_original()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["onboot"] = "1");
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        NativeRestoreResult copy = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default);
        Assert.Equal("0", fixture.Cluster.Guest(101).Config["onboot"]);
        Assert.Contains(copy.Warnings, w => w.Contains("Start at boot"));
        // Where it takes the place of one that is gone, it is what that was.
        fixture.Cluster.Guests.Clear();
        NativeRestoreResult instead = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
            new NativeRestoreRequest(), null, default);
        Assert.Equal("1", fixture.Cluster.Guests.Single().Config["onboot"]);
        Assert.Empty(instead.Warnings);
    }

    [Fact]
    public async Task A_cancelled_restore_leaves_no_half_vm()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/log") && r.Path.Contains("qmrestore") && fixture.Cluster.Tasks[^1].Log.Count > 1)
                stop.Cancel();
            return null;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, stop.Token));
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
    }

    [Fact]
    public async Task A_restore_that_takes_too_long_is_stopped_and_leaves_no_vm()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        Assert.Contains("was stopped, and what it made was removed",
            (await ThrowsAsync(ErrorIds.TaskNotFinished,
                () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                    Copy() with { Timeout = TimeSpan.FromSeconds(30) }, null, default))).Message);
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
        Assert.All(fixture.Cluster.Tasks, t => Assert.NotNull(t.End));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_restore_that_cannot_be_stopped_names_the_vm_that_it_makes(bool isStopped)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (isStopped && r.Path.EndsWith("/log") && r.Path.Contains("qmrestore")) stop.Cancel();
            return r.Method == "DELETE" ? SimulatorReply.Fail(500, "no quorum") : null;
        };
        RemainingVMException error = await Assert.ThrowsAsync<RemainingVMException>(
            () => hypervisor.Find<ITestBench>()!.PrepareAsync(new RestoreSource.NativePoint(point),
                new TestVMRequest { IsolatedNetwork = "vmbr9", Timeout = TimeSpan.FromSeconds(30) }, null,
                stop.Token));
        Assert.Equal((isStopped ? ErrorIds.TaskFailed : ErrorIds.TaskNotFinished, "101"),
            (error.ErrorId, error.Target));
        Assert.Contains("could not be stopped and may run on: ", error.Message);
        Assert.Contains("no quorum", error.Message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_restore_of_whose_start_nothing_is_known_names_the_vm_and_never_advises_to_destroy_an_old_one(
        bool overExisting)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        fixture.Cluster.Guest(100).Running = false;
        fixture.Server.Intercept = r => r.Method == "POST" && r.Path.EndsWith("/qemu")
            ? throw new IOException("broken")
            : null;
        NataliaException error = await Assert.ThrowsAnyAsync<NataliaException>(
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                overExisting ? new NativeRestoreRequest { OverExisting = true } : Copy(), null, default));
        Assert.Equal((ErrorIds.RequestOutcomeUnknown, overExisting ? "100" : "101"), (error.ErrorId, error.Target));
        Assert.Equal((!overExisting, overExisting), (error is RemainingVMException, error is OverwrittenVMException));
        Assert.Equal(!overExisting, error.RecommendedAction!.Contains("destroy"));
    }

    [Fact]
    public async Task Half_a_vm_that_stays_is_told_as_such()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(
            c => (c.RestoreFailure, c.DestroyError) = ("no space left", "storage 'tank' is not online"));
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        RemainingVMException error = await Assert.ThrowsAsync<RemainingVMException>(
            () => hypervisor.Find<ITestBench>()!.PrepareAsync(new RestoreSource.NativePoint(point),
                new TestVMRequest { IsolatedNetwork = "vmbr9" }, null, default));
        Assert.Equal((ErrorIds.TaskFailed, "101"), (error.ErrorId, error.Target));
    }

    [Fact]
    public async Task Stopped_when_the_vm_is_made_it_is_removed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/qemu/101/config")) stop.Cancel();
            return null;
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, stop.Token));
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
    }

    [Theory]
    [InlineData("/qemu/101/config", "cannot be read back")]
    [InlineData("/status/start", "could not be started")]
    public async Task What_goes_wrong_after_the_restore_says_that_the_vm_is_there(string path, string words)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        fixture.Server.Intercept = r => r.Path.EndsWith(path) ? throw new IOException("broken") : null;
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
            Copy() with { Start = true }, null, default);
        Assert.StartsWith("VM 101 was restored on node 'pve1', but it " + words, result.Failure!.Message);
        Assert.Equal(("101", "natalia-copy"), (result.Appliance.NativeId, result.Appliance.Name));
        // Of a VM that could not be read, nothing is claimed that the point says.
        Assert.Equal(path.EndsWith("/config"), result.Appliance.Disks.Count == 0);
    }

    [Fact]
    public async Task Stopped_over_the_old_vm_it_says_that_that_may_be_incomplete()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        fixture.Cluster.Guest(100).Running = false;
        using var stop = new CancellationTokenSource();
        fixture.Server.Intercept = r =>
        {
            if (r.Path.EndsWith("/log") && r.Path.Contains("qmrestore")) stop.Cancel();
            return null;
        };
        OverwrittenVMException error = await Assert.ThrowsAsync<OverwrittenVMException>(
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { OverExisting = true }, null, stop.Token));
        Assert.Contains("was stopped. VM 100 itself may be incomplete now", error.Message);
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
    }

    [Fact]
    public async Task Over_the_old_vm_only_explicitly_and_only_when_it_is_off()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        await ThrowsAsync(ErrorIds.ApplianceRunning,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { OverExisting = true }, null, default));
        fixture.Cluster.Guest(100).Running = false;
        fixture.Cluster.Guest(100).Config["cores"] = "16";
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
            new NativeRestoreRequest { OverExisting = true }, null, default);
        Assert.Equal(point.ApplianceId, result.Appliance.ApplianceId);
        Assert.Equal("4", fixture.Cluster.Guest(100).Config["cores"]);
        Assert.Contains("BC:24:11:12:34:56", fixture.Cluster.Guest(100).Config["net0"]);
        Assert.Equal(("1", null),
            (fixture.Server.Requests.Last(r => r.Method == "POST" && r.Path.EndsWith("/qemu"))["force"],
                fixture.Server.Requests.Last(r => r.Method == "POST" && r.Path.EndsWith("/qemu"))["unique"]));
    }

    [Theory]
    [InlineData("scsi0", false)]
    [InlineData("scsi2", true)]
    public async Task A_point_that_lacks_the_boot_disk_or_one_by_accident_never_goes_over_a_vm(string lacked,
        bool isByAccident)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            if (lacked == "scsi2") c.Guest(100).Config[lacked] = "tank:vm-100-disk-2,size=10G";
            c.Guest(100).Config[lacked] += ",backup=0";
        });
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        if (isByAccident)
            fixture.Cluster.Storage("pbs").Points.Single().ConfigText +=
                $"#[natalia-backup left-out={lacked} run=run1 since=1700000000]\n";
        fixture.Cluster.Guest(100).Running = false;
        NataliaException error = await ThrowsAsync(ErrorIds.DiskExcluded,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { OverExisting = true }, null, default));
        Assert.Contains($"does not hold {lacked}, which was left out", error.Message);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "POST" && r.Path.EndsWith("/qemu"));
        NativeRestoreResult copy = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null, default);
        Assert.Contains(copy.Warnings, w => w.Contains($"does not hold {lacked}")
            && w.Contains("cannot boot") == (lacked == "scsi0"));
    }

    [Fact]
    public async Task A_disk_that_is_left_out_for_good_is_named_when_a_restore_detaches_it()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(
            c => c.Guest(100).Config["scsi2"] = "tank:vm-100-disk-2,backup=0,size=10G");
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        fixture.Cluster.Guest(100).Running = false;
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
            new NativeRestoreRequest { OverExisting = true }, null, default);
        Assert.Contains("does not hold scsi2", Assert.Single(result.Warnings));
        Assert.Contains("is detached from it", result.Warnings[0]);
    }

    [Fact]
    public async Task Whether_a_vm_is_off_says_its_node_and_not_the_overview_that_lags_behind()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        var over = new NativeRestoreRequest { OverExisting = true };
        fixture.Cluster.Guest(100).ListedStatus = "stopped";
        await ThrowsAsync(ErrorIds.ApplianceRunning,
            () => hypervisor.Find<INativeRestore>()!.CheckRestoreAsync(point, over, default));
        (fixture.Cluster.Guest(100).ListedStatus, fixture.Cluster.Guest(100).Running) = ("unknown", false);
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
            over with { Start = true }, null, default);
        Assert.Equal("running", result.Appliance.State!.Power);
    }

    [Fact]
    public async Task A_point_of_the_data_disk_alone_says_that_it_cannot_boot_and_never_goes_over_a_vm()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync("pbs-data");
        RestorePoint point = (await repository.BackupAsync(appliance, new NativeBackupRequest { DataDiskOnly = true },
            null, default)).Point;
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy(), null,
            default);
        Assert.Contains(result.Warnings, w => w.Contains("cannot boot"));
        // The mark of the run that made it does not live on in the copy.
        Assert.DoesNotContain("left-out", fixture.Cluster.Guest(101).Config.GetValueOrDefault("description", ""));
        fixture.Cluster.Guest(100).Running = false;
        await ThrowsAsync(ErrorIds.StorageMixesKinds,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { OverExisting = true }, null, default));
    }

    [Fact]
    public async Task A_test_vm_is_isolated_from_the_first_moment_and_read_back_before_it_starts()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedGuest guest = c.Guest(100);
            guest.Config["net1"] = "e1000=BC:24:11:12:34:57,bridge=vmbr0,tag=30";
            guest.Config["hostpci0"] = "0000:01:00.0";
            guest.Config["usb0"] = "host=1234:5678";
            guest.Config["serial0"] = "socket";
            guest.Config["onboot"] = "1";
        });
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        var how = new TestVMRequest
        {
            IsolatedNetwork = "vmbr9",
            RunId = "0123456789abcdef",
            Placement = new() { Storage = "thin" },
            MemoryBytes = 2L << 30,
        };
        ITestBench bench = hypervisor.Find<ITestBench>()!;
        await using ITestVM test = await bench.PrepareAsync(new RestoreSource.NativePoint(point), how, null, default);
        SimulatorRequest restore = fixture.Server.Requests.Single(r => r.Method == "POST" && r.Path.EndsWith("/qemu"));
        Assert.Equal(("virtio,bridge=vmbr9,link_down=1", "e1000,bridge=vmbr9,link_down=1", "0", "1", null, "2048"),
            (restore["net0"], restore["net1"], restore["onboot"], restore["unique"], restore["force"],
                restore["memory"]));
        SimulatedGuest made = fixture.Cluster.Guest(101);
        Assert.Equal(("natalia-test-01234567", false), (made.Name, made.Running));
        Assert.DoesNotContain(made.Config.Keys, k => k is "hostpci0" or "usb0");
        Assert.Equal("socket", made.Config["serial0"]);
        Assert.All(await test.ProveIsolationAsync(default), c => Assert.Equal(CheckOutcome.Passed, c.Result));
        await test.StartAsync(default);
        Assert.True(made.Running);
        Assert.Equal(test.Info, (await bench.FindAsync(default)).Single().Info);
        await test.DestroyAsync(default);
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
        await test.DestroyAsync(default);
    }

    [Theory]
    [InlineData("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,link_down=1")]
    [InlineData("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr9")]
    [InlineData("net3", "virtio=BC:24:11:00:00:02,bridge=vmbr0")]
    [InlineData("hostpci0", "0000:01:00.0")]
    [InlineData("hookscript", "local:snippets/x.pl")]
    [InlineData("onboot", "1")]
    public async Task A_test_vm_that_might_reach_the_world_is_not_started(string key, string value)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        var how = new TestVMRequest { IsolatedNetwork = "vmbr9" };
        await using ITestVM test =
            await hypervisor.Find<ITestBench>()!.PrepareAsync(new RestoreSource.NativePoint(point),
            how, null, default);
        fixture.Cluster.Guest(101).Config[key] = value;
        NataliaException error = await ThrowsAsync(ErrorIds.IsolationNotProven, () => test.StartAsync(default));
        Assert.Equal(NataliaErrorKind.Security, error.Kind);
        Assert.False(fixture.Cluster.Guest(101).Running);
    }

    [Fact]
    public async Task A_vm_without_the_mark_is_never_destroyed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        var foreign = new TestVMInfo
        {
            NativeId = "100",
            Name = "natalia-test-x",
            RunId = "x",
            IsolatedNetwork = "vmbr9",
        };
        await ThrowsAsync(ErrorIds.NotATestAppliance,
            () => hypervisor.Find<ITestVMControl>()!.DestroyTestVMAsync(foreign, default));
        fixture.Cluster.Guest(100).Config["name"] = "natalia-test-impostor";
        Assert.Empty(await hypervisor.Find<ITestBench>()!.FindAsync(default));
    }

    [Fact]
    public async Task A_network_with_ports_is_a_warning_and_refused_when_an_adapter_is_connected()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Bridges["vmbr9"] = "eno2");
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        var how = new TestVMRequest { IsolatedNetwork = "vmbr9" };
        await using ITestVM test =
            await hypervisor.Find<ITestBench>()!.PrepareAsync(new RestoreSource.NativePoint(point),
            how, null, default);
        Assert.Equal("eno2",
            (await test.ProveIsolationAsync(default)).Single(c => c.Result == CheckOutcome.Warning).Actual);

        fixture.Cluster.Guest(101).Config["net0"] = "virtio=BC:24:11:00:00:01,bridge=vmbr9";
        CheckResult refused = (await test.ProveIsolationAsync(default)).Single(c => c.Name == "IsolatedNetwork");
        Assert.Equal((CheckOutcome.Failed, "eno2", ErrorIds.IsolationNotProven),
            (refused.Result, refused.Actual, refused.ErrorId));
        await ThrowsAsync(ErrorIds.IsolationNotProven, () => test.StartAsync(default));
        Assert.False(fixture.Cluster.Guest(101).Running);
    }

    [Fact]
    public async Task A_name_that_is_taken_and_the_network_of_the_original_are_refused_before_anything_is_made()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        int before = fixture.Server.Requests.Count;
        NataliaException taken = await ThrowsAsync(ErrorIds.ApplianceNameInUse,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
                new NativeRestoreRequest { Networks = Copy().Networks }, null, default));
        Assert.Contains("'natalia-01'", taken.Message);
        Assert.Contains("-OverExisting", taken.RecommendedAction);
        await ThrowsAsync(ErrorIds.ApplianceNameInUse,
            () => hypervisor.Find<INativeRestore>()!.RestoreAsync(point, Copy() with { NewName = "NATALIA-01" }, null,
                default));
        NataliaException shared = await ThrowsAsync(ErrorIds.NetworkChoiceRequired,
            () => hypervisor.Find<INativeRestore>()!.CheckRestoreAsync(point,
                new NativeRestoreRequest { NewName = "copy" }, default));
        Assert.Contains("'vmbr0' = 'vmbr0'", shared.RecommendedAction);
        Assert.All(fixture.Server.Requests.Skip(before), r => Assert.Equal("GET", r.Method));
        // Said explicitly, the same network is a choice like any other.
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(
            point, new NativeRestoreRequest
            {
                NewName = "copy",
                Networks = new Dictionary<string, string> { ["vmbr0"] = "vmbr0" },
            }, null, default);
        Assert.Equal("vmbr0", Assert.Single(result.Appliance.Networks).Name);
        Assert.NotEqual("BC:24:11:12:34:56", result.Appliance.Networks[0].MacAddress);
    }

    [Fact]
    public async Task Where_the_vm_is_gone_it_is_restored_as_it_was_without_a_word()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await OneAsync(fixture);
        fixture.Cluster.Guests.Clear();
        NativeRestoreResult result = await hypervisor.Find<INativeRestore>()!.RestoreAsync(point,
            new NativeRestoreRequest(), null, default);
        Assert.Equal(("natalia-01", "vmbr0"), (result.Appliance.Name, Assert.Single(result.Appliance.Networks).Name));
    }

    private static NativeRestoreRequest Copy() => new()
    {
        NewName = "natalia-copy",
        Networks = new Dictionary<string, string> { ["vmbr0"] = "vmbr9" },
    };

    internal static async Task<(ProxmoxHypervisor, RestorePoint)> OneAsync(ProxmoxFixture fixture)
    {
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync();
        return (hypervisor, (await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default)).Point);
    }

    private sealed class Collect(List<OperationProgress> into) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => into.Add(value);
    }
}
