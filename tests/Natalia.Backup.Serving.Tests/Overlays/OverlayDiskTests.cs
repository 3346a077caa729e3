using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Overlays;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Serving.Tests.Overlays;

public sealed class OverlayDiskTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Path => System.IO.Path.Combine(_folder.Path, "a.overlay");

    private static OverlayIdentity Identity(long size) => new("repository", "point", "scsi1", size);

    private OverlayDisk Open(byte[] below, long limit = 1L << 30, bool keep = true, string? path = null) =>
        OverlayDisk.Open(new MemoryDisk(below), Identity(below.Length), path ?? Path, limit, keep);

    /// <summary>
    /// Writes, zeros, reads, flushes, and deaths at any moment: everything reads as it was written last, and after a
    /// death everything is there that was flushed.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task Any_sequence_reads_back_and_outlives_a_death(int seed) => Sequence.CheckAsync(seed, 120, 12,
        async steps =>
    {
        File.Delete(Path);
        byte[] below = RepositoryFixture.Disk((3 << 20) + 1234, seed);
        byte[] expected = (byte[])below.Clone(), flushed = (byte[])below.Clone();
        // What was written since the last flush may be there after a death, or not.
        var uncertain = new List<(int Offset, int Length)>();
        OverlayDisk disk = Open(below);
        try
        {
            foreach (Step step in steps)
            {
                var random = new Random(step.Seed);
                int length = random.Next(3) switch
                {
                    0 => random.Next(1, 5000),
                    1 => 4096 * random.Next(1, 20),
                    _ => random.Next(1, 700_000),
                };
                int offset = random.Next(below.Length - length + 1);
                if (random.Next(2) == 0) offset = offset / 4096 * 4096;
                switch (step.Kind)
                {
                    case < 5:
                        var bytes = new byte[length];
                        random.NextBytes(bytes);
                        await disk.WriteAsync(offset, bytes, default);
                        bytes.CopyTo(expected, offset);
                        uncertain.Add((offset, length));
                        break;
                    case < 7:
                        if (random.Next(4) == 0) (offset, length) = (0, below.Length);
                        await disk.WriteZeroesAsync(offset, length, default);
                        expected.AsSpan(offset, length).Clear();
                        uncertain.Add((offset, length));
                        break;
                    case < 9:
                        await disk.FlushAsync(default);
                        (flushed, uncertain) = ((byte[])expected.Clone(), []);
                        break;
                    case < 11:
                        await CheckAsync(disk, expected, offset, length);
                        break;
                    default:
                        // The file as a machine that dies now leaves it.
                        string copy = Path + ".dead";
                        CopyOpenFile(Path, copy);
                        using (OverlayDisk dead = Open(below, path: copy))
                        {
                            var now = new byte[below.Length];
                            await dead.ReadAsync(0, now, default);
                            foreach ((int from, int count) in uncertain)
                                flushed.AsSpan(from, count).CopyTo(now.AsSpan(from, count));
                            Assert.True(now.AsSpan().SequenceEqual(flushed), "Something that was flushed is gone.");
                        }
                        File.Delete(copy);
                        break;
                }
            }
            await CheckAsync(disk, expected, 0, below.Length);
        }
        finally
        {
            disk.Dispose();
        }
        using OverlayDisk again = Open(below);
        await CheckAsync(again, expected, 0, below.Length);
    });

    [Fact]
    public async Task A_journal_is_written_anew_when_most_of_it_is_outdated()
    {
        var below = new byte[64 << 20];
        using (OverlayDisk disk = Open(below, limit: 64L << 20))
        {
            var sector = new byte[4096];
            for (int round = 0; round < 60; round++)
            {
                sector.AsSpan().Fill((byte)(round + 1));
                for (int block = 0; block < 300; block++)
                {
                    await disk.WriteAsync(block * 65536L + 4096 * (round % 16), sector, default);
                    if (block % 3 == 0 && round % 2 == 0) await disk.WriteZeroesAsync(block * 65536L, 65536, default);
                }
                await disk.FlushAsync(default);
            }
        }
        // Without that it would have 25,000 records of 32 bytes, and a cluster for each write of a block once given up.
        Assert.InRange(new FileInfo(Path).Length, 300 * 65536, 40L << 20);
        using OverlayDisk again = Open(below);
        var buffer = new byte[1];
        await again.ReadAsync(1 * 65536 + 4096 * (59 % 16), buffer, default);
        Assert.Equal(60, buffer[0]);
    }

    /// <summary>A disk below whose reads wait, so that something else happens while a block is written for the first
    /// time.</summary>
    private OverlayDisk OpenSlow(out TaskCompletionSource answers)
    {
        byte[] below = new byte[1 << 20];
        below.AsSpan().Fill(7);
        TaskCompletionSource answered = answers = new TaskCompletionSource();
        return OverlayDisk.Open(new MemoryDisk(below, _ => answered.Task), Identity(below.Length), Path, 1L << 30,
            keep: true);
    }

    [Fact]
    public async Task Beside_a_block_that_becomes_zeros_a_first_write_keeps_nothing_of_what_was_below()
    {
        using OverlayDisk disk = OpenSlow(out TaskCompletionSource answers);
        Task write = disk.WriteAsync(100, new byte[] { 1 }, default).AsTask();
        Task zeros = disk.WriteZeroesAsync(0, 65536, default).AsTask();
        Assert.False(write.IsCompleted);
        answers.SetResult();
        await Task.WhenAll(write, zeros);
        var buffer = new byte[65536];
        await disk.ReadAsync(0, buffer, default);
        // Whichever came first.
        Assert.True(buffer[100] is 0 or 1);
        buffer[100] = 0;
        Assert.Equal(-1, buffer.AsSpan().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task A_write_that_was_given_up_while_the_store_was_waited_for_is_not_done_later()
    {
        using OverlayDisk disk = OpenSlow(out TaskCompletionSource answers);
        using var givesUp = new CancellationTokenSource();
        Task write = disk.WriteAsync(100, new byte[] { 1 }, givesUp.Token).AsTask();
        givesUp.Cancel();
        answers.SetResult();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        var buffer = new byte[1];
        await disk.ReadAsync(100, buffer, default);
        Assert.Equal(7, buffer[0]);
    }

    [Fact]
    public async Task What_goes_beyond_the_limit_is_refused_and_what_was_written_stays()
    {
        var below = new byte[8 << 20];
        using OverlayDisk disk = Open(below, limit: 1 << 20);
        NataliaException? full = null;
        int written = 0;
        for (; written < 100 && full is null; written++)
        {
            try
            {
                await disk.WriteAsync(written * 65536L, new byte[] { 7 }, default);
            }
            catch (NataliaException failure)
            {
                full = failure;
            }
        }
        Assert.Equal(ErrorIds.OverlayFull, full!.ErrorId);
        Assert.InRange(written, 10, 17);
        var first = new byte[1];
        await disk.ReadAsync(0, first, default);
        Assert.Equal(7, first[0]);
        // Zeros take nothing, and give back what was taken.
        await disk.WriteZeroesAsync(0, 4 << 20, default);
        await disk.FlushAsync(default);
        await disk.WriteAsync(0, new byte[] { 9 }, default);
    }

    [Fact]
    public async Task An_overlay_that_is_not_kept_leaves_nothing_even_while_it_is_open()
    {
        using (OverlayDisk disk = Open(new byte[1 << 20], keep: false))
        {
            await disk.WriteAsync(5, new byte[] { 1, 2, 3 }, default);
            if (!OperatingSystem.IsWindows()) Assert.False(File.Exists(Path));
        }
        Assert.False(File.Exists(Path));
        File.WriteAllText(Path, "somebody's");
        NataliaException taken = Assert.Throws<NataliaException>(() => Open(new byte[1 << 20], keep: false));
        Assert.Equal(ErrorIds.DestinationExists, taken.ErrorId);
        Assert.Equal("somebody's", File.ReadAllText(Path));
    }

    [Fact]
    public void A_file_that_is_no_overlay_or_one_of_another_disk_is_refused_and_not_touched()
    {
        Open(new byte[1 << 20]).Dispose();
        byte[] before = File.ReadAllBytes(Path);
        NataliaException other = Assert.Throws<NataliaException>(() =>
            OverlayDisk.Open(new MemoryDisk(new byte[1 << 20]),
            new OverlayIdentity("repository", "another", "scsi1", 1 << 20), Path, 1 << 30, true));
        Assert.Equal(ErrorIds.OverlayMismatch, other.ErrorId);
        Assert.Equal(before, File.ReadAllBytes(Path));
        File.WriteAllText(Path, "a letter");
        Assert.Equal(ErrorIds.OverlayInvalid, Assert.Throws<NataliaException>(() => Open(new byte[1 << 20])).ErrorId);
        Assert.Equal("a letter", File.ReadAllText(Path));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(65536)]
    [InlineData(2 * 65536)]
    public async Task What_a_death_left_of_an_overlay_that_was_being_made_is_gone_on_with(int length)
    {
        File.WriteAllBytes(Path, new byte[length]);
        using (OverlayDisk disk = Open(new byte[1 << 20])) await disk.WriteAsync(7, new byte[] { 9 }, default);
        using OverlayDisk again = Open(new byte[1 << 20]);
        var buffer = new byte[1];
        await again.ReadAsync(7, buffer, default);
        Assert.Equal(9, buffer[0]);
    }

    /// <summary>More stretches of zeros than are remembered as such are written, and read back all the same.</summary>
    [Fact]
    public async Task Zeros_in_more_stretches_than_are_remembered_are_zeros()
    {
        const int Stretches = 64 * 1024 + 3;
        const long Block = 65536;
        var below = new FilledDisk(2 * Stretches * Block);
        using (OverlayDisk disk = OverlayDisk.Open(below, Identity(below.SizeBytes), Path, 1L << 30, keep: true))
        {
            long made = disk.OverlayBytes;
            for (int n = 0; n < Stretches; n++) await disk.WriteZeroesAsync(2 * n * Block, Block, default);
            // The journal's records, and a block for each that is one too many.
            Assert.InRange(disk.OverlayBytes - made, 3 * Block, 64 * Block);
            await disk.FlushAsync(default);
            await CheckAsync(disk);
        }
        using OverlayDisk again = OverlayDisk.Open(below, Identity(below.SizeBytes), Path, 1L << 30, keep: true);
        await CheckAsync(again);

        static async Task CheckAsync(OverlayDisk disk)
        {
            foreach (int n in new[] { 0, Stretches / 2, Stretches - 4, Stretches - 3, Stretches - 1 })
            {
                var buffer = new byte[2 * Block];
                await disk.ReadAsync(2 * n * Block, buffer, default);
                Assert.Equal(-1, buffer.AsSpan(0, (int)Block).IndexOfAnyExcept((byte)0));
                Assert.Equal(-1, buffer.AsSpan((int)Block).IndexOfAnyExcept(FilledDisk.Filling));
            }
        }
    }

    [Fact]
    public void Two_mounts_never_write_one_overlay()
    {
        using OverlayDisk disk = Open(new byte[1 << 20]);
        Assert.Equal(ErrorIds.OverlayInUse, Assert.Throws<NataliaException>(() => Open(new byte[1 << 20])).ErrorId);
    }

    [Fact]
    public async Task What_a_loss_of_power_left_behind_the_end_of_the_journal_never_follows_what_is_written_next()
    {
        var below = new byte[1 << 20];
        using (OverlayDisk disk = Open(below))
        {
            for (int block = 0; block < 2; block++)
                await disk.WriteAsync(block * 65536L, new byte[] { 1 }, default);
        }
        // The first record never came to be, the second one did.
        byte[] torn = File.ReadAllBytes(Path);
        torn.AsSpan(65536, 32).Clear();
        File.WriteAllBytes(Path, torn);
        using (OverlayDisk disk = Open(below)) await disk.WriteAsync(5 * 65536L, new byte[] { 2 }, default);
        using OverlayDisk again = Open(below);
        var buffer = new byte[1];
        await again.ReadAsync(5 * 65536L, buffer, default);
        Assert.Equal(2, buffer[0]);
        await again.ReadAsync(65536, buffer, default);
        Assert.Equal(0, buffer[0]);
    }

    /// <summary>Whatever is wrong with the file: an error that says so, no other exception, nothing endless.</summary>
    [Fact]
    public async Task Any_damage_of_the_file_is_refused_or_harmless()
    {
        var below = new byte[2 << 20];
        using (OverlayDisk disk = Open(below))
        {
            for (int i = 0; i < 20; i++) await disk.WriteAsync(i * 100_000, new byte[5000], default);
            await disk.WriteZeroesAsync(1 << 20, 1 << 19, default);
        }
        byte[] whole = File.ReadAllBytes(Path);
        var random = new Random(11);
        for (int i = 0; i < 200; i++)
        {
            byte[] bytes = (byte[])whole.Clone();
            for (int n = random.Next(1, 4); n > 0; n--)
                bytes[random.Next(3) == 0 ? random.Next(8192) : 65536 + random.Next(2000)] = (byte)random.Next(256);
            if (random.Next(4) == 0) bytes = bytes[..random.Next(bytes.Length)];
            File.WriteAllBytes(Path, bytes);
            try
            {
                using OverlayDisk disk = Open(below);
                await disk.ReadAsync(0, new byte[below.Length], default);
            }
            catch (NataliaException refused)
            {
                Assert.Contains(refused.ErrorId, new[] { ErrorIds.OverlayInvalid, ErrorIds.OverlayMismatch });
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Ranges_hold_what_a_set_of_blocks_would(int seed)
    {
        var random = new Random(seed);
        var ranges = new BlockRanges();
        var blocks = new HashSet<long>();
        for (int i = 0; i < 2000; i++)
        {
            long first = random.Next(200), count = random.Next(1, 20);
            for (long b = first; b < first + count; b++)
            {
                if (i % 3 == 0) blocks.Remove(b);
                else blocks.Add(b);
            }
            if (i % 3 == 0) ranges.Remove(first, count);
            else ranges.Add(first, count);
            long at = random.Next(240);
            Assert.Equal(blocks.Contains(at), ranges.Contains(at));
            Assert.Equal(blocks.Where(b => b >= at).DefaultIfEmpty(long.MaxValue).Min(), ranges.NextIn(at));
            long next = at;
            while (blocks.Contains(next)) next++;
            Assert.Equal(next, ranges.NextOut(at));
            Assert.Equal(blocks.Count, ranges.All.Sum(r => r.Count));
        }
    }

    [Theory]
    [InlineData(1, 300)]
    [InlineData(2, 100_000)]
    public void A_set_of_blocks_knows_what_comes_next(int seed, int span)
    {
        var random = new Random(seed);
        var set = new BlockSet();
        var blocks = new SortedSet<long>();
        // At a place where the words of several levels end.
        long start = (1L << 24) - span / 2;
        for (int i = 0; i < 5000; i++)
        {
            long block = start + random.Next(span);
            if (random.Next(3) == 0)
            {
                blocks.Remove(block);
                set.Remove(block);
            }
            else
            {
                blocks.Add(block);
                set.Add(block);
            }
            long at = random.Next(4) == 0 ? random.Next() : start + random.Next(span);
            SortedSet<long> behind = blocks.GetViewBetween(Math.Min(at, start + span), start + span);
            Assert.Equal(behind.Count == 0 ? long.MaxValue : behind.Min, set.NextIn(at));
            long end = at + random.Next(200), next = at;
            while (next < end && blocks.Contains(next)) next++;
            Assert.Equal(next, set.NextOut(at, end));
        }
        foreach (long block in blocks) set.Remove(block);
        Assert.Equal(long.MaxValue, set.NextIn(0));
    }

    /// <summary>Whoever goes through all of an overlay does not begin anew at each block.</summary>
    [Fact]
    public void The_next_of_many_blocks_is_found_in_few_steps()
    {
        const int Count = 100_000;
        var set = new BlockSet();
        for (long i = 0; i < Count; i++) set.Add(i * 1000);
        int found = 0;
        for (long at = set.NextIn(0); at != long.MaxValue; at = set.NextIn(at + 1)) found++;
        Assert.Equal(Count, found);
        Assert.InRange(set.Steps, Count, 20L * Count);
    }

    [Fact]
    public async Task Blocks_that_were_written_beside_each_other_are_told_of_at_once()
    {
        const long Block = 65536;
        const int Count = 500;
        var below = new FilledDisk(10_000 * Block);
        using OverlayDisk disk = OverlayDisk.Open(below, Identity(below.SizeBytes), Path, 1L << 30, keep: true);
        for (int n = 0; n < Count; n++) await disk.WriteAsync((10 + n) * Block, new byte[] { 1 }, default);
        await disk.WriteZeroesAsync((10 + Count) * Block, 5 * Block, default);
        var extents = new List<(long, bool)>();
        for (long at = 0; at < disk.SizeBytes;)
        {
            DiskExtent extent = await disk.GetExtentAsync(at, disk.SizeBytes - at, default);
            extents.Add((extent.Length, extent.IsHole));
            at += extent.Length;
        }
        Assert.Equal([(10 * Block, false), (Count * Block, false), (5 * Block, true),
            ((10_000 - 15 - Count) * Block, false)], extents);
        // A part of one, as a client asks for it.
        Assert.Equal(new DiskExtent(3 * Block, false), await disk.GetExtentAsync(11 * Block + 100, 3 * Block, default));
    }

    private static async Task CheckAsync(OverlayDisk disk, byte[] expected, int offset, int length)
    {
        var buffer = new byte[length];
        await disk.ReadAsync(offset, buffer, default);
        Assert.True(expected.AsSpan(offset, length).SequenceEqual(buffer), $"{length} bytes at {offset}");
        for (long at = offset; at < offset + length;)
        {
            DiskExtent extent = await disk.GetExtentAsync(at, offset + length - at, default);
            Assert.InRange(extent.Length, 1, offset + length - at);
            if (extent.IsHole) Assert.Equal(-1, expected.AsSpan((int)at, (int)extent.Length).IndexOfAnyExcept((byte)0));
            at += extent.Length;
        }
    }

    /// <summary>.NET locks what is open for writing, as far as its own programs go.</summary>
    private static void CopyOpenFile(string from, string to)
    {
        using System.Diagnostics.Process copy = System.Diagnostics.Process.Start("cp", [from, to]);
        copy.WaitForExit();
        Assert.Equal(0, copy.ExitCode);
    }

    public void Dispose() => _folder.Dispose();
}

/// <summary>A disk of any size that is the same byte everywhere.</summary>
internal sealed class FilledDisk(long size) : IServedDisk
{
    internal const byte Filling = 7;

    public long SizeBytes => size;
    public bool IsReadOnly => true;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        buffer.Span.Fill(Filling);
        return default;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> written, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => default;

    public ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken) =>
        new(new DiskExtent(Math.Min(limit, size - offset), false));

    public void Dispose()
    {
    }
}

/// <summary>A disk in memory that cannot be written.</summary>
/// <param name="bytes">The disk.</param>
/// <param name="before">What happens before it is read at an offset; null for nothing.</param>
internal sealed class MemoryDisk(byte[] bytes, Func<long, Task>? before = null) : IServedDisk
{
    public long SizeBytes => bytes.Length;
    public bool IsReadOnly => true;

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (before is not null) await before(offset);
        bytes.AsMemory((int)offset, buffer.Length).CopyTo(buffer);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> written, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => default;

    public ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken) =>
        new(new DiskExtent(Math.Min(limit, bytes.Length - offset), false));

    public void Dispose()
    {
    }
}
