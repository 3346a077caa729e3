using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Natalia.Backup.Engine.Network;

/// <summary>
/// The proxy between this machine and a server, as curl takes it from the environment: <c>HTTPS_PROXY</c>,
/// <c>HTTP_PROXY</c>, <c>ALL_PROXY</c> (also in small letters, which win), each
/// <c>[http://][user:password@]host[:port]</c>, and <c>NO_PROXY</c> for the hosts that are asked directly. Where none
/// of them is set, the system's own. The same on every framework: they differ in what of this they know.
/// </summary>
/// <remarks>A user and a password are percent-decoded. They are in no text that this class gives.</remarks>
public sealed class NetworkProxy : IWebProxy, ICredentials
{
    private readonly Func<string, string?> _read;
    private readonly IWebProxy? _system;

    private NetworkProxy(Func<string, string?> read, IWebProxy? system) => (_read, _system) = (read, system);

    /// <summary>The proxy of this process. The environment is read with each request, as a script may set it.</summary>
    public static NetworkProxy Default { get; } = new(Environment.GetEnvironmentVariable,
#if NET8_0_OR_GREATER
        HttpClient.DefaultProxy
#else
        WebRequest.DefaultWebProxy
#endif
        );

    /// <summary>The proxy that some variables name, whatever the system says.</summary>
    /// <param name="read">Gives a variable's value, or null.</param>
    public static NetworkProxy From(Func<string, string?> read) => new(read, null);

    /// <summary>What to do about a proxy that wants a login.</summary>
    public const string LoginAdvice = "Set HTTPS_PROXY (for an http address HTTP_PROXY) to "
        + "http://user:password@proxy:port, with special characters as %XX; or name the server in NO_PROXY where it "
        + "can be reached directly.";

    /// <summary>Whether a tunnel failed because the proxy wants a login (407), or another one.</summary>
    /// <param name="error">What the framework threw.</param>
    public static bool WantsLogin(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
#if NET8_0_OR_GREATER
            if (error is HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } tunnel
                && (tunnel.StatusCode == HttpStatusCode.ProxyAuthenticationRequired || tunnel.Message.Contains("407")))
                return true;
#else
            if (error is WebException web
                && (web.Response is HttpWebResponse { StatusCode: HttpStatusCode.ProxyAuthenticationRequired }
                    || web.Message.Contains("(407)")))
                return true;
#endif
        }
        return false;
    }

    /// <inheritdoc/>
    public ICredentials? Credentials { get => this; set => throw new NotSupportedException(); }

    /// <summary>
    /// The proxy on the way to a server, or null where there is none. Its address has no user and no password.
    /// </summary>
    /// <param name="destination">The server.</param>
    /// <exception cref="NataliaException"><c>ProxyInvalid</c>: a variable does not name a proxy.</exception>
    public Uri? GetProxy(Uri destination)
    {
        if (Find(destination) is { } own) return own.Address;
        if (IsNamedByEnvironment || _system is null || _system.IsBypassed(destination)) return null;
        return _system.GetProxy(destination) is Uri found && found != destination ? found : null;
    }

    /// <inheritdoc/>
    public bool IsBypassed(Uri host) => GetProxy(host) is null;

    /// <inheritdoc/>
    public NetworkCredential? GetCredential(Uri uri, string authType)
    {
        foreach (string scheme in new[] { "https", "http" })
            if (Read(scheme) is { } own && own.Credential is not null && own.Address.Authority == uri.Authority)
                return own.Credential;
        return _system?.Credentials?.GetCredential(uri, authType);
    }

    private bool IsNamedByEnvironment => Read("https") is not null || Read("http") is not null;

    private (Uri Address, NetworkCredential? Credential)? Find(Uri destination) =>
        Read(destination.Scheme) is { } own && !IsExempt(destination) ? own : null;

    private (Uri Address, NetworkCredential? Credential)? Read(string scheme)
    {
        // A web server hands a client's header "Proxy" on as HTTP_PROXY; in capitals it is not believed there.
        bool isCgi = _read("REQUEST_METHOD") is not null;
        foreach (string name in new[] { scheme + "_proxy", scheme.ToUpperInvariant()
            + "_PROXY", "all_proxy", "ALL_PROXY" })
        {
            if (isCgi && name == "HTTP_PROXY" || _read(name)?.Trim() is not { Length: > 0 } text) continue;
            return Parse(name, text);
        }
        return null;
    }

    private static (Uri, NetworkCredential?) Parse(string name, string text)
    {
        string full = text.Contains("://") ? text : "http://" + text;
        if (!Uri.TryCreate(full, UriKind.Absolute, out Uri? address) || address.Host.Length == 0
            || address.Scheme is not ("http" or "https" or "socks4" or "socks4a" or "socks5"))
            throw new NataliaException(ErrorIds.ProxyInvalid, NataliaErrorKind.InvalidArgument,
                $"The environment variable {name} does not name a proxy.", name,
                "Set it to http://host:port, or http://user:password@host:port with '@', ':' and '/' in user and "
                + "password written as %40, %3A and %2F; or remove it.");
        string[] login = address.UserInfo.Split([':'], 2);
        NetworkCredential? credential = address.UserInfo.Length == 0
            ? null
            : new NetworkCredential(Uri.UnescapeDataString(login[0]),
                login.Length > 1 ? Uri.UnescapeDataString(login[1]) : "");
        return (new Uri(address.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped)), credential);
    }

    // As curl has it: a name stands for itself and all below it, "*" for everything; also a network, 10.0.0.0/8.
    private bool IsExempt(Uri destination)
    {
        string host = destination.Host.Trim('[', ']').ToLowerInvariant();
        foreach (string entry in (_read("no_proxy") ?? _read("NO_PROXY") ?? "").Split([',', ' '],
            StringSplitOptions.RemoveEmptyEntries))
        {
            string name = entry.Trim().ToLowerInvariant();
            if (name == "*") return true;
            if (name.Contains('/'))
            {
                if (IsInNetwork(host, name)) return true;
                continue;
            }
            if (name.Count(c => c == ':') == 1)
            {
                string[] parts = name.Split(':');
                if (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int port)
                    || port != destination.Port)
                    continue;
                name = parts[0];
            }
            name = name.Trim('[', ']').TrimStart('*').TrimStart('.');
            if (name.Length > 0
                && (host == name
                    || (host.EndsWith("." + name, StringComparison.Ordinal) && !IPAddress.TryParse(host, out _))))
                return true;
        }
        return false;
    }

    private static bool IsInNetwork(string host, string network)
    {
        string[] parts = network.Split('/');
        if (parts.Length != 2 || !IPAddress.TryParse(host, out IPAddress? address)
            || !IPAddress.TryParse(parts[0].Trim('[', ']'), out IPAddress? start)
            || start.AddressFamily != address.AddressFamily)
            return false;
        int width = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        if (!int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int bits) || bits > width)
            return false;
        byte[] a = address.GetAddressBytes(), b = start.GetAddressBytes();
        for (int i = 0; i < bits; i++)
            if (((a[i / 8] ^ b[i / 8]) & (0x80 >> (i % 8))) != 0) return false;
        return true;
    }
}
