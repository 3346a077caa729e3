using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Wmi;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>On the simulated host: what the checks say, and which hosts are asked.</summary>
public sealed class PrerequisiteTests : IDisposable
{
    private readonly HyperVFixture _host = new();

    public void Dispose() => _host.Dispose();

    [Fact]
    public async Task A_vm_that_is_fit_passes_every_check_and_nothing_is_changed()
    {
        _host.Host.AddSwitch("Nowhere");
        string[] before = [.. _host.Host.Log];
        Assert.All(await TestAsync("Nowhere"), c => Assert.Equal(CheckOutcome.Passed, c.Result));
        Assert.DoesNotContain(_host.Host.Log.Skip(before.Length), c => c is "ModifySystemSettings" or "CreateSnapshot");
    }

    [Theory]
    [InlineData("vss", "GuestVss", CheckOutcome.Failed, ErrorIds.QuiesceFailed)]
    [InlineData("version", "Suitable", CheckOutcome.Failed, ErrorIds.ApplianceNotSuitable)]
    [InlineData("merging", "Merging", CheckOutcome.Failed, ErrorIds.ApplianceNotSuitable)]
    [InlineData("room", "Room", CheckOutcome.Warning, null)]
    [InlineData("no volumes", "Room", CheckOutcome.NotEvidenced, null)]
    [InlineData("share", "Room", CheckOutcome.NotEvidenced, null)]
    [InlineData("no system", "HostStart", CheckOutcome.Warning, null)]
    [InlineData("no log", "EventLog", CheckOutcome.Warning, null)]
    [InlineData("empty log", "EventLog", CheckOutcome.Warning, null)]
    [InlineData("passthrough", "Disk", CheckOutcome.Warning, null)]
    [InlineData("file", "DiskFile", CheckOutcome.Failed, ErrorIds.DiskAccessDenied)]
    [InlineData("foreign", "ForeignCheckpoints", CheckOutcome.Warning, null)]
    [InlineData("tpm", "VirtualTpm", CheckOutcome.Warning, null)]
    [InlineData("busy", "Free", CheckOutcome.Warning, null)]
    [InlineData("network", "IsolatedNetwork", CheckOutcome.Failed, ErrorIds.NetworkNotFound)]
    [InlineData("external", "NoWayOut", CheckOutcome.Failed, ErrorIds.IsolationNotProven)]
    public async Task What_would_fail_is_told_beforehand(string trouble, string check, CheckOutcome result, string? id)
    {
        string nowhere = _host.Host.AddSwitch("Nowhere");
        switch (trouble)
        {
            case "vss": _host.Machine.IsVssOn = false; break;
            case "version": _host.Machine.Version = "5.0"; break;
            case "merging": _host.Machine.IsMergingOff = true; break;
            case "room": _host.Host.FreeSpace = 1 << 30; break;
            case "no volumes": _host.Host.Volumes[0] = @"E:\"; break;
            case "share": _host.Machine.Disks[0].Top.Path = @"\\files\vms\natalia-01\disk0.vhdx"; break;
            case "no system": _host.Host.ShowsSystem = false; break;
            case "no log": _host.Host.ShowsEvents = false; break;
            case "empty log": _host.Host.ShowsEmptyLog = true; break;
            case "passthrough": _host.Machine.PassThrough.Add(7); break;
            case "file": File.Delete(_host.Host.ToLocal(_host.Machine.Disks[0].Top.Path)); break;
            case "foreign": _host.Host.Freeze(_host.Machine, "Other product", SimHost.Recovery, 1); break;
            case "tpm": _host.Machine.HasTpm = true; break;
            case "busy": _host.Machine.Doing.Add(32774); break;
            case "external": _host.Host.ExternalSwitches.Add(nowhere); break;
        }
        IReadOnlyList<CheckResult> checks = await TestAsync(trouble == "network" ? "absent" : "Nowhere");
        CheckResult failed = checks.First(c => c.Name == check && c.Result != CheckOutcome.Passed);
        Assert.Equal((result, id), (failed.Result, failed.ErrorId));
    }

    [Fact]
    public async Task The_log_of_a_host_that_is_up_for_long_is_shown_without_its_start()
    {
        _host.Host.LogBegins = _host.Host.BootUtc.AddHours(1);
        _host.Host.AddSwitch("Nowhere");
        Assert.Equal(CheckOutcome.Passed, (await TestAsync("Nowhere")).Single(c => c.Name == "EventLog").Result);
    }

    [Theory]
    [InlineData(@"D:\VMs\a.vhdx", @"D:\|E:\", "D:", true)]
    [InlineData(@"d:\VMs\a.vhdx", @"D:\|D:\VMs\", @"D:\VMs", true)]
    [InlineData(@"\\?\D:\VMs\a.vhdx", @"D:\", "D:", true)]
    [InlineData(@"D:\VMs\a.vhdx", "", "D:", true)]
    [InlineData(@"E:\VMs\a.vhdx", "", "E:", false)]
    [InlineData(@"C:\ClusterStorage\Volume1\VMs\a.vhdx", @"C:\|C:\ClusterStorage\Volume1\",
        @"C:\ClusterStorage\Volume1", true)]
    [InlineData(@"C:\ClusterStorage\Volume1\VMs\a.vhdx", @"C:\", @"C:\ClusterStorage\Volume1", false)]
    [InlineData(@"C:\ClusterStorage\Volume1\VMs\a.vhdx", "", @"C:\ClusterStorage\Volume1", false)]
    [InlineData(@"\\files\vms\a.vhdx", @"D:\", @"\\files\vms", false)]
    [InlineData(@"\\?\UNC\files\vms\a.vhdx", @"D:\", @"\\files\vms", false)]
    public async Task Room_is_told_of_the_volume_that_a_disk_is_on_or_not_at_all(string path, string volumes,
        string expected, bool isKnown)
    {
        _host.Host.Volumes.Clear();
        _host.Host.Volumes.AddRange(volumes.Split('|', StringSplitOptions.RemoveEmptyEntries));
        HostVolumes read = await HostVolumes.ReadAsync(
            new HyperVHost("hv1", new SimGateway(_host.Host), _host.Host, _host.Clock), default);
        Assert.Equal((expected, isKnown ? (long?)_host.Host.FreeSpace : null), read.Find(path));
    }

    [Fact]
    public async Task What_a_dead_backup_left_is_told_until_the_next_one_has_removed_it()
    {
        using IHypervisor hypervisor = _host.Connect();
        IFrozenDisks frozen = await hypervisor.Require<IImageSource>("images").FreezeAsync(_host.Vm, new FreezeRequest
        {
            DiskIds = [_host.DataDisk],
            RunId = new string('1', 32),
            RepositoryId = new string('a', 32),
            HistoryId = new string('b', 32),
        }, default);
        CheckResult left = Assert.Single(await TestAsync("Nowhere"), c => c.Name == "Leftovers");
        Assert.Equal((CheckOutcome.Warning, "1"), (left.Result, left.Actual));
        await frozen.DisposeAsync();
        left = Assert.Single(await TestAsync("Nowhere"), c => c.Name == "Leftovers");
        Assert.Equal((CheckOutcome.Passed, "0"), (left.Result, left.Actual));
    }

    /// <summary>A VM belongs to the node that lists it now; one node that is away hides no VM of the others.</summary>
    [Fact]
    public async Task In_a_cluster_a_vm_is_asked_of_its_owner_also_when_it_has_moved()
    {
        using var there = new HyperVFixture();
        SimHost second = there.Host;
        foreach (SimHost host in new[] { _host.Host, second })
        {
            foreach (string node in new[] { "hv1", "hv2", "hv3" }) host.Nodes[node] = node == "hv3" ? 1u : 0u;
        }
        second.Machines[0].Name = "natalia-02";
        using HyperVHypervisor cluster = await HyperVHypervisor.ConnectAsync("hv1.example.com",
            name => new HyperVHost(name, new SimGateway(name == "hv2" ? second : _host.Host),
                name == "hv2" ? second : _host.Host, _host.Clock), default);
        ApplianceInventory all = await cluster.GetAppliancesAsync(default);
        Assert.Equal(["natalia-01", "natalia-02"], all.Select(a => a.Name).Order());
        Assert.Equal(["hv1.example.com", "hv2"], all.OrderBy(a => a.Name).Select(a => a.State!.VMHost));
        Assert.Empty(all.Problems);

        // It moves with its files, which lie on a volume of the cluster.
        _host.Host.Machines.Remove(_host.Machine);
        second.Machines.Add(_host.Machine);
        second.Log.Clear();
        Assert.Empty(await cluster.FindLeftoversAsync(_host.Vm, default));
        Assert.NotEmpty(second.Log);
        second.OnCall = _ => throw new Natalia.Backup.Hypervisors.HyperV.Cim.CimFaultException(
            Natalia.Backup.Hypervisors.HyperV.Cim.CimFault.Transport, "away");
        _host.Host.Machines.Add(new SimMachine("natalia-03"));
        all = await cluster.GetAppliancesAsync(default);
        Assert.Equal("natalia-03", Assert.Single(all).Name);
        Assert.Equal(ErrorIds.ServerUnreachable, Assert.Single(all.Problems).ErrorId);
    }

    [Fact]
    public async Task A_vm_whose_node_has_died_is_asked_of_the_one_that_took_it_over()
    {
        using var there = new HyperVFixture();
        SimHost second = there.Host;
        foreach (SimHost host in new[] { _host.Host, second }) (host.Nodes["hv1"], host.Nodes["hv2"]) = (0, 0);
        using HyperVHypervisor cluster = await HyperVHypervisor.ConnectAsync("hv1",
            name => new HyperVHost(name, new SimGateway(name == "hv2" ? second : _host.Host),
                name == "hv2" ? second : _host.Host, _host.Clock), default);
        Assert.Empty(await cluster.FindLeftoversAsync(there.Vm, default));
        second.OnCall = _ => throw new Natalia.Backup.Hypervisors.HyperV.Cim.CimFaultException(
            Natalia.Backup.Hypervisors.HyperV.Cim.CimFault.Transport, "away");
        // Nobody has taken it over yet, so that nothing is known of what a backup left on it.
        var left = new Leftover
        {
            Id = "snapshot/" + new string('1', 32),
            Description = "a checkpoint",
            ApplianceId = there.Vm.ApplianceId,
            RepositoryId = new string('a', 32),
            HistoryId = new string('b', 32),
            RunId = new string('1', 32),
            Tokens = [],
        };
        foreach (uint state in new[] { 0u, 1u })
        {
            _host.Host.Nodes["hv2"] = state;
            Assert.Equal(ErrorIds.ServerUnreachable, (await Assert.ThrowsAsync<NataliaException>(
                () => cluster.RemoveLeftoverAsync(left, default))).ErrorId);
            Assert.Equal(ErrorIds.ServerUnreachable, (await Assert.ThrowsAsync<NataliaException>(
                () => cluster.FindLeftoversAsync(there.Vm, default))).ErrorId);
        }

        _host.Host.Machines.Add(there.Machine);
        Assert.Empty(await cluster.FindLeftoversAsync(there.Vm, default));
        await cluster.RemoveLeftoverAsync(left, default);
    }

    [Fact]
    public async Task What_a_host_refuses_has_an_id()
    {
        var host = new SimHost("hv9", Path.GetTempPath(), _host.Clock)
        {
            OnCall = _ => throw new Natalia.Backup.Hypervisors.HyperV.Cim.CimFaultException(
                Natalia.Backup.Hypervisors.HyperV.Cim.CimFault.AccessDenied, "Access is denied."),
        };
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => HyperVHypervisor.ConnectAsync("hv9",
            name => new HyperVHost(name, new SimGateway(host), host, _host.Clock), default));
        Assert.Equal((ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied), (error.ErrorId, error.Kind));
        Assert.Contains("Hyper-V Administrators", error.RecommendedAction, StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<CheckResult>> TestAsync(string network)
    {
        using IHypervisor hypervisor = _host.Connect();
        return await hypervisor.Require<IPrerequisites>("checks").TestPrerequisitesAsync(_host.Vm,
            new PrerequisiteRequest { IsolatedNetwork = network }, default);
    }
}
