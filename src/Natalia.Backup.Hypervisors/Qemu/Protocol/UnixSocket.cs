#if NET8_0_OR_GREATER
using System.Net.Sockets;
#endif
using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Qemu.Protocol;

/// <summary>Connects to a socket in the file system, as QEMU's monitor and its guest agent's channel are.</summary>
internal static class UnixSocket
{
    /// <summary>How long the path of such a socket may be in bytes (sockaddr_un, without the ending zero).</summary>
    private const int LongestPath = 107;

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
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
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
#else
        await Task.CompletedTask.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
            "Windows PowerShell has no sockets in the file system, by which QEMU is spoken to.", path,
            "Use PowerShell 7.4 or newer.");
#endif
    }

    /// <summary>Says that the path is too long for a socket.</summary>
    internal static NataliaException TooLong(string path) =>
        new(ErrorIds.PathNotSupported, NataliaErrorKind.LimitExceeded,
        $"The path '{path}' is too long for a socket: the system allows {LongestPath} bytes.", path,
        "Connect a folder with a shorter path.");
}
