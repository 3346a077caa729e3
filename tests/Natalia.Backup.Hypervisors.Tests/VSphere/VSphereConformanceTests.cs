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
    public static string? Obstacle => Counterpart.VSphere.Obstacle;

    protected override HypervisorFixture NewFixture() => new VSphereFixture(server.Simulated);

    public sealed class Server() : ConformanceServer(isCenter: true);
}

/// <summary>On a simulated ESXi host, which has other paths and no hosts behind it.</summary>
public sealed class EsxiConformanceTests(EsxiConformanceTests.Server server) : HypervisorConformance,
    IClassFixture<EsxiConformanceTests.Server>
{
    public static string? Obstacle => Counterpart.VSphere.Obstacle;

    protected override HypervisorFixture NewFixture() => new VSphereFixture(server.Simulated);

    public sealed class Server() : ConformanceServer(isCenter: false);
}

/// <summary>A simulated server that serves a whole suite.</summary>
public abstract class ConformanceServer(bool isCenter) : IDisposable
{
    private readonly Lazy<SimulatedVSphere> _simulated = new(() => VSphereFixture.Start(isCenter));

    public SimulatedVSphere Simulated => _simulated.Value;

    public void Dispose()
    {
        if (_simulated.IsValueCreated) _simulated.Value.Dispose();
        GC.SuppressFinalize(this);
    }
}
