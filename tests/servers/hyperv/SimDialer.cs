using System.Net;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Guests;
using Natalia.Backup.Hypervisors.Ssh;

namespace Natalia.Backup.HyperVSimulator;

/// <summary>
/// The network between this machine and the guests of a simulated host: where two have one address, the older one
/// answers.
/// </summary>
internal sealed class SimDialer(SimHost host, string switchName) : IGuestDialer
{
    /// <summary>What was dialled, in order.</summary>
    internal List<string> Dialled { get; } = [];

    /// <summary>What answers with a refusal instead, by address; null for nothing.</summary>
    internal Func<string, NataliaException?>? Refuses { get; set; }

    /// <summary>The interfaces of this machine: it is the host, and on the switch.</summary>
    internal IReadOnlyList<LocalInterface> Interfaces { get; set; } =
    [
        new("Ethernet", 3, [(IPAddress.Parse("10.1.1.9"), 24), (IPAddress.Parse("fe80::9"), 64)]),
        new($"vEthernet ({switchName})", 12,
            [(IPAddress.Parse("192.168.200.1"), 24), (IPAddress.Parse("fe80::1"), 64)]),
    ];

    internal GuestWay Way => new(this, () => Interfaces);

    /// <summary>Whether a login with a host key is demanded, as by SSH.</summary>
    internal bool NeedsLogin { get; set; }

    public void Check(GuestCredential? who, string nativeId)
    {
        if (NeedsLogin) SshGuestChannel.RequireLogin(who, nativeId);
    }

    public Task<IGuest> DialAsync(string address, string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Check(who, nativeId);
        Dialled.Add(address);
        if (Refuses?.Invoke(address) is NataliaException refusal) throw refusal;
        IPAddress bare = IPAddress.Parse(address.Split('%')[0]);
        SimMachine? machine = host.Machines.Find(m => m.IsGuestUp
            && (m.Address == address || (address.EndsWith("%12", StringComparison.Ordinal)
                && m.LinkLocalAddress.Length > 0 && IPAddress.Parse(m.LinkLocalAddress).Equals(bare))));
        return Task.FromResult<IGuest>(machine is null
            ? throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Connection,
                $"Nobody answers at {address}.", address)
            : new Guest(machine));
    }

    private sealed class Guest(SimMachine machine) : IGuest
    {
        public Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken)
        {
            string line = string.Join(' ', command.Arguments);
            (int code, string output) = command.Arguments[0] switch
            {
                "/bin/grep" when command.Arguments[^1] == GuestChannel.HostItems =>
                    (machine.HostItems.ContainsValue(command.Arguments[^2]) ? 0 : 1, ""),
                "/bin/cat" when command.Arguments[^1] == GuestChannel.ProductId =>
                    (0, machine.FirmwareId.Trim('{', '}').ToLowerInvariant() + "\n"),
                _ => machine.Programs?.Invoke(line) ?? (127, ""),
            };
            return Task.FromResult(new GuestCommandResult(code, null, output, "", false, TimeSpan.Zero));
        }

        public ValueTask DisposeAsync() => default;
    }
}
