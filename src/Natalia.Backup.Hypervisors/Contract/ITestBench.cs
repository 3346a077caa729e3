using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Capability: an isolated VM that is made from a restore point, examined and destroyed.</summary>
public interface ITestBench
{
    /// <summary>Restores a point to a new VM that no network can reach: every adapter on the isolated network, link down, not started. It carries a mark by which a later sweep finds it.</summary>
    /// <param name="point">The point.</param>
    /// <param name="request">How.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <param name="cancellationToken">Stops it and removes what was made before the call returns.</param>
    Task<TestAppliance> CreateTestApplianceAsync(RestorePoint point, TestApplianceRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Reads the VM's configuration back: one check for every network adapter and every device passed through. All passed means that nothing leaves it.</summary>
    /// <param name="testAppliance">The VM.</param>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<CheckResult>> TestIsolationAsync(TestAppliance testAppliance, CancellationToken cancellationToken);

    /// <summary>Starts the VM after reading its isolation back.</summary>
    /// <param name="testAppliance">The VM.</param>
    /// <param name="cancellationToken">Stops the wait.</param>
    /// <exception cref="NataliaException"><c>IsolationNotProven</c>: it was not started.</exception>
    Task StartTestApplianceAsync(TestAppliance testAppliance, CancellationToken cancellationToken);

    /// <summary>Stops the VM and destroys it with its disks. Refuses any VM that does not carry the mark; one that is gone already is fine.</summary>
    /// <param name="testAppliance">The VM.</param>
    /// <param name="cancellationToken">Bounds the clean-up.</param>
    /// <exception cref="NataliaException"><c>NotATestAppliance</c>.</exception>
    Task DestroyTestApplianceAsync(TestAppliance testAppliance, CancellationToken cancellationToken);

    /// <summary>The test VMs that are there, of this and of earlier runs.</summary>
    /// <param name="cancellationToken">Stops it.</param>
    Task<IReadOnlyList<TestAppliance>> GetTestAppliancesAsync(CancellationToken cancellationToken);
}
