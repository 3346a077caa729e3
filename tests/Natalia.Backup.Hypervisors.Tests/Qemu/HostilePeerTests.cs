using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>Servers and monitors that say anything: an error of its own each, in bounded memory.</summary>
public sealed class HostilePeerTests
{
    private static readonly byte[] s_greeting =
        [.. "NBDMAGICIHAVEOPT"u8, 0, 3];

    [Fact]
    public async Task A_server_that_sends_anything_is_a_disk_that_cannot_be_read()
    {
        var random = new Random(7);
        for (int i = 0; i < 300; i++)
        {
            byte[] noise = new byte[random.Next(0, 400)];
            random.NextBytes(noise);
            byte[] said = (i % 3) switch
            {
                0 => noise,
                1 => [.. s_greeting, .. noise],
                _ => [.. s_greeting, .. Reply(8, 1, []), .. noise],
            };
            NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => NbdClient.StartAsync(
                new Peer(said), "disk", [NbdClient.Allocation], default));
            Assert.Equal(ErrorIds.DiskReadFailed, error.ErrorId);
        }
    }

    [Theory]
    [InlineData(0x70000000u)]
    [InlineData(0xFFFFFFFFu)]
    public async Task Nothing_is_allocated_by_what_a_server_claims(uint length)
    {
        byte[] said = [.. s_greeting, .. Reply(8, 1, []).AsSpan(0, 16), .. Big(length)];
        long before = GC.GetTotalAllocatedBytes();
        await Assert.ThrowsAsync<NataliaException>(() => NbdClient.StartAsync(new Peer(said), "disk",
            [NbdClient.Allocation], default));
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 500_000_000);
    }

    [Fact]
    public async Task A_server_reads_and_answers_with_less_or_more_than_was_asked_for()
    {
        byte[] handshake =
        [
            .. s_greeting, .. Reply(8, 1, []), .. Reply(10, 4, [.. Big(5), .. "base:allocation"u8]), .. Reply(10, 1, []),
            .. Reply(7, 3, [0, 0, .. Big(0), .. Big(4096), 0, 0]), .. Reply(7, 1, []),
        ];
        // Half of it; bytes that lie outside; an extent without a length; an error.
        byte[][] answers =
        [
            Chunk(1, 1, 1, [.. Big(0), .. Big(0), .. new byte[100]]),
            Chunk(1, 1, 1, [.. Big(0), .. Big(4000), .. new byte[512]]),
            Chunk(1, 5, 1, [.. Big(5), .. Big(0), .. Big(0)]),
            Chunk(1, 0x8001, 1, [.. Big(5), 0, 200, (byte)'x']),
        ];
        foreach (byte[] answer in answers)
        {
            using NbdClient client = await NbdClient.StartAsync(new Peer([.. handshake, .. answer]), "disk",
                [NbdClient.Allocation], default);
            Assert.Equal(4096, client.SizeBytes);
            NataliaException error = await Assert.ThrowsAsync<NataliaException>(
                () => client.ReadAsync(0, new byte[512], default));
            Assert.Equal(ErrorIds.DiskReadFailed, error.ErrorId);
            Assert.False(client.IsUsable);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("{}\n")]
    [InlineData("[1,2]\n")]
    [InlineData("{\"QMP\":{}}\n")]
    [InlineData("{\"QMP\":{}}\nnonsense\n")]
    public async Task A_monitor_that_says_anything_is_an_error(string said)
    {
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => QmpClient.StartAsync(
            new Peer(System.Text.Encoding.UTF8.GetBytes(said)), "monitor", default));
        Assert.Contains(error.ErrorId, new[] { ErrorIds.ServerAnswerInvalid, ErrorIds.ServerUnreachable });
    }

    [Fact]
    public async Task A_monitor_that_answers_with_nothing_is_an_error() =>
        Assert.Equal(ErrorIds.ServerAnswerInvalid, (await Assert.ThrowsAsync<NataliaException>(
            () => QmpClient.StartAsync(new Peer([.. "{\"QMP\":{}}\n"u8], answer: "other"), "monitor", default))).ErrorId);

    /// <summary>An event, an answer and half an answer that were meant for the client before.</summary>
    [Theory]
    [InlineData("{\"event\":\"JOB_STATUS_CHANGE\",\"data\":{\"status\":\"concluded\",\"id\":\"move0\"}}\n", "")]
    [InlineData("{\"return\":[],\"id\":2}\n", "{\"return\":[],\"id\":2}\n")]
    [InlineData("status\":\"ready\"}],\"id\":7}\n", "{\"return\":{},\"id\":1}\n")]
    public async Task What_a_monitor_says_to_the_client_before_is_passed_over(string before, string after)
    {
        byte[] said = System.Text.Encoding.UTF8.GetBytes(
            before + "{\"QMP\":{\"capabilities\":[]}}\n" + after);
        using QmpClient monitor = await QmpClient.StartAsync(new Peer(said, answer: "return"), "monitor", default);
        Assert.Equal("query-status", (await monitor.ExecuteAsync("query-status", null, default)).GetString());
    }

    [Fact]
    public async Task A_line_without_an_end_is_not_kept()
    {
        var endless = new Peer(new byte[100], isEndless: true);
        var lines = new LineReader(endless, 64 * 1024, "The peer");
        Assert.Equal(ErrorIds.ServerAnswerInvalid,
            (await Assert.ThrowsAsync<NataliaException>(() => lines.ReadAsync(default))).ErrorId);
        Assert.InRange(endless.Sent, 64 * 1024, 256 * 1024);
    }

    private static byte[] Big(uint number) =>
        [(byte)(number >> 24), (byte)(number >> 16), (byte)(number >> 8), (byte)number];

    private static byte[] Reply(uint option, uint type, byte[] data) =>
        [.. Convert.FromHexString("0003E889045565A9"), .. Big(option), .. Big(type), .. Big((uint)data.Length),
            .. data];

    private static byte[] Chunk(byte flags, ushort type, uint handle, byte[] data) =>
        [.. Big(0x668E33EF), 0, flags, (byte)(type >> 8), (byte)type, .. Big(0), .. Big(handle),
            .. Big((uint)data.Length), .. data];

    /// <summary>Says what it was made with, whatever it is asked.</summary>
    /// <param name="said">What.</param>
    /// <param name="isEndless">Whether it begins again at the end.</param>
    /// <param name="answer">The member of its answer to each command after that, which has the command's name; null
    /// where it does not answer.</param>
    private sealed class Peer(byte[] said, bool isEndless = false, string? answer = null) : Stream
    {
        private byte[] _said = said;
        private int _at;

        public long Sent { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (isEndless && _at == _said.Length) _at = 0;
            int read = Math.Min(count, _said.Length - _at);
            Array.Copy(_said, _at, buffer, offset, read);
            _at += read;
            Sent += read;
            return read;
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            if (answer is null) return;
            using var asked = JsonDocument.Parse(buffer.AsMemory(offset, count));
            string text = $"{{\"{answer}\":{asked.RootElement.GetProperty("execute").GetRawText()},"
                + $"\"id\":{asked.RootElement.GetProperty("id").GetRawText()}}}\n";
            _said = [.. _said, .. System.Text.Encoding.UTF8.GetBytes(text)];
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
