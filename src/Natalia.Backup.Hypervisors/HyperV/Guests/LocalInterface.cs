using System.Net;
using System.Net.NetworkInformation;

namespace Natalia.Backup.Hypervisors.HyperV.Guests;

/// <summary>A network interface of the machine that this runs on.</summary>
/// <param name="Name">What the system calls it: that of a switch is <c>vEthernet (SWITCH)</c>.</param>
/// <param name="Index">Its IPv6 index, which scopes link-local addresses; 0 without IPv6.</param>
/// <param name="Addresses">Its addresses, and how many bits of each name the net.</param>
internal sealed record LocalInterface(string Name, long Index,
    IReadOnlyList<(IPAddress Address, int PrefixLength)> Addresses)
{
    /// <summary>Those that are up, without the loopback.</summary>
    internal static IReadOnlyList<LocalInterface> ReadAll() =>
        [.. NetworkInterface.GetAllNetworkInterfaces()
            .Where(n => n.OperationalStatus == OperationalStatus.Up
                && n.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .Select(n =>
            {
                IPInterfaceProperties properties = n.GetIPProperties();
                return new LocalInterface(n.Name,
                    n.Supports(NetworkInterfaceComponent.IPv6) ? properties.GetIPv6Properties()?.Index ?? 0 : 0,
                    [.. properties.UnicastAddresses.Select(a => (a.Address, a.PrefixLength))]);
            })];

    /// <summary>Whether an address is on this interface's own net, so that no router is between.</summary>
    internal bool IsOnLink(IPAddress address) => Addresses.Any(a => a.Address.AddressFamily == address.AddressFamily
        && a.PrefixLength > 0 && Begin(a.Address, a.PrefixLength).SequenceEqual(Begin(address, a.PrefixLength)));

    private static IEnumerable<bool> Begin(IPAddress address, int bits)
    {
        byte[] bytes = address.GetAddressBytes();
        return Enumerable.Range(0, Math.Min(bits, bytes.Length * 8))
            .Select(i => (bytes[i / 8] >> (7 - i % 8) & 1) == 1);
    }
}

/// <summary>Which of the addresses that a guest tells are dialled, and how they are written.</summary>
internal static class GuestAddresses
{
    /// <summary>A guest may tell as many as it likes.</summary>
    private const int Most = 16;

    /// <summary>
    /// Addresses on a net of this machine alone: the isolated switch has no router, and whoever has the address
    /// elsewhere is another machine. First what goes over the switch's own interface, and of that first the link-local
    /// ones, which mean nobody else.
    /// </summary>
    /// <param name="told">What the guest tells: lists of addresses, separated by semicolons.</param>
    /// <param name="switchName">The isolated switch.</param>
    /// <param name="interfaces">Those of this machine.</param>
    internal static IReadOnlyList<string> Choose(IEnumerable<string?> told, string switchName,
        IReadOnlyList<LocalInterface> interfaces)
    {
        List<IPAddress> addresses = [.. Read(told)];
        List<LocalInterface> own = [.. interfaces.Where(i => string.Equals(i.Name, $"vEthernet ({switchName})",
            StringComparison.OrdinalIgnoreCase))];
        var chosen = new List<string>();
        foreach (LocalInterface one in own.Count > 0 ? own : interfaces)
        {
            foreach (IPAddress address in addresses.Where(a => a.IsIPv6LinkLocal && one.Index > 0))
                chosen.Add(new IPAddress(address.GetAddressBytes(), one.Index).ToString());
            foreach (IPAddress address in addresses.Where(a => !a.IsIPv6LinkLocal && one.IsOnLink(a)
                && !one.Addresses.Any(mine => mine.Address.Equals(a))))
                chosen.Add(address.ToString());
        }
        return [.. chosen.Distinct().Take(Most)];
    }

    /// <summary>
    /// Those by which a guest is reached over a network that has routers. Link-local ones mean another machine on each
    /// net, and are none.
    /// </summary>
    /// <param name="told">What the guest tells: lists of addresses, separated by semicolons.</param>
    internal static IReadOnlyList<string> Routed(IEnumerable<string?> told) =>
        [.. Read(told).Where(a => !a.IsIPv6LinkLocal && !a.IsIPv6Multicast && !a.Equals(IPAddress.Any)
            && !a.Equals(IPAddress.IPv6Any) && !IsLinkLocal(a)).Select(a => a.ToString()).Distinct().Take(Most)];

    private static IEnumerable<IPAddress> Read(IEnumerable<string?> told) =>
        told.OfType<string>().SelectMany(t => t.Split(';')).Take(4 * Most)
            .Select(t => IPAddress.TryParse(t.Trim(), out IPAddress? address) ? address : null).OfType<IPAddress>()
            .Where(a => !IPAddress.IsLoopback(a));

    // 169.254.0.0/16 (RFC 3927), and 224.0.0.0 and above: multicast, reserved, broadcast.
    private static bool IsLinkLocal(IPAddress address) =>
        address.GetAddressBytes() is [169, 254, _, _] or [>= 224, _, _, _];
}
