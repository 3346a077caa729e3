using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>What <see cref="ITestBench"/> means, whoever implements it.</summary>
public abstract class TestBenchConformance
{
    protected abstract Task<ITestBenchSite> OpenAsync();

    private static TestVMRequest How(ITestBenchSite site, string runId = "0123456789abcdef") =>
        new() { IsolatedNetwork = site.IsolatedNetwork, RunId = runId };

    [StoreFact]
    public async Task A_test_vm_is_isolated_starts_answers_and_is_gone_in_the_end()
    {
        await using ITestBenchSite site = await OpenAsync();
        IReadOnlyCollection<string> before = [.. site.VMs];
        ITestBench bench = await BenchAsync(site);
        await using (ITestVM vm = await bench.PrepareAsync(site.Source, How(site), null, default))
        {
            Assert.Contains(vm.Info.NativeId, site.VMs);
            Assert.DoesNotContain(vm.Info.NativeId, before);
            Assert.False(site.IsRunning(vm.Info.NativeId));
            Assert.All(await vm.ProveIsolationAsync(default), c => Assert.Equal(CheckOutcome.Passed, c.Result));
            await vm.StartAsync(default);
            Assert.True(site.IsRunning(vm.Info.NativeId));
            site.SetGuest(vm.Info.NativeId, answers: true, "4711");
            await using IGuest guest = await vm.OpenGuestAsync(null, TimeSpan.FromMinutes(5), default);
            GuestCommandResult result = await guest.RunAsync(new GuestCommand { Arguments = ["/bin/check"] }, default);
            Assert.Equal((0, "4711"), (result.ExitCode, result.Output));
        }
        Assert.Equal(before, site.VMs);
    }

    [StoreFact]
    public async Task A_vm_with_an_adapter_on_another_network_is_not_started()
    {
        await using ITestBenchSite site = await OpenAsync();
        ITestBench bench = await BenchAsync(site);
        await using ITestVM vm = await bench.PrepareAsync(site.Source, How(site), null, default);
        site.MoveAdapter(vm.Info.NativeId);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => vm.StartAsync(default));
        Assert.Equal((ErrorIds.IsolationNotProven, NataliaErrorKind.Security), (error.ErrorId, error.Kind));
        Assert.False(site.IsRunning(vm.Info.NativeId));
    }

    [StoreFact]
    public async Task Two_tests_at_once_are_not_in_each_others_way()
    {
        await using ITestBenchSite site = await OpenAsync();
        ITestBench bench = await BenchAsync(site);
        ITestVM one = await bench.PrepareAsync(site.Source, How(site, "1111111111111111"), null, default);
        await using ITestVM two = await bench.PrepareAsync(site.Source, How(site, "2222222222222222"), null, default);
        Assert.NotEqual(one.Info.NativeId, two.Info.NativeId);
        await two.StartAsync(default);
        await one.DisposeAsync();
        Assert.DoesNotContain(one.Info.NativeId, site.VMs);
        Assert.True(site.IsRunning(two.Info.NativeId));
        Assert.Equal("2222222222222222", Assert.Single(await bench.FindAsync(default)).Info.RunId);
    }

    [StoreFact]
    public async Task A_vm_without_the_mark_is_not_destroyed()
    {
        await using ITestBenchSite site = await OpenAsync();
        ITestBench bench = await BenchAsync(site);
        ITestVM vm = await bench.PrepareAsync(site.Source, How(site), null, default);
        site.TakeMark(vm.Info.NativeId);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => vm.DisposeAsync().AsTask());
        Assert.Equal(ErrorIds.NotATestAppliance, error.ErrorId);
        Assert.Contains(vm.Info.NativeId, site.VMs);
        Assert.Empty(await bench.FindAsync(default));
    }

    [StoreFact]
    public async Task A_test_that_is_stopped_is_destroyed_all_the_same()
    {
        await using ITestBenchSite site = await OpenAsync();
        IReadOnlyCollection<string> before = [.. site.VMs];
        ITestBench bench = await BenchAsync(site);
        using var stop = new CancellationTokenSource();
        await using (ITestVM vm = await bench.PrepareAsync(site.Source, How(site), null, stop.Token))
        {
            await vm.StartAsync(stop.Token);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), stop.Token));
        }
        Assert.Equal(before, site.VMs);
    }

    [StoreFact]
    public async Task A_guest_that_does_not_answer_is_told_and_its_vm_destroyed()
    {
        await using ITestBenchSite site = await OpenAsync();
        IReadOnlyCollection<string> before = [.. site.VMs];
        ITestBench bench = await BenchAsync(site);
        await using (ITestVM vm = await bench.PrepareAsync(site.Source, How(site), null, default))
        {
            await vm.StartAsync(default);
            site.SetGuest(vm.Info.NativeId, answers: false, "");
            NataliaException error =
                await Assert.ThrowsAsync<NataliaException>(
                    () => vm.OpenGuestAsync(null, TimeSpan.FromMinutes(1), default));
            Assert.Equal(ErrorIds.GuestNotReachable, error.ErrorId);
        }
        Assert.Equal(before, site.VMs);
    }

    [StoreFact]
    public async Task One_that_is_kept_stays_and_is_found_and_destroyed_later()
    {
        await using ITestBenchSite site = await OpenAsync();
        IReadOnlyCollection<string> before = [.. site.VMs];
        ITestBench bench = await BenchAsync(site);
        ITestVM vm = await bench.PrepareAsync(site.Source, How(site), null, default);
        vm.IsKept = true;
        await vm.StartAsync(default);
        await vm.DisposeAsync();
        ITestBench later = await BenchAsync(site);
        // Who looks what is there destroys nothing by it: another may be at work with it.
        await using (ITestVM seen = Assert.Single(await later.FindAsync(default))) Assert.Equal(vm.Info, seen.Info);
        Assert.Contains(vm.Info.NativeId, site.VMs);
        ITestVM found = Assert.Single(await later.FindAsync(default));
        await found.DestroyAsync(default);
        await found.DestroyAsync(default);
        Assert.Equal(before, site.VMs);
    }

    [StoreFact]
    public async Task Whenever_the_tester_dies_its_vm_is_found_by_its_mark()
    {
        for (int lifetime = 0; ; lifetime++)
        {
            await using ITestBenchSite site = await OpenAsync();
            IReadOnlyCollection<string> before = [.. site.VMs];
            try
            {
                IHypervisor mortal = await site.ConnectAsync(lifetime);
                await using ITestVM vm = await mortal.Require<ITestBench>("test bench")
                    .PrepareAsync(site.Source, How(site), null, default);
                await vm.StartAsync(default);
                vm.IsKept = true;
            }
            catch (Exception e) when (e is IOException or NataliaException)
            {
                ITestBench later = await BenchAsync(site);
                foreach (ITestVM left in await later.FindAsync(default)) await left.DestroyAsync(default);
                Assert.Equal(before, site.VMs);
                continue;
            }
            Assert.True(lifetime > 4, "The whole test was over before anything could be made.");
            return;
        }
    }

    private static async Task<ITestBench> BenchAsync(ITestBenchSite site) =>
        (await site.ConnectAsync()).Require<ITestBench>("test bench");
}
