using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// The suite of test benches with real processes of QEMU. Their disks hold no system: what a guest's agent would say,
/// the test says.
/// </summary>
public sealed class QemuTestBenchTests : TestBenchConformance
{
    public static string? Obstacle => Counterpart.Qemu.Obstacle;

    protected override Task<ITestBenchFixture> OpenAsync() => Task.FromResult<ITestBenchFixture>(new QemuFixture());
}
