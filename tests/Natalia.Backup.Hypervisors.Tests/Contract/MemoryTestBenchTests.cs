using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>
/// The suite of test benches on the bench that stands on any builder, here that of the memory hypervisor.
/// </summary>
public sealed class MemoryTestBenchTests : TestBenchConformance
{
    protected override Task<ITestBenchFixture> OpenAsync() => Task.FromResult<ITestBenchFixture>(new Fixture());

    private sealed class Fixture : ITestBenchFixture
    {
        private readonly MemoryInventory _inventory = new();

        public RestoreSource Source { get; } = PointImages.Create();

        public string IsolatedNetwork => "nowhere";

        public IReadOnlyCollection<string> VMs => _inventory.VMs.Keys;

        public Task<IHypervisor> ConnectAsync(int? lifetime = null) =>
            Task.FromResult<IHypervisor>(new MemoryVMHost(_inventory) { Lifetime = lifetime ?? int.MaxValue });

        public bool IsRunning(string nativeId) => _inventory.VMs[nativeId].IsRunning;

        public void MoveAdapter(string nativeId) => _inventory.VMs[nativeId].Networks[1] = "lan";

        public void TakeMark(string nativeId) => _inventory.VMs[nativeId].Test = null;

        public void SetGuest(string nativeId, bool answers, string output)
        {
            _inventory.GuestsAnswer = answers;
            _inventory.Programs["/bin/check"] = (0, output);
        }

        public ValueTask DisposeAsync() => default;
    }
}
