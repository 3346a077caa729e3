using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Builds;

/// <summary>
/// The suite of test benches on a simulated vCenter; guest operations are our handler's model.
/// </summary>
public sealed class VSphereTestBenchTests : TestBenchConformance
{
    protected override Task<ITestBenchFixture> OpenAsync() =>
        Task.FromResult<ITestBenchFixture>(new VSphereBenchFixture());

    [VSphereFact]
    public async Task A_network_with_a_way_out_is_a_warning_because_the_adapters_are_disconnected()
    {
        await using var fixture = new VSphereBenchFixture();
        await using ITestVM vm = await PrepareAsync(fixture, "office");

        CheckResult warning = Assert.Single(await vm.ProveIsolationAsync(default),
            c => c.Result == CheckOutcome.Warning);

        Assert.Equal("vmnic1", warning.Actual);
        await vm.StartAsync(default);
        Assert.Equal(vm.Info.RunId, fixture.Option(vm.Info.NativeId, "guestinfo.natalia-restore-test"));
    }

    [VSphereFact]
    public async Task A_vm_that_is_inaccessible_is_told_and_not_taken_for_gone()
    {
        await using var fixture = new VSphereBenchFixture();
        ITestVM vm = await PrepareAsync(fixture);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        var bench = new BuilderTestBench(hypervisor);
        IReadOnlyList<ITestVM> whole = await bench.FindAsync(default);
        Assert.Single(whole);
        Assert.Empty(PartialCollection.UnseenOf(whole));
        fixture.Inaccessible = vm.Info.NativeId;

        IReadOnlyList<ITestVM> there = await bench.FindAsync(default);

        string[] unseen = [$"the VM '{vm.Info.Name}', whose configuration is not shown"];
        Assert.Empty(there);
        Assert.Equal(unseen, PartialCollection.UnseenOf(there));
        Assert.Equal(unseen, PartialCollection.UnseenOf(await hypervisor.Require<IApplianceBuilder>("building")
            .FindUnfinishedAsync(default)));
        Assert.Contains("not known", (await Assert.ThrowsAsync<NataliaException>(() => vm.DestroyAsync(default)))
            .Message, StringComparison.Ordinal);
        fixture.Inaccessible = null;
        await vm.DestroyAsync(default);
    }

    [VSphereTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_copy_of_a_test_vm_and_a_disk_of_somebodys_own_are_not_destroyed(bool isCopy)
    {
        await using var fixture = new VSphereBenchFixture();
        ITestVM vm = await PrepareAsync(fixture);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        string theirs = vm.Info.NativeId;
        if (isCopy)
        {
            // Extra configuration is copied with a VM; the disks of the copy lie in a folder of its own.
            theirs = (await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(PointImages.Create(),
                new BuildRequest { Name = "copy" }, null, default)).NativeId!;
            foreach (string key in new[] { "natalia.test", "natalia.folder" })
            {
                string value = fixture.Option(vm.Info.NativeId, key)!;
                fixture.Server.Bench("strip", theirs, ("key", key));
                fixture.Server.Bench("option", theirs, ("key", key), ("value", value));
            }
        }
        else await fixture.AttachAsync(theirs, fixture.Server.Appliance.Disks[0]);
        string[] files = fixture.FilesOf(theirs);
        Assert.NotEmpty(files);
        ITestVM found = Assert.Single(await new BuilderTestBench(hypervisor).FindAsync(default),
            v => v.Info.NativeId == theirs);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => found.DestroyAsync(default));

        Assert.Equal(ErrorIds.NotATestAppliance, e.ErrorId);
        Assert.Contains("a disk that the test did not make ('[", e.Message, StringComparison.Ordinal);
        Assert.Contains(theirs, fixture.VMs);
        Assert.All(files, f => Assert.True(File.Exists(f), f));
        if (isCopy) await vm.DestroyAsync(default);
        Assert.All(files, f => Assert.True(File.Exists(f), f));
    }

    [VSphereFact]
    public async Task The_vlan_of_the_isolated_network_is_told()
    {
        await using var fixture = new VSphereBenchFixture();
        await using ITestVM vm = await PrepareAsync(fixture);

        IReadOnlyList<CheckResult> checks = await vm.ProveIsolationAsync(default);

        Assert.Equal(["on nowhere, VLAN 42, disconnected", "on nowhere, VLAN 42, disconnected"],
            checks.Where(c => c.Name == "NetworkIsolation").Select(c => c.Actual));
    }

    [VSphereFact]
    public async Task A_network_with_a_way_out_is_refused_when_an_adapter_is_connected()
    {
        await using var fixture = new VSphereBenchFixture();
        await using ITestVM vm = await PrepareAsync(fixture, "office");
        fixture.Server.Bench("connect", vm.Info.NativeId);

        CheckResult refused = Assert.Single(await vm.ProveIsolationAsync(default), c => c.Name == "IsolatedNetwork");

        Assert.Equal((CheckOutcome.Failed, "vmnic1", ErrorIds.IsolationNotProven),
            (refused.Result, refused.Actual, refused.ErrorId));
        Assert.Equal(ErrorIds.IsolationNotProven,
            (await Assert.ThrowsAsync<NataliaException>(() => vm.StartAsync(default))).ErrorId);
        Assert.False(fixture.IsRunning(vm.Info.NativeId));
    }

    [VSphereFact]
    public async Task A_command_gets_its_input_and_gives_its_exit_code_and_leaves_nothing_in_the_guest()
    {
        await using var fixture = new VSphereBenchFixture();
        await using ITestVM vm = await PrepareAsync(fixture);
        await vm.StartAsync(default);
        fixture.Server.Bench("guest", vm.Info.NativeId, ("program", "/bin/cat a b"), ("output", "(input)"),
            ("exit", 3));
        await using IGuest guest = await vm.OpenGuestAsync(VSphereBenchFixture.Guest(), TimeSpan.FromMinutes(1),
            default);

        GuestCommandResult result = await guest.RunAsync(
            new GuestCommand { Arguments = ["/bin/cat", "a", "b"], Input = "hello" }, default);

        Assert.Equal((3, "hello"), (result.ExitCode, result.Output));
        Assert.Contains("DeleteDirectoryInGuest", fixture.Server.Calls());
        Assert.Equal(ErrorIds.GuestCommandFailed, (await Assert.ThrowsAsync<NataliaException>(() =>
            guest.RunAsync(new GuestCommand { Arguments = ["/bin/absent"] }, default))).ErrorId);
    }

    [VSphereFact]
    public async Task A_command_that_does_not_end_is_ended()
    {
        await using var fixture = new VSphereBenchFixture();
        await using ITestVM vm = await PrepareAsync(fixture);
        await vm.StartAsync(default);
        fixture.SetGuest(vm.Info.NativeId, answers: true, "(never)");
        await using IGuest guest = await vm.OpenGuestAsync(VSphereBenchFixture.Guest(), TimeSpan.FromMinutes(1),
            default);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => guest.RunAsync(
            new GuestCommand { Arguments = ["/bin/sleep"], Timeout = TimeSpan.FromSeconds(5) }, default));

        Assert.Equal(ErrorIds.GuestCommandTimeout, e.ErrorId);
        Assert.Contains("TerminateProcessInGuest", fixture.Server.Calls());
    }

    [VSphereFact]
    public async Task A_wrong_login_is_told_at_once_and_a_missing_one_before_the_guest_is_asked()
    {
        await using var fixture = new VSphereBenchFixture();
        await using ITestVM vm = await PrepareAsync(fixture);
        await vm.StartAsync(default);
        fixture.SetGuest(vm.Info.NativeId, answers: true, "");

        NataliaException missing = await Assert.ThrowsAsync<NataliaException>(() =>
            fixture.Hypervisor.Require<IGuestChannel>("guests").OpenAsync(vm.Info.NativeId, null,
                TimeSpan.FromMinutes(5), default));
        Assert.Equal(ErrorIds.AuthenticationFailed, missing.ErrorId);
        Assert.DoesNotContain("ValidateCredentialsInGuest", fixture.Server.Calls());

        NataliaException wrong = await Assert.ThrowsAsync<NataliaException>(() =>
            vm.OpenGuestAsync(VSphereBenchFixture.Guest("an0ther-s3cret"), TimeSpan.FromMinutes(5), default));
        Assert.Equal(ErrorIds.PermissionDenied, wrong.ErrorId);
        Assert.DoesNotContain("an0ther-s3cret", wrong.ToString());
        Assert.Single(fixture.Server.Calls(), c => c == "ValidateCredentialsInGuest");
    }

    private static async Task<ITestVM> PrepareAsync(VSphereBenchFixture fixture, string network = "nowhere")
    {
        IHypervisor hypervisor = await fixture.ConnectAsync();
        return await hypervisor.Require<ITestBench>("test bench").PrepareAsync(fixture.Source,
            new TestVMRequest { IsolatedNetwork = network, RunId = "0123456789abcdef" }, null, default);
    }
}

/// <summary>The same suite on a simulated ESXi host.</summary>
public sealed class EsxiTestBenchTests : TestBenchConformance
{
    protected override Task<ITestBenchFixture> OpenAsync() =>
        Task.FromResult<ITestBenchFixture>(new VSphereBenchFixture(isCenter: false));
}
