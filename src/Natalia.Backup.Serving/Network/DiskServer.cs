using System.Net;
using System.Net.Sockets;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Serving.Network;

/// <summary>
/// Listens, takes connections up to a number, and lets each be served. What one client does ends its own connection at
/// most. Thread-safe.
/// </summary>
public abstract class DiskServer : IDisposable
{
    private const string PortCure =
        "Name an address of this machine and a port that is free; without -Port one is found.";

    private const string FolderCure = "See whether this user may write in that folder, and give it a shorter path.";

    private static readonly TimeSpan s_endWithin = TimeSpan.FromSeconds(10);

    private readonly ListenOptions _options;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly object _gate = new();
    private readonly Dictionary<Socket, Task> _connections = [];
    private Task _accepting = Task.CompletedTask;
    private bool _disposed;

    /// <param name="options">Where to listen.</param>
    /// <exception cref="NataliaException"><c>AddressNotAvailable</c>.</exception>
    private protected DiskServer(ListenOptions options)
    {
        _options = options;
        EndPoint place = options.SocketPath is string path ? FileEndPoint(path) : options.EndPoint;
        _listener = options.SocketPath is null
            ? new Socket(options.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Without this, Windows lets two programs listen at one place.
            if (Path.DirectorySeparatorChar == '\\') _listener.ExclusiveAddressUse = true;
            // All addresses are those of IPv4, too.
            if (place is IPEndPoint { Address: IPAddress address } && address.Equals(IPAddress.IPv6Any))
                _listener.DualMode = true;
            _listener.Bind(place);
            _listener.Listen(128);
            EndPoint = _listener.LocalEndPoint as IPEndPoint ?? options.EndPoint;
        }
        catch (SocketException failure)
        {
            _listener.Dispose();
            throw NotAvailable(options.SocketPath ?? options.EndPoint.ToString(), failure.Message,
                options.SocketPath is null ? PortCure : FolderCure, failure);
        }
    }

    /// <summary>Where it listens; without meaning where that is a socket in the file system.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>How many clients are connected now.</summary>
    public int Connections
    {
        get { lock (_gate) return _connections.Count; }
    }

    private static EndPoint FileEndPoint(string path)
    {
#if NET8_0_OR_GREATER
        try
        {
            return new UnixDomainSocketEndPoint(path);
        }
        catch (Exception failure) when (failure is ArgumentException or PlatformNotSupportedException)
        {
            throw NotAvailable(path, failure.Message, FolderCure, failure);
        }
#else
        throw NotAvailable(path, "Windows PowerShell has no sockets in the file system.",
            "Use PowerShell 7.4 or newer.", null);
#endif
    }

    private static NataliaException NotAvailable(string place, string why, string cure, Exception? failure) =>
        new(ErrorIds.AddressNotAvailable, NataliaErrorKind.ResourceUnavailable,
            $"Nothing can listen at {place}: {why}", place,
            cure, failure);

    /// <summary>Begins to take connections: when everything that is served is there.</summary>
    public void Start() => _accepting = Task.Run(AcceptAsync);

    /// <summary>Serves one client to its end. Whatever it throws ends the connection.</summary>
    /// <param name="stream">The connection; disposed by the caller.</param>
    /// <param name="peer">Who is at the other end.</param>
    /// <param name="cancellationToken">The server ends.</param>
    private protected abstract Task ServeAsync(Stream stream, IPEndPoint peer, CancellationToken cancellationToken);

    /// <summary>Lets a client say who it is and what it wants, within the time for that.</summary>
    /// <param name="stream">The connection; closed when the time is over.</param>
    /// <param name="greetAsync">What is said; ends with the token.</param>
    /// <param name="cancellationToken">The server ends.</param>
    private protected async Task<T> GreetAsync<T>(Stream stream, Func<CancellationToken, Task<T>> greetAsync,
        CancellationToken cancellationToken)
    {
        using Deadline greeting = _options.Clock.CreateDeadline(_options.GreetWithin, cancellationToken);
        // On some frameworks a read that has begun is ended by closing alone.
        using (greeting.Token.Register(stream.Dispose)) return await greetAsync(greeting.Token).ConfigureAwait(false);
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync().ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                if (_stop.IsCancellationRequested) return;
                // Out of descriptors, or a client that went before it was taken.
                try
                {
                    await _options.Clock.WaitAsync(TimeSpan.FromMilliseconds(200), _stop.Token).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                continue;
            }
            Take(client);
        }
    }

    private void Take(Socket client)
    {
        lock (_gate)
        {
            if (!_disposed && _connections.Count < _options.MaximumConnections && IsAllowed(client))
            {
                _connections[client] = Task.Run(() => ServeAsync(client));
                return;
            }
        }
        client.Dispose();
    }

    private bool IsAllowed(Socket client)
    {
        if (_options.Peers.Count == 0) return true;
        try
        {
            return client.RemoteEndPoint is IPEndPoint peer && _options.Peers.Any(p => Same(p, peer.Address));
        }
        catch (SocketException)
        {
            return false;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }

        static bool Same(IPAddress a, IPAddress b) =>
            a.Equals(b) || b.IsIPv4MappedToIPv6 && a.Equals(b.MapToIPv4());
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            if (_options.SocketPath is null)
            {
                client.NoDelay = true;
                // A client whose machine died says nothing any more: its place is wanted.
                client.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            }
            IPEndPoint peer = client.RemoteEndPoint as IPEndPoint ?? _options.EndPoint;
            // Who disposes of the stream ends a read that waits, on every framework.
            using var stream = new NetworkStream(client, ownsSocket: true);
            await ServeAsync(stream, peer, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The client went, broke the protocol, or the server ends: in each case the connection is over, and no
            // other one is touched. Errors of the disk were told to the client in its protocol.
        }
        finally
        {
            lock (_gate) _connections.Remove(client);
            client.Dispose();
        }
    }

    /// <summary>Turns clients away, ends the connections there are, and waits for that, but not for ever.</summary>
    public void Dispose()
    {
        Task[] running;
        lock (_gate)
        {
            if (_disposed) return;
            _disposed = true;
            running = [.. _connections.Values, _accepting];
            _stop.Cancel();
            _listener.Dispose();
            // Reads that wait for a client end so on every framework.
            foreach (Socket client in _connections.Keys) client.Dispose();
        }
        Task.WhenAll(running).Wait(s_endWithin);
    }
}
