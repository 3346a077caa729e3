using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>The suite of builders on the memory hypervisor.</summary>
public sealed class MemoryBuilderTests : BuilderConformance
{
    protected override Task<IBuilderSite> OpenAsync() => Task.FromResult<IBuilderSite>(new Site());

    private sealed class Site : IBuilderSite
    {
        private readonly MemorySite _site = new();

        public IReadOnlyCollection<string> VMs => _site.VMs.Keys;

        public string OtherNetwork => "lab";

        public Task<IHypervisor> ConnectAsync(int? lifetime = null) =>
            Task.FromResult<IHypervisor>(new MemoryVMHost(_site) { Lifetime = lifetime ?? int.MaxValue });

        public IReadOnlyList<string> NetworksOf(string nativeId) => _site.VMs[nativeId].Networks;

        public byte[] Read(string nativeId, string diskId) => _site.VMs[nativeId].Disks[diskId];

        public void Replace(string nativeId) => _site.VMs[nativeId] = new MemoryVM { Name = _site.VMs[nativeId].Name };

        public ValueTask DisposeAsync() => default;
    }
}
