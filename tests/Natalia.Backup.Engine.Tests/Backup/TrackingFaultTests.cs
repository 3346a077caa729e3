using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Backup;

public sealed class TrackingFaultTests
{
    private readonly byte[] _first = Disk(20 * 1024 * 1024, 11);

    [Fact]
    public async Task A_full_finds_what_change_tracking_missed_and_says_where()
    {
        using var bench = new RepositoryFixture();
        using Repository repository = await bench.CreateAsync();
        byte[] changed = (byte[])_first.Clone();
        changed[(9 << 20) + 5] ^= 1;
        changed[17 << 20] ^= 1;
        changed[3 << 20] ^= 1;

        await BackupAsync(repository, Tracked(_first, "1"));
        RestorePoint full = await BackupAsync(repository, Tracked(changed, "2", new Extent(3 << 20, 512)),
            type: RequestedBackupType.Full);

        Assert.Contains("2 blocks differ", full.TrackingFault);
        Assert.Contains($"the first at byte {9 << 20}", full.TrackingFault);
        Assert.Contains("anew", full.TrackingFault);
        Assert.Equal(full.TrackingFault, full.Reason);
        Assert.Equal(changed, await RestoreAsync(repository, full));
        RestorePoint listed = Assert.Single(await PointsAsync(repository), p => p.Type == BackupType.Full
            && p.RestorePointId == full.RestorePointId);
        Assert.Equal(full.Reason, listed.Reason);
    }

    [Fact]
    public async Task A_full_under_tracking_that_tells_the_truth_says_nothing_of_it()
    {
        using var bench = new RepositoryFixture();
        using Repository repository = await bench.CreateAsync();
        byte[] changed = Change(_first, 9, 1);
        var states = new Dictionary<string, byte[]> { ["1"] = _first };

        await BackupAsync(repository, new TrackedMemoryDiskSource(_first, "1", states));
        RestorePoint full = await BackupAsync(repository, new TrackedMemoryDiskSource(changed, "2", states),
            type: RequestedBackupType.Full);

        Assert.Equal(BackupType.Full, full.Type);
        Assert.Null(full.TrackingFault);
        Assert.Null(full.Reason);
    }

    [Fact]
    public async Task A_full_needs_no_answer_of_change_tracking()
    {
        using var bench = new RepositoryFixture();
        using Repository repository = await bench.CreateAsync();
        await BackupAsync(repository, Tracked(_first, "1"));
        var broken = new TrackedMemoryDiskSource(_first, "2", new Dictionary<string, byte[]>())
        {
            Answer = _ => throw new NataliaException(ErrorIds.ServerError, NataliaErrorKind.ReadFailed, "Broken."),
        };

        RestorePoint full = await BackupAsync(repository, broken, type: RequestedBackupType.Full);

        Assert.Null(full.TrackingFault);
    }

    [Fact]
    public async Task A_point_keeps_by_which_way_it_was_read()
    {
        using var bench = new RepositoryFixture();
        using Repository repository = await bench.CreateAsync();
        BackupRequest request = Request(new MemoryDiskSource(_first)) with { ReadMethod = ReadMethod.NfcExport };

        RestorePoint made = await repository.BackupAsync(request, null, null, default);

        Assert.Equal(ReadMethod.NfcExport, made.ReadMethod);
        Assert.Equal(ReadMethod.NfcExport, Assert.Single(await PointsAsync(repository)).ReadMethod);
        Assert.Null((await BackupAsync(repository, _first)).ReadMethod);
    }

    [Fact]
    public async Task What_comes_as_a_stream_is_read_by_one_and_ascending()
    {
        using var bench = new RepositoryFixture { Workers = 5 };
        using Repository repository = await bench.CreateAsync();
        byte[] disk = Disk(120 * 1024 * 1024, 4);
        var source = new OrderedSource(disk);

        RestorePoint point = await BackupAsync(repository, source);

        Assert.Equal(disk, await RestoreAsync(repository, point));
        Assert.True(source.WasOrdered);
    }

    private static TrackedMemoryDiskSource Tracked(byte[] bytes, string token, params Extent[] claims) =>
        new(bytes, token, new Dictionary<string, byte[]>()) { Answer = _ => new ChangedExtents(claims) };

    private sealed class OrderedSource(byte[] bytes) : MemoryDiskSource(bytes), IOrderedDiskSource, IDiskSource
    {
        private long _end;
        private int _reading;

        public bool IsOrdered => true;

        public bool WasOrdered { get; private set; } = true;

        async ValueTask IDiskSource.ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            WasOrdered &= Interlocked.Increment(ref _reading) == 1 && offset >= _end;
            await Task.Yield();
            await ReadAsync(offset, buffer, cancellationToken);
            _end = offset + buffer.Length;
            Interlocked.Decrement(ref _reading);
        }
    }
}
