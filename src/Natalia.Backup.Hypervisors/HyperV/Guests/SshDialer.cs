using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Ssh;

namespace Natalia.Backup.Hypervisors.HyperV.Guests;

/// <summary>Logs in over SSH, to a server with the expected host key alone.</summary>
/// <param name="clock">The clock.</param>
/// <param name="port">The port of the guests' servers.</param>
internal sealed class SshDialer(TimeProvider clock, int port = SshEndpoint.UsualPort) : IGuestDialer
{
    public void Check(GuestCredential? who, string nativeId) => SshGuestChannel.RequireLogin(who, nativeId);

    public async Task<IGuest> DialAsync(string address, string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        GuestCredential login = SshGuestChannel.RequireLogin(who, nativeId);
        using Deadline limit = clock.CreateDeadline(timeout, cancellationToken);
        try
        {
            return new SshGuest(await SshConnector.ConnectAsync(new SshEndpoint(address, port), login, limit.Token)
                .ConfigureAwait(false), nativeId, clock);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
                $"No SSH server answered at {address} within {timeout.TotalSeconds:0} seconds.", address, null, e);
        }
    }
}
