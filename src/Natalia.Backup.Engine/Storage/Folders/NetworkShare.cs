using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Security;

namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>
/// A connection to a share with credentials, for as long as it is not disposed. Windows keeps connections for the whole
/// logon session, so those of this process to one share are counted, and the last one ends it.
/// </summary>
public sealed class NetworkShare : IDisposable
{
    private static readonly Dictionary<string, int> s_open = new(StringComparer.OrdinalIgnoreCase);
    private readonly INetworkShares _shares;
    private readonly string _share;
    private bool _disposed;

    private NetworkShare(INetworkShares shares, string share)
    {
        _shares = shares;
        _share = share;
    }

    /// <summary>Connects to the share of a UNC path.</summary>
    /// <param name="path">A path on the share: <c>\\server\share\folder</c>.</param>
    /// <param name="user">The user's name: <c>domain\name</c>, <c>server\name</c>, <c>name@domain</c>.</param>
    /// <param name="password">The password. Stays the caller's, and is not kept.</param>
    /// <exception cref="NataliaException"><c>ShareCredentialNotSupported</c> on another system than Windows, or for
    /// another path; <c>ShareCredentialRefused</c>, <c>ShareUserConflict</c>, <c>StoreAccessDenied</c>,
    /// <c>StoreUnavailable</c>.</exception>
    public static NetworkShare Connect(string path, string user, SecureString password) =>
        Connect(path, user, password, NativeFiles.IsWindows ? new WindowsShares() : null);

    /// <param name="path">A path on the share.</param>
    /// <param name="user">The user's name.</param>
    /// <param name="password">The password.</param>
    /// <param name="shares">The system's calls; null where it has none.</param>
    internal static NetworkShare Connect(string path, string user, SecureString password, INetworkShares? shares)
    {
        if (ShareOf(path) is not string share)
            throw new NataliaException(ErrorIds.ShareCredentialNotSupported, NataliaErrorKind.InvalidArgument,
                $"'{path}' is not on a share that is named by a UNC path, so credentials have no meaning for it.", path,
                @"Leave the credential out, or name the folder as \\server\share\folder.");
        if (shares is null)
            throw new NataliaException(ErrorIds.ShareCredentialNotSupported, NataliaErrorKind.NotSupported,
                "Only Windows connects to a share with credentials when a program asks for it.", share,
                "Mount the share with its credentials (mount -t cifs, or an entry in fstab), and name the folder "
                + "below the mount point.");
        IntPtr secret = Marshal.SecureStringToGlobalAllocUnicode(password);
        try
        {
            lock (s_open)
            {
                int code = shares.Add(share, user, secret);
                if (code != 0) throw Refused(code, share, user);
                s_open.TryGetValue(share, out int count);
                s_open[share] = count + 1;
            }
        }
        finally
        {
            Marshal.ZeroFreeGlobalAllocUnicode(secret);
        }
        return new NetworkShare(shares, share);
    }

    /// <summary>The share of a UNC path, <c>\\server\share</c>; null for any other path.</summary>
    internal static string? ShareOf(string path)
    {
        string text = path.Replace('/', '\\');
        const string longPrefix = @"\\?\UNC\";
        if (text.StartsWith(longPrefix, StringComparison.OrdinalIgnoreCase))
            text = @"\\" + text.Substring(longPrefix.Length);
        if (!text.StartsWith(@"\\", StringComparison.Ordinal) || text.StartsWith(@"\\?\", StringComparison.Ordinal)
            || text.StartsWith(@"\\.\", StringComparison.Ordinal))
            return null;
        string[] parts = text.Substring(2).Split('\\');
        return parts.Length >= 2 && parts[0].Length > 0 && parts[1].Length > 0 ? $@"\\{parts[0]}\{parts[1]}" : null;
    }

    /// <summary>Ends the connection, unless another session of this process uses the share.</summary>
    public void Dispose()
    {
        lock (s_open)
        {
            if (_disposed) return;
            _disposed = true;
            if (--s_open[_share] > 0) return;
            s_open.Remove(_share);
            // A file that something else still has open there keeps the connection, which Windows then ends at logoff.
            _shares.Cancel(_share);
        }
    }

    private static NataliaException Refused(int code, string share, string user)
    {
        string reason = new Win32Exception(code).Message;
        return code switch
        {
            // Wrong password, unknown user, account restriction, disabled, expired, locked, not granted this kind of
            // logon, password must change.
            86 or 1326 or 1327 or 1328 or 1330 or 1331 or 1385 or 1793 or 1907 or 1909 or 2202 =>
                new NataliaException(ErrorIds.ShareCredentialRefused, NataliaErrorKind.Authentication,
                    $"The share '{share}' refuses the user '{user}': {reason}", share,
                @"Check the name (domain\name, or server\name for a NAS of its own), the password, and whether the "
                    + "account is locked."),
            1219 => new NataliaException(ErrorIds.ShareUserConflict, NataliaErrorKind.InvalidOperation,
                $"Windows is connected to the server of '{share}' as another user already, and allows one user for "
                + $"each server: {reason}",
                share,
                "End that connection (net use shows it), use the same user for both, or reach the server by another "
                + "name or address."),
            5 => new NataliaException(ErrorIds.StoreAccessDenied, NataliaErrorKind.PermissionDenied,
                $"The user '{user}' may not use the share '{share}': {reason}", share,
                "Give the user the right to change files on the share."),
            _ => new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection,
                $"The share '{share}' cannot be reached: {reason}", share,
                "Check the names of server and share, and the network between."),
        };
    }
}
