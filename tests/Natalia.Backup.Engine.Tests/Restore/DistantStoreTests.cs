using System.Collections.Concurrent;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
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

        HookStore Store()
        {
            // What is read first of a pack says what is in it.
            var known = new ConcurrentDictionary<string, bool>();
            return new HookStore(_fixture.Store)
            {
                Before = call => IsBlocks(call) && !known.TryAdd(call, true) ? meeting.ComeAsync() : Task.CompletedTask,
            };
        }
    }

    private static bool IsBlocks(string call) =>
        call.StartsWith("read ", StringComparison.Ordinal) && call.Contains("/data/", StringComparison.Ordinal);

    private static byte[] Filled(int bytes, int seed)
    {
        var filled = new byte[bytes];
        new Random(seed).NextBytes(filled);
        return filled;
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
