using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;
using Natalia.Backup.Serving.Tests.Overlays;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Serving.Tests.Nbd;

/// <summary>Clients that break the protocol, on purpose or not: by hand, byte for byte.</summary>
[Collection(nameof(Alone))]
public sealed class NbdHostileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly NbdServer _server;
    private readonly OverlayDisk _disk;

    public NbdHostileTests()
    {
        _disk = OverlayDisk.Open(new MemoryDisk(new byte[1 << 20]), new OverlayIdentity("r", "p", "d", 1 << 20),
            Path.Combine(_folder.Path, "o"), 1 << 20, false);
        _server = new NbdServer(new ListenOptions { MaximumConnections = 4, Clock = _clock },
            [new NbdExport("data", "a disk", _disk)]);
        _server.Start();
    }

    private Task<NetworkStream> ConnectAsync() => Peer.ConnectAsync(_server.EndPoint);

    /// <summary>A connection that has agreed on everything.</summary>
    private static async Task<NetworkStream> OpenAsync(NbdServer server, bool structured)
    {
        NetworkStream stream = await Peer.ConnectAsync(server.EndPoint);
        stream.Read(18);
        stream.Write([0, 0, 0, 3]);
        if (structured)
        {
            stream.Write(Option(NbdWords.OptionStructuredReply, []));
            stream.Read(20);
        }
        stream.Write(Option(NbdWords.OptionExportName, Encoding.UTF8.GetBytes("data")));
        stream.Read(10);
        return stream;
    }

    private Task<NetworkStream> OpenAsync() => OpenAsync(_server, structured: true);

    private static byte[] Option(uint option, byte[] data, uint? claimed = null)
    {
        var bytes = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, NbdWords.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), claimed ?? (uint)data.Length);
        data.CopyTo(bytes, 16);
        return bytes;
    }

    private static byte[] Request(ushort command, ulong offset, uint length, ushort flags = 0)
    {
        var bytes = new byte[28];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdWords.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), flags);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), length);
        return bytes;
    }

    [Theory]
    [InlineData(NbdWords.Read, 1UL << 20, 1u, NbdWords.Invalid)]
    [InlineData(NbdWords.Read, ulong.MaxValue, 512u, NbdWords.Invalid)]
    [InlineData(NbdWords.Read, 0UL, uint.MaxValue, NbdWords.Invalid)]
    [InlineData(NbdWords.Trim, (1UL << 20) - 1, 2u, NbdWords.NoSpace)]
    [InlineData(NbdWords.WriteZeroes, ulong.MaxValue - 5, 10u, NbdWords.NoSpace)]
    [InlineData(NbdWords.BlockStatus, 0UL, 512u, NbdWords.Invalid)]
    [InlineData(NbdWords.Cache, 0UL, 512u, NbdWords.Invalid)]
    [InlineData((ushort)77, 0UL, 512u, NbdWords.Invalid)]
    public async Task What_cannot_be_meant_is_an_error_and_the_connection_goes_on(ushort command, ulong offset,
        uint length, uint error)
    {
        using NetworkStream stream = await OpenAsync();
        stream.Write(Request(command, offset, length));
        bool chunked = command is NbdWords.Read or NbdWords.BlockStatus;
        byte[] answer = stream.Read(chunked ? 26 : 16);
        Assert.Equal(error, BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(chunked ? 20 : 4)));
        stream.Write(Request(NbdWords.Read, 0, 16));
        Assert.Equal(NbdWords.StructuredMagic, BinaryPrimitives.ReadUInt32BigEndian(stream.Read(28 + 16)));
    }

    [Fact]
    public async Task What_has_no_room_is_no_space_and_reads_go_on()
    {
        using NetworkStream stream = await OpenAsync();
        // Each in a block of its own; two of the 16 that the overlay may take are not for clients.
        var errors = new List<uint>();
        for (int block = 0; block < 16; block++)
        {
            stream.Write(Request(NbdWords.Write, (ulong)(block * 65536), 65536));
            stream.Write(new byte[65536]);
            errors.Add(BinaryPrimitives.ReadUInt32BigEndian(stream.Read(16).AsSpan(4)));
        }
        Assert.Equal([.. Enumerable.Repeat(0u, 14), NbdWords.NoSpace, NbdWords.NoSpace], errors);
        stream.Write(Request(NbdWords.Write, (1 << 20) - 100, 200));
        stream.Write(new byte[200]);
        Assert.Equal(NbdWords.NoSpace, BinaryPrimitives.ReadUInt32BigEndian(stream.Read(16).AsSpan(4)));
        stream.Write(Request(NbdWords.Read, 0, 16));
        stream.Read(44);
    }

    [Fact]
    public async Task Without_chunks_an_answer_that_cannot_be_ended_ends_the_connection_and_nothing_passes_for_bytes()
    {
        const int Readable = 512 * 1024;
        using var server = new NbdServer(new ListenOptions(), [new NbdExport("data", "a disk",
            new MemoryDisk(new byte[1 << 20], offset => offset < Readable
                ? Task.CompletedTask
                : throw new NataliaException(ErrorIds.BlockDamaged, NataliaErrorKind.InvalidData, "Damaged.")))]);
        server.Start();
        using NetworkStream stream = await OpenAsync(server, structured: false);
        stream.Write(Request(NbdWords.Read, Readable, 512));
        Assert.Equal(NbdWords.InputOutput, BinaryPrimitives.ReadUInt32BigEndian(stream.Read(16).AsSpan(4)));
        stream.Write(Request(NbdWords.Read, 0, 1 << 20));
        stream.Read(16 + Readable);
        Assert.Equal(0, await stream.EndsAsync());
    }

    [Fact]
    public async Task A_write_that_claims_too_much_ends_the_connection()
    {
        using NetworkStream stream = await OpenAsync();
        stream.Write(Request(NbdWords.Write, 0, uint.MaxValue));
        await stream.EndsAsync();
    }

    [Fact]
    public async Task An_option_that_claims_gigabytes_is_refused_without_taking_them()
    {
        using NetworkStream stream = await ConnectAsync();
        stream.Read(18);
        stream.Write([0, 0, 0, 3]);
        stream.Write(Option(NbdWords.OptionGo, new byte[100], claimed: 100_000));
        stream.Write(new byte[100_000 - 100]);
        Assert.Equal(NbdWords.ReplyTooBig, BinaryPrimitives.ReadUInt32BigEndian(stream.Read(20).AsSpan(12)));
        stream.Write(Option(NbdWords.OptionExportName, new byte[10], claimed: uint.MaxValue));
        await stream.EndsAsync();
    }

    [Fact]
    public async Task Who_says_nothing_is_sent_away_in_time_and_one_too_many_at_once()
    {
        var silent = new List<NetworkStream>();
        for (int i = 0; i < 4; i++)
        {
            silent.Add(await ConnectAsync());
            silent[i].Read(18);
        }
        using (NetworkStream tooMany = await ConnectAsync()) await tooMany.EndsAsync();
        _clock.Advance(TimeSpan.FromSeconds(31));
        foreach (NetworkStream stream in silent)
        {
            await stream.EndsAsync();
            stream.Dispose();
        }
        await IsServingAsync();
    }

    /// <summary>Sixteen thousand broken bytes at any place of a session: the server goes on, and so does its
    /// memory.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whatever_is_sent_the_server_goes_on_serving(int seed)
    {
        var random = new Random(seed);
        long before = GC.GetTotalMemory(true);
        for (int i = 0; i < 60; i++)
        {
            byte[] talk = Talk(random);
            int broken = random.Next(1, 6);
            for (int n = 0; n < broken; n++) talk[random.Next(talk.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0) talk = talk[..random.Next(talk.Length)];
            using NetworkStream stream = await ConnectAsync();
            await stream.TalkAsync(talk);
        }
        await IsServingAsync();
        Assert.InRange(GC.GetTotalMemory(true) - before, long.MinValue, 16L << 20);
    }

    private static byte[] Talk(Random random)
    {
        byte[] name = [0, 0, 0, 4, .. Encoding.UTF8.GetBytes("data")];
        var talk = new List<byte>([0, 0, 0, (byte)random.Next(4)]);
        talk.AddRange(Option(NbdWords.OptionList, []));
        talk.AddRange(Option(NbdWords.OptionStructuredReply, []));
        talk.AddRange(Option(NbdWords.OptionSetMeta, [.. name, 0, 0, 0, 1, 0, 0, 0, 15,
            .. Encoding.UTF8.GetBytes(NbdWords.AllocationContext)]));
        talk.AddRange(Option(NbdWords.OptionInfo, [.. name, 0, 1, 0, 3]));
        talk.AddRange(Option(NbdWords.OptionGo, [.. name, 0, 0]));
        for (int i = 0; i < 20; i++)
        {
            ushort command = (ushort)random.Next(9);
            uint length = (uint)random.Next(1, 3000);
            talk.AddRange(Request(command, (ulong)random.Next(1 << 20), length, (ushort)(random.Next(3) == 0 ? 1 : 0)));
            if (command == NbdWords.Write) talk.AddRange(new byte[length]);
        }
        return [.. talk];
    }

    private async Task IsServingAsync()
    {
        // Those before may be going still.
        for (int i = 0; _server.Connections > 0 && i < 1000; i++) await Task.Yield();
        await Peer.ServedAsync(async () =>
        {
            using NetworkStream stream = await OpenAsync();
            stream.Write(Request(NbdWords.Read, 100, 16));
            Assert.Equal(NbdWords.StructuredMagic, BinaryPrimitives.ReadUInt32BigEndian(stream.Read(44)));
        });
    }

    [Fact]
    public async Task A_server_that_ends_cuts_its_clients_off_and_frees_its_port()
    {
        using NetworkStream stream = await OpenAsync();
        _server.Dispose();
        await stream.EndsAsync();
        using var next = new NbdServer(new ListenOptions { EndPoint = _server.EndPoint }, []);
    }

    [Fact]
    public void A_port_that_is_taken_is_told() =>
        Assert.Equal(ErrorIds.AddressNotAvailable, Assert.Throws<NataliaException>(() =>
            new NbdServer(new ListenOptions { EndPoint = _server.EndPoint }, [])).ErrorId);

    public void Dispose()
    {
        _server.Dispose();
        _disk.Dispose();
        _folder.Dispose();
    }
}
