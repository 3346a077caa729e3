using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

/// <summary>The suite of test benches on a simulated Proxmox VE cluster, with a point in its own storage.</summary>
public sealed class ProxmoxTestBenchTests : TestBenchConformance
{
    protected override async Task<ITestBenchFixture> OpenAsync()
    {
        ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, RestorePoint point) = await RestoreTests.OneAsync(fixture);
        return new Fixture(fixture, new RestoreSource.NativePoint(point));
    }

    [Fact]
    public async Task What_may_be_a_test_vm_and_cannot_be_looked_at_is_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guests.Add(ProxmoxFixture.Appliance(101, TestVMRequest.NamePrefix + "1", "pve2"));
            c.Guests.Add(ProxmoxFixture.Appliance(102, "natalia-02", "pve2"));
            c.Guests.Add(ProxmoxFixture.Appliance(103, "natalia-03", "pve3"));
        });
        Assert.Empty(await UnseenAsync(fixture));
        // As while it is restored: neither its name nor its mark is there yet.
        fixture.Cluster.Guest(103).Lock = "create";
        Assert.Equal(["VM 103 on node 'pve3'"], await UnseenAsync(fixture));
        fixture.Cluster.Guest(103).Lock = null;

        fixture.Cluster.OfflineNodes.Add("pve2");
        Assert.Equal([$"VM 101 ('{TestVMRequest.NamePrefix}1') on node 'pve2'"], await UnseenAsync(fixture));
        // The overview has forgotten the names.
        fixture.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal(["VM 101 on node 'pve2'", "VM 102 on node 'pve2'"], await UnseenAsync(fixture));
    }

    [Theory]
    [InlineData("stopped")]
    [InlineData("unknown")]
    public async Task A_test_vm_that_runs_is_stopped_and_destroyed_although_the_overview_lags_behind(string listed)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, RestorePoint point) = await RestoreTests.OneAsync(fixture);
        await using ITestVM test = await hypervisor.Find<ITestBench>()!.PrepareAsync(
            new RestoreSource.NativePoint(point), new TestVMRequest { IsolatedNetwork = "vmbr9" }, null, default);
        fixture.Cluster.Guest(101).ListedStatus = listed;
        await test.StartAsync(default);
        Assert.True(fixture.Cluster.Guest(101).Running);
        await test.DestroyAsync(default);
        Assert.Equal(100, fixture.Cluster.Guests.Single().Vmid);
    }

    private static async Task<IReadOnlyList<string>> UnseenAsync(ProxmoxFixture fixture) =>
        PartialCollection.UnseenOf(await (await fixture.ConnectAsync()).Find<ITestBench>()!.FindAsync(default));

    private sealed class Fixture(ProxmoxFixture fixture, RestoreSource source) : ITestBenchFixture
    {
        public RestoreSource Source => source;

        public string IsolatedNetwork => "vmbr9";

        public IReadOnlyCollection<string> VMs => [.. fixture.Cluster.Guests.Select(g => $"{g.Vmid}")];

        /// <summary>A client that has died sends nothing any more: none of its later requests is carried out.</summary>
        public async Task<IHypervisor> ConnectAsync(int? lifetime = null)
        {
            fixture.Server.Intercept = null;
            ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
            if (lifetime is int calls)
                fixture.Server.Intercept = _ => calls-- > 0 ? null : SimulatorReply.Fail(500, "the client has died");
            return hypervisor;
        }

        public bool IsRunning(string nativeId) => Guest(nativeId).Running;

        public void MoveAdapter(string nativeId) =>
            Guest(nativeId).Config["net0"] = "virtio=BC:24:11:00:00:01,bridge=vmbr0,link_down=1";

        public void TakeMark(string nativeId) => Guest(nativeId).Config["description"] = "somebody's VM";

        public void SetGuest(string nativeId, bool answers, string output)
        {
            Guest(nativeId).AgentAnswers = answers;
            Guest(nativeId).Programs["/bin/check"] = new SimulatedProcess(0, output);
        }

        public ValueTask DisposeAsync() => fixture.DisposeAsync();

        private SimulatedGuest Guest(string nativeId) => fixture.Cluster.Guest(int.Parse(nativeId));
    }
}
