using System.Net;
using System.Net.Sockets;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Ssh;
using Natalia.Backup.Hypervisors.Tests.Qemu;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Ssh;

namespace Natalia.Backup.Hypervisors.Tests.Ssh;

/// <summary>Commands over SSH: a real server of OpenSSH on this machine.</summary>
public sealed class SshGuestTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    [SshFact]
    public async Task Commands_run_as_they_are_written_and_end_as_they_end()
    {
        using var server = new SshServer();
        await using IGuest guest = await OpenAsync(server, server.Login());
        string[] odd = ["a b", "", "it's", "$HOME `id` \\ \"q\" * ; |", "two\nlines", "ü€"];

        GuestCommandResult echoed = await RunAsync(guest, ["/usr/bin/printf", "<%s>", .. odd]);
        Assert.Equal((0, string.Concat(odd.Select(o => $"<{o}>")), ""),
            (echoed.ExitCode, echoed.Output, echoed.Error));

        GuestCommandResult both = await RunAsync(guest, ["/bin/sh", "-c", "cat; echo wrong >&2; exit 3"], "input\n");
        Assert.Equal((3, "input\n", "wrong\n"), (both.ExitCode, both.Output, both.Error));
        Assert.Equal(127, (await RunAsync(guest, ["/no/such/program"])).ExitCode);
        GuestCommandResult killed = await RunAsync(guest, ["/bin/sh", "-c", "kill -9 $$"]);
        Assert.Equal(((int?)null, 9), (killed.ExitCode, killed.Signal));
        GuestCommandResult long_ = await RunAsync(guest, ["/usr/bin/head", "-c", "3145728", "/dev/zero"]);
        Assert.Equal((0, true, 1 << 20), (long_.ExitCode, long_.IsTruncated, long_.Output.Length));

        using var folder = new TemporaryFolder();
        Assert.Equal(0, (await guest.WriteFileAsync(folder["new/it's a file"], "text\n", default)).ExitCode);
        Assert.Equal("text\n", await guest.ReadFileAsync(folder["new/it's a file"], default));
        Assert.Equal(ErrorIds.GuestCommandFailed, (await Assert.ThrowsAsync<NataliaException>(
            () => guest.ReadFileAsync(folder["absent"], default))).ErrorId);
    }

    [SshFact]
    public async Task A_command_has_its_time_and_a_server_that_goes_is_told()
    {
        using var server = new SshServer();
        await using IGuest guest = await OpenAsync(server, server.Login("protected", "of the key"));
        var hangs = new GuestCommand { Arguments = ["/bin/sleep", "600"], Timeout = TimeSpan.FromMilliseconds(200) };
        Assert.Equal(ErrorIds.GuestCommandTimeout,
            (await Assert.ThrowsAsync<NataliaException>(() => guest.RunAsync(hangs, default))).ErrorId);
        Assert.Equal("still here\n", (await RunAsync(guest, ["/bin/echo", "still here"])).Output);

        using (var stop = new CancellationTokenSource())
        {
            Task<GuestCommandResult> stopped = guest.RunAsync(hangs with { Timeout = s_patience }, stop.Token);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stopped);
        }
        Task<GuestCommandResult> broken = guest.RunAsync(hangs with { Timeout = s_patience }, default);
        server.Stop();
        Assert.Equal(ErrorIds.GuestNotReachable,
            (await Assert.ThrowsAsync<NataliaException>(() => broken)).ErrorId);
    }

    [SshFact]
    public async Task A_server_with_another_key_is_told_nothing_and_any_of_its_keys_will_do()
    {
        using var server = new SshServer();
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => OpenAsync(server, server.Login(hostKey: "stranger")));
        Assert.Equal(ErrorIds.SshHostKeyNotTrusted, refused.ErrorId);
        Assert.Contains(SshHostKey.Parse(server.PublicKey("host-ed25519")).Fingerprint, refused.Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain("root", server.Log, StringComparison.Ordinal);
        await using (IGuest guest = await OpenAsync(server, server.Login(hostKey: "host-rsa")))
            Assert.Equal("0\n", (await RunAsync(guest, ["/usr/bin/id", "-u"])).Output);

        var channel = new SshGuestChannel(server, TimeProvider.System);
        Assert.Equal(ErrorIds.SshHostKeyRequired, (await Assert.ThrowsAsync<NataliaException>(() => channel.OpenAsync(
            "vm", new GuestCredential("root", SshServer.Secret("x")), s_patience, default))).ErrorId);
        Assert.Equal(ErrorIds.GuestCredentialRequired, (await Assert.ThrowsAsync<NataliaException>(
            () => channel.OpenAsync("vm", null, s_patience, default))).ErrorId);
    }

    [SshFact]
    public async Task What_logs_in_wrongly_is_an_error_that_tells_no_secret()
    {
        using var server = new SshServer();
        SshHostKey hostKey = server.Login().HostKey!;
        foreach ((GuestCredential login, string id) in new[]
        {
            (new GuestCredential("root", SshServer.Secret("not-the-password"), null, hostKey),
                ErrorIds.AuthenticationFailed),
            (server.Login("stranger"), ErrorIds.AuthenticationFailed),
            (server.Login("protected", "not-the-password"), ErrorIds.SshKeyInvalid),
            (server.Login("protected"), ErrorIds.SshKeyInvalid),
            (new GuestCredential("root", null, SshServer.Secret("not-the-password"), hostKey), ErrorIds.SshKeyInvalid),
        })
        {
            NataliaException refused =
                await Assert.ThrowsAsync<NataliaException>(() => OpenAsync(server, login,
                    new HastyClock(skipsTime: true)));
            Assert.Equal(id, refused.ErrorId);
            Assert.DoesNotContain("not-the-password", refused.ToString(), StringComparison.Ordinal);
        }
        Assert.Equal("root", new GuestCredential("root", SshServer.Secret("x"), null, hostKey).ToString());
    }

    [SshFact]
    public async Task Nobody_there_and_nonsense_are_waited_for_until_the_time_is_over()
    {
        using var server = new SshServer();
        server.Stop();
        Assert.Equal(ErrorIds.GuestNotReachable, (await Assert.ThrowsAsync<NataliaException>(
            () => OpenAsync(server, server.Login(), new HastyClock(skipsTime: true)))).ErrorId);

        // In its place somebody who speaks something else, and goes.
        using var listener = new TcpListener(IPAddress.Loopback, server.Port);
        listener.Start();
        Task answers = Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    using Socket client = await listener.AcceptSocketAsync();
                    await client.SendAsync(Encoding.ASCII.GetBytes("HTTP/1.1 400 no\r\n\r\nSSH-2.0-x\r\n\0\0\0"));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        });
        Assert.Equal(ErrorIds.GuestNotReachable, (await Assert.ThrowsAsync<NataliaException>(
            () => OpenAsync(server, server.Login(), new HastyClock(skipsTime: true)))).ErrorId);
        listener.Stop();
        await answers;
    }

    private static Task<IGuest> OpenAsync(SshServer server, GuestCredential login, TimeProvider? clock = null) =>
        new SshGuestChannel(server, clock ?? TimeProvider.System).OpenAsync("vm", login, s_patience, default);

    private static Task<GuestCommandResult> RunAsync(IGuest guest, string[] arguments, string? input = null) =>
        guest.RunAsync(new GuestCommand { Arguments = arguments, Input = input }, default);
}
