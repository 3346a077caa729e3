using System.Net;

namespace Natalia.Backup.Engine.Network;

/// <summary>Whether two names or addresses of machines mean one machine.</summary>
public static class MachineNames
{
    /// <summary>
    /// Compares them. Asks no name server: a name with its domain and one without mean the same machine, two other
    /// names mean two, and so do two addresses of one family; whether an address is that of a name, or an IPv4 address
    /// and one of IPv6 are those of one machine, cannot be told, unless one of them is this machine's.
    /// </summary>
    /// <param name="a">A name, or an address; one of IPv6 may stand in brackets, or be written as Windows has it in
    /// paths of shares.</param>
    /// <param name="b">Another one.</param>
    /// <returns>Null when it cannot be told.</returns>
    public static bool? AreSame(string a, string b)
    {
        IPAddress? one = Address(a), other = Address(b);
        if (one is not null && other is not null) return AreSameAddress(one, other);
        if (one is null && other is null) return AreSameName(a, b);
        (string address, string name) = one is not null ? (one.ToString(), b) : (other!.ToString(), a);
        return ThisMachine.Is(name) ? ThisMachine.Is(address) : null;
    }

    private static bool? AreSameAddress(IPAddress a, IPAddress b)
    {
        if (a.Equals(b)) return true;
        // Of this machine all addresses are known.
        bool isHere = ThisMachine.Is(a.ToString()), isOtherHere = ThisMachine.Is(b.ToString());
        if (isHere || isOtherHere) return isHere && isOtherHere;
        return a.AddressFamily == b.AddressFamily ? false : null;
    }

    private static bool AreSameName(string a, string b) => a.Equals(b, StringComparison.OrdinalIgnoreCase)
        || (a.Split('.')[0].Equals(b.Split('.')[0], StringComparison.OrdinalIgnoreCase)
            && (a.IndexOf('.') < 0 || b.IndexOf('.') < 0));

    /// <summary>
    /// The address that a host is, or null. The server of a share is <c>fd00--5.ipv6-literal.net</c> by IPv6.
    /// </summary>
    private static IPAddress? Address(string host)
    {
        const string literal = ".ipv6-literal.net";
        string text = host.Trim('[', ']');
        if (text.EndsWith(literal, StringComparison.OrdinalIgnoreCase))
            text = text.Substring(0, text.Length - literal.Length).Replace('-', ':').Replace('s', '%');
        if (!IPAddress.TryParse(text, out IPAddress? address)) return null;
        // ::ffff:192.0.2.7 is how a socket of both families writes 192.0.2.7.
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }
}
