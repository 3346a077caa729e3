using System.Management.Automation;
using System.Security;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// A PowerShell session and a simulated Proxmox VE cluster with one appliance. Ends with a failure when the client
/// broke the published interface.
/// </summary>
public sealed class ProxmoxFixture : IAsyncDisposable
{
    private ProxmoxFixture(SimulatedCluster cluster, SimulatorServer server) => (Cluster, Server) = (cluster, server);

    internal SimulatedCluster Cluster { get; }

    internal SimulatorServer Server { get; }

    internal ModuleFixture Module { get; } = new();

    /// <summary>
    /// The clock of cluster and tasks runs a hundred times as fast, for the client waits in real time.
    /// </summary>
    internal static Task<ProxmoxFixture> StartAsync(Action<SimulatedCluster>? arrange = null) =>
        StartAsync(new JumpingClock(speed: 100), arrange);

    internal static async Task<ProxmoxFixture> StartAsync(JumpingClock clock, Action<SimulatedCluster>? arrange)
    {
        var cluster = new SimulatedCluster(clock) { TimeZone = "Etc/UTC" };
        SampleCluster.AddStorages(cluster);
        cluster.Guests.Add(SampleCluster.Appliance(100, "natalia-01", "pve1"));
        arrange?.Invoke(cluster);
        SimulatorServer server = await SimulatorServer.StartAsync(cluster.Nodes, OperationTable.VirtualEnvironment,
            cluster.Answer);
        cluster.AuthorityFingerprint = server.AuthorityFingerprint;
        return new ProxmoxFixture(cluster, server);
    }

    internal string[] Hosts => [.. Cluster.Nodes.Select(n => $"127.0.0.1:{Server.Ports[n]}")];

    internal string[] Pins => [.. Cluster.Nodes.Select(Server.Thumbprint)];

    internal static PSCredential Credential(string user = "backup@pve!natalia",
        string secret = "11111111-2222-3333-4444-555555555555")
    {
        var secure = new SecureString();
        foreach (char c in secret) secure.AppendChar(c);
        return new PSCredential(user, secure);
    }

    /// <summary>Runs a script and fails when it wrote an error.</summary>
    internal ScriptResult Do(string script, params object?[] arguments) =>
        Module.Run(script, arguments).ThrowIfFailed();

    /// <summary>Runs a script that may write errors.</summary>
    internal ScriptResult Try(string script, params object?[] arguments) => Module.Run(script, arguments);

    /// <summary>Connects the cluster, and nothing else.</summary>
    internal void ConnectCluster() =>
        Do("$null = Connect-NataliaHypervisor -Proxmox $args[0] -Credential $args[1] -ServerCertificateThumbprint "
            + "$args[2] -Name pve",
            Hosts, Credential(), Pins);

    /// <summary>Connects the cluster and its backup server.</summary>
    internal ScriptResult Connect()
    {
        ConnectCluster();
        return Do("Connect-NataliaRepository -ProxmoxStorage pbs");
    }

    /// <summary>Connects the cluster and its backup server, and a new repository that keeps the evidence.</summary>
    /// <returns>The folder of the evidence.</returns>
    internal string ConnectWithEvidence()
    {
        ConnectCluster();
        string folder = Path.Combine(Module.NewFolder(), "evidence");
        Do("$null = New-NataliaRepository -Path $args[0] -Unencrypted -Name evidence; $null = "
            + "Connect-NataliaRepository -ProxmoxStorage pbs -EvidenceRepository evidence",
            folder);
        return folder;
    }

    internal int CountRequests(Action action)
    {
        int before = Server.Requests.Count;
        action();
        return Server.Requests.Count - before;
    }

    internal SimulatedPoint AddPoint(DateTimeOffset time, int vmid = 100)
    {
        var point = new SimulatedPoint
        {
            Volid = $"pbs:backup/vm/{vmid}/{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}",
            Vmid = vmid,
            Time = time,
            Size = 1 << 30,
        };
        Cluster.Storage("pbs").Points.Add(point);
        return point;
    }

    public async ValueTask DisposeAsync()
    {
        Module.Dispose();
        await Server.DisposeAsync();
        Assert.Empty(Server.Violations);
    }
}
