using System.Collections.Concurrent;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Restore;

/// <summary>A target that takes its time, or fails: what reads goes on meanwhile, and nothing is written any more when
/// the export has returned.</summary>
public sealed class SlowTargetTests : IDisposable
{
    private const int Leaves = 12;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly RepositoryFixture _fixture;
    private int _reads;

    public SlowTargetTests() =>
        // In a folder one worker is one: elsewhere more wait for answers.
        _fixture = new RepositoryFixture(FolderStore.Open(_folder.Path, create: true)) { Workers = 1 };

    public void Dispose()
    {
        _fixture.Dispose();
        _folder.Dispose();
    }

    /// <summary>How many parts of packs of blocks were read: two of each leaf.</summary>
    private int Reads => Volatile.Read(ref _reads);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_next_leaf_is_read_while_one_is_written(bool anyOrder)
    {
        byte[] disk = Disk();
        RestorePoint point = await BackupAsync(disk);
        using Repository repository = await OpenAsync(1);
        var target = new Target(disk.Length, anyOrder)
        {
            // The only worker: if it waited for this write, nothing would be read.
            OnWrite = number =>
            {
                if (number == 1)
                    Assert.True(SpinWait.SpinUntil(() => Reads >= 2 * 2, s_limit), "Nothing was read meanwhile.");
            },
        };
        await ExportAsync(repository, point, target, default);
        Assert.Equal(disk, target.Bytes);
        if (!anyOrder) Assert.Equal(target.Offsets.Order(), target.Offsets);
    }

    /// <summary>A slow target slows the readers instead of filling the memory.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task No_more_leaves_are_read_than_there_is_room_for(bool anyOrder)
    {
        byte[] disk = Disk();
        RestorePoint point = await BackupAsync(disk);
        using Repository repository = await OpenAsync(1);
        int ahead = 0;
        var target = new Target(disk.Length, anyOrder)
        {
            OnWrite = number =>
            {
                // That nothing more comes cannot be waited for; too much would come in this time.
                if (number == 1) SpinWait.SpinUntil(() => Reads >= 2 * Leaves, TimeSpan.FromSeconds(1));
                if (number == 1) ahead = Reads;
            },
        };
        await ExportAsync(repository, point, target, default);
        Assert.InRange(ahead, 2, 2 * 4);
        Assert.Equal(disk, target.Bytes);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_failure_is_told_when_nothing_is_written_any_more(bool anyOrder)
    {
        Exception failure = await EndsWithoutAWriteUnderWayAsync(anyOrder, 2, () => throw new NataliaException(
            ErrorIds.DestinationFull, NataliaErrorKind.ResourceUnavailable, "There is no room left.", "disk.raw"),
            default);
        Assert.Equal(ErrorIds.DestinationFull, Assert.IsType<NataliaException>(failure).ErrorId);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_restore_that_is_stopped_waits_for_what_is_being_written(bool anyOrder)
    {
        using var stop = new CancellationTokenSource();
        Exception failure = await EndsWithoutAWriteUnderWayAsync(anyOrder, 2, stop.Cancel, stop.Token);
        Assert.IsAssignableFrom<OperationCanceledException>(failure);
    }

    /// <summary>
    /// Something happens while one leaf is written; in any order another one is being written at that time, and goes on
    /// for as long as it is held.
    /// </summary>
    private async Task<Exception> EndsWithoutAWriteUnderWayAsync(bool anyOrder, int leaf, Action happening,
        CancellationToken cancellationToken)
    {
        byte[] disk = Disk();
        RestorePoint point = await BackupAsync(disk);
        using Repository repository = await OpenAsync(2);
        using ManualResetEventSlim otherBegan = new(), release = new();
        var happened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Target target = null!;
        target = new Target(disk.Length, anyOrder)
        {
            OnOffset = offset =>
            {
                if (offset == (leaf + 1) * BlockGeometry.LeafBytes)
                {
                    otherBegan.Set();
                    Assert.True(release.Wait(s_limit));
                }
                if (offset != leaf * BlockGeometry.LeafBytes) return;
                if (anyOrder) Assert.True(otherBegan.Wait(s_limit));
                happened.SetResult();
                happening();
            },
        };
        Task exporting = ExportAsync(repository, point, target, cancellationToken);
        await happened.Task;
        if (anyOrder)
        {
            // That it does not return cannot be waited for; it would in this time.
            await Task.WhenAny(exporting, Task.Delay(TimeSpan.FromMilliseconds(500), default(CancellationToken)));
            Assert.False(exporting.IsCompleted);
            Assert.InRange(target.UnderWay, 1, Leaves);
            release.Set();
        }
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(() => exporting);
        Assert.Equal(0, target.UnderWay);
        Assert.False(target.IsComplete);
        Assert.DoesNotContain(Leaves * BlockGeometry.LeafBytes - BlockGeometry.LeafBytes, target.Offsets);
        return failure;
    }

    /// <summary>Nothing of it compresses, so that its leaves lie one after the other and are read one by one.</summary>
    private static byte[] Disk()
    {
        var disk = new byte[Leaves * BlockGeometry.LeafBytes];
        new Random(5).NextBytes(disk);
        return disk;
    }

    private async Task<RestorePoint> BackupAsync(byte[] disk)
    {
        using Repository repository = await Repository.CreateAsync(new HookStore(_fixture.Store), null,
            _fixture.Options, default);
        return await RepositoryFixture.BackupAsync(repository, new MemoryDiskSource(disk));
    }

    private Task<Repository> OpenAsync(int workers) => Repository.OpenAsync(new HookStore(_fixture.Store)
    {
        After = operation =>
        {
            if (operation.StartsWith("read ", StringComparison.Ordinal)
                && operation.Contains("/data/", StringComparison.Ordinal))
                Interlocked.Increment(ref _reads);
            return Task.CompletedTask;
        },
    }, null, _fixture.Options with { Workers = workers }, default);

    private static async Task ExportAsync(Repository repository, RestorePoint point, Target target,
        CancellationToken cancellationToken) =>
        await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(null, target, null, cancellationToken);

    /// <summary>Writes on its caller's thread, as a file does.</summary>
    private sealed class Target(long sizeBytes, bool anyOrder) : IDiskTarget
    {
        private int _writes, _underWay;

        internal byte[] Bytes { get; } = new byte[sizeBytes];
        internal ConcurrentQueue<long> Offsets { get; } = [];
        internal int UnderWay => Volatile.Read(ref _underWay);
        internal bool IsComplete { get; private set; }
        internal Action<int> OnWrite { get; init; } = _ => { };
        internal Action<long> OnOffset { get; init; } = _ => { };

        public bool AcceptsAnyOrder => anyOrder;

        public Task BeginAsync(long size, CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            int now = Interlocked.Increment(ref _underWay);
            try
            {
                Assert.True(anyOrder || now == 1, "Two writes at once.");
                OnWrite(Interlocked.Increment(ref _writes));
                OnOffset(offset);
                bytes.Span.CopyTo(Bytes.AsSpan((int)offset));
                Offsets.Enqueue(offset);
                return default;
            }
            finally
            {
                Interlocked.Decrement(ref _underWay);
            }
        }

        public Task CompleteAsync(CancellationToken cancellationToken)
        {
            IsComplete = true;
            return Task.CompletedTask;
        }

        public void Dispose() { }
    }
}
