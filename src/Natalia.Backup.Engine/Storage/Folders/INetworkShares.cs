namespace Natalia.Backup.Engine.Storage.Folders;

/// <summary>What the system offers for connections to shares. Answers are Win32 codes; 0 is success.</summary>
internal interface INetworkShares
{
    /// <summary>Connects to a share, without a drive letter and for this logon session only.</summary>
    /// <param name="share"><c>\\server\share</c>.</param>
    /// <param name="user">The user's name.</param>
    /// <param name="password">The password, UTF-16 with a zero behind it; the caller wipes it.</param>
    int Add(string share, string user, IntPtr password);

    /// <summary>Ends a connection. Files that are open there keep it.</summary>
    /// <param name="share"><c>\\server\share</c>.</param>
    int Cancel(string share);
}
