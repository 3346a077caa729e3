using System.Globalization;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>One address of a cluster.</summary>
internal sealed record ApiHost(string Name, int Port)
{
    /// <summary>Reads <c>host</c>, <c>host:port</c>, <c>[IPv6]</c> or <c>[IPv6]:port</c>.</summary>
    internal static ApiHost Parse(string text, int defaultPort)
    {
        string host = text.Trim();
        int port = defaultPort;
        int bracket = host.IndexOf(']');
        int colon = host.LastIndexOf(':');
        bool isBareIPv6 = bracket < 0 && colon >= 0 && host.IndexOf(':') != colon;
        if (!isBareIPv6 && colon > bracket)
        {
            if (!int.TryParse(host.Substring(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port))
                port = 0;
            host = host.Substring(0, colon);
        }
        host = host.Trim('[', ']');
        if (port is < 1 or > 65535 || Uri.CheckHostName(host) == UriHostNameType.Unknown)
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.InvalidArgument,
                $"'{text}' is not a host name or address.", text,
                "Give a name or an address, with a port only where it is not the usual one: pve1.example.com, "
                + "10.0.0.11:8006.");
        return new ApiHost(host, port);
    }

    internal Uri Base => new($"https://{Bracketed}:{Port.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>The name, with the port where it is not the usual one.</summary>
    internal string Text(int usualPort) =>
        Port == usualPort ? Name : $"{Bracketed}:{Port.ToString(CultureInfo.InvariantCulture)}";

    private string Bracketed => Name.Contains(':') ? $"[{Name}]" : Name;

    public override string ToString() => Name;
}
