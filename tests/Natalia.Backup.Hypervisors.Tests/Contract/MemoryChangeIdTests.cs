using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>The contract with tokens that exist from the freeze on, as VMware's changeIds do.</summary>
public sealed class MemoryChangeIdTests : HypervisorConformance
{
    protected override HypervisorFixture NewFixture() => new MemoryFixture(TokenLife.BornAtFreeze);
}
