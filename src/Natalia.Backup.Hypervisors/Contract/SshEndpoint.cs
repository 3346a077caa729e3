using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>Where a guest's SSH server is reached from this machine.</summary>
/// <param name="Host">A name or an address.</param>
/// <param name="Port">The port, 1 to 65535.</param>
public sealed record SshEndpoint(string Host, int Port)
{
    /// <summary>Where SSH servers listen unless they were told otherwise.</summary>
    public const int UsualPort = 22;

    private static readonly Regex s_place = new(
        @"^(?:\[(?<host>[^\[\]]+)\]|(?<host>[^:\[\]]+))(?::(?<port>[0-9]{1,5}))?$", RegexOptions.CultureInvariant);

    /// <summary>
    /// Reads <c>HOST</c>, <c>HOST:PORT</c>, an IPv6 address, or one with a port as <c>[ADDRESS]:PORT</c>.
    /// </summary>
    /// <exception cref="NataliaException"><c>SshHostInvalid</c>.</exception>
    public static SshEndpoint Parse(string text)
    {
        Match match = s_place.Match(text.Trim());
        // With more colons than one, and no brackets, it is an IPv6 address alone.
        string host = match.Success ? match.Groups["host"].Value : text.Trim();
        Group port = match.Groups["port"];
        int number = port.Success ? int.Parse(port.Value, NumberStyles.None, CultureInfo.InvariantCulture) : UsualPort;
        return number is > 0 and <= 65535 && Uri.CheckHostName(host) != UriHostNameType.Unknown
            ? new SshEndpoint(host, number)
            : throw new NataliaException(ErrorIds.SshHostInvalid, NataliaErrorKind.InvalidArgument,
                $"'{DisplayText.Clean(text)}' is no place of an SSH server.", text,
                "Give a name or an address, with a port where it is not 22: natalia-01.example.com, 10.0.0.7:2222, "
                + "[2001:db8::7]:22.");
    }

    /// <summary>Host and port.</summary>
    public override string ToString() => FormattableString.Invariant($"{Host}:{Port}");
}
