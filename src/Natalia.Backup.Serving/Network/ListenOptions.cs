using System.Net;

namespace Natalia.Backup.Serving.Network;

/// <summary>Where a server listens, and to whom.</summary>
public sealed record ListenOptions
{
    /// <summary>The address and port; port 0 takes a free one.</summary>
    public IPEndPoint EndPoint { get; init; } = new(IPAddress.Loopback, 0);

    /// <summary>
    /// The path of a socket in the file system to listen at instead, in a folder that only those can reach who may
    /// connect; null for the address. It must not be there, and goes with the server. Not on Windows PowerShell.
    /// </summary>
    public string? SocketPath { get; init; }

    /// <summary>How many clients may be connected at once, 1 or more. One more is turned away.</summary>
    public int MaximumConnections { get; init; } = 32;

    /// <summary>The addresses that may connect; empty for all that can.</summary>
    public IReadOnlyList<IPAddress> Peers { get; init; } = [];

    /// <summary>Within what time a client must have said who it is and what it wants.</summary>
    public TimeSpan GreetWithin { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
