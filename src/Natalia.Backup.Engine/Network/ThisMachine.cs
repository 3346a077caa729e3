namespace Natalia.Backup.Engine.Network;

/// <summary>What names and addresses mean this machine.</summary>
public static class ThisMachine
{
    /// <summary>Whether a host name or address means this machine. Asks no name server: a name that resolves here by
    /// other ways counts as another machine.</summary>
    /// <param name="host">The name, or the address; one of IPv6 may stand in brackets.</param>
    public static bool Is(string host)
    {
        string name = host.Trim('[', ']');
        if (name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || name.Equals(Environment.MachineName, StringComparison.OrdinalIgnoreCase))
            return true;
        if (name.StartsWith(Environment.MachineName + ".", StringComparison.OrdinalIgnoreCase)) return true;
        if (!System.Net.IPAddress.TryParse(name, out System.Net.IPAddress? address)) return false;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (System.Net.IPAddress.IsLoopback(address)) return true;
        return System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(n => n.GetIPProperties().UnicastAddresses).Any(u => u.Address.Equals(address));
    }
}
