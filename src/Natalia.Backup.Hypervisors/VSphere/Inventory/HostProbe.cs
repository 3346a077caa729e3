using System.Net;
using System.Net.Sockets;
using Natalia.Backup.Engine.Network;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>Whether this machine finds a host by its name, and reaches its port.</summary>
internal static class HostProbe
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);

    /// <summary>Why not, as the end of a sentence; null when it does.</summary>
    internal static async Task<string?> WhyNotAsync(string host, int port, CancellationToken cancellationToken)
    {
        IPAddress[] addresses;
        try
        {
            Task<IPAddress[]> asked = IPAddress.TryParse(host, out IPAddress? own)
                ? Task.FromResult<IPAddress[]>([own])
                : Dns.GetHostAddressesAsync(host);
            if (!await IsInTimeAsync(asked, cancellationToken).ConfigureAwait(false))
                return "its name is not resolved in time";
            addresses = await asked.ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return "its name is not known here";
        }
        if (addresses.Length == 0) return "its name is not known here";
        using var client = new TcpClient(addresses[0].AddressFamily);
        try
        {
            Task connected = client.ConnectAsync(addresses[0], port);
            if (!await IsInTimeAsync(connected, cancellationToken).ConfigureAwait(false))
                return $"port {port} does not answer in time";
            await connected.ConfigureAwait(false);
            return null;
        }
        catch (SocketException e)
        {
            return $"port {port} cannot be reached: {e.Message}";
        }
    }

    /// <summary>Whether requests to the host go through a proxy, so that it is reached from there.</summary>
    internal static bool IsBehindProxy(string host) =>
        Uri.TryCreate($"https://{host}/", UriKind.Absolute, out Uri? address)
        && NetworkProxy.Default.GetProxy(address) is not null;

    private static async Task<bool> IsInTimeAsync(Task task, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task first = await Task.WhenAny(task, Task.Delay(s_limit, limit.Token)).ConfigureAwait(false);
        limit.Cancel();
        cancellationToken.ThrowIfCancellationRequested();
        if (first == task) return true;
        // Nobody looks at how it ends.
        _ = task.ContinueWith(t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
        return false;
    }
}
