using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Compression;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Backup;

/// <summary>
/// More processors than this machine may have, with a simulated compressor that waits in place of working: whether all
/// workers are busy shows by their meeting in it.
/// </summary>
[Collection("Many threads")]
public sealed class ManyWorkersTests : IDisposable
{
    private const int Workers = 16, Leaves = 3 * Workers, BlocksOfLeaf = 2;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly RepositoryFixture _fixture = new() { Workers = Workers };
    private readonly (int Threads, int Ports) _before;

    public ManyWorkersTests()
    {
        ThreadPool.GetMinThreads(out _before.Threads, out _before.Ports);
        // As on a machine with so many processors: a simulated one waits on a thread.
        ThreadPool.SetMinThreads(_before.Threads + 2 * Workers, _before.Ports);
    }

    public void Dispose()
    {
        ThreadPool.SetMinThreads(_before.Threads, _before.Ports);
        _fixture.Dispose();
    }

    /// <summary>No block is compressed before fifteen others are as well, from the first to the last.</summary>
    [Fact]
    public async Task Sixteen_workers_compress_at_once()
    {
        using var meeting = new Barrier(Workers);
        RestorePoint point = await BackupAsync(_ => Meet(meeting));
        Assert.Equal(Leaves * BlocksOfLeaf / Workers, meeting.CurrentPhaseNumber);
        Assert.Equal((long)Leaves * BlocksOfLeaf * BlockGeometry.BlockBytes, point.ReadBytes);
    }

    /// <summary>The same of the opposite direction.</summary>
    [Fact]
    public async Task Sixteen_workers_decompress_at_once()
    {
        RestorePoint point = await BackupAsync(_ => { });
        using var meeting = new Barrier(Workers);
        using Repository repository = await Repository.OpenAsync(_fixture.Store, null,
            Options(_ => { }, () => Meet(meeting)), default);
        var target = new HoleTarget();
        await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(null, target, null, default);
        Assert.Equal(Leaves * BlocksOfLeaf / Workers, meeting.CurrentPhaseNumber);
        Assert.Equal((long)Leaves * BlocksOfLeaf * BlockGeometry.BlockBytes, target.WrittenBytes);
    }

    /// <summary>Leaves are put into the map in order, and a slow one must not hold up those behind it.</summary>
    [Fact]
    public async Task A_slow_leaf_holds_up_no_worker_before_two_more_for_each_are_done()
    {
        int done = 0;
        using var enough = new ManualResetEventSlim();
        await BackupAsync(offset =>
        {
            if (offset == 0) Assert.True(enough.Wait(s_limit), $"Only {done} blocks were compressed meanwhile.");
            else if (offset / BlockGeometry.LeafBytes > 0
                && Interlocked.Increment(ref done) == 2 * (Workers - 1) * BlocksOfLeaf)
                enough.Set();
        });
    }

    /// <summary>
    /// As many packs as sixteen workers fill while others are stored, and with leaves and packs of the map no more
    /// than is stated: 164 MiB, and 24 more for each worker from the fourth on.
    /// </summary>
    [Theory]
    [InlineData(1, 4)]
    [InlineData(3, 4)]
    [InlineData(5, 4)]
    [InlineData(8, 6)]
    [InlineData(16, 10)]
    public async Task Packs_grow_with_the_workers_and_are_bounded(int workers, int packs)
    {
        var resources = new RunResources(TimeProvider.System, workers);
        long bytes = await RentAllAsync(resources.MetaBuffers);
        for (int i = 0; i < packs; i++) bytes += (await resources.DataBuffers.RentAsync(default)).Length;
        Assert.False(resources.DataBuffers.RentAsync(default).IsCompleted);
        for (int worker = 0; worker < workers; worker++) bytes += resources.LeafBuffer(worker).Length;
        Assert.InRange(bytes, 0, (164L + 24 * Math.Max(0, workers - 3)) << 20);
    }

    private static async Task<long> RentAllAsync(PackBuffers buffers)
    {
        long bytes = 0;
        for (Task<byte[]> next = buffers.RentAsync(default); next.IsCompleted; next = buffers.RentAsync(default))
            bytes += (await next).Length;
        return bytes;
    }

    private static void Meet(Barrier meeting) =>
        Assert.True(meeting.SignalAndWait(s_limit),
            $"Only {meeting.ParticipantCount - meeting.ParticipantsRemaining} workers were busy.");

    private async Task<RestorePoint> BackupAsync(Action<long> onCompress)
    {
        using Repository repository = await Repository.CreateAsync(_fixture.Store, null,
            Options(onCompress, () => { }), default);
        return await RepositoryFixture.BackupAsync(repository, new NumberedDisk());
    }

    private RepositoryOptions Options(Action<long> onCompress, Action onDecompress) =>
        _fixture.Options with { NewZstd = () => new SlowZstd(onCompress, onDecompress) };

    /// <summary>Does something with each block before it is compressed, or decompressed.</summary>
    private sealed class SlowZstd(Action<long> onCompress, Action onDecompress) : Zstd
    {
        private readonly ManagedZstd _zstd = new();

        internal override int? TryCompress(ReadOnlySpan<byte> plain, Span<byte> frame)
        {
            if (plain.Length == BlockGeometry.BlockBytes) onCompress(BinaryPrimitives.ReadInt64LittleEndian(plain));
            return _zstd.TryCompress(plain, frame);
        }

        internal override int Decompress(ReadOnlySpan<byte> frame, Span<byte> plain)
        {
            if (plain.Length == BlockGeometry.BlockBytes) onDecompress();
            return _zstd.Decompress(frame, plain);
        }

        public override void Dispose() => _zstd.Dispose();
    }

    /// <summary>A disk with a few blocks in each leaf, which begin with their offset.</summary>
    private sealed class NumberedDisk : IDiskSource
    {
        public long SizeBytes => Leaves * BlockGeometry.LeafBytes;

        public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
            [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.Yield();
            for (int leaf = 0; leaf < Leaves; leaf++)
                yield return new Extent(leaf * BlockGeometry.LeafBytes, BlocksOfLeaf * BlockGeometry.BlockBytes);
        }

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            buffer.Span.Fill(1);
            for (int at = 0; at < buffer.Length; at += BlockGeometry.BlockBytes)
                BinaryPrimitives.WriteInt64LittleEndian(buffer.Span[at..], offset + at);
            return ValueTask.CompletedTask;
        }

        public void Dispose() { }
    }

    /// <summary>A target that keeps nothing but the count.</summary>
    private sealed class HoleTarget : IDiskTarget
    {
        private long _writtenBytes;

        internal long WrittenBytes => Interlocked.Read(ref _writtenBytes);

        public bool AcceptsAnyOrder => true;

        public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            Interlocked.Add(ref _writtenBytes, bytes.Length);
            return ValueTask.CompletedTask;
        }

        public Task CompleteAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose() { }
    }
}

/// <summary>Tests that change the thread pool run alone.</summary>
[CollectionDefinition("Many threads", DisableParallelization = true)]
public sealed class ManyThreadsCollection;
