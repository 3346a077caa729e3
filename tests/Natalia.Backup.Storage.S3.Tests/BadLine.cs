using System.Net;
using System.Net.Sockets;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>A line to a real server that can be cut or held up at any byte.</summary>
public sealed class BadLine : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Uri _server;
    private readonly CancellationTokenSource _end = new();
    private long _up = long.MaxValue, _down = long.MaxValue, _upLimit, _downLimit;

    public BadLine(Uri server)
    {
        _server = server;
        _listener.Start();
        Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _ = AcceptAsync();
    }

    public Uri Endpoint { get; }

    /// <summary>True: at the limit nothing more comes; false: the connection is cut.</summary>
    public bool HoldsUp { get; set; }

    /// <summary>
    /// True: breaks again after twice as many bytes, and so on; false: all is well after the first time.
    /// </summary>
    public bool BreaksAgain { get; set; }

    /// <summary>How many connections were cut or held up.</summary>
    public int Broken;

    /// <summary>Breaks after so many bytes to the server.</summary>
    public void BreakUpAfter(long bytes) => Interlocked.Exchange(ref _up, _upLimit = bytes);

    /// <summary>Breaks after so many bytes from the server.</summary>
    public void BreakDownAfter(long bytes) => Interlocked.Exchange(ref _down, _downLimit = bytes);

    public void Dispose()
    {
        _end.Cancel();
        _listener.Stop();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token));
        }
        catch (Exception error)
            when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        { }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient { NoDelay = true })
        {
            client.NoDelay = true;
            try
            {
                await server.ConnectAsync(_server.Host, _server.Port, _end.Token);
                await Task.WhenAny(PumpAsync(client, server, up: true), PumpAsync(server, client, up: false));
            }
            catch (Exception error) when (error is IOException or SocketException or OperationCanceledException) { }
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, bool up)
    {
        byte[] buffer = new byte[16 << 10];
        try
        {
            for (int count; (count = await from.GetStream().ReadAsync(buffer, _end.Token)) > 0;)
            {
                long left = up ? Interlocked.Add(ref _up, -count) : Interlocked.Add(ref _down, -count);
                if (left < 0)
                {
                    Interlocked.Increment(ref Broken);
                    if (up) BreakUpAfter(BreaksAgain ? _upLimit * 2 : long.MaxValue);
                    else BreakDownAfter(BreaksAgain ? _downLimit * 2 : long.MaxValue);
                    if (HoldsUp) await Task.Delay(Timeout.Infinite, _end.Token);
                    from.Client.Close(0);
                    to.Client.Close(0);
                    return;
                }
                await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _end.Token);
            }
        }
        catch (Exception error)
            when (error is IOException or SocketException or ObjectDisposedException or InvalidOperationException
                or OperationCanceledException)
        { }
    }
}
