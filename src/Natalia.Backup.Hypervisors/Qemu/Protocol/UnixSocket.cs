using System.Net.Sockets;
using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>Connects to a socket in the file system, as QEMU's monitor and its guest agent's channel are.</summary>
internal static class UnixSocket
{
    /// <summary>How long the path of such a socket may be in bytes (sockaddr_un, without the ending zero).</summary>
    private const int LongestPath = 107;

#if NET8_0_OR_GREATER
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);
#endif

    /// <summary>Whether a socket can have this path.</summary>
    internal static bool Fits(string path) => Encoding.UTF8.GetByteCount(path) <= LongestPath;

    /// <summary>Connects.</summary>
    /// <exception cref="IOException">Nobody listens there, or it is no socket.</exception>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c> on Windows PowerShell, whose framework has no such
    /// sockets; <c>PathNotSupported</c> for a path that no socket can have.</exception>
    internal static async Task<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        if (!Fits(path)) throw TooLong(path);
#if NET8_0_OR_GREATER
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
            {
                // Somebody listens, and others stand in line: QEMU lets one wait.
                socket.Dispose();
            }
            catch (SocketException e)
            {
                socket.Dispose();
                throw new IOException($"'{path}' cannot be connected to: {e.Message}", e);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
            await Task.Delay(s_pause, cancellationToken).ConfigureAwait(false);
        }
#else
        await Task.CompletedTask.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            "Windows PowerShell has no sockets in the file system, by which QEMU is spoken to.", path,
            "Use PowerShell 7.4 or newer.");
#endif
    }

    /// <summary>Whether somebody listens behind a socket, even if others stand in line there.</summary>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>: that cannot be told, as where this user has no
    /// right to connect.</exception>
    internal static async Task<bool> IsListeningAsync(string path, CancellationToken cancellationToken)
    {
        // What this user may not look at seems not to be there: of a path that a socket can have, connecting tells.
        if (!Fits(path) && !File.Exists(path)) return false;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(1));
        try
        {
            using Stream connected = await ConnectAsync(path, limit.Token).ConfigureAwait(false);
            return true;
        }
        catch (IOException e) when (IsAbandoned(e))
        {
            return false;
        }
        catch (IOException e)
        {
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
                $"Whether anybody listens behind '{path}' cannot be told: {e.Message}", path,
                "See whether this user has the right to connect to it.", e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return true;
        }
    }

    /// <summary>Nothing has this name (ENOENT), or what has it is what somebody who listened has left (ECONNREFUSED).
    /// </summary>
    private static bool IsAbandoned(IOException failure) => failure.InnerException is SocketException
    {
        SocketErrorCode: SocketError.ConnectionRefused or SocketError.AddressNotAvailable,
    };

    /// <summary>Says that the path is too long for a socket.</summary>
    internal static NataliaException TooLong(string path) =>
        new(ErrorIds.PathNotSupported, NataliaErrorKind.LimitExceeded,
        $"The path '{path}' is too long for a socket: the system allows {LongestPath} bytes.", path,
        "Connect a folder with a shorter path.");
}
