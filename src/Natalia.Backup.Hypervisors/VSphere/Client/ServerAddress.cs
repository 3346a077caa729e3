namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>
/// Addresses that a server gives for exports and for files of guests: a star in place of the host means the server as
/// it was reached.
/// </summary>
internal static class ServerAddress
{
    private const string Star = "https://*";

    /// <summary>The address; null for a text that is none, and for one without TLS.</summary>
    /// <param name="server">The server as it was reached.</param>
    /// <param name="text">What it gave.</param>
    internal static Uri? Resolve(Uri server, string text)
    {
        bool isServer = text.StartsWith(Star, StringComparison.OrdinalIgnoreCase);
        if (isServer) text = "https://" + server.Host + text.Substring(Star.Length);
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? address) || address.Scheme != Uri.UriSchemeHttps)
            return null;
        return isServer && address.IsDefaultPort ? new UriBuilder(address) { Port = server.Port }.Uri : address;
    }
}
