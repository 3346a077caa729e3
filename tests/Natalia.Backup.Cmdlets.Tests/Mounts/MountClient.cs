using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

/// <summary>A client of a mount, by hand: a connection, and as much of NBD as tests of mounts need.</summary>
internal sealed class MountClient : IDisposable
{
    internal const uint NotPermitted = 1, NoSpace = 28;

    private const ushort ReadCommand = 0, WriteCommand = 1, FlushCommand = 3;
    private const int WithinMilliseconds = 20_000;

    private readonly NetworkStream _stream;

    private MountClient(NetworkStream stream) => _stream = stream;

    /// <summary>Connects, and says nothing.</summary>
    /// <param name="mount">To what.</param>
    /// <param name="from">The address of this machine to come from; null for any.</param>
    internal static async Task<MountClient> ConnectAsync(PointMount mount, IPAddress? from = null)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = WithinMilliseconds,
            SendTimeout = WithinMilliseconds,
        };
        if (from is not null) socket.Bind(new IPEndPoint(from, 0));
        var place = new Uri(mount.Uri);
        await socket.ConnectAsync(place.Host, place.Port);
        return new MountClient(new NetworkStream(socket, ownsSocket: true));
    }

    /// <summary>Connects to a disk that is served by NBD, and agrees on everything.</summary>
    internal static async Task<MountClient> OpenAsync(PointMount mount, IPAddress? from = null)
    {
        MountClient client = await ConnectAsync(mount, from);
        client.Agree(new Uri(mount.Uri).AbsolutePath.TrimStart('/'), mount.SizeBytes);
        return client;
    }

    /// <summary>Connects to a disk that is served by NBD at a socket of the file system, and agrees on everything.
    /// </summary>
    internal static async Task<MountClient> OpenAsync(string path, string export, long sizeBytes)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = WithinMilliseconds,
            SendTimeout = WithinMilliseconds,
        };
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        var client = new MountClient(new NetworkStream(socket, ownsSocket: true));
        client.Agree(export, sizeBytes);
        return client;
    }

    private void Agree(string export, long sizeBytes)
    {
        byte[] name = Encoding.UTF8.GetBytes(export);
        Take(18);
        var option = new byte[4 + 16];
        option[3] = 3;
        Encoding.ASCII.GetBytes("IHAVEOPT", option.AsSpan(4));
        option[15] = 1;
        BinaryPrimitives.WriteInt32BigEndian(option.AsSpan(16), name.Length);
        _stream.Write([.. option, .. name]);
        Assert.Equal(sizeBytes, BinaryPrimitives.ReadInt64BigEndian(Take(10)));
    }

    /// <returns>The error, or 0.</returns>
    internal uint TryRead(long offset, int length) => Ask(ReadCommand, offset, length, []);

    internal byte[] Read(long offset, int length)
    {
        Assert.Equal(0u, Ask(ReadCommand, offset, length, []));
        return Take(length);
    }

    /// <returns>The error, or 0.</returns>
    internal uint Write(long offset, byte[] bytes) => Ask(WriteCommand, offset, bytes.Length, bytes);

    /// <returns>The error, or 0.</returns>
    internal uint Flush() => Ask(FlushCommand, 0, 0, []);

    /// <summary>Waits, saying nothing, until the server ends the connection; a test fails when it does not.</summary>
    /// <returns>How many bytes it sent until then.</returns>
    internal int WaitForEnd()
    {
        var bytes = new byte[4096];
        int total = 0;
        try
        {
            while (_stream.Read(bytes) is > 0 and int read) total += read;
        }
        catch (IOException reset) when (reset.InnerException is SocketException
        { SocketErrorCode: SocketError.ConnectionReset })
        {
            // An end as well.
        }
        return total;
    }

    private uint Ask(ushort command, long offset, int length, byte[] data)
    {
        var request = new byte[28];
        BinaryPrimitives.WriteUInt32BigEndian(request, 0x25609513);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(6), command);
        BinaryPrimitives.WriteInt64BigEndian(request.AsSpan(16), offset);
        BinaryPrimitives.WriteInt32BigEndian(request.AsSpan(24), length);
        _stream.Write([.. request, .. data]);
        byte[] reply = Take(16);
        Assert.Equal(0x67446698u, BinaryPrimitives.ReadUInt32BigEndian(reply));
        return BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(4));
    }

    private byte[] Take(int length)
    {
        var bytes = new byte[length];
        _stream.ReadExactly(bytes);
        return bytes;
    }

    public void Dispose() => _stream.Dispose();
}
