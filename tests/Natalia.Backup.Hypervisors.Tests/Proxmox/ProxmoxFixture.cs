using System.Security;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

/// <summary>
/// A simulated cluster with an appliance in it, and a connection to it. Ends with a failure when the client broke the
/// contract.
/// </summary>
internal sealed class ProxmoxFixture : IAsyncDisposable
{
    private readonly List<IDisposable> _connections = [];

    private ProxmoxFixture(SimulatedCluster cluster, SimulatorServer server) => (Cluster, Server) = (cluster, server);

    internal SimulatedCluster Cluster { get; }

    internal SimulatorServer Server { get; }

    internal JumpingClock Clock => Cluster.Clock;

    internal List<string> Trace { get; } = [];

    internal static async Task<ProxmoxFixture> StartAsync(Action<SimulatedCluster>? arrange = null)
    {
        var cluster = new SimulatedCluster(new JumpingClock());
        SampleCluster.AddStorages(cluster);
        cluster.Guests.Add(Appliance(100, "natalia-01", "pve1"));
        arrange?.Invoke(cluster);
        SimulatorServer server = await SimulatorServer.StartAsync(cluster.Nodes, OperationTable.VirtualEnvironment,
            cluster.Answer);
        cluster.AuthorityFingerprint = server.AuthorityFingerprint;
        return new ProxmoxFixture(cluster, server);
    }

    internal static SimulatedGuest Appliance(int vmid, string name, string node) =>
        SampleCluster.Appliance(vmid, name, node);

    internal ProxmoxConnectOptions Options(string user = "root@pam", string secret = "correct horse",
        IEnumerable<string>? hosts = null, string? code = null, IReadOnlyList<string>? pins = null,
        string? authority = null) =>
        new()
        {
            Hosts = [.. hosts ?? [Host("pve1")]],
            User = user,
            Secret = Secure(secret),
            OneTimeCode = code,
            CertificateThumbprints = pins ?? (authority is null ? [.. Cluster.Nodes.Select(Server.Thumbprint)] : []),
            AuthorityFile = authority,
            Clock = Clock,
            Trace = line => { lock (Trace) Trace.Add(line); },
        };

    internal string Host(string node) => $"127.0.0.1:{Server.Ports[node]}";

    internal async Task<ProxmoxHypervisor> ConnectAsync(ProxmoxConnectOptions? options = null)
    {
        ProxmoxHypervisor hypervisor = await ProxmoxHypervisor.ConnectAsync(options ?? Options(), default);
        _connections.Add(hypervisor);
        return hypervisor;
    }

    internal async Task<(ProxmoxHypervisor Hypervisor, ApplianceDescription Appliance,
        INativeRepository Repository)> OpenAsync(
        string storage = "pbs",
        int vmid = 100, ProxmoxConnectOptions? options = null)
    {
        ProxmoxHypervisor hypervisor = await ConnectAsync(options);
        ApplianceDescription appliance = (await hypervisor.FindAppliancesAsync(l => l.NativeId == vmid.ToString(),
            default)).Single();
        return (hypervisor, appliance, await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync(storage, storage,
            default));
    }

    internal static SecureString Secure(string text)
    {
        var secure = new SecureString();
        foreach (char c in text) secure.AppendChar(c);
        return secure;
    }

    internal static SimulatedPoint Point(string storage, int vmid, DateTimeOffset time, string notes = "") => new()
    {
        Volid = $"{storage}:backup/vm/{vmid}/{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}",
        Vmid = vmid,
        Time = time,
        Size = 232L << 30,
        Notes = notes,
        ConfigText = SimulatedCluster.ConfigTextOf(Appliance(vmid, $"natalia-{vmid}", "pve1")),
    };

    public async ValueTask DisposeAsync()
    {
        foreach (IDisposable connection in _connections) connection.Dispose();
        await Server.DisposeAsync();
        Assert.Empty(Server.Violations);
    }
}
