using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

/// <summary>
/// The build that Windows PowerShell 5.1 loads, run by Mono against the simulator: another class library, another TLS.
/// Mono's HttpClient stands on sockets, the .NET Framework's on HttpWebRequest, which nothing here has; so this shows
/// that the netstandard2.0 code paths and the pinning work outside .NET, and nothing of HttpWebRequest's own ways.
/// </summary>
[Trait("Category", "SecondRuntime")]
public sealed class MonoTests
{
    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "mono",
        "Natalia.Backup.Hypervisors.Mono.exe");
    private const string Token = "backup@pve!natalia", Secret = "11111111-2222-3333-4444-555555555555";

    [MonoFact]
    public async Task A_token_works_through_all_verbs_over_a_pinned_connection()
    {
        await using Fixture fixture = await Fixture.StartAsync();
        (int code, string output) = fixture.Run(Token, Secret, fixture.Pins, "", "work");
        Assert.True(code == 0, output);
        Assert.Contains(".NETStandard,Version=v2.0", output);
        Assert.Contains("made Full FileSystem\nran 0 a b&c=d+ü\npoint True\n", output);
        Assert.Equal(["DELETE", "GET", "POST", "PUT"],
            fixture.Server.Requests.Select(r => r.Method).Distinct().Order());
    }

    [MonoFact]
    public async Task A_password_logs_in_and_the_clusters_authority_is_trusted()
    {
        await using Fixture fixture = await Fixture.StartAsync();
        string file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".pem");
        File.WriteAllText(file, fixture.Server.Authority.ExportCertificatePem());
        try
        {
            (int code, string output) = fixture.Run("root@pam", "correct horse", "", file);
            Assert.True(code == 0, output);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [MonoTheory]
    [InlineData("root@pam", "wrong", true, "AuthenticationFailed")]
    [InlineData("root@pam", "correct horse", false, "ServerNotTrusted")]
    public async Task What_stands_in_the_way_is_named(string user, string secret, bool pinned, string error)
    {
        await using Fixture fixture = await Fixture.StartAsync();
        (int code, string output) = fixture.Run(user, secret, pinned ? fixture.Pins : new string('a', 64), "");
        Assert.Equal(1, code);
        Assert.Contains($"error {error}: ", output);
        Assert.DoesNotContain("correct horse", output);
        if (!pinned) Assert.Empty(fixture.Server.Requests);
    }

    [MonoFact]
    public async Task A_host_that_is_down_is_passed_over()
    {
        await using Fixture fixture = await Fixture.StartAsync();
        (int code, string output) = fixture.Run(Token, Secret, fixture.Pins, "", hosts: "127.0.0.1:1," + fixture.Hosts);
        Assert.True(code == 0, output);
    }

    private sealed class Fixture(SimulatedCluster cluster, SimulatorServer server) : IAsyncDisposable
    {
        internal SimulatorServer Server => server;
        internal string Pins => string.Join(',', cluster.Nodes.Select(server.Thumbprint));
        internal string Hosts => string.Join(',', cluster.Nodes.Select(n => $"127.0.0.1:{server.Ports[n]}"));

        internal static async Task<Fixture> StartAsync()
        {
            var cluster = new SimulatedCluster(new JumpingClock(speed: 200));
            SampleCluster.AddStorages(cluster);
            SimulatedGuest guest = SampleCluster.Appliance(100, "natalia-01", "pve1");
            guest.Programs["/bin/echo a b&c=d+ü"] = new SimulatedProcess(0, "a b&c=d+ü");
            cluster.Guests.Add(guest);
            SimulatorServer server = await SimulatorServer.StartAsync(cluster.Nodes, OperationTable.VirtualEnvironment,
                cluster.Answer, useRsa: true);
            cluster.AuthorityFingerprint = server.AuthorityFingerprint;
            return new Fixture(cluster, server);
        }

        internal (int Code, string Output) Run(string user, string secret, string pins, string authority,
            string action = "", string? hosts = null)
        {
            (int code, string output, string errors) = Counterpart.Mono.Run(new Dictionary<string, string?>(),
                s_program, hosts ?? Hosts, user, secret, pins, authority, action);
            return (code, output + errors);
        }

        public async ValueTask DisposeAsync()
        {
            await server.DisposeAsync();
            Assert.Empty(server.Violations);
        }
    }
}
