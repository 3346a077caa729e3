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
