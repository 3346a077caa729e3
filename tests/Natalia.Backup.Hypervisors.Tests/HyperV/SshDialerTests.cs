using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Ssh;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>
/// The way into a test VM's guest: which addresses are dialled, and a real server of OpenSSH behind one.
/// </summary>
public sealed class SshDialerTests
{
    [SshFact]
    public async Task A_guest_is_logged_in_to_when_it_has_the_host_key_and_nobody_else_is()
    {
        using var server = new SshServer();
        var dialer = new SshDialer(TimeProvider.System, server.Port);
        await using (IGuest guest = await dialer.DialAsync("127.0.0.1", "vm", server.Login(), s_patience, default))
            Assert.Equal("here\n",
                (await guest.RunAsync(new GuestCommand { Arguments = ["/bin/echo", "here"] }, default)).Output);
        Assert.Equal(ErrorIds.SshHostKeyNotTrusted, await FailAsync(server.Login(hostKey: "stranger")));
        Assert.Equal(ErrorIds.AuthenticationFailed, await FailAsync(server.Login(key: "stranger")));
        Assert.Equal(ErrorIds.GuestCredentialRequired, await FailAsync(null));
        server.Stop();
        Assert.Equal(ErrorIds.GuestNotReachable, await FailAsync(server.Login()));

        async Task<string> FailAsync(GuestCredential? who) => (await Assert.ThrowsAsync<NataliaException>(
            () => dialer.DialAsync("127.0.0.1", "vm", who, s_patience, default))).ErrorId;
    }

    [Theory]
    [InlineData("192.168.200.7", "fe80::a;2001:db8::7", "fe80::a%12,192.168.200.7")]
    [InlineData("10.1.1.7;8.8.8.8", "", "")]
    [InlineData("127.0.0.1;192.168.200.1; nonsense;", "::1", "")]
    [InlineData(null, null, "")]
    public void Only_what_is_on_the_switchs_own_net_is_dialled(string? four, string? six, string expected)
    {
        LocalInterface[] interfaces =
        [
            new("Ethernet", 3, [(IPAddress.Parse("10.1.1.9"), 24)]),
            new("vEthernet (Lab)", 12, [(IPAddress.Parse("192.168.200.1"), 24)]),
        ];
        Assert.Equal(expected, string.Join(',', GuestAddresses.Choose([four, six], "Lab", interfaces)));
        // A machine that is on no such switch is perhaps on it by another card.
        Assert.Equal(four == "10.1.1.7;8.8.8.8" ? ["10.1.1.7"] : [],
            GuestAddresses.Choose([four], "Other", interfaces[..1]));
    }

    [Theory]
    [InlineData("10.1.1.7;169.254.3.4;127.0.0.1;224.0.0.1;0.0.0.0", "fe80::a;::1;2001:db8::7;ff02::1;::",
        "10.1.1.7,2001:db8::7")]
    [InlineData("10.1.1.7; 10.1.1.7 ;nonsense", null, "10.1.1.7")]
    [InlineData(null, "", "")]
    public void A_guest_is_asked_for_its_key_at_addresses_that_lead_anywhere(string? four, string? six,
        string expected) =>
        Assert.Equal(expected, string.Join(',', GuestAddresses.Routed([four, six])));

    [Fact]
    public async Task A_running_vm_tells_where_its_server_is()
    {
        using var host = new HyperVFixture();
        using IHypervisor hypervisor = host.Connect();
        IGuestAddresses guests = hypervisor.Require<IGuestAddresses>("addresses");
        Assert.Equal([new SshEndpoint("192.168.200.7", 22)], await guests.FindGuestAsync(host.Vm, default));
        host.Machine.State = 3;
        Assert.Empty(await guests.FindGuestAsync(host.Vm, default));
    }

    [Fact]
    public void However_many_addresses_a_guest_tells_few_are_dialled() =>
        Assert.Equal(16, GuestAddresses.Choose([string.Join(';', Enumerable.Range(2, 250).Select(n => $"10.1.1.{n}"))],
            "Lab", [new("vEthernet (Lab)", 0, [(IPAddress.Parse("10.1.1.1"), 24)])]).Count);

    [Fact]
    public void The_interfaces_of_this_machine_are_read() =>
        Assert.All(LocalInterface.ReadAll(), i => Assert.NotEqual("lo", i.Name));

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);
}
