using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>The suite of builders on a folder of QEMU's VMs. Nothing is started by it.</summary>
public sealed class QemuBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new QemuFixture());
}
