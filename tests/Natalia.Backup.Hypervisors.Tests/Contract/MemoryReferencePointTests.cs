using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>
/// The contract with tokens that are born at the seal, as Hyper-V's are: no product, but the proof that the suite can
/// be passed by one.
/// </summary>
public sealed class MemoryReferencePointTests : HypervisorConformance
{
    protected override HypervisorFixture NewFixture() => new MemoryFixture(TokenLife.BornAtSeal);
}
