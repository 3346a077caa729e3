using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Ssh;

namespace Natalia.Backup.Operations.Guests;

/// <summary>
/// Takes the host key of an appliance from the appliance itself, on first use: who answers is believed once, and no
/// other key after that.
/// </summary>
/// <param name="clock">The clock.</param>
internal sealed class HostKeyEnrolment(TimeProvider clock)
{
    /// <summary>For each place; a guest may tell several, of which this machine reaches one.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10), s_patienceForAll = TimeSpan.FromSeconds(60);

    /// <summary>Asks the appliance's SSH server for its key.</summary>
    /// <param name="hypervisor">The hypervisor that has the VM.</param>
    /// <param name="appliance">The VM.</param>
    /// <param name="at">Where its SSH server is; null for the addresses that the guest tells the hypervisor.</param>
    /// <param name="known">The key that is kept already, or null.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The key and where it was found; without a key, why there is none.</returns>
    /// <exception cref="NataliaException"><c>SshHostKeyNotTrusted</c>: the server has another key than the one that is
    /// known.</exception>
    internal async Task<TakenHostKey> TakeAsync(IHypervisor hypervisor, ApplianceDescription appliance, SshEndpoint? at,
        SshHostKey? known, CancellationToken cancellationToken)
    {
        string trouble = "its guest tells the hypervisor no address";
        try
        {
            IReadOnlyList<SshEndpoint> places = at is not null ? [at]
                : hypervisor.Find<IGuestAddresses>() is IGuestAddresses guests
                ? await guests.FindGuestAsync(appliance, cancellationToken).ConfigureAwait(false)
                : [];
            long start = clock.GetTimestamp();
            foreach (SshEndpoint place in places.TakeWhile(_ => clock.GetElapsedTime(start) < s_patienceForAll))
            {
                try
                {
                    (IReadOnlyList<SshHostKey> keys, bool areAll) = await SshHostKeyReader.ReadAsync(place, s_patience,
                        clock, cancellationToken).ConfigureAwait(false);
                    if (known is not null && !keys.Contains(known))
                    {
                        if (areAll) throw Other(appliance, place, keys, known);
                        // The one that is kept may be of a kind that was not asked for any more.
                        trouble = $"the SSH server at {place} did not show all of its keys within "
                            + $"{s_patience.TotalSeconds:0} seconds";
                        continue;
                    }
                    return new TakenHostKey(known ?? keys[0], place, null);
                }
                catch (NataliaException e) when (e.ErrorId == ErrorIds.GuestNotReachable)
                {
                    trouble = e.Message.TrimEnd('.');
                }
            }
        }
        catch (NataliaException e) when (e.ErrorId != ErrorIds.SshHostKeyNotTrusted)
        {
            // What the hypervisor does not tell stands in the way of nothing else.
            trouble = e.Message.TrimEnd('.');
        }
        return new TakenHostKey(null, null, trouble);
    }

    private static NataliaException Other(ApplianceDescription appliance, SshEndpoint at,
        IReadOnlyList<SshHostKey> keys, SshHostKey known) =>
        new(ErrorIds.SshHostKeyNotTrusted, NataliaErrorKind.Security,
            $"The SSH server at {at} has another host key than the one that is kept for '{appliance.Name}': "
            + $"{string.Join(", ", keys)} instead of {known}. Nothing was changed.", appliance.Name,
            "See on the appliance's own console which keys it has (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). "
            + "If it was deployed anew, keep the right one with Set-NataliaAppliance -SshHostKey.");
}

/// <summary>What came of asking an appliance for its host key.</summary>
/// <param name="Key">The key; null when nobody answered.</param>
/// <param name="At">Where it was found.</param>
/// <param name="Trouble">Why there is none, a sentence without its end; null when there is one.</param>
internal sealed record TakenHostKey(SshHostKey? Key, SshEndpoint? At, string? Trouble);
