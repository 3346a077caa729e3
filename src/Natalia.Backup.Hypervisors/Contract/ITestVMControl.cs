using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Capability: what a test bench is made of besides the making of VMs. With it and with <see cref="IApplianceBuilder"/>
/// a hypervisor has a whole bench: <see cref="BuilderTestBench"/>. All members may be called from any thread.
/// </summary>
public interface ITestVMControl
{
    /// <summary>The VMs that carry a test's mark. A <see cref="PartialCollection{T}"/> says what could not be looked
    /// at.</summary>
    Task<IReadOnlyList<TestVMInfo>> GetTestVMsAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Reads the VM back: one check for every adapter and everything else through which something could leave it.
    /// </summary>
    /// <param name="vm">The VM.</param>
    Task<IReadOnlyList<CheckResult>> ReadIsolationAsync(TestVMInfo vm, CancellationToken cancellationToken);

    /// <summary>Switches the VM on. Whoever calls it has proved its isolation.</summary>
    /// <param name="vm">The VM.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    Task StartTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken);

    /// <summary>
    /// Switches the VM off and removes it with its disks. Refuses any VM that does not carry the mark; one that is gone
    /// already is fine.
    /// </summary>
    /// <param name="vm">The VM.</param>
    /// <param name="cancellationToken">Bounds the clean-up.</param>
    /// <exception cref="NataliaException"><c>NotATestAppliance</c>.</exception>
    Task DestroyTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken);
}
