using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>The suite of test benches on the simulated host; and what only Hyper-V has to prove.</summary>
public sealed class HyperVTestBenchTests : TestBenchConformance
{
    protected override Task<ITestBenchFixture> OpenAsync() =>
        Task.FromResult<ITestBenchFixture>(new SimBuilderFixture());

    [Fact]
    public async Task A_host_of_the_cluster_that_is_down_is_told_and_nothing_is_taken_for_gone()
    {
        await using var fixture = new SimBuilderFixture();
        ITestVM vm = await PrepareAsync(fixture);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        var bench = new BuilderTestBench(hypervisor);
        IApplianceBuilder builder = hypervisor.Require<IApplianceBuilder>("building");
        Assert.Empty(PartialCollection.UnseenOf(await bench.FindAsync(default)));
        SimMachine machine = fixture.Find(vm.Info.NativeId);
        (fixture.Host.Nodes["hv1"], fixture.Host.Nodes["hv2"]) = (0, 1);
        fixture.Host.Machines.Remove(machine);

        Assert.Equal(["the host 'hv2'"], PartialCollection.UnseenOf(await bench.FindAsync(default)));
        Assert.Equal(["the host 'hv2'"],
            PartialCollection.UnseenOf(await builder.FindUnfinishedAsync(default)));
        NataliaException unknown = await Assert.ThrowsAsync<NataliaException>(() => vm.DestroyAsync(default));
        Assert.Contains("not known, because not everything there can be looked at now: the host 'hv2'.",
            unknown.Message, StringComparison.Ordinal);

        fixture.Host.Machines.Add(machine);
        fixture.Host.Nodes["hv2"] = 0;
        await vm.DestroyAsync(default);
    }

    [Theory]
    [InlineData("external", "a network card of the host")]
    [InlineData("nat", "the host translates addresses")]
    [InlineData("router", "the host is a router")]
    [InlineData("lost", "it is not told on which")]
    public async Task On_a_switch_that_leads_out_no_test_vm_is_even_made(string way, string why)
    {
        await using var fixture = new SimBuilderFixture();
        Open(fixture, way);
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => PrepareAsync(fixture));
        Assert.Equal((ErrorIds.IsolationNotProven, NataliaErrorKind.Security), (error.ErrorId, error.Kind));
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, fixture.VMs);
    }

    [Theory]
    [InlineData("external", "NoWayOut")]
    [InlineData("nat", "NoWayOut")]
    [InlineData("router", "NoWayOut")]
    [InlineData("lost", "NoWayOut")]
    [InlineData("pool", "NetworkIsolation")]
    [InlineData("trunk", "NetworkIsolation")]
    [InlineData("vlan", "NetworkIsolation")]
    [InlineData("mac", "MacAddress")]
    [InlineData("twin", "MacAddress")]
    [InlineData("emulated twin", "MacAddress")]
    [InlineData("serial", "HostDevice")]
    [InlineData("passthrough", "Disks")]
    [InlineData("disk", "Disks")]
    [InlineData("boot", "StartsOnBoot")]
    [InlineData("replica", "Replication")]
    public async Task Whatever_leads_out_of_a_vm_keeps_it_from_being_started(string way, string check)
    {
        await using var fixture = new SimBuilderFixture();
        ITestVM vm = await PrepareAsync(fixture);
        SimMachine machine = fixture.Find(vm.Info.NativeId);
        switch (way)
        {
            case "pool": machine.Adapters[1].SwitchId = null; break;
            case "trunk": machine.Adapters[1].IsTrunk = true; break;
            case "vlan": machine.Adapters[1].Vlan = 7; break;
            case "mac": machine.Adapters[1].IsStaticMac = true; break;
            case "twin": machine.Adapters[1].Mac = fixture.Host.Machines[0].Adapters[0].Mac; break;
            case "emulated twin":
                fixture.Host.Machines[0].Adapters[0].IsEmulated = true;
                machine.Adapters[1].Mac = fixture.Host.Machines[0].Adapters[0].Mac;
                break;
            case "serial": machine.SerialPort = @"\\.\pipe\console"; break;
            case "passthrough": machine.PassThrough.Add(9); break;
            case "disk": fixture.Host.NewDisk(machine, 9, new byte[4096]); break;
            case "boot": machine.StartupAction = 3; break;
            case "replica": machine.ReplicationMode = 1; break;
            default: Open(fixture, way); break;
        }
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => vm.StartAsync(default));
        Assert.Equal(ErrorIds.IsolationNotProven, error.ErrorId);
        Assert.Equal(check, Assert.Single(await vm.ProveIsolationAsync(default),
            c => c.Result is not (CheckOutcome.Passed or CheckOutcome.Warning)).Name);
        Assert.False(fixture.IsRunning(vm.Info.NativeId));
    }

    [Fact]
    public async Task A_vlan_is_set_before_the_vm_can_start_and_read_back()
    {
        await using var fixture = new SimBuilderFixture();
        await using ITestVM vm = await PrepareAsync(fixture, "nowhere:42");
        Assert.All(fixture.Find(vm.Info.NativeId).Adapters, a => Assert.Equal((ushort)42, a.Vlan));
        await vm.StartAsync(default);
        fixture.Find(vm.Info.NativeId).Adapters[0].Vlan = null;
        Assert.Contains(await vm.ProveIsolationAsync(default),
            c => c is { Result: CheckOutcome.Failed, Actual: "on nowhere, no VLAN" });
    }

    /// <summary>
    /// The original is on a net of this machine with the very address of the restored one: no command may run there.
    /// </summary>
    [Fact]
    public async Task Commands_run_in_the_test_vm_and_never_in_the_original_that_has_its_address()
    {
        await using var fixture = new SimBuilderFixture();
        fixture.Host.Machines[0].Programs = line => throw new InvalidOperationException($"In the original: {line}");
        await using ITestVM vm = await PrepareAsync(fixture);
        await vm.StartAsync(default);
        fixture.SetGuest(vm.Info.NativeId, answers: true, "here");
        await using (IGuest guest = await vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), default))
            Assert.Equal("here", (await guest.RunAsync(new GuestCommand { Arguments = ["/bin/check"] },
                default)).Output);
        Assert.EndsWith("%12", Assert.Single(fixture.Dialer.Dialled), StringComparison.Ordinal);

        // Without IPv6 the address alone is left, and the original answers there.
        fixture.Dialer.Interfaces = [fixture.Dialer.Interfaces[1] with { Index = 0 }];
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(
            () => vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), default));
        Assert.Equal(ErrorIds.GuestNotReachable, error.ErrorId);
        Assert.True(error.Message.Contains("another machine with its address"), error.Message);
    }

    [Theory]
    [InlineData("heartbeat", "its heartbeat was never heard")]
    [InlineData("address", "has booted, and has no address")]
    [InlineData("elsewhere", "none of its addresses")]
    public async Task How_far_a_guest_came_is_told(string trouble, string text)
    {
        await using var fixture = new SimBuilderFixture();
        await using ITestVM vm = await PrepareAsync(fixture);
        SimMachine machine = fixture.Find(vm.Info.NativeId);
        await vm.StartAsync(default);
        if (trouble == "heartbeat") machine.IsGuestHealthy = false;
        if (trouble == "address") (machine.Address, machine.LinkLocalAddress) = (null, "");
        if (trouble == "elsewhere") (machine.Address, machine.LinkLocalAddress) = ("172.16.0.4", "");
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(
            () => vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), default));
        Assert.Equal(ErrorIds.GuestNotReachable, error.ErrorId);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }

    /// <summary>At two addresses each time: a password may be refused while the system starts, a key may not.
    /// </summary>
    [Theory]
    [InlineData(ErrorIds.SshHostKeyNotTrusted, 2)]
    [InlineData(ErrorIds.SshKeyInvalid, 2)]
    [InlineData(ErrorIds.AuthenticationFailed, 6)]
    public async Task A_refusal_of_the_guest_itself_is_told_at_once(string id, int dialled)
    {
        await using var fixture = new SimBuilderFixture();
        await using ITestVM vm = await PrepareAsync(fixture);
        await vm.StartAsync(default);
        fixture.Dialer.Refuses = a => new NataliaException(id, NataliaErrorKind.Security, "No.", a);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(
            () => vm.OpenGuestAsync(null, TimeSpan.FromHours(10), default));
        Assert.Equal(id, error.ErrorId);
        Assert.Equal(dialled, fixture.Dialer.Dialled.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_guest_is_told_that_it_is_in_a_test(bool whenRunningOnly)
    {
        await using var fixture = new SimBuilderFixture();
        fixture.Host.TellsRunningOnly = whenRunningOnly;
        await using ITestVM vm = await PrepareAsync(fixture);
        await vm.StartAsync(default);
        Assert.Equal(vm.Info.RunId, fixture.Find(vm.Info.NativeId).HostItems["natalia-restore-test"]);
    }

    [Fact]
    public async Task A_copy_of_a_test_vm_with_disks_of_its_own_is_not_destroyed()
    {
        await using var fixture = new SimBuilderFixture();
        await using ITestVM vm = await PrepareAsync(fixture);
        var copy = new SimMachine("copy") { Notes = fixture.Find(vm.Info.NativeId).Notes };
        fixture.Host.NewDisk(copy, 0, new byte[4096]);
        fixture.Host.Machines.Add(copy);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ITestVM found = Assert.Single(await hypervisor.Require<ITestBench>("bench").FindAsync(default),
            v => v.Info.NativeId == copy.Id);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => found.DestroyAsync(default));
        Assert.Equal(ErrorIds.NotATestAppliance, error.ErrorId);
        Assert.Contains(copy.Id, fixture.VMs);
        Assert.DoesNotContain(await hypervisor.GetAppliancesAsync(default), a => a.NativeId == vm.Info.NativeId);
    }

    private static void Open(SimBuilderFixture fixture, string way)
    {
        string id = fixture.Host.Switches.First(s => s.Value == "nowhere").Key;
        if (way == "external") fixture.Host.ExternalSwitches.Add(id);
        if (way == "nat") fixture.Host.Translations.Add("DockerNAT");
        if (way == "router") fixture.Host.Routed.Add(id);
        if (way == "lost") fixture.Host.LostCards.Add("2");
    }

    private static async Task<ITestVM> PrepareAsync(SimBuilderFixture fixture, string network = "nowhere") =>
        await (await fixture.ConnectAsync()).Require<ITestBench>("bench").PrepareAsync(fixture.Source,
            new TestVMRequest { IsolatedNetwork = network, RunId = "0123456789abcdef" }, null, default);
}
