using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Inventory;
using Natalia.Backup.Hypervisors.HyperV.Notes;

namespace Natalia.Backup.Hypervisors.HyperV.Guests;

/// <summary>
/// The way into the guest of a test VM: over the isolated switch, to the address that the guest itself tells the host.
/// Commands are run only after whoever answers there has shown that it is that guest: another machine may have the
/// same address, first of all the original.
/// </summary>
/// <param name="site">The hosts.</param>
/// <param name="dialer">Logs in.</param>
/// <param name="interfaces">Reads the interfaces of this machine.</param>
internal sealed class GuestChannel(HyperVSite site, IGuestDialer dialer,
    Func<IReadOnlyList<LocalInterface>> interfaces) : ISshGuestChannel
{
    /// <summary>Where Linux' hv_kvp_daemon keeps what the host tells.</summary>
    internal const string HostItems = "/var/lib/hyperv/.kvp_pool_0";

    /// <summary>The id that the VM's firmware has, as Linux tells it to root.</summary>
    internal const string ProductId = "/sys/class/dmi/id/product_uuid";

    /// <summary>
    /// A system that still starts may refuse everybody; but who asks often with a wrong password is locked out.
    /// </summary>
    private const int MostRefusals = 3;

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2), s_pauseRefused = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_oneTry = TimeSpan.FromSeconds(30);

    public async Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        dialer.Check(who, nativeId);
        DateTime end = site.Clock.GetUtcNow().UtcDateTime + timeout;
        string last = "nothing was heard of it";
        int refusals = 0;
        while (true)
        {
            Machine machine = await site.RequireAsync(nativeId, nativeId, cancellationToken).ConfigureAwait(false);
            TestMark mark = NoteText.Test(machine.Settings.Texts("Notes"))
                ?? throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                    $"There is no way into the guest of '{machine.Name}': Hyper-V has none for commands, and over a "
                    + "network only restore tests' own VMs are reached.", nativeId);
            (IGuest? guest, string state, NataliaException? failure) = await TryAsync(machine, mark, who,
                end - site.Clock.GetUtcNow().UtcDateTime, cancellationToken).ConfigureAwait(false);
            if (guest is not null) return guest;
            if (state.Length > 0) last = state;
            bool isRefused = failure?.ErrorId == ErrorIds.AuthenticationFailed && ++refusals < MostRefusals;
            if (failure is not null && !isRefused && failure.ErrorId != ErrorIds.GuestNotReachable) throw failure;
            if (site.Clock.GetUtcNow().UtcDateTime >= end)
                throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
                    string.Format(CultureInfo.InvariantCulture, "The guest of VM {0} ('{1}') did not answer within "
                    + "{2:0.##} minutes: {3}.", nativeId, machine.Name, timeout.TotalMinutes, last), nativeId,
                    "Give it more time, or look at the VM's screen on the host.", failure);
            await site.Clock.WaitAsync(isRefused ? s_pauseRefused : s_pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>One round: what the guest tells now, and one try of each address.</summary>
    private async Task<(IGuest? Guest, string State, NataliaException? Failure)> TryAsync(Machine machine,
        TestMark mark, GuestCredential? who, TimeSpan left, CancellationToken cancellationToken)
    {
        if (!machine.IsRunning) return (null, "it does not run", null);
        bool? heartbeat = await GuestFacts.HasHeartbeatAsync(machine, cancellationToken).ConfigureAwait(false);
        IReadOnlyDictionary<string, string> facts = await GuestFacts.ReadAllAsync(machine, cancellationToken)
            .ConfigureAwait(false);
        string system = facts.TryGetValue("OSName", out string? name) && name.Length > 0
            ? DisplayText.Clean(name) : "its system";
        if (facts.Count == 0)
            return (null, heartbeat == true ? "it has booted, and tells nothing of itself: hv_kvp_daemon has to run in "
                + "it" : "its heartbeat was never heard", null);
        IReadOnlyList<VirtualSwitch> switches = await VirtualSwitch.ListAsync(machine.Host, cancellationToken)
            .ConfigureAwait(false);
        string switchName = NetworkPlace.TryFind(switches, mark.Network)?.Switch.Name ?? mark.Network;
        IReadOnlyList<string?> told = GuestFacts.Addresses(facts);
        IReadOnlyList<string> addresses = GuestAddresses.Choose(told, switchName, interfaces());
        if (addresses.Count == 0)
        {
            string all = DisplayText.Clean(string.Join("; ", told.OfType<string>().Where(t => t.Length > 0)));
            return (null, all.Length == 0 ? $"{system} has booted, and has no address"
                : $"{system} has booted, and none of its addresses ({all}) is on a net of this machine: run this on "
                    + "the host, with a switch that the host is on, and give the host's adapter "
                    + $"'vEthernet ({switchName})' IPv6 or an address of the guest's net", null);
        }
        NataliaException? failure = null;
        bool isSilent = false;
        string state = "";
        foreach (string address in addresses)
        {
            if (left <= TimeSpan.Zero) break;
            try
            {
                IGuest guest = await dialer.DialAsync(address, machine.Id, who,
                    left < s_oneTry ? left : s_oneTry, cancellationToken).ConfigureAwait(false);
                bool isIt = false;
                try
                {
                    isIt = await IsItAsync(guest, machine, mark.RunId, cancellationToken).ConfigureAwait(false);
                    if (isIt) return (guest, "", null);
                }
                finally
                {
                    if (!isIt) await guest.DisposeAsync().ConfigureAwait(false);
                }
                state = $"who answers at {address} is not this VM, but another machine with its address";
            }
            catch (NataliaException e)
            {
                isSilent |= e.ErrorId == ErrorIds.GuestNotReachable;
                if (failure is null || failure.ErrorId == ErrorIds.GuestNotReachable) failure = e;
                state = $"{system} has booted, and {address} does not let in: {e.Message.TrimEnd('.')}";
            }
        }
        // One address may be another machine's, whose key says nothing of this guest while another one is silent.
        return (null, state, isSilent && failure?.ErrorId == ErrorIds.SshHostKeyNotTrusted ? null : failure);
    }

    /// <summary>Whether a guest has what only this VM was told: the test's id, or the id of its firmware.</summary>
    private static async Task<bool> IsItAsync(IGuest guest, Machine machine, string runId,
        CancellationToken cancellationToken)
    {
        GuestCommandResult found = await guest.RunAsync(new GuestCommand
        {
            Arguments = ["/bin/grep", "-aqF", "--", runId, HostItems],
            Timeout = s_oneTry,
        }, cancellationToken).ConfigureAwait(false);
        if (found.ExitCode == 0) return true;
        string? firmware = machine.Settings.Text("BIOSGUID")?.Trim('{', '}');
        if (string.IsNullOrEmpty(firmware)) return false;
        GuestCommandResult product = await guest.RunAsync(new GuestCommand
        {
            Arguments = ["/bin/cat", ProductId],
            Timeout = s_oneTry,
        }, cancellationToken).ConfigureAwait(false);
        return product.ExitCode == 0
            && string.Equals(product.Output.Trim(), firmware, StringComparison.OrdinalIgnoreCase);
    }
}
