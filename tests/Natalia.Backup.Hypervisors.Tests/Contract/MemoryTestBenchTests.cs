using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>
/// The suite of test benches on the bench that stands on any builder, here that of the memory hypervisor.
/// </summary>
public sealed class MemoryTestBenchTests : TestBenchConformance
{
    protected override Task<ITestBenchSite> OpenAsync() => Task.FromResult<ITestBenchSite>(new Site());

    private sealed class Site : ITestBenchSite
    {
        private readonly MemorySite _site = new();

        public RestoreSource Source { get; } = PointImages.Create();

        public string IsolatedNetwork => "nowhere";

        public IReadOnlyCollection<string> VMs => _site.VMs.Keys;

        public Task<IHypervisor> ConnectAsync(int? lifetime = null) =>
            Task.FromResult<IHypervisor>(new MemoryVMHost(_site) { Lifetime = lifetime ?? int.MaxValue });

        public bool IsRunning(string nativeId) => _site.VMs[nativeId].IsRunning;

        public void MoveAdapter(string nativeId) => _site.VMs[nativeId].Networks[1] = "lan";

        public void TakeMark(string nativeId) => _site.VMs[nativeId].Test = null;

        public void SetGuest(string nativeId, bool answers, string output)
        {
            _site.GuestsAnswer = answers;
            _site.Programs["/bin/check"] = (0, output);
        }

        public ValueTask DisposeAsync() => default;
    }
}
