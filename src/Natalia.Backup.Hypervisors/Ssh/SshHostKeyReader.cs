using System.Net.Sockets;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Renci.SshNet;
using Renci.SshNet.Common;
using Renci.SshNet.Messages.Transport;

namespace Natalia.Backup.Hypervisors.Ssh;

/// <summary>
/// Asks an SSH server for its host keys. It is told no user and no secret: each connection ends with the key exchange,
/// in which the server proves that it holds the key.
/// </summary>
public static class SshHostKeyReader
{
    /// <summary>Reads the keys of a server.</summary>
    /// <param name="at">Where it is.</param>
    /// <param name="timeout">How long at most, for all connections together.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>One of each kind that it has, that which servers of today prefer first; never empty. And whether these
    /// are all: the time may have been over before each kind was asked for.</returns>
    /// <exception cref="NataliaException"><c>GuestNotReachable</c>: nobody answers there as an SSH server
    /// does.</exception>
    public static async Task<(IReadOnlyList<SshHostKey> Keys, bool AreAll)> ReadAsync(SshEndpoint at, TimeSpan timeout,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        using Deadline limit = clock.CreateDeadline(timeout, cancellationToken);
        var keys = new List<SshHostKey>();
        Exception? failure = null;
        bool areAll = true;
        try
        {
            foreach (Func<string, bool> kind in SshConnector.Kinds)
            {
                (SshHostKey? key, failure) = await TryAsync(at, kind, timeout, limit.Token).ConfigureAwait(false);
                if (key is not null) keys.Add(key);
            }
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            areAll = false;
            failure = new TimeoutException($"it did not answer within {timeout.TotalSeconds:0} seconds", e);
        }
        return keys.Count > 0 ? (keys, areAll) : throw SshConnector.NotReachable(at, failure!);
    }

    /// <summary>One connection that asks for one kind of key.</summary>
    private static async Task<(SshHostKey? Key, Exception? Failure)> TryAsync(SshEndpoint at, Func<string, bool> kind,
        TimeSpan timeout, CancellationToken cancellationToken)
    {
        SshHostKey? key = null;
        var how = new ConnectionInfo(at.Host, at.Port, "nobody", new NoneAuthenticationMethod("nobody"))
        {
            Timeout = timeout,
        };
        SshConnector.AskFor(how, kind);
        using var client = new SshClient(how);
        client.HostKeyReceived += (_, e) =>
        {
            key = new SshHostKey("SHA256:" + e.FingerPrintSHA256.TrimEnd('='));
            // Nothing is said to a server that nobody has compared yet.
            e.CanTrust = false;
        };
        try
        {
            await client.ConnectAsync(cancellationToken).ConfigureAwait(false);
            return (key, null);
        }
        catch (SshException) when (key is not null)
        {
            return (key, null);
        }
        catch (SshConnectionException e) when (e.DisconnectReason == DisconnectReason.KeyExchangeFailed)
        {
            // It has no key of this kind.
            return (null, e);
        }
        catch (Exception e) when (e is SshException or SocketException or IOException or ObjectDisposedException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw SshConnector.NotReachable(at, e);
        }
    }
}
