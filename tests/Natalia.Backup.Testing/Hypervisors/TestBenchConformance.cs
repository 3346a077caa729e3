using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>What <see cref="ITestBench"/> means, whoever implements it.</summary>
public abstract class TestBenchConformance
{
    protected abstract Task<ITestBenchFixture> OpenAsync();

    private static TestVMRequest How(ITestBenchFixture fixture, string runId = "0123456789abcdef") =>
        new() { IsolatedNetwork = fixture.IsolatedNetwork, RunId = runId };

    [StoreFact]
    public async Task A_test_vm_is_isolated_starts_answers_and_is_gone_in_the_end()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        ITestBench bench = await FixtureAsync(fixture);
        await using (ITestVM vm = await bench.PrepareAsync(fixture.Source, How(fixture), null, default))
        {
            Assert.Contains(vm.Info.NativeId, fixture.VMs);
            Assert.DoesNotContain(vm.Info.NativeId, before);
            Assert.False(fixture.IsRunning(vm.Info.NativeId));
            Assert.All(await vm.ProveIsolationAsync(default), c => Assert.Equal(CheckOutcome.Passed, c.Result));
            await vm.StartAsync(default);
            Assert.True(fixture.IsRunning(vm.Info.NativeId));
            fixture.SetGuest(vm.Info.NativeId, answers: true, "4711");
            await using IGuest guest = await vm.OpenGuestAsync(null, TimeSpan.FromMinutes(5), default);
            GuestCommandResult result = await guest.RunAsync(new GuestCommand { Arguments = ["/bin/check"] }, default);
            Assert.Equal((0, "4711"), (result.ExitCode, result.Output));
        }
        Assert.Equal(before, fixture.VMs);
    }

    [StoreFact]
    public async Task A_vm_with_an_adapter_on_another_network_is_not_started()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        ITestBench bench = await FixtureAsync(fixture);
        await using ITestVM vm = await bench.PrepareAsync(fixture.Source, How(fixture), null, default);
        fixture.MoveAdapter(vm.Info.NativeId);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => vm.StartAsync(default));
        Assert.Equal((ErrorIds.IsolationNotProven, NataliaErrorKind.Security), (error.ErrorId, error.Kind));
        Assert.False(fixture.IsRunning(vm.Info.NativeId));
    }

    [StoreFact]
    public async Task Two_tests_at_once_are_not_in_each_others_way()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        ITestBench bench = await FixtureAsync(fixture);
        ITestVM one = await bench.PrepareAsync(fixture.Source, How(fixture, "1111111111111111"), null, default);
        await using ITestVM two =
            await bench.PrepareAsync(fixture.Source, How(fixture, "2222222222222222"), null, default);
        Assert.NotEqual(one.Info.NativeId, two.Info.NativeId);
        await two.StartAsync(default);
        await one.DisposeAsync();
        Assert.DoesNotContain(one.Info.NativeId, fixture.VMs);
        Assert.True(fixture.IsRunning(two.Info.NativeId));
        Assert.Equal("2222222222222222", Assert.Single(await bench.FindAsync(default)).Info.RunId);
    }

    [StoreFact]
    public async Task A_vm_without_the_mark_is_not_destroyed()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        ITestBench bench = await FixtureAsync(fixture);
        ITestVM vm = await bench.PrepareAsync(fixture.Source, How(fixture), null, default);
        fixture.TakeMark(vm.Info.NativeId);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => vm.DisposeAsync().AsTask());
        Assert.Equal(ErrorIds.NotATestAppliance, error.ErrorId);
        Assert.Contains(vm.Info.NativeId, fixture.VMs);
        Assert.Empty(await bench.FindAsync(default));
    }

    [StoreFact]
    public async Task A_test_that_is_stopped_is_destroyed_all_the_same()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        ITestBench bench = await FixtureAsync(fixture);
        using var stop = new CancellationTokenSource();
        await using (ITestVM vm = await bench.PrepareAsync(fixture.Source, How(fixture), null, stop.Token))
        {
            await vm.StartAsync(stop.Token);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), stop.Token));
        }
        Assert.Equal(before, fixture.VMs);
    }

    [StoreFact]
    public async Task A_guest_that_does_not_answer_is_told_and_its_vm_destroyed()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        ITestBench bench = await FixtureAsync(fixture);
        await using (ITestVM vm = await bench.PrepareAsync(fixture.Source, How(fixture), null, default))
        {
            await vm.StartAsync(default);
            fixture.SetGuest(vm.Info.NativeId, answers: false, "");
            NataliaException error =
                await Assert.ThrowsAsync<NataliaException>(
                    () => vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), default));
            Assert.Equal(ErrorIds.GuestNotReachable, error.ErrorId);
        }
        Assert.Equal(before, fixture.VMs);
    }

    [StoreFact]
    public async Task One_that_is_kept_stays_and_is_found_and_destroyed_later()
    {
        await using ITestBenchFixture fixture = await OpenAsync();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        ITestBench bench = await FixtureAsync(fixture);
        ITestVM vm = await bench.PrepareAsync(fixture.Source, How(fixture), null, default);
        vm.IsKept = true;
        await vm.StartAsync(default);
        await vm.DisposeAsync();
        ITestBench later = await FixtureAsync(fixture);
        // Who looks what is there destroys nothing by it: another may be at work with it.
        await using (ITestVM seen = Assert.Single(await later.FindAsync(default))) Assert.Equal(vm.Info, seen.Info);
        Assert.Contains(vm.Info.NativeId, fixture.VMs);
        ITestVM found = Assert.Single(await later.FindAsync(default));
        await found.DestroyAsync(default);
        await found.DestroyAsync(default);
        Assert.Equal(before, fixture.VMs);
    }

    [StoreFact]
    public async Task Whenever_the_tester_dies_its_vm_is_found_by_its_mark()
    {
        for (int lifetime = 0; ; lifetime++)
        {
            await using ITestBenchFixture fixture = await OpenAsync();
            IReadOnlyCollection<string> before = [.. fixture.VMs];
            try
            {
                IHypervisor mortal = await fixture.ConnectAsync(lifetime);
                await using ITestVM vm = await mortal.Require<ITestBench>("test bench")
                    .PrepareAsync(fixture.Source, How(fixture), null, default);
                await vm.StartAsync(default);
                vm.IsKept = true;
            }
            catch (Exception e) when (e is IOException or NataliaException)
            {
                ITestBench later = await FixtureAsync(fixture);
                foreach (ITestVM left in await later.FindAsync(default)) await left.DestroyAsync(default);
                Assert.Equal(before, fixture.VMs);
                continue;
            }
            Assert.True(lifetime > 4, "The whole test was over before anything could be made.");
            return;
        }
    }

    private static async Task<ITestBench> FixtureAsync(ITestBenchFixture fixture) =>
        (await fixture.ConnectAsync()).Require<ITestBench>("test bench");
}
