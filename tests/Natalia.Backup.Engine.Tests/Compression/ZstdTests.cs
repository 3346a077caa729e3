using Natalia.Backup.Engine.Compression;

namespace Natalia.Backup.Engine.Tests.Compression;

/// <summary>The two zstds do the same, and read each other's frames.</summary>
public sealed class ZstdTests
{
    public static TheoryData<string, string> Pairs()
    {
        var pairs = new TheoryData<string, string>();
        foreach (string writer in Kinds)
            foreach (string reader in Kinds)
                pairs.Add(writer, reader);
        return pairs;
    }

    public static TheoryData<string> Each()
    {
        var each = new TheoryData<string>();
        foreach (string kind in Kinds) each.Add(kind);
        return each;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void What_one_writes_the_other_reads(string writer, string reader)
    {
        using Zstd compressor = New(writer), decompressor = New(reader);
        var random = new Random(5);
        foreach (int length in new[] { 1, 64, 1000, 65535, 65536, 1 << 20 })
        {
            for (int alphabet = 1; alphabet <= 64; alphabet *= 4)
            {
                byte[] plain = Plain(random, length, alphabet);
                var frame = new byte[length + 1024];
                int written = Assert.NotNull(compressor.TryCompress(plain, frame));
                var back = new byte[length];
                Assert.Equal(length, decompressor.Decompress(frame.AsSpan(0, written), back));
                Assert.Equal(plain, back);
            }
        }
    }

    /// <summary>A repository must not grow because it is written on another machine.</summary>
    [Fact]
    public void All_make_blocks_equally_small()
    {
        byte[] plain = Plain(new Random(6), 65536, 40);
        var sizes = Kinds.Select(kind =>
        {
            using Zstd zstd = New(kind);
            return Assert.NotNull(zstd.TryCompress(plain, new byte[70000]));
        }).ToList();
        Assert.All(sizes, size => Assert.InRange(size, sizes[0] * 0.98, sizes[0] * 1.02));
        Assert.InRange(sizes[0], 1, 60000);
    }

    [Theory]
    [MemberData(nameof(Each))]
    public void What_does_not_fit_is_said_and_the_next_one_is_right_all_the_same(string kind)
    {
        using Zstd zstd = New(kind);
        byte[] plain = Plain(new Random(7), 65536, 256), small = Plain(new Random(8), 65536, 4);
        var frame = new byte[65536];
        Assert.Null(zstd.TryCompress(plain, frame.AsSpan(0, 63488)));
        int written = Assert.NotNull(zstd.TryCompress(small, frame));
        var back = new byte[65536];
        Assert.Equal(65536, zstd.Decompress(frame.AsSpan(0, written), back));
        Assert.Equal(small, back);
    }

    [Theory]
    [MemberData(nameof(Each))]
    public void A_frame_that_holds_more_is_refused_and_nothing_is_written_behind_the_end(string kind)
    {
        using Zstd zstd = New(kind);
        byte[] plain = Plain(new Random(9), 65536, 4);
        var frame = new byte[65536];
        int written = Assert.NotNull(zstd.TryCompress(plain, frame));
        var back = new byte[65536];
        Assert.Throws<FormatException>(() => zstd.Decompress(frame.AsSpan(0, written), back.AsSpan(0, 65535)));
        Assert.Equal(0, back[65535]);
    }

    [Theory]
    [MemberData(nameof(Each))]
    public void Every_damaged_frame_is_refused_or_decompresses_within_bounds(string kind)
    {
        using Zstd zstd = New(kind);
        var random = new Random(10);
        byte[] plain = Plain(random, 20000, 30);
        var frame = new byte[30000];
        int written = Assert.NotNull(zstd.TryCompress(plain, frame));
        Assert.Throws<FormatException>(() => zstd.Decompress(frame.AsSpan(0, written - 1), new byte[20000]));
        int refused = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = frame.AsSpan(0, written).ToArray();
            for (int n = random.Next(1, 4); n > 0; n--) damaged[random.Next(written)] ^= (byte)(1 << random.Next(8));
            var target = new byte[20064];
            target.AsSpan(20000).Fill(0xA5);
            try
            {
                Assert.InRange(zstd.Decompress(damaged, target.AsSpan(0, 20000)), 0, 20000);
            }
            catch (FormatException)
            {
                refused++;
            }
            Assert.All(target.Skip(20000), b => Assert.Equal(0xA5, b));
        }
        Assert.InRange(refused, 1, 2000);
        // What went wrong before leaves no trace.
        var back = new byte[20000];
        Assert.Equal(20000, zstd.Decompress(frame.AsSpan(0, written), back));
        Assert.Equal(plain, back);
    }

    private static IEnumerable<string> Kinds
    {
        get
        {
            yield return "managed";
#if NET
            if (ZstdLibrary.Instance is not null) yield return "native";
#endif
        }
    }

#if NET
    [Fact]
    public void The_system_library_is_used_where_there_is_one()
    {
        // Debian's package manager needs it, so it is on every machine that runs these tests for real.
        if (Environment.GetEnvironmentVariable("NATALIA_REQUIRE_REAL") == "1") Assert.NotNull(ZstdLibrary.Instance);
        using var zstd = Zstd.New();
        Assert.Equal(ZstdLibrary.Instance is not null, zstd is NativeZstd);
    }

    private static Zstd New(string kind) =>
        kind == "native" ? new NativeZstd(ZstdLibrary.Instance!) : new ManagedZstd();
#else
    private static Zstd New(string kind) => new ManagedZstd();
#endif

    private static byte[] Plain(Random random, int length, int alphabet)
    {
        var bytes = new byte[length];
        for (int i = 0; i < length; i++)
            bytes[i] = i > 100 && random.Next(4) == 0 ? bytes[i - 50] : (byte)random.Next(alphabet);
        return bytes;
    }
}
