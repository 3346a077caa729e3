using System.Net;
using System.Net.Sockets;

namespace Natalia.Backup.Serving.Tests;

/// <summary>Tests that measure memory: alone in their process.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>The other end of a server, which keeps to its protocol or not.</summary>
internal static class Peer
{
    private static readonly TimeSpan s_within = TimeSpan.FromSeconds(20);

    internal static async Task<NetworkStream> ConnectAsync(IPEndPoint server)
    {
        var client = new Socket(SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = (int)s_within.TotalMilliseconds,
            SendTimeout = (int)s_within.TotalMilliseconds,
        };
        await client.ConnectAsync(server);
        return new NetworkStream(client, ownsSocket: true);
    }

    internal static byte[] Read(this NetworkStream stream, int length)
    {
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Waits until the server ends the connection; a test fails when it does not.</summary>
    /// <returns>How many bytes it sent until then.</returns>
    internal static async Task<int> EndsAsync(this NetworkStream stream)
    {
        var bytes = new byte[4096];
        int total = 0;
        try
        {
            while (await stream.ReadAsync(bytes).AsTask().WaitAsync(s_within) is > 0 and int read) total += read;
        }
        catch (IOException)
        {
            // Reset, which is an end as well.
        }
        return total;
    }

    /// <summary>Says all that there is to say, taking what is answered, until the server ends the
    /// connection.</summary>
    internal static async Task TalkAsync(this NetworkStream stream, byte[] bytes)
    {
        Task<int> ended = stream.EndsAsync();
        try
        {
            await stream.WriteAsync(bytes);
            stream.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception closed) when (closed is IOException or SocketException)
        {
            // It has had enough.
        }
        await ended;
    }

    /// <summary>Until it is served: connections that were before may be going still.</summary>
    internal static async Task ServedAsync(Func<Task> beServedAsync)
    {
        for (int tries = 0; ; tries++)
        {
            try
            {
                await beServedAsync();
                return;
            }
            catch (IOException) when (tries < 200)
            {
                await Task.Yield();
            }
        }
    }
}
