using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Serving.Iscsi;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;
using Natalia.Backup.Serving.Scsi;
using Natalia.Backup.Serving.Tests.Overlays;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Serving.Tests.Iscsi;

/// <summary>Initiators that break the protocol, on purpose or not: by hand, byte for byte.</summary>
[Collection(nameof(Alone))]
public sealed class IscsiHostileTests : IDisposable
{
    private const string Name = "iqn.2026-11.com.natalia:test";

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly OverlayDisk _disk;
    private readonly IscsiTarget _target;

    public IscsiHostileTests()
    {
        _disk = OverlayDisk.Open(new MemoryDisk(new byte[1 << 20]), new OverlayIdentity("r", "p", "d", 1 << 20),
            Path.Combine(_folder.Path, "o"), 4 << 20, false);
        _target = new IscsiTarget(new ListenOptions { MaximumConnections = 4, Clock = _clock }, Name,
            "00112233445566778899aabbccddeeff", _disk);
        _target.Start();
    }

    private Task<NetworkStream> ConnectAsync() => Peer.ConnectAsync(_target.EndPoint);

    private static byte[] Pdu(byte opcode, byte flags, byte[] data, params (int At, uint Value)[] words)
    {
        var pdu = new Pdu(opcode, flags);
        foreach ((int at, uint value) in words) pdu[at] = value;
        pdu.Header[5] = (byte)(data.Length >> 16);
        pdu.Header[6] = (byte)(data.Length >> 8);
        pdu.Header[7] = (byte)data.Length;
        return [.. pdu.Header, .. data, .. new byte[-data.Length & 3]];
    }

    private static byte[] Login(int session = 1, string initiator = "iqn.2000-01.org.example:test",
        string digest = "None") => Pdu(0x43, 0x87, Encoding.ASCII.GetBytes(
            $"InitiatorName={initiator}\0SessionType=Normal\0TargetName={Name}\0HeaderDigest={digest}\0"
            + $"DataDigest={digest}\0"), (8, 0x80000000), (12, (uint)session << 16), (24, 1));

    /// <summary>A command of 512 bytes or sectors.</summary>
    private static byte[] Command(uint number, byte flags, uint expected, byte[] cdb, byte[]? data = null)
    {
        byte[] bytes = Pdu(Opcodes.ScsiCommand, flags, data ?? [], (16, number), (20, expected), (24, number));
        cdb.CopyTo(bytes, 32);
        return bytes;
    }

    private static byte[] Answer(NetworkStream stream)
    {
        byte[] header = stream.Read(48);
        return [.. header, .. stream.Read((header[5] << 16 | header[6] << 8 | header[7]) + 3 & ~3)];
    }

    private async Task<NetworkStream> OpenAsync(int session = 1)
    {
        NetworkStream stream = await ConnectAsync();
        stream.Write(Login(session));
        Assert.Equal(0x23, Answer(stream)[0]);
        return stream;
    }

    [Fact]
    public async Task A_write_comes_by_R2T_and_reads_back_and_a_session_that_logs_in_again_replaces_the_old_one()
    {
        using NetworkStream stream = await OpenAsync();
        byte[] data = new byte[2048];
        new Random(1).NextBytes(data);
        stream.Write(Command(1, 0xA1, 2048, [0x2A, 0, 0, 0, 0, 8, 0, 0, 4, 0], data[..512]));
        byte[] ask = Answer(stream);
        Assert.Equal(Opcodes.ReadyToTransfer, ask[0]);
        byte[] rest = Pdu(Opcodes.DataOut, 0x80, data[512..], (16, 1), (40, 512));
        ask.AsSpan(20, 4).CopyTo(rest.AsSpan(20));
        stream.Write(rest);
        Assert.Equal([0x21, 0x80, 0, 0], Answer(stream)[..4]);
        stream.Write(Command(2, 0xC1, 2048, [0x28, 0, 0, 0, 0, 8, 0, 0, 4, 0]));
        byte[] read = Answer(stream);
        Assert.Equal([0x25, 0x81], read[..2]);
        Assert.Equal(data, read[48..]);
        using NetworkStream again = await OpenAsync();
        await stream.EndsAsync();
    }

    [Theory]
    // WRITE(10), WRITE SAME(10), UNMAP, COMPARE AND WRITE.
    [InlineData((byte)0x2A, 512)]
    [InlineData((byte)0x41, 512)]
    [InlineData((byte)0x42, 24)]
    [InlineData((byte)0x89, 1024)]
    public async Task What_would_change_a_disk_that_is_read_only_is_refused_and_reads_go_on(byte opcode, int length)
    {
        using var target = new IscsiTarget(new ListenOptions(), Name, "00112233445566778899aabbccddeeff",
            new MemoryDisk(new byte[1 << 20]));
        target.Start();
        using NetworkStream stream = await Peer.ConnectAsync(target.EndPoint);
        stream.Write(Login());
        Assert.Equal(0x23, Answer(stream)[0]);
        byte[] cdb = opcode switch
        {
            0x89 => [opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
            _ => [opcode, 0, 0, 0, 0, 0, 0, 0, (byte)(opcode == 0x42 ? length : 1), 0],
        };
        stream.Write(Command(1, 0xA1, (uint)length, cdb, new byte[length]));
        byte[] answer = Answer(stream);
        // A check condition: data protect, write protected.
        Assert.Equal((0x21, 2), (answer[0], answer[3]));
        Assert.Equal((7, 0x27), (answer[48 + 2 + 2], answer[48 + 2 + 12]));
        stream.Write(Command(2, 0xC1, 512, [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]));
        Assert.Equal([0x25, 0x81], Answer(stream)[..2]);
    }

    [Theory]
    [InlineData(223, 0)]
    [InlineData(224, 0x0200)]
    public async Task An_initiator_whose_name_is_too_long_is_refused(int length, int status)
    {
        using NetworkStream stream = await ConnectAsync();
        stream.Write(Login(initiator: "iqn.2000-01.org.example:".PadRight(length, 'x')));
        byte[] answer = Answer(stream);
        Assert.Equal((Opcodes.LoginResponse, status), (answer[0], answer[36] << 8 | answer[37]));
        if (status != 0) await stream.EndsAsync();
    }

    [Fact]
    public async Task Digests_go_with_every_PDU_and_a_wrong_one_ends_the_connection()
    {
        using NetworkStream stream = await ConnectAsync();
        stream.Write(Login(digest: "CRC32C"));
        Assert.Contains("DataDigest=CRC32C", Encoding.ASCII.GetString(Answer(stream)));
        byte[] command = Command(1, 0xC1, 512, [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        stream.Write([.. command, .. Digest(command)]);
        byte[] header = stream.Read(48);
        Assert.Equal(Digest(header), stream.Read(4));
        byte[] data = stream.Read(512);
        Assert.Equal((0x25, 512), (header[0], header[6] << 8 | header[7]));
        Assert.Equal(Digest(data), stream.Read(4));
        byte[] write = Command(2, 0xA1, 512, [0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0], data);
        byte[] digest = Digest(data);
        digest[1] ^= 1;
        stream.Write([.. write[..48], .. Digest(write[..48]), .. data, .. digest]);
        Assert.Equal(0, await stream.EndsAsync());
        // Nothing was written but what every overlay has.
        Assert.Equal(2 * 65536, _disk.OverlayBytes);

        static byte[] Digest(ReadOnlySpan<byte> bytes)
        {
            var digest = new byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(digest, Crc32C.Of(bytes));
            return digest;
        }
    }

    [Theory]
    // A segment that claims 16 MB; data that nobody asked for; a command with more data than agreed on; no login.
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task What_breaks_the_protocol_ends_the_connection_alone(int kind)
    {
        using NetworkStream other = await OpenAsync(2);
        using NetworkStream stream = kind == 3 ? await ConnectAsync() : await OpenAsync();
        switch (kind)
        {
            case 0:
                byte[] huge = Command(1, 0xA1, uint.MaxValue, [0x2A]);
                (huge[5], huge[6], huge[7]) = (255, 255, 255);
                stream.Write(huge);
                break;
            case 1:
                stream.Write(Command(1, 0xA1, 1024, [0x2A, 0, 0, 0, 0, 0, 0, 0, 2, 0]));
                Answer(stream);
                stream.Write(Pdu(Opcodes.DataOut, 0x80, new byte[2048], (16, 1), (20, 12345)));
                break;
            case 2:
                stream.Write(Command(1, 0xA1, 100_000, [0x2A, 0, 0, 0, 0, 0, 0, 0, 200, 0], new byte[100_000]));
                break;
            default:
                stream.Write(Command(1, 0xC1, 512, [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]));
                break;
        }
        await stream.EndsAsync();
        other.Write(Command(1, 0x81, 0, [0x00]));
        Assert.Equal(0x21, Answer(other)[0]);
    }

    [Fact]
    public async Task Who_says_nothing_is_sent_away_in_time()
    {
        using NetworkStream silent = await ConnectAsync();
        for (int i = 0; _target.Connections == 0 && i < 100_000; i++) await Task.Yield();
        Task<int> ended = silent.EndsAsync();
        // The deadline may not have begun when the first time is over.
        for (int i = 0; i < 100 && !ended.IsCompleted; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(31));
            await Task.WhenAny(ended, Task.Delay(50));
        }
        await ended;
    }

    /// <summary>Broken bytes at any place of a session: the target goes on, and so does its memory.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whatever_is_sent_the_target_goes_on_serving(int seed)
    {
        var random = new Random(seed);
        long before = GC.GetTotalMemory(true);
        for (int i = 0; i < 60; i++)
        {
            var talk = new List<byte>(Login(random.Next(1, 4)));
            for (uint n = 1; n < 20; n++)
            {
                var cdb = new byte[16];
                random.NextBytes(cdb);
                cdb[0] = (byte)(random.Next(3) == 0 ? random.Next(256) : new[] { 0x28, 0x2A, 0x12, 0x9E, 0x42, 0x93,
                    0x5F, 0x89 }[random.Next(8)]);
                if (random.Next(2) == 0) (cdb[2], cdb[3], cdb[7]) = (0, 0, 0);
                var data = new byte[random.Next(3) == 0 ? random.Next(2000) : 0];
                random.NextBytes(data);
                talk.AddRange(random.Next(8) switch
                {
                    0 => Pdu((byte)(0x40 | random.Next(8)), (byte)(0x80 | random.Next(8)), data, (16, n), (20, n), (24,
                        n)),
                    1 => Pdu(Opcodes.Text, 0x80, Encoding.ASCII.GetBytes("SendTargets=All\0"), (16, n), (20,
                        uint.MaxValue), (24, n)),
                    2 => Pdu(Opcodes.DataOut, 0x80, data, (16, n - 1), (20, n - 1)),
                    _ => Command(n, (byte)(data.Length > 0 ? 0xA1 : 0xC1), (uint)random.Next(5000), cdb, data),
                });
            }
            byte[] bytes = [.. talk];
            for (int n = random.Next(0, 4); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            using NetworkStream stream = await ConnectAsync();
            await stream.TalkAsync(bytes);
        }
        await Peer.ServedAsync(async () =>
        {
            using NetworkStream stream = await OpenAsync(99);
            stream.Write(Command(1, 0xC1, 96, [0x12, 0, 0, 0, 96]));
            Assert.Equal(0x25, Answer(stream)[0]);
        });
        Assert.InRange(GC.GetTotalMemory(true) - before, long.MinValue, 16L << 20);
    }

    [Theory]
    // ABORT TASK, ABORT TASK SET.
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_task_that_is_aborted_while_its_answer_is_sent_leaves_no_part_of_a_PDU(int function)
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        using NetworkStream stream = await Peer.ConnectAsync((System.Net.IPEndPoint)listener.LocalEndpoint);
        byte[] read = Command(1, 0xC1, 65536, [0x28, 0, 0, 0, 0, 0, 0, 0, 128, 0]),
            abort = Pdu(Opcodes.TaskManagement, (byte)(0x80 | function), [], (16, 2), (20, 1), (24, 2));
        using var halting = new HaltingStream((await listener.AcceptTcpClientAsync()).GetStream(),
            read.Length + abort.Length);
        using var pdus = new PduStream(halting);
        using var session = new IscsiSession(_target, pdus, halting, new SessionTerms(), new Nexus("i"), 1, 1);
        Task served = session.ExecuteAsync(default);

        stream.Write(read);
        await halting.Halted.Task.WaitAsync(TimeSpan.FromMinutes(1));
        stream.Write(abort);
        await halting.AllTaken.Task.WaitAsync(TimeSpan.FromMinutes(1));
        halting.GoOn.SetResult();

        // The PDU that had begun, whole; and no other of that task.
        Assert.Equal(48 + 8192, Answer(stream).Length);
        byte[] done = Answer(stream);
        Assert.Equal((Opcodes.TaskManagementResponse, 0), (done[0], done[2]));
        stream.Write(Command(3, 0x81, 0, [0x00]));
        Assert.Equal(0x21, Answer(stream)[0]);
        stream.Dispose();
        await Task.WhenAny(served);
    }

    [Fact]
    public void A_task_that_is_aborted_before_it_asks_for_its_data_waits_for_none()
    {
        using var task = new IscsiTask(new Pdu(Opcodes.ScsiCommand, 0xA1), default);
        Assert.False(task.Ask(1, 512).IsCompleted);
        task.Abort();
        Assert.True(task.Ask(2, 512).IsCanceled);
    }

    /// <summary>A connection that stands still in the middle of the first thing that it is to send.</summary>
    private sealed class HaltingStream(NetworkStream inner, int allBytes) : Stream
    {
        private int _taken;
        private bool _hasHalted;

        internal TaskCompletionSource Halted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal TaskCompletionSource GoOn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Ends when all bytes that were to come were taken, and more are asked for.</summary>
        internal TaskCompletionSource AllTaken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken stop) =>
            await ReadAsync(buffer.AsMemory(offset, count), stop);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken stop = default)
        {
            if (_taken == allBytes) AllTaken.TrySetResult();
            int read = await inner.ReadAsync(buffer, stop);
            _taken += read;
            return read;
        }

        public override async Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken stop)
        {
            int before = _hasHalted ? 0 : count / 2;
            if (!_hasHalted)
            {
                _hasHalted = true;
                await inner.WriteAsync(buffer.AsMemory(offset, before), stop);
                Halted.SetResult();
                await GoOn.Task.WaitAsync(stop);
            }
            await inner.WriteAsync(buffer.AsMemory(offset + before, count - before), stop);
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }
    }

    public void Dispose()
    {
        _target.Dispose();
        _disk.Dispose();
        _folder.Dispose();
    }
}
