using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Natalia.Backup.Testing;

/// <summary>
/// A forward proxy on loopback as companies have them: tunnels (CONNECT) and plain requests, with a login if wanted. It
/// leads names to places on this machine, as a name service of a company would. One request per connection.
/// </summary>
public sealed class ForwardProxy : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<string, Uri?> _find;
    private readonly string? _login;
    private readonly ConcurrentQueue<string> _asked = new();
    private int _refused;

    /// <param name="find">Where a host lies; null for nowhere.</param>
    /// <param name="login">user:password that it wants; null for none.</param>
    public ForwardProxy(Func<string, Uri?> find, string? login = null)
    {
        (_find, _login) = (find, login);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _ = AcceptAsync();
    }

    public int Port { get; }
    public string Address => $"http://127.0.0.1:{Port}";

    /// <summary>The hosts that were asked for, with ports.</summary>
    public IReadOnlyCollection<string> Asked => _asked;

    /// <summary>How many requests had no login, or a wrong one.</summary>
    public int Refused => Volatile.Read(ref _refused);

    public void Dispose() => _listener.Stop();

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException) { }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient { NoDelay = true })
        {
            client.NoDelay = true;
            try
            {
                NetworkStream near = client.GetStream();
                string[] lines = (await ReadHeadAsync(near)).Split("\r\n");
                string[] request = lines[0].Split(' ');
                bool isTunnel = request[0] == "CONNECT";
                Uri target = new(isTunnel ? "https://" + request[1] : request[1]);
                _asked.Enqueue(target.Authority);
                string wanted = "Proxy-Authorization: Basic "
                    + Convert.ToBase64String(Encoding.UTF8.GetBytes(_login ?? ""));
                if (_login is not null && !lines.Contains(wanted, StringComparer.OrdinalIgnoreCase))
                {
                    Interlocked.Increment(ref _refused);
                    await SayAsync(near,
                        "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"company\"");
                    return;
                }
                if (_find(target.Host) is not Uri place)
                {
                    await SayAsync(near, "403 Forbidden");
                    return;
                }
                await server.ConnectAsync(place.Host, place.Port);
                NetworkStream far = server.GetStream();
                if (isTunnel)
                {
                    await near.WriteAsync("HTTP/1.1 200 Connection established\r\n\r\n"u8.ToArray());
                }
                else
                {
                    IEnumerable<string> kept = lines[1..^2]
                        .Where(l => !l.StartsWith("Proxy-", StringComparison.OrdinalIgnoreCase)
                            && !l.StartsWith("Connection:", StringComparison.OrdinalIgnoreCase));
                    string head = string.Join("\r\n",
                        kept.Prepend($"{request[0]} {target.PathAndQuery} HTTP/1.1").Append("Connection: close"))
                        + "\r\n\r\n";
                    await far.WriteAsync(Encoding.Latin1.GetBytes(head));
                }
                await Task.WhenAny(near.CopyToAsync(far), far.CopyToAsync(near));
            }
            catch (Exception error) when (error is IOException or SocketException or EndOfStreamException) { }
        }
    }

    private static async Task SayAsync(NetworkStream near, string status)
    {
        await near.WriteAsync(
            Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        // The rest of a body is not taken; closed at once, the answer would be lost with it.
        await Task.Delay(50);
    }

    private static async Task<string> ReadHeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one) == 0) throw new EndOfStreamException();
            head.Append((char)one[0]);
        }
        return head.ToString();
    }
}
