using System.Net;
using System.Net.Sockets;

namespace Natalia.Backup.Hypervisors.Access;

/// <summary>Reads what the framework throws when a request fails on its way.</summary>
internal static class ConnectionFailure
{
    /// <summary>Whether the certificate was the reason.</summary>
    internal static bool IsTrustFailure(Exception e)
    {
        for (Exception? inner = e; inner is not null; inner = inner.InnerException)
            if (inner is System.Security.Authentication.AuthenticationException
                || inner is WebException { Status: WebExceptionStatus.TrustFailure })
                return true;
        return false;
    }

    /// <summary>Whether it is certain that nothing of the request has left.</summary>
    internal static bool WasNeverSent(Exception e)
    {
#if NET8_0_OR_GREATER
        if ((e as HttpRequestException)?.HttpRequestError is HttpRequestError.NameResolutionError
            or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError
            or HttpRequestError.ProxyTunnelError)
            return true;
#endif
        for (Exception? inner = e; inner is not null; inner = inner.InnerException)
        {
            if (inner
                is WebException
                {
                    Status: WebExceptionStatus.ConnectFailure or WebExceptionStatus.NameResolutionFailure
                    or WebExceptionStatus.TrustFailure or WebExceptionStatus.SecureChannelFailure
                    or WebExceptionStatus.ProxyNameResolutionFailure
                })
                return true;
            if (inner
                is SocketException
                {
                    SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound
                    or SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.TryAgain
                    or SocketError.NoData or SocketError.HostDown
                })
                return true;
        }
        return false;
    }

    /// <summary>What the system says, for a message.</summary>
    internal static string Innermost(Exception e)
    {
        if (e is OperationCanceledException) return "the answer did not come in time.";
        while (e.InnerException is not null) e = e.InnerException;
        return e.Message;
    }
}
