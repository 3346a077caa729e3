using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>The suite of image sources on real QEMU, with raw disks, whose bitmaps end with the VM.</summary>
public sealed class QemuConformanceTests : HypervisorConformance
{
    public static string? Obstacle => Counterpart.Qemu.Obstacle;

    protected override HypervisorFixture NewFixture() => new LiveQemuFixture(isPersistent: false);
}

/// <summary>The same with qcow2 disks, which keep their bitmaps.</summary>
public sealed class PersistentQemuConformanceTests : HypervisorConformance
{
    public static string? Obstacle => Counterpart.Qemu.Obstacle;

    protected override HypervisorFixture NewFixture() => new LiveQemuFixture(isPersistent: true);
}
