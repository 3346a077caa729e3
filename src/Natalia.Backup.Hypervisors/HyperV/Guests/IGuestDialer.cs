using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Hypervisors.HyperV.Guests;

/// <summary>
/// A way into a guest over a network. Whoever answers is not known yet to be that guest. Any thread.
/// </summary>
internal interface IGuestDialer
{
    /// <summary>Refuses a login with which nobody can log in, before anything is waited for.</summary>
    /// <param name="who">Who the commands run as.</param>
    /// <param name="nativeId">The VM.</param>
    /// <exception cref="NataliaException"><c>GuestCredentialRequired</c>, <c>SshHostKeyRequired</c>.</exception>
    void Check(GuestCredential? who, string nativeId);

    /// <summary>Logs in once, without waiting for a guest that does not answer yet.</summary>
    /// <param name="address">An IP address; of a link-local one with its scope.</param>
    /// <param name="nativeId">The VM that is meant.</param>
    /// <param name="who">Who the commands run as; null where nobody was named.</param>
    /// <param name="timeout">How long at most.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>: nobody answers there, which may change;
    /// anything else is final.</exception>
    Task<IGuest> DialAsync(string address, string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken);
}
