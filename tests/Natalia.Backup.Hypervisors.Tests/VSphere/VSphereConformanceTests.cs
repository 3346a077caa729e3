using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.VSphere;

/// <summary>
/// On a simulated vCenter: govmomi's simulator, and a handler that is our model of documented behaviour for snapshots'
/// disks, change tracking, files and exports.
/// </summary>
public sealed class VSphereConformanceTests(VSphereConformanceTests.Server server) : HypervisorConformance,
    IClassFixture<VSphereConformanceTests.Server>
{
    protected override HypervisorFixture NewFixture() => new VSphereFixture(server.Simulated);

    public sealed class Server : IDisposable
    {
        public SimulatedVSphere Simulated { get; } = VSphereFixture.Start(isCenter: true);

        public void Dispose() => Simulated.Dispose();
    }
}
