using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere;

/// <summary>A simulated vCenter and a simulated ESXi host, for the tests of a class; each is started when it is
/// wanted.</summary>
public sealed class VSphereServers : IDisposable
{
    private readonly Lazy<SimulatedVSphere> _center = new(() => SimulatedVSphere.Start("-second-disk-mib", "2"));
    private readonly Lazy<SimulatedVSphere> _host = new(() => SimulatedVSphere.Start("-esx", "-second-disk-mib", "2"));

    public SimulatedVSphere Get(bool isCenter) => isCenter ? _center.Value : _host.Value;

    public void Dispose()
    {
        if (_center.IsValueCreated) _center.Value.Dispose();
        if (_host.IsValueCreated) _host.Value.Dispose();
    }

    internal static VSphereConnectOptions Options(SimulatedVSphere server, Action<string>? trace = null,
        TimeProvider? clock = null) =>
        new()
        {
            Host = server.Host,
            Port = server.Port,
            User = server.User,
            Secret = SimulatedVSphere.Secret,
            CertificateThumbprints = [server.Thumbprint],
            Clock = clock ?? TimeProvider.System,
            Trace = trace,
        };
}
