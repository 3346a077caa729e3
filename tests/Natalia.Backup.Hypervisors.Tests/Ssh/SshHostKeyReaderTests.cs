using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Ssh;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Ssh;

namespace Natalia.Backup.Hypervisors.Tests.Ssh;

/// <summary>The host keys of a real server of OpenSSH, read without saying anything to it.</summary>
public sealed class SshHostKeyReaderTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    [SshFact]
    public async Task The_keys_of_a_server_are_read_and_nobody_logs_in()
    {
        using var server = new SshServer();
        var at = new SshEndpoint("127.0.0.1", server.Port);
        (IReadOnlyList<SshHostKey> keys, bool areAll) = await SshHostKeyReader.ReadAsync(at, s_patience,
            TimeProvider.System, default);
        Assert.Equal(new[] { "host-ed25519", "host-rsa" }.Select(k => SshHostKey.Parse(server.PublicKey(k))), keys);
        Assert.True(areAll);
        server.Stop();
        Assert.DoesNotContain("nobody", server.Log, StringComparison.Ordinal);
        Assert.Equal(ErrorIds.GuestNotReachable, (await Assert.ThrowsAsync<NataliaException>(
            () => SshHostKeyReader.ReadAsync(at, s_patience, TimeProvider.System, default))).ErrorId);
    }

    [SshFact]
    public async Task A_server_that_falls_silent_has_not_shown_all_of_its_keys()
    {
        using var server = new SshServer();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var clock = new FakeTimeProvider();
        Task proxy = Task.Run(async () =>
        {
            using (TcpClient first = await listener.AcceptTcpClientAsync())
            using (var to = new TcpClient("127.0.0.1", server.Port))
                await Task.WhenAny(first.GetStream().CopyToAsync(to.GetStream()),
                    to.GetStream().CopyToAsync(first.GetStream()));
            using TcpClient second = await listener.AcceptTcpClientAsync();
            clock.Advance(s_patience);
            try
            {
                await second.GetStream().CopyToAsync(Stream.Null);
            }
            catch (IOException)
            {
                // It was given up.
            }
        });
        (IReadOnlyList<SshHostKey> keys, bool areAll) = await SshHostKeyReader.ReadAsync(
            new SshEndpoint("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port), s_patience, clock, default);
        Assert.Equal([SshHostKey.Parse(server.PublicKey("host-ed25519"))], keys);
        Assert.False(areAll);
        await proxy;
    }

    [Theory]
    [InlineData("natalia-01.example.com", "natalia-01.example.com", 22)]
    [InlineData(" 10.0.0.7:2222 ", "10.0.0.7", 2222)]
    [InlineData("2001:db8::7", "2001:db8::7", 22)]
    [InlineData("[2001:db8::7]", "2001:db8::7", 22)]
    [InlineData("[2001:db8::7]:2222", "2001:db8::7", 2222)]
    public void A_place_is_read(string text, string host, int port) =>
        Assert.Equal(new SshEndpoint(host, port), SshEndpoint.Parse(text));

    [Theory]
    [InlineData(" ")]
    [InlineData("natalia-01:0")]
    [InlineData("natalia-01:70000")]
    [InlineData("natalia-01:ssh")]
    [InlineData("[2001:db8::7")]
    [InlineData("root@natalia-01")]
    [InlineData("a b")]
    public void Anything_else_is_refused(string text) => Assert.Equal(ErrorIds.SshHostInvalid,
        Assert.Throws<NataliaException>(() => SshEndpoint.Parse(text)).ErrorId);
}
