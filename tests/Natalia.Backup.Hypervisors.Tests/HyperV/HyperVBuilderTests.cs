using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>On the simulated host: our model of the documented behaviour, with real VHDX files.</summary>
public sealed class HyperVBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new SimBuilderFixture());
}
