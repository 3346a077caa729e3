using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Serving.Tests.Disks;

public sealed class PointDiskTests
{
    [Theory]
    [InlineData(1, null)]
    [InlineData(2, "correct horse battery staple")]
    public async Task Reads_anywhere_from_many_threads_give_the_disks_bytes(int seed, string? password)
    {
        using ServedPoint served = await ServedPoint.MakeAsync(RepositoryFixture.Disk((21 << 20) + 777, seed),
            password);
        // A cache that is far too small: blocks come and go all the time.
        using PointDisk disk = await served.ServeAsync(1 << 20);
        byte[] expected = served.Bytes;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed * 100 + worker);
            for (int i = 0; i < 60; i++)
            {
                int length = random.Next(4) == 0 ? random.Next(1, 3 << 20) : random.Next(1, 9000);
                int offset = random.Next(expected.Length - length + 1);
                var buffer = new byte[length];
                await disk.ReadAsync(offset, buffer, default);
                Assert.True(expected.AsSpan(offset, length).SequenceEqual(buffer), $"{length} bytes at {offset}");
            }
        })));
    }

    [Fact]
    public async Task What_follows_each_other_is_read_ahead_and_never_twice()
    {
        byte[] bytes = new byte[32 << 20];
        new Random(5).NextBytes(bytes);
        using ServedPoint served = await ServedPoint.MakeAsync(bytes);
        using PointDisk disk = await served.ServeAsync();
        var buffer = new byte[128 * 1024];
        for (long offset = 0; offset < bytes.Length; offset += buffer.Length)
        {
            await disk.ReadAsync(offset, buffer, default);
            Assert.True(bytes.AsSpan((int)offset, buffer.Length).SequenceEqual(buffer));
        }
        Assert.Equal(bytes.Length / 65536, disk.CachedBlocks);
    }

    [Fact]
    public async Task Memory_for_blocks_is_bounded()
    {
        byte[] bytes = new byte[40 << 20];
        new Random(6).NextBytes(bytes);
        using ServedPoint served = await ServedPoint.MakeAsync(bytes);
        using PointDisk disk = await served.ServeAsync(8 << 20);
        var buffer = new byte[1 << 20];
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(async () =>
            await disk.ReadAsync((long)i << 20, new byte[1 << 20], default))));
        Assert.InRange(disk.CachedBlocks, 1, 128);
    }

    [Fact]
    public async Task Extents_tell_what_is_zeros_without_reading_it()
    {
        byte[] bytes = new byte[(30 << 20) + 100];
        bytes[3 << 20] = 1;
        bytes[^1] = 2;
        using ServedPoint served = await ServedPoint.MakeAsync(bytes);
        using PointDisk disk = await served.ServeAsync();
        var found = new List<(long Offset, long Length, bool IsHole)>();
        for (long offset = 0; offset < bytes.Length;)
        {
            DiskExtent extent = await disk.GetExtentAsync(offset, long.MaxValue, default);
            if (found.Count > 0 && found[^1].IsHole == extent.IsHole)
                found[^1] = found[^1] with { Length = found[^1].Length + extent.Length };
            else found.Add((offset, extent.Length, extent.IsHole));
            offset += extent.Length;
        }
        Assert.Equal([(0, 3 << 20, true), (3 << 20, 65536, false), ((3 << 20) + 65536, (27 << 20) - 65536, true),
            (30 << 20, 100, false)], found);
        Assert.Equal(0, disk.CachedBlocks);
    }

    /// <summary>A point of 16 TiB costs what is asked of it.</summary>
    [Fact]
    public async Task Of_a_disk_of_16_TiB_anything_is_there_at_once()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        const long Size = 16L << 40, Far = (11L << 40) + 12345;
        RestorePoint point = await RepositoryFixture.BackupAsync(repository, new FarByteDisk(Size, Far));
        using var disk = new PointDisk((await repository.OpenPointAsync(point, default)).OpenDisk(null));
        var buffer = new byte[3];
        await disk.ReadAsync(Far - 1, buffer, default);
        Assert.Equal([0, 1, 0], buffer);
        await disk.ReadAsync(Size - 3, buffer, default);
        Assert.Equal([0, 0, 0], buffer);
        int steps = 0;
        for (long offset = 0; offset < Size; steps++)
            offset += (await disk.GetExtentAsync(offset, Size - offset, default)).Length;
        Assert.InRange(steps, 3, 40);
    }

    [Fact]
    public async Task Nothing_is_written_to_a_point()
    {
        using ServedPoint served = await ServedPoint.MakeAsync(RepositoryFixture.Disk(1 << 20, 4));
        using PointDisk disk = await served.ServeAsync();
        Assert.True(disk.IsReadOnly);
        Func<Task>[] deeds = [() => disk.WriteAsync(0, new byte[512], default).AsTask(),
            () => disk.WriteZeroesAsync(0, 512, default).AsTask()];
        foreach (Func<Task> deed in deeds)
            Assert.Equal(ErrorIds.ServedDiskReadOnly, (await Assert.ThrowsAsync<NataliaException>(deed)).ErrorId);
    }

    [Fact]
    public async Task A_damaged_block_is_an_error_and_the_others_are_read()
    {
        byte[] bytes = new byte[4 << 20];
        new Random(7).NextBytes(bytes);
        using ServedPoint served = await ServedPoint.MakeAsync(bytes);
        IObjectStore store = served.Fixture.Store;
        StoredObject pack = (await store.ListAllAsync("appliances/", default)).First(o => o.Name.Contains("/data/"));
        byte[] stored = await store.ReadAllAsync(pack.Name, default);
        // In the middle of the pack, in some block.
        stored[stored.Length / 2] ^= 1;
        await store.DeleteAsync(pack.Name, default);
        await store.PutAsync(pack.Name, new ObjectContent(stored), PutOptions.Data, default);
        using PointDisk disk = await served.ServeAsync();
        int failed = 0;
        for (int block = 0; block < 64; block++)
        {
            var buffer = new byte[65536];
            try
            {
                await disk.ReadAsync(block * 65536L, buffer, default);
                Assert.True(bytes.AsSpan(block * 65536, 65536).SequenceEqual(buffer));
            }
            catch (NataliaException damage)
            {
                Assert.Equal(ErrorIds.BlockDamaged, damage.ErrorId);
                failed++;
            }
        }
        Assert.Equal(1, failed);
    }

    [Fact]
    public async Task A_store_that_is_away_is_asked_once_for_blocks_that_are_read_together()
    {
        byte[] bytes = new byte[4 << 20];
        new Random(7).NextBytes(bytes);
        using ServedPoint served = await ServedPoint.MakeAsync(bytes);
        var store = new HookStore(served.Fixture.Store);
        using Repository repository = await served.Fixture.OpenAsync(store);
        using var disk = new PointDisk((await repository.OpenPointAsync(served.Point, default)).OpenDisk(null));
        var buffer = new byte[512 << 10];
        await disk.ReadAsync(0, buffer.AsMemory(0, 4096), default);
        int reads = 0;
        store.Before = call =>
        {
            if (!call.StartsWith("read ", StringComparison.Ordinal)) return Task.CompletedTask;
            Interlocked.Increment(ref reads);
            throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "It is away.");
        };
        Assert.Equal(ErrorIds.StoreUnavailable, (await Assert.ThrowsAsync<NataliaException>(
            () => disk.ReadAsync(2 << 20, buffer, default).AsTask())).ErrorId);
        Assert.Equal(1, reads);

        store.Before = _ => Task.CompletedTask;
        await disk.ReadAsync(2 << 20, buffer, default);
        Assert.True(bytes.AsSpan(2 << 20, buffer.Length).SequenceEqual(buffer));
    }

    [Fact]
    public async Task A_point_whose_packs_an_optimization_rewrites_meanwhile_goes_on_being_read()
    {
        byte[] bytes = RepositoryFixture.Disk(12 << 20, 8);
        using ServedPoint served = await ServedPoint.MakeAsync(bytes);
        byte[] next = RepositoryFixture.Change(bytes, 150, 9);
        RestorePoint second = await RepositoryFixture.BackupAsync(served.Repository, next);
        using var disk = new PointDisk((await served.Repository.OpenPointAsync(second, default)).OpenDisk(null),
            1 << 20);
        var buffer = new byte[1 << 20];
        await disk.ReadAsync(0, buffer, default);
        await RepositoryFixture.BackupAsync(served.Repository, RepositoryFixture.Change(next, 150, 10));
        await served.Repository.RemoveRestorePointAsync(served.Point, "a test", default);
        await served.Repository.ReclaimAsync(served.Point.ApplianceId, TimeSpan.Zero, default);
        await served.Repository.ReclaimAsync(served.Point.ApplianceId, TimeSpan.Zero, default);
        for (int at = 0; at < 12; at++)
        {
            await disk.ReadAsync((long)at << 20, buffer, default);
            Assert.True(next.AsSpan(at << 20, 1 << 20).SequenceEqual(buffer));
        }
    }

    [Fact]
    public void Streams_are_found_among_reads_at_random()
    {
        var finder = new StreamFinder();
        var random = new Random(3);
        long ahead = 0;
        for (int i = 0; i < 200; i++)
        {
            Assert.Equal((0, 0), finder.See(random.NextInt64(1L << 40, 1L << 44), 4096));
            (long from, long to) = finder.See(i * 65536L, 65536);
            if (from == to) continue;
            Assert.True(from >= ahead && to - from <= StreamFinder.LargestWindow);
            ahead = to;
        }
        Assert.True(ahead > 200 * 65536L);
    }

    private sealed class FarByteDisk(long size, long place) : Engine.Disks.IDiskSource
    {
        public long SizeBytes => size;

        public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            yield return new Extent(place / 65536 * 65536, 65536);
        }

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            buffer.Span.Clear();
            if (place >= offset && place - offset < buffer.Length) buffer.Span[(int)(place - offset)] = 1;
            return default;
        }

        public void Dispose()
        {
        }
    }
}
