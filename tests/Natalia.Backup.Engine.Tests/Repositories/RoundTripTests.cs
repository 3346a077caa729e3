using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repositories;

public sealed class RoundTripTests
{
    private const int Block = 65536;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Block - 1)]
    [InlineData(Block)]
    [InlineData(Block + 1)]
    [InlineData(128 * Block)]
    [InlineData(128 * Block + 1)]
    [InlineData(40 * 1024 * 1024 + 12345)]
    public async Task Every_point_of_a_disk_of_any_size_restores_byte_for_byte(int size)
    {
        foreach (string? password in new[] { null, "correct horse battery staple" })
        {
            using var fixture = new RepositoryFixture { Password = password };
            byte[] first = Disk(size, size), second = Change(first, 20, 7), third = Change(second, 5, 8);
            using (Repository repository = await fixture.CreateAsync())
            {
                await BackupAsync(repository, first, RequestedBackupType.Full);
                await BackupAsync(repository, second);
                await BackupAsync(repository, third);
            }
            using Repository again = await fixture.OpenAsync();
            IReadOnlyList<RestorePoint> points = await PointsAsync(again);
            Assert.Equal(3, points.Count);
            byte[][] states = [third, second, first];
            for (int i = 0; i < 3; i++)
            {
                Assert.Equal(states[i], await RestoreAsync(again, points[i]));
                Assert.Equal(CheckOutcome.Passed,
                    (await again.VerifyRestorePointAsync(points[i], null, default)).Result);
            }
            Assert.DoesNotContain(await CheckAsync(again),
                r => r.Result is CheckOutcome.Failed or CheckOutcome.Warning);
        }
    }

    [Fact]
    public async Task An_unchanged_disk_costs_next_to_nothing()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        byte[] disk = Disk(64 << 20, 3);
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, disk);
        long before = await SizeAsync(fixture.Store);
        RestorePoint second = await BackupAsync(repository, disk);
        long added = await SizeAsync(fixture.Store) - before;
        Assert.True(second.StoredBytes < 8192, $"{second.StoredBytes} bytes stored");
        Assert.True(added < 65536, $"{added} bytes added");
    }

    [Fact]
    public async Task A_disk_of_zeros_stores_no_block_and_restores_as_zeros()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        RestorePoint point = await BackupAsync(repository, new byte[20 << 20]);
        using var target = new MemoryDiskTarget();
        await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(null, target, null, default);
        Assert.Equal(0, target.WrittenBytes);
        Assert.Equal(20 << 20, target.Bytes.Length);
        Assert.Equal(0, point.Disks[0].AllocatedBytes);
    }

    [Fact]
    public async Task A_disk_that_becomes_zeros_and_comes_back_restores_in_every_state()
    {
        using var fixture = new RepositoryFixture();
        byte[] full = Disk(30 << 20, 4), empty = new byte[30 << 20];
        using Repository repository = await fixture.CreateAsync();
        foreach (byte[] state in new[] { full, empty, full, empty }) await BackupAsync(repository, state);
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        byte[][] states = [empty, full, empty, full];
        for (int i = 0; i < 4; i++) Assert.Equal(states[i], await RestoreAsync(repository, points[i]));
    }

    [Theory]
    [InlineData(10 << 20, (8 << 20) * 200L)]
    [InlineData((8 << 20) * 3 + 100, 100)]
    [InlineData(1, 8 << 20)]
    [InlineData(0, 5 << 20)]
    [InlineData(9 << 20, 0)]
    public async Task A_disk_that_was_resized_restores_in_every_state(long firstSize, long secondSize)
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        var first = new SparseDisk(firstSize, 11);
        var second = new SparseDisk(secondSize, 11) { Also = secondSize > 0 ? secondSize - 1 : null };
        var third = new SparseDisk(firstSize, 11);
        foreach (SparseDisk disk in new[] { first, second, third })
            await repository.BackupAsync(Request(disk), null, null, default);
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        SparseDisk[] states = [third, second, first];
        for (int i = 0; i < 3; i++)
        {
            var target = new ComparingTarget(states[i]);
            await (await repository.OpenPointAsync(points[i], default)).ExportDiskAsync(null, target, null, default);
            target.AssertEqual();
        }
    }

    [Fact]
    public async Task An_incremental_reads_only_what_changed()
    {
        using var fixture = new RepositoryFixture();
        byte[] one = Disk(50 << 20, 5), two = Change(one, 30, 6), three = Change(two, 3, 9);
        var states = new Dictionary<string, byte[]> { ["t1"] = one, ["t2"] = two };
        using Repository repository = await fixture.CreateAsync();
        await repository.BackupAsync(Request(new TrackedMemoryDiskSource(one, "t1", states)), null, null, default);
        RestorePoint second = await repository.BackupAsync(Request(new TrackedMemoryDiskSource(two, "t2", states),
            RequestedBackupType.Incremental),
            null, null, default);
        RestorePoint third = await repository.BackupAsync(Request(new TrackedMemoryDiskSource(three, "t3", states)),
            null, null, default);
        Assert.Equal(BackupType.Incremental, second.Type);
        Assert.Equal(BackupType.Incremental, third.Type);
        Assert.Null(second.Reason);
        Assert.InRange(second.ReadBytes!.Value, 1, 60 * Block + 1);
        Assert.Equal(two, await RestoreAsync(repository, second));
        Assert.Equal(three, await RestoreAsync(repository, third));
    }

    [Fact]
    public async Task A_token_of_another_VM_is_not_trusted()
    {
        using var fixture = new RepositoryFixture();
        byte[] one = Disk(5 << 20, 5), other = Disk(5 << 20, 6);
        var states = new Dictionary<string, byte[]> { ["t1"] = other };
        using Repository repository = await fixture.CreateAsync();
        await repository.BackupAsync(
            Request(new TrackedMemoryDiskSource(one, "t1", states))
                with
            { Appliance = Appliance with { NativeId = "a" } },
            null, null, default);
        // The restored VM goes on with the history, and its tracker happens to know a token of that name.
        RestorePoint adopted =
            await repository.BackupAsync(
                Request(new TrackedMemoryDiskSource(other, "t1", states),
                    RequestedBackupType.Incremental) with
                { Appliance = Appliance with { NativeId = "b" } },
            null, null, default);
        Assert.Equal(BackupType.Full, adopted.Type);
        Assert.Contains("another VM", adopted.Reason);
        Assert.Equal(other, await RestoreAsync(repository, adopted));
    }

    [Fact]
    public async Task An_incremental_that_cannot_be_falls_back_to_full_and_says_why()
    {
        using var fixture = new RepositoryFixture();
        byte[] one = Disk(10 << 20, 5), two = Change(one, 30, 6);
        using Repository repository = await fixture.CreateAsync();
        RestorePoint none =
            await repository.BackupAsync(
                Request(new TrackedMemoryDiskSource(one, "t1", new Dictionary<string, byte[]>()),
            RequestedBackupType.Incremental),
            null, null, default);
        RestorePoint lost =
            await repository.BackupAsync(
                Request(new TrackedMemoryDiskSource(two, "t2", new Dictionary<string, byte[]>()),
            RequestedBackupType.Incremental),
            null, null, default);
        RestorePoint untracked = await BackupAsync(repository, two, RequestedBackupType.Incremental);
        Assert.Equal([BackupType.Full, BackupType.Full, BackupType.Full],
            new[] { none.Type, lost.Type, untracked.Type });
        Assert.Contains("no earlier point", none.Reason);
        Assert.Contains("no longer known", lost.Reason);
        Assert.Contains("not known now", untracked.Reason);
        Assert.Contains("does not track", (await BackupAsync(repository, two, RequestedBackupType.Incremental)).Reason);
        Assert.Null((await BackupAsync(repository, two)).Reason);
        Assert.Equal(two, await RestoreAsync(repository, lost));
    }

    [Fact]
    public async Task Two_disks_are_kept_apart_and_one_may_be_left_out()
    {
        using var fixture = new RepositoryFixture();
        byte[] data = Disk(12 << 20, 1), system = Disk(9 << 20, 2), data2 = Change(data, 10, 3),
            system2 = Change(system, 10, 4);
        using Repository repository = await fixture.CreateAsync();
        RestorePoint both = await repository.BackupAsync(Two(data, system), null, null, default);
        RestorePoint one = await BackupAsync(repository, data2);
        RestorePoint bothAgain = await repository.BackupAsync(Two(data2, system2), null, null, default);
        Assert.Equal(system, await RestoreAsync(repository, both, "scsi0"));
        Assert.Equal(data, await RestoreAsync(repository, both));
        Assert.Equal(data2, await RestoreAsync(repository, one));
        Assert.Equal(system2, await RestoreAsync(repository, bothAgain, "SCSI0"));
        Assert.True(bothAgain.StoredBytes < both.StoredBytes / 2,
            "the system disk was compared with its last point, not stored anew");
        NataliaException missing =
            await Assert.ThrowsAsync<NataliaException>(() => RestoreAsync(repository, one, "scsi0"));
        Assert.Equal(ErrorIds.DiskNotFound, missing.ErrorId);

        static BackupRequest Two(byte[] data, byte[] system) => Request(new MemoryDiskSource(data)) with
        {
            Disks = [new BackupDisk("scsi0", DiskRole.System, new MemoryDiskSource(system)),
                new BackupDisk("scsi1", DiskRole.Data, new MemoryDiskSource(data))],
        };
    }

    [Fact]
    public async Task Cost_follows_the_change_on_a_disk_of_64_TiB()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        var disk = new SparseDisk(64L << 40, 1);
        RestorePoint first = await repository.BackupAsync(Request(disk), null, null, default);
        disk.Also = (64L << 40) - 5;
        RestorePoint second = await repository.BackupAsync(Request(disk), null, null, default);
        Assert.True(second.StoredBytes < first.StoredBytes);
        Assert.True(second.StoredBytes < 400_000, $"{second.StoredBytes} bytes stored");
        var target = new ComparingTarget(disk);
        await (await repository.OpenPointAsync(second, default)).ExportDiskAsync(null, target, null, default);
        target.AssertEqual();
    }

    [Fact]
    public async Task The_configuration_is_kept_with_the_point()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        using Repository repository = await fixture.CreateAsync();
        RestorePoint point = await BackupAsync(repository, Disk(100_000, 1));
        ApplianceDescription kept = await (await repository.OpenPointAsync(point,
            default)).GetConfigurationAsync(default);
        Assert.Equal(ApplianceDescriptionJson.Encode(Appliance), ApplianceDescriptionJson.Encode(kept));
        Assert.Equal(110, kept.Networks[0].Vlan);
    }

    [Fact]
    public async Task A_removed_point_is_gone_and_the_others_stay()
    {
        using var fixture = new RepositoryFixture();
        byte[] one = Disk(20 << 20, 1), two = Change(one, 40, 2);
        using Repository repository = await fixture.CreateAsync();
        RestorePoint first = await BackupAsync(repository, one), second = await BackupAsync(repository, two);
        await repository.RemoveRestorePointAsync(first, "a test", default);
        Assert.Equal(second.RestorePointId, Assert.Single(await PointsAsync(repository)).RestorePointId);
        Assert.Equal(two, await RestoreAsync(repository, second));
        Assert.Equal(ErrorIds.RestorePointNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => RestoreAsync(repository, first))).ErrorId);
        Assert.Equal(ErrorIds.RestorePointIsNewest,
            (await Assert.ThrowsAsync<NataliaException>(
                () => repository.RemoveRestorePointAsync(second, "a test", default))).ErrorId);
        Assert.DoesNotContain(await CheckAsync(repository), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task Settings_of_an_enrolled_appliance_are_kept_and_changed()
    {
        using var fixture = new RepositoryFixture { Password = "p" };
        var settings = new ApplianceSettings
        {
            ApplianceId = Appliance.ApplianceId,
            Name = "natalia-paris",
            HypervisorKind = "Folder",
            DataDiskId = "scsi1",
        };
        using (Repository repository = await fixture.CreateAsync())
        {
            await repository.SetApplianceSettingsAsync(settings, default);
            await repository.SetApplianceSettingsAsync(settings with { IncludeSystemDisk = true }, default);
        }
        using Repository again = await fixture.OpenAsync();
        Assert.Equal(settings with { IncludeSystemDisk = true },
            Assert.Single(await again.GetApplianceSettingsAsync(default)));
    }

    [Fact]
    public async Task A_failing_check_before_publication_leaves_no_point_and_no_object()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(1 << 20, 1));
        long before = await CountAsync(fixture.Store, "appliances/");
        await Assert.ThrowsAsync<NataliaException>(
            () => repository.BackupAsync(Request(new MemoryDiskSource(Disk(9 << 20, 2))),
            _ => throw new NataliaException(ErrorIds.DiskChangedWhileRead, NataliaErrorKind.InvalidData, "It changed."),
            null, default));
        Assert.Single(await PointsAsync(repository));
        // One object more: the lease's end replaces the earlier one's files.
        Assert.InRange(await CountAsync(fixture.Store, "appliances/"), before - 2, before);
    }

    [Fact]
    public async Task Cancelling_ends_the_run_with_the_lease_released()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        using var cancel = new CancellationTokenSource();
        var disk = new MemoryDiskSource(Disk(40 << 20, 1))
        {
            OnRead = (offset, _) =>
        {
            if (offset > 10 << 20) cancel.Cancel();
        }
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => repository.BackupAsync(Request(disk), null, null, cancel.Token));
        Assert.Empty(await PointsAsync(repository));
        await BackupAsync(repository, disk.Bytes);
        Assert.Single(await PointsAsync(repository));
    }

    internal static async Task<long> SizeAsync(IObjectStore store)
    {
        long size = 0;
        await foreach (StoredObject item in store.ListAsync("", default)) size += item.Length;
        return size;
    }

    internal static async Task<long> CountAsync(IObjectStore store, string prefix)
    {
        long count = 0;
        await foreach (StoredObject _ in store.ListAsync(prefix, default)) count++;
        return count;
    }
}

/// <summary>A disk of any virtual size with a few filled places, computed instead of kept.</summary>
internal sealed class SparseDisk(long size, int seed) : IDiskSource
{
    /// <summary>One more byte offset that is filled.</summary>
    internal long? Also { get; set; }

    public long SizeBytes => size;

    internal IEnumerable<long> Filled()
    {
        var places = new SortedSet<long>();
        if (size > 0)
        {
            places.Add(0);
            for (int i = 1; i < 12; i++) places.Add(size / 12 * i);
            if (Also is long also) places.Add(also);
        }
        return places;
    }

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.Yield();
        long end = 0;
        foreach (long place in Filled())
        {
            if (place < end) continue;
            end = Math.Min(size, place + 4096);
            yield return new Extent(place, end - place);
        }
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        buffer.Span.Clear();
        foreach (long place in Filled())
        {
            if (place >= offset && place < offset + buffer.Length)
                buffer.Span[(int)(place - offset)] = (byte)(1 + (place + seed) % 255);
        }
        return ValueTask.CompletedTask;
    }

    public void Dispose() { }
}

/// <summary>Takes a restore and holds it against a computed disk.</summary>
internal sealed class ComparingTarget(SparseDisk disk) : IDiskTarget
{
    private readonly HashSet<long> _seen = [];
    private long _size = -1;

    public bool AcceptsAnyOrder => true;

    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        _size = sizeBytes;
        return Task.CompletedTask;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var expected = new byte[bytes.Length];
        disk.ReadAsync(offset, expected, default);
        Assert.True(expected.AsSpan().SequenceEqual(bytes.Span), $"wrong bytes at {offset}");
        lock (_seen)
        {
            foreach (long place in disk.Filled())
            {
                if (place >= offset && place < offset + bytes.Length) _seen.Add(place);
            }
        }
        return ValueTask.CompletedTask;
    }

    public Task CompleteAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    internal void AssertEqual()
    {
        Assert.Equal(disk.SizeBytes, _size);
        Assert.Equal(disk.Filled().Order(), _seen.Order());
    }

    public void Dispose() { }
}
