using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>The suite of builders on the memory hypervisor.</summary>
public sealed class MemoryBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new Fixture());

    private sealed class Fixture : IBuilderFixture
    {
        private readonly MemoryInventory _inventory = new();

        public IReadOnlyCollection<string> VMs => _inventory.VMs.Keys;

        public string OtherNetwork => "lab";

        public Task<IHypervisor> ConnectAsync(int? lifetime = null) =>
            Task.FromResult<IHypervisor>(new MemoryVMHost(_inventory) { Lifetime = lifetime ?? int.MaxValue });

        public IReadOnlyList<string> NetworksOf(string nativeId) => _inventory.VMs[nativeId].Networks;

        public byte[] Read(string nativeId, string diskId) => _inventory.VMs[nativeId].Disks[diskId];

        public Task<bool> StartAsync(string nativeId) => Task.FromResult(_inventory.VMs[nativeId].IsRunning = true);

        public void Replace(string nativeId) =>
            _inventory.VMs[nativeId] = new MemoryVM { Name = _inventory.VMs[nativeId].Name };

        public ValueTask DisposeAsync() => default;
    }
}
