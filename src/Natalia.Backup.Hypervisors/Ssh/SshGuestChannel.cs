using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.Ssh;

/// <summary>
/// Commands in a guest over SSH, for hypervisors that say where its server is reached. The server's key is known
/// beforehand: one with another key is told neither the user's name nor a secret. Any thread.
/// </summary>
/// <param name="endpoints">Says where a VM's SSH server is.</param>
/// <param name="clock">The clock.</param>
public sealed class SshGuestChannel(ISshEndpoints endpoints, TimeProvider clock) : ISshGuestChannel
{
    /// <summary>
    /// A system that still starts may refuse everybody (pam_nologin); but who asks often with a wrong password is
    /// locked out.
    /// </summary>
    private const int MostRefusals = 3;

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1), s_pauseRefused = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public async Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        GuestCredential login = RequireLogin(who, nativeId);
        long start = clock.GetTimestamp();
        for (int refusals = 0; ;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Exception? failure = null;
            TimeSpan pause = s_pause;
            try
            {
                if (await endpoints.FindSshAsync(nativeId, cancellationToken).ConfigureAwait(false) is SshEndpoint at)
                    return new SshGuest(await SshConnector.ConnectAsync(at, login, cancellationToken)
                        .ConfigureAwait(false), nativeId, clock);
            }
            catch (NataliaException e) when (e.ErrorId == ErrorIds.AuthenticationFailed && ++refusals < MostRefusals)
            {
                (failure, pause) = (e, s_pauseRefused);
            }
            catch (NataliaException e) when (e.ErrorId == ErrorIds.GuestNotReachable)
            {
                failure = e;
            }
            if (clock.GetElapsedTime(start) + pause >= timeout)
                throw failure is NataliaException { ErrorId: ErrorIds.AuthenticationFailed }
                    ? failure
                    : Late(nativeId, timeout, failure);
            await clock.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What SSH needs: a user, and the key by which the guest is known.</summary>
    /// <param name="who">Who commands are to run as, or null.</param>
    /// <param name="target">What an error speaks of.</param>
    /// <exception cref="NataliaException"><c>GuestCredentialRequired</c>, <c>SshHostKeyRequired</c>.</exception>
    public static GuestCredential RequireLogin(GuestCredential? who, string target)
    {
        if (who is null)
            throw new NataliaException(ErrorIds.GuestCredentialRequired, NataliaErrorKind.InvalidArgument,
                "Commands in the guest go over SSH, and nobody is named who they run as.", target,
                "Name a user of the appliance with -GuestCredential, or the secret with Set-NataliaAppliance "
                + "-GuestCredential.");
        if (who.HostKey is null)
            throw new NataliaException(ErrorIds.SshHostKeyRequired, NataliaErrorKind.Security,
                $"Commands in the guest go over SSH as '{who}', and the guest's host key is not known: whoever answers "
                + "there would be told the secret.", target,
                "Read it on the appliance's own console with 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub', and "
                + "name it with -SshHostKey, or keep it with Set-NataliaAppliance -SshHostKey.");
        return who;
    }

    private static NataliaException Late(string nativeId, TimeSpan timeout, Exception? failure) =>
        new(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
            $"The SSH server of the VM {nativeId} did not answer within {timeout.TotalSeconds:0} seconds. "
            + (failure?.Message ?? "Its address is not known yet."), nativeId,
            "It may not have booted, or no SSH server runs in it, or it does not take the address that its network "
            + "gives by DHCP. Give it more time, or keep the VM and look at its console.", failure);
}
