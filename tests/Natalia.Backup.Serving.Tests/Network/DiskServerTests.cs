using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Tests.Overlays;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Serving.Tests.Network;

/// <summary>Who can connect to a server at all.</summary>
public sealed class DiskServerTests
{
    private static NbdServer Serve(IPAddress address, params IPAddress[] peers)
    {
        var server = new NbdServer(new ListenOptions { EndPoint = new IPEndPoint(address, 0), Peers = peers },
            [new NbdExport("data", "a disk", new MemoryDisk(new byte[4096]))]);
        server.Start();
        return server;
    }

    private static Task<NetworkStream> ConnectAsync(NbdServer server, IPAddress address) =>
        Peer.ConnectAsync(new IPEndPoint(address, server.EndPoint.Port));

    [Fact]
    public async Task Who_is_not_listed_gets_no_byte()
    {
        using NbdServer server = Serve(IPAddress.Loopback, IPAddress.Parse("192.0.2.1"), IPAddress.IPv6Loopback);
        using NetworkStream stranger = await ConnectAsync(server, IPAddress.Loopback);
        Assert.Equal(0, await stranger.EndsAsync());
        Assert.Equal(0, server.Connections);
    }

    [IPv6Fact]
    public async Task All_addresses_are_those_of_both_kinds_and_a_client_is_known_by_the_one_that_it_has()
    {
        using NbdServer server = Serve(IPAddress.IPv6Any, IPAddress.Loopback);
        using (NetworkStream listed = await ConnectAsync(server, IPAddress.Loopback)) listed.Read(18);
        using NetworkStream stranger = await ConnectAsync(server, IPAddress.IPv6Loopback);
        Assert.Equal(0, await stranger.EndsAsync());
    }

    /// <summary>A test on a machine that has IPv6.</summary>
    private sealed class IPv6FactAttribute : FactAttribute
    {
        public IPv6FactAttribute([CallerMemberName] string test = "") => (Skip, DisplayName) =
            SkippedTest.With(test, Socket.OSSupportsIPv6 ? null : "This machine has no IPv6.");
    }
}
