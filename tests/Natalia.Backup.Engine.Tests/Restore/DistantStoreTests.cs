using System.Collections.Concurrent;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Restore;

/// <summary>Where each request waits for an answer, as many as are needed are under way at once.</summary>
public sealed class DistantStoreTests : IDisposable
{
    private const int BlockBytes = BlockGeometry.BlockBytes;

    private readonly RepositoryFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    /// <summary>
    /// A leaf whose blocks lie in six packs: the six are asked for at once, and then the blocks in them.
    /// </summary>
    [Fact]
    public async Task The_blocks_of_a_fragmented_leaf_are_asked_for_at_once()
    {
        const int Packs = 6;
        byte[] disk = Filled(Packs * BlockBytes, 1);
        RestorePoint point = null!;
        using (Repository repository = await _fixture.CreateAsync())
        {
            for (int i = 0; i < Packs; i++)
            {
                if (i > 0) Filled(BlockBytes, i + 1).CopyTo(disk, i * BlockBytes);
                point = await RepositoryFixture.BackupAsync(repository, (byte[])disk.Clone());
            }
        }
        var meeting = new Meeting(Packs);
        var store = new HookStore(_fixture.Store)
        {
            Before = call => IsBlocks(call) ? meeting.ComeAsync() : Task.CompletedTask,
        };
        using Repository reading = await _fixture.OpenAsync(store);
        Assert.Equal(disk, await RepositoryFixture.RestoreAsync(reading, point));
        Assert.Equal(2, meeting.Held);
    }

    /// <summary>Leaves that lie in one pack: more of them than there are workers.</summary>
    [Fact]
    public async Task Eight_leaves_are_asked_for_at_once_by_a_restore_and_by_a_verification()
    {
        const int Leaves = 8;
        byte[] disk = new byte[Leaves * BlockGeometry.LeafBytes];
        for (int i = 0; i < Leaves; i++) Filled(BlockBytes, i + 1).CopyTo(disk, i * BlockGeometry.LeafBytes);
        RestorePoint point;
        using (Repository repository = await _fixture.CreateAsync())
            point = await RepositoryFixture.BackupAsync(repository, disk);

        Meeting meeting = new(Leaves);
        using (Repository reading = await _fixture.OpenAsync(Store()))
            Assert.Equal(disk, await RepositoryFixture.RestoreAsync(reading, point));
        Assert.Equal(1, meeting.Held);

        meeting = new Meeting(Leaves);
        using (Repository reading = await _fixture.OpenAsync(Store()))
            Assert.Equal(CheckOutcome.Passed, (await reading.VerifyRestorePointAsync(point, null, default)).Result);
        Assert.Equal(1, meeting.Held);

        MeetingStore Store() => new(_fixture.Store, meeting);
    }

    /// <summary>A store that is gone was waited for once, and not once more for each pack of the leaf.</summary>
    [Fact]
    public async Task A_store_that_is_gone_is_not_asked_for_every_pack_of_a_leaf()
    {
        RestorePoint point = await BackupInPartsAsync(new byte[20 * BlockBytes], Enumerable.Range(0, 20).Select(
            i => new[] { i }));
        int asked = 0;
        var store = new HookStore(_fixture.Store)
        {
            Before = call => IsBlocks(call) ? throw Gone(call, ref asked) : Task.CompletedTask,
        };
        using Repository reading = await _fixture.OpenAsync(store);
        NataliaException failure = await Assert.ThrowsAsync<NataliaException>(
            () => RepositoryFixture.RestoreAsync(reading, point));
        Assert.Equal(ErrorIds.StoreUnavailable, failure.ErrorId);
        Assert.InRange(asked, 1, 16);
    }

    /// <summary>What other requests end with when they are given up, whatever it is, hides nothing.</summary>
    [Fact]
    public async Task The_first_failure_is_told_whatever_the_other_requests_end_with()
    {
        const int Packs = 6;
        RestorePoint point = await BackupInPartsAsync(new byte[Packs * BlockBytes], Enumerable.Range(0, Packs).Select(
            i => new[] { i }));
        var known = new ConcurrentDictionary<string, bool>();
        int failed = 0, asked = 0;
        var store = new HookStore(_fixture.Store)
        {
            // What is read first of a pack says what is in it.
            Before = call => !IsBlocks(call) || known.TryAdd(call, true) ? Task.CompletedTask
                : Interlocked.Increment(ref failed) == 1 ? throw Gone(call, ref asked)
                : throw new ObjectDisposedException("the connection"),
        };
        using Repository reading = await _fixture.OpenAsync(store);
        NataliaException failure = await Assert.ThrowsAsync<NataliaException>(
            () => RepositoryFixture.RestoreAsync(reading, point));
        Assert.Equal(ErrorIds.StoreUnavailable, failure.ErrorId);
        Assert.Equal(Packs, failed);
    }

    /// <summary>
    /// A leaf of which every second block lies in one pack, every fourth in a second one and the rest in a third:
    /// requests of 8, 4 and 2 MiB with what lies between the blocks.
    /// </summary>
    [Fact]
    public async Task Large_requests_of_a_leaf_take_no_more_memory_at_once_than_the_largest_one_may()
    {
        byte[] disk = new byte[BlockGeometry.LeafBytes];
        RestorePoint point = await BackupInPartsAsync(disk,
        [
            [.. Enumerable.Range(0, BlockGeometry.FanOut)],
            [.. Enumerable.Range(0, BlockGeometry.FanOut).Where(i => i % 2 == 1)],
            [.. Enumerable.Range(0, BlockGeometry.FanOut).Where(i => i % 4 == 3)],
        ]);
        var store = new MeasuringStore(_fixture.Store);
        using Repository reading = await _fixture.OpenAsync(store);
        Assert.Equal(disk, await RepositoryFixture.RestoreAsync(reading, point));
        Assert.InRange(store.MostBytes, 4 << 20, 8 << 20);
    }

    /// <summary>Writes blocks of the disk anew, and backs it up, part by part.</summary>
    private async Task<RestorePoint> BackupInPartsAsync(byte[] disk, IEnumerable<int[]> parts)
    {
        RestorePoint point = null!;
        int seed = 0;
        using Repository repository = await _fixture.CreateAsync();
        foreach (int[] blocks in parts)
        {
            foreach (int block in blocks) Filled(BlockBytes, ++seed).CopyTo(disk, block * BlockBytes);
            point = await RepositoryFixture.BackupAsync(repository, (byte[])disk.Clone());
        }
        return point;
    }

    private static NataliaException Gone(string call, ref int asked)
    {
        Interlocked.Increment(ref asked);
        return new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "Gone on purpose.", call);
    }

    private static bool IsBlocks(string call) =>
        call.StartsWith("read ", StringComparison.Ordinal) && call.Contains("/data/", StringComparison.Ordinal);

    private static byte[] Filled(int bytes, int seed)
    {
        var filled = new byte[bytes];
        new Random(seed).NextBytes(filled);
        return filled;
    }

    /// <summary>Knows the bytes of all requests that are under way, and answers none before others are asked.</summary>
    private sealed class MeasuringStore(IObjectStore inner) : WrappedStore(inner)
    {
        private long _bytes, _most;

        internal long MostBytes => Interlocked.Read(ref _most);

        public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken)
        {
            long now = Interlocked.Add(ref _bytes, buffer.Length);
            // There is one leaf, and one worker reads it.
            if (now > Interlocked.Read(ref _most)) Interlocked.Exchange(ref _most, now);
            await Task.Yield();
            int read = await Inner.ReadAsync(name, offset, buffer, cancellationToken);
            Interlocked.Add(ref _bytes, -buffer.Length);
            return read;
        }

        protected override void Dispose(bool disposing) { }
    }

    /// <summary>
    /// Blocks meet before they are read. What a pack begins with says what is in it; two leaves may ask for that at
    /// once.
    /// </summary>
    private sealed class MeetingStore(IObjectStore inner, Meeting meeting) : WrappedStore(inner)
    {
        public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken)
        {
            if (offset > 0 && name.Contains("/data/", StringComparison.Ordinal)) await meeting.ComeAsync();
            return await Inner.ReadAsync(name, offset, buffer, cancellationToken);
        }

        protected override void Dispose(bool disposing) { }
    }

    /// <summary>Whoever comes waits until so many are there.</summary>
    private sealed class Meeting(int size)
    {
        private readonly object _gate = new();
        private TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _here;

        /// <summary>How often all have met.</summary>
        internal int Held { get; private set; }

        internal async Task ComeAsync()
        {
            Task all;
            lock (_gate)
            {
                all = _all.Task;
                if (++_here == size)
                {
                    _here = 0;
                    Held++;
                    _all.SetResult();
                    _all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
            }
            await all.WaitAsync(TimeSpan.FromSeconds(60));
        }
    }
}
