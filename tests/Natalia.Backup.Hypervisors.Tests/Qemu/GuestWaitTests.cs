using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Hypervisors.Ssh;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>Waiting for a guest ends in time although somebody sets the clock back meanwhile.</summary>
public sealed class GuestWaitTests : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _root = new();
    private readonly SetBackClock _clock = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task An_agent_that_does_not_answer_is_waited_for_in_time()
    {
        if (!OperatingSystem.IsLinux()) return;
        Machine machine = Make();
        var channel = new AgentChannel(new MachineFolders(_root.Path), new HostCalls(), _clock);
        NataliaException late = await Assert.ThrowsAsync<NataliaException>(
            () => channel.OpenAsync(machine.Id!, null, s_timeout, default));
        Assert.Equal(ErrorIds.GuestNotReachable, late.ErrorId);
    }

    [Fact]
    public async Task A_command_that_does_not_end_is_waited_for_in_time()
    {
        if (!OperatingSystem.IsLinux()) return;
        Machine machine = Make();
        using var agent = new FakeAgent(machine.Agent!);
        var guest = new AgentGuest(machine.Agent!, machine.Id!, new HostCalls(), _clock);
        NataliaException late = await Assert.ThrowsAsync<NataliaException>(() => guest.RunAsync(
            new GuestCommand { Arguments = ["/bin/sleep"], Timeout = s_timeout }, default));
        Assert.Equal(ErrorIds.GuestCommandTimeout, late.ErrorId);
    }

    [Fact]
    public async Task A_guest_without_an_address_is_waited_for_in_time()
    {
        var who = new GuestCredential("root", new System.Security.SecureString(), null,
            new SshHostKey("SHA256:" + new string('A', 43)));
        NataliaException late = await Assert.ThrowsAsync<NataliaException>(
            () => new SshGuestChannel(new Nowhere(), _clock).OpenAsync("1", who, s_timeout, default));
        Assert.Equal(ErrorIds.GuestNotReachable, late.ErrorId);
    }

    private Machine Make()
    {
        var machine = new Machine
        {
            Folder = Directory.CreateDirectory(_root["vm"]).FullName,
            Id = Guid.NewGuid().ToString(),
            Name = "natalia-mute",
            AgentSocket = "agent.sock",
        };
        machine.Write();
        return machine;
    }

    private sealed class Nowhere : ISshEndpoints
    {
        public Task<SshEndpoint?> FindSshAsync(string nativeId, CancellationToken cancellationToken) =>
            Task.FromResult<SshEndpoint?>(null);
    }
}
