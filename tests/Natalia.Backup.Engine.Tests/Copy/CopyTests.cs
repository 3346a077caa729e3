using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Tests.Reclaim;
using Natalia.Backup.Testing;
using static Natalia.Backup.Engine.Tests.Copy.CopySteps;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Copy;

public sealed class CopyTests
{
    private static readonly DateTime s_time = new(2026, 3, 1, 2, 0, 0, DateTimeKind.Utc);

    /// <summary>Makes points of a disk that goes on changing.</summary>
    private static async Task<Dictionary<string, byte[]>> FillAsync(Repository repository, int points,
        int bytes = 20 << 20, int seed = 1)
    {
        var states = new Dictionary<string, byte[]>();
        byte[] disk = Disk(bytes, seed);
        for (int i = 0; i < points; i++)
        {
            BackupRequest request = Request(new MemoryDiskSource(disk), time: s_time.AddDays(i)) with
            {
                ReadMethod = ReadMethod.NfcExport,
            };
            states[(await repository.BackupAsync(request, null, null, default)).RestorePointId] = disk;
            disk = Change(disk, 6, seed * 100 + i);
        }
        return states;
    }

    [Theory]
    [InlineData("here", "there")]
    [InlineData("same", "same")]
    [InlineData(null, "there")]
    [InlineData("here", null)]
    public async Task Copies_are_the_same_points_in_another_place_and_take_the_same_room(string? here, string? there)
    {
        using var from = new RepositoryFixture { Password = here };
        using var to = new RepositoryFixture { Password = there };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        Dictionary<string, byte[]> states = await FillAsync(source, 5);

        List<PointCopy> copies = await CopyAllAsync(source, destination);
        Assert.All(copies, c => Assert.Equal(CopyStatus.Copied, c.Status));
        await AssertCopiesAsync(destination, states, $"{here} to {there}");

        IReadOnlyList<RestorePoint> originals = await PointsAsync(source), copied = await PointsAsync(destination);
        Assert.Equal(5, copied.Count);
        for (int i = 0; i < 5; i++)
        {
            RestorePoint a = originals[i], b = copied[i];
            Assert.Equal((a.RestorePointId, source.RepositoryId), (b.OriginalRestorePointId, b.OriginalRepositoryId));
            Assert.NotEqual(a.RestorePointId, b.RestorePointId);
            Assert.Equal((a.ApplianceId, a.ApplianceName, a.TimeUtc, a.Type, a.RequestedType, a.Reason, a.Consistency),
                (b.ApplianceId, b.ApplianceName, b.TimeUtc, b.Type, b.RequestedType, b.Reason, b.Consistency));
            Assert.Equal((a.SizeBytes, a.ReadBytes, a.Duration), (b.SizeBytes, b.ReadBytes, b.Duration));
            Assert.Equal((ReadMethod.NfcExport, ReadMethod.NfcExport), (a.ReadMethod, b.ReadMethod));
            Assert.Equal(a.Disks, b.Disks);
            Assert.InRange(b.StoredBytes!.Value, a.StoredBytes!.Value * 0.97, a.StoredBytes.Value * 1.03 + 1000);
            Assert.Equal((await (await source.OpenPointAsync(a, default)).GetConfigurationAsync(default)).ToString(),
                (await (await destination.OpenPointAsync(b, default)).GetConfigurationAsync(default)).ToString());
            Assert.Equal(CheckOutcome.Passed, (await destination.VerifyRestorePointAsync(b, null, default)).Result);
        }
        // What a copy moves is what changed, and its figures say so.
        Assert.True(copies[1].ReadBytes < copies[0].ReadBytes / 5, $"{copies[0].ReadBytes} then {copies[1].ReadBytes}");
        Assert.Equal(copies[1].WrittenBytes, copied[3].StoredBytes);
        Assert.True(copies[1].SkippedBytes > 10 << 20);
        Assert.Equal(copied.Select(c => c.RestorePointId).Reverse(), copies.Select(c => c.RestorePointId));
    }

    [Fact]
    public async Task A_second_run_copies_nothing_and_writes_nothing()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using (Repository source = await from.CreateAsync())
        using (Repository destination = await to.CreateAsync())
        {
            await FillAsync(source, 3);
            await CopyAllAsync(source, destination);
        }
        var sourceLog = new FaultStore(from.Store);
        var destinationLog = new FaultStore(to.Store);
        using Repository again = await from.OpenAsync(sourceLog), there = await to.OpenAsync(destinationLog);
        List<PointCopy> copies = await CopyAllAsync(again, there);
        Assert.All(copies,
            c => Assert.Equal((CopyStatus.AlreadyThere, 0L, 0L), (c.Status, c.ReadBytes, c.WrittenBytes)));
        Assert.All(copies, c => Assert.NotNull(c.RestorePointId));
        Assert.DoesNotContain(sourceLog.Log.Concat(destinationLog.Log),
            l => l.StartsWith("put", StringComparison.Ordinal) || l.StartsWith("delete", StringComparison.Ordinal));
        await BackupAsync(again, Disk(20 << 20, 9), time: s_time.AddDays(9));
        Assert.Equal([CopyStatus.AlreadyThere, CopyStatus.AlreadyThere, CopyStatus.AlreadyThere, CopyStatus.Copied],
            (await CopyAllAsync(again, there)).Select(c => c.Status));
    }

    [Fact]
    public async Task The_next_night_reads_only_what_changed_however_large_the_disk_is()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        byte[] disk = Disk(200 << 20, 1);
        await BackupAsync(source, disk, time: s_time);
        await CopyAllAsync(source, destination);
        disk = (byte[])disk.Clone();
        new Random(3).NextBytes(disk.AsSpan(77 << 20, 100_000));
        RestorePoint second = await BackupAsync(source, disk, time: s_time.AddDays(1));
        var sourceLog = new FaultStore(from.Store);
        var destinationLog = new FaultStore(to.Store);
        using Repository again = await from.OpenAsync(sourceLog), there = await to.OpenAsync(destinationLog);
        PointCopy copy = await new PointCopier(again, there, null).CopyAsync(second, false, null, default);
        Assert.InRange(copy.ReadBytes, 100_000, 400_000);
        int Reads(FaultStore log) =>
            log.Log.Count(
                l => l.StartsWith("read", StringComparison.Ordinal) && (l.Contains("/meta/") || l.Contains("/data/")));
        // 25 leaves; of one of them the content differs.
        Assert.InRange(Reads(sourceLog), 1, 14);
        Assert.InRange(Reads(destinationLog), 1, 10);
        Assert.Equal(disk, await RestoreAsync(there, (await PointsAsync(there))[0]));
    }

    /// <summary>
    /// The workers of a backup write among each other. One worker, which goes from leaf to leaf, must not fetch what
    /// lies between three times.
    /// </summary>
    [Fact]
    public async Task Each_byte_of_the_source_is_fetched_once()
    {
        using var from = new RepositoryFixture { Password = "a", Workers = 4 };
        using var to = new RepositoryFixture { Password = "b", Workers = 1 };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        var disk = new byte[32 << 20];
        new Random(1).NextBytes(disk);
        await BackupAsync(source, disk);
        PointCopy copy = Assert.Single(await CopyAllAsync(source, destination));
        Assert.InRange(copy.ReadBytes, 32 << 20, 33 << 20);
    }

    [Fact]
    public async Task Points_may_be_copied_in_any_order_and_some_left_out()
    {
        using var from = new RepositoryFixture();
        using var to = new RepositoryFixture();
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        Dictionary<string, byte[]> states = await FillAsync(source, 6, 10 << 20);
        IReadOnlyList<RestorePoint> points = await PointsAsync(source);
        var copier = new PointCopier(source, destination, null);
        foreach (int i in new[] { 0, 5, 2, 3 }) await copier.CopyAsync(points[i], false, null, default);
        await AssertCopiesAsync(destination, states, "any order");
        Assert.Equal(new[] { 0, 2, 3, 5 }.Select(i => points[i].TimeUtc),
            (await PointsAsync(destination)).Select(p => p.TimeUtc));
        foreach (RestorePoint copy in (await PointsAsync(destination)).Where(p => p.Sequence < 4).ToList())
        {
            if (copy.OriginalRestorePointId != points[0].RestorePointId)
                await destination.RemoveRestorePointAsync(copy, "a test", default);
        }
        await destination.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        await AssertCopiesAsync(destination, states, "after reclaim");
        await ReclaimTests.AssertSweptAsync(to, "any order");
    }

    [Fact]
    public async Task Several_disks_resized_disks_and_empty_ones_are_copied_as_they_are()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        byte[] data = Disk(9 << 20, 1), system = Disk((3 << 20) + 777, 2);
        byte[][][] states = [[data, system], [data.AsSpan(0, 5_000_001).ToArray(), Change(system, 3, 3)],
            [new byte[12 << 20], system], [Disk(30 << 20, 4), new byte[100]]];
        for (int i = 0; i < states.Length; i++)
        {
            BackupRequest request = Request(new MemoryDiskSource(states[i][0]), time: s_time.AddDays(i));
            if (i != 2) request = request with
            {
                Disks = [.. request.Disks,
                    new BackupDisk("scsi0", DiskRole.System, new MemoryDiskSource(states[i][1]))],
            };
            await source.BackupAsync(request, null, null, default);
        }
        await CopyAllAsync(source, destination);
        RestorePoint[] copies = [.. (await PointsAsync(destination)).Reverse()];
        for (int i = 0; i < states.Length; i++)
        {
            Assert.Equal(states[i][0], await RestoreAsync(destination, copies[i], "scsi1"));
            if (i != 2) Assert.Equal(states[i][1], await RestoreAsync(destination, copies[i], "scsi0"));
        }
        Assert.DoesNotContain(await CheckAsync(destination), r => r.Result == CheckOutcome.Failed);
    }

    [Fact]
    public async Task A_killed_copy_lists_nothing_and_is_gone_on_with()
    {
        byte[] disk = new byte[60 << 20];
        new Random(5).NextBytes(disk);
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b", CheckpointBytes = 8 << 20 };
        using Repository source = await from.CreateAsync();
        (await to.CreateAsync()).Dispose();
        await BackupAsync(source, disk);
        // Not after so many bytes: how far reading runs ahead of what is stored is the machine's business.
        bool hasCheckpoint = false;
        var watched = new HookStore(to.Store)
        {
            After = operation =>
            {
                if (operation.StartsWith("put ") && operation.Contains("/points/"))
                    Volatile.Write(ref hasCheckpoint, true);
                return Task.CompletedTask;
            },
        };
        using (Repository dying = await from.OpenAsync(new DyingStore(from.Store,
            _ => Volatile.Read(ref hasCheckpoint))))
        using (Repository there = await to.OpenAsync(watched))
            await Assert.ThrowsAsync<SimulatedCrashException>(() => CopyAllAsync(dying, there));
        using Repository destination = await to.OpenAsync();
        Assert.Empty(await PointsAsync(destination));
        PointCopy copy = Assert.Single(await CopyAllAsync(source, destination));
        Assert.InRange(copy.WrittenBytes, 1 << 20, 53 << 20);
        Assert.InRange(copy.SkippedBytes, 8 << 20, 59 << 20);
        Assert.Equal(disk, await RestoreAsync(destination, (await PointsAsync(destination))[0]));
        Assert.DoesNotContain(await CheckAsync(destination), r => r.Result == CheckOutcome.Failed);
        Assert.Single(await to.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/points/", default));
    }

    [Fact]
    public async Task A_copy_that_was_interrupted_is_gone_on_with_by_a_later_point_and_by_a_backup()
    {
        foreach (bool byBackup in new[] { false, true })
        {
            using var from = new RepositoryFixture();
            using var to = new RepositoryFixture { CheckpointBytes = 2 << 20 };
            using Repository source = await from.CreateAsync();
            (await to.CreateAsync()).Dispose();
            Dictionary<string, byte[]> states = await FillAsync(source, 2, 40 << 20);
            IReadOnlyList<RestorePoint> points = await PointsAsync(source);
            using (Repository dying = await from.OpenAsync(new DyingStore(from.Store, read => read > 10 << 20)))
            using (Repository there = await to.OpenAsync())
                await Assert.ThrowsAsync<SimulatedCrashException>(
                    () => new PointCopier(dying, there, null).CopyAsync(points[1], false, null, default));
            using Repository destination = await to.OpenAsync();
            byte[] third = Change(states[points[0].RestorePointId], 9, 9);
            if (byBackup) states[(await BackupAsync(destination, third)).RestorePointId] = third;
            await new PointCopier(source, destination, null).CopyAsync(points[0], false, null, default);
            await AssertCopiesAsync(destination, states, $"backup {byBackup}");
        }
    }

    [Fact]
    public async Task Damage_in_the_source_fails_its_points_only_and_is_noted_there()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        Dictionary<string, byte[]> states = await FillAsync(source, 3, 6 << 20);
        RestorePoint[] points = [.. (await PointsAsync(source)).Reverse()];
        // A byte in the middle of the pack that the second point added.
        string pack = (await from.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/",
            default)).First(o => o.Name.Contains(points[1].RestorePointId)).Name;
        byte[] good = await from.Store.ReadAllAsync(pack, default), bad = (byte[])good.Clone();
        bad[bad.Length / 2] ^= 4;
        await ReplaceAsync(from.Store, pack, bad);

        var failed = new List<(RestorePoint Point, NataliaException Error)>();
        using Repository reopened = await from.OpenAsync();
        List<PointCopy> copies = await CopyAllAsync(reopened, destination, onFailure: (p, e) => failed.Add((p, e)));
        Assert.Contains(failed, f => f.Point.RestorePointId == points[1].RestorePointId);
        Assert.All(failed, f => Assert.Equal((ErrorIds.RestorePointDamaged, pack), (f.Error.ErrorId, f.Error.Target)));
        Assert.Contains(points[1].RestorePointId, failed[0].Error.Message);
        Assert.Equal(points.Length - failed.Count, copies.Count);
        await AssertCopiesAsync(destination, states, "damaged source");
        Assert.Equal(copies.Count, (await PointsAsync(destination)).Count);
        // Nothing half-made lies around.
        Assert.All(await to.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/", default),
            o => Assert.Contains(copies, c => o.Name.Contains(c.RestorePointId!)));
        Assert.Single(await reopened.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default),
            r => r.Event == "damage-found");

        await ReplaceAsync(from.Store, pack, good);
        await CopyAllAsync(reopened, destination);
        Assert.Equal(3, (await PointsAsync(destination)).Count);
        await AssertCopiesAsync(destination, states, "healed source");
    }

    [Theory]
    [InlineData("a")]
    [InlineData(null)]
    public async Task A_whole_segment_that_is_not_the_one_meant_is_not_copied(string? password)
    {
        using var from = new RepositoryFixture { Password = password };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        byte[] disk = new byte[6 << 20];
        new Random(1).NextBytes(disk);
        await BackupAsync(source, disk, time: s_time);
        new Random(2).NextBytes(disk);
        await BackupAsync(source, disk, time: s_time.AddDays(1));
        // Two packs of equal shape change places, as a mistake of whoever restores a share from tape would have it.
        string[] packs = [.. (await from.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/", default))
            .Select(o => o.Name)];
        Assert.Equal(2, packs.Length);
        byte[] one = await from.Store.ReadAllAsync(packs[0], default),
            two = await from.Store.ReadAllAsync(packs[1], default);
        await ReplaceAsync(from.Store, packs[0], two);
        await ReplaceAsync(from.Store, packs[1], one);
        int failures = 0;
        using Repository reopened = await from.OpenAsync();
        Assert.Empty(await CopyAllAsync(reopened, destination, onFailure: (_, e) =>
        {
            Assert.Equal(ErrorIds.RestorePointDamaged, e.ErrorId);
            failures++;
        }));
        Assert.Equal(2, failures);
    }

    [Fact]
    public async Task Damage_in_the_destination_is_healed_by_the_next_copy()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        byte[] disk = Disk(6 << 20, 1);
        await BackupAsync(source, disk, time: s_time);
        PointCopy first = Assert.Single(await CopyAllAsync(source, destination));
        string pack = (await to.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/", default))[0].Name;
        byte[] bytes = await to.Store.ReadAllAsync(pack, default);
        bytes[bytes.Length / 2] ^= 1;
        await ReplaceAsync(to.Store, pack, bytes);
        using Repository reopened = await to.OpenAsync();
        Assert.Equal(CheckOutcome.Failed,
            (await reopened.VerifyRestorePointAsync((await PointsAsync(reopened))[0], null, default)).Result);
        disk = Change(disk, 1, 2);
        await BackupAsync(source, disk, time: s_time.AddDays(1));
        List<PointCopy> night = await CopyAllAsync(source, reopened);
        Assert.Equal([CopyStatus.Copied, CopyStatus.Copied], night.Select(c => c.Status));
        Assert.True(night[0].WrittenBytes > first.WrittenBytes / 2);
        Assert.True(night[1].WrittenBytes < first.WrittenBytes / 2);
        RestorePoint newest = (await PointsAsync(reopened))[0];
        Assert.Equal(CheckOutcome.Passed, (await reopened.VerifyRestorePointAsync(newest, null, default)).Result);
        Assert.Equal(disk, await RestoreAsync(reopened, newest));
        // Healed once: the night after is a small one again.
        await BackupAsync(source, Change(disk, 1, 3), time: s_time.AddDays(2));
        Assert.True((await CopyAllAsync(source, reopened))[2].WrittenBytes < first.WrittenBytes / 2);
    }

    [Fact]
    public async Task What_was_removed_from_the_destination_does_not_come_back_unless_asked()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        Dictionary<string, byte[]> states = await FillAsync(source, 3, 2 << 20);
        await CopyAllAsync(source, destination);
        RestorePoint oldest = (await PointsAsync(destination))[2];
        await destination.RemoveRestorePointAsync(oldest, "retention", default);
        Assert.Equal(CopyStatus.RemovedThere, (await CopyAllAsync(source, destination))[0].Status);
        await destination.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        using Repository reopened = await to.OpenAsync();
        PointCopy skipped = (await CopyAllAsync(source, reopened))[0];
        Assert.Equal((CopyStatus.RemovedThere, (string?)null), (skipped.Status, skipped.RestorePointId));
        Assert.Equal([CopyStatus.Copied, CopyStatus.AlreadyThere, CopyStatus.AlreadyThere],
            (await CopyAllAsync(source, reopened, again: true)).Select(c => c.Status));
        Assert.Equal(3, (await PointsAsync(reopened)).Count);
        await AssertCopiesAsync(reopened, states, "again");
    }

    [Fact]
    public async Task A_point_is_known_again_wherever_it_goes()
    {
        using var a = new RepositoryFixture { Password = "a" };
        using var b = new RepositoryFixture { Password = "b" };
        using var c = new RepositoryFixture { Password = "c" };
        using Repository first = await a.CreateAsync(), second = await b.CreateAsync(), third = await c.CreateAsync();
        Dictionary<string, byte[]> states = await FillAsync(first, 3, 2 << 20);
        await CopyAllAsync(first, second);
        Assert.All(await CopyAllAsync(second, third), p => Assert.Equal(CopyStatus.Copied, p.Status));
        Assert.All(await PointsAsync(third), p => Assert.Equal(first.RepositoryId, p.OriginalRepositoryId));
        await AssertCopiesAsync(third, states, "copy of a copy");
        foreach ((Repository from, Repository to) in new[] { (first, third), (third, first), (second, first) })
            Assert.All(await CopyAllAsync(from, to), p => Assert.Equal(CopyStatus.AlreadyThere, p.Status));
        // A lost site comes back from its copies, and goes on from there.
        using var d = new RepositoryFixture { Password = "d" };
        using Repository fresh = await d.CreateAsync();
        await CopyAllAsync(third, fresh);
        await AssertCopiesAsync(fresh, states, "back home");
        Assert.DoesNotContain(await third.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default),
            r => r.Event == "point-copied" && !r.Data!.Contains(fresh.RepositoryId));
    }

    [Fact]
    public async Task Backups_and_copies_live_side_by_side_and_no_token_of_the_source_is_used()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        var states = new Dictionary<string, byte[]>();
        byte[] one = Disk(10 << 20, 1), two = Change(one, 5, 2), three = Change(two, 5, 3);
        var known = new Dictionary<string, byte[]> { ["t1"] = one, ["t2"] = two, ["t3"] = three };
        async Task<RestorePoint> TrackedAsync(Repository repository, string token,
            Func<string, ChangedExtents>? answer = null)
        {
            RestorePoint made =
                await repository.BackupAsync(
                    Request(new TrackedMemoryDiskSource(known[token], token, known) { Answer = answer },
                time: s_time.AddDays(states.Count)),
                null, null, default);
            states[made.RestorePointId] = known[token];
            return made;
        }
        await TrackedAsync(source, "t1");
        await TrackedAsync(source, "t2");
        await CopyAllAsync(source, destination);
        // A tracker that would lie about the source's tokens is not asked for them.
        RestorePoint own = await TrackedAsync(destination, "t3", _ => new ChangedExtents([]));
        Assert.Equal(BackupType.Full, own.Type);
        Assert.Contains("copied from another repository", own.Reason);
        Assert.True(own.StoredBytes < 2 << 20, $"{own.StoredBytes} bytes stored");
        known["t4"] = Change(three, 4, 4);
        Assert.Equal(BackupType.Incremental, (await TrackedAsync(destination, "t4")).Type);
        await TrackedAsync(source, "t4");
        await CopyAllAsync(source, destination);
        await AssertCopiesAsync(destination, states, "side by side");
        Assert.Equal(5, (await PointsAsync(destination)).Count);
        // And the other way round.
        Assert.Equal(2, (await CopyAllAsync(destination, source)).Count(c => c.Status == CopyStatus.Copied));
        await AssertCopiesAsync(source, states, "back");
    }

    [Fact]
    public async Task Protection_goes_along_and_both_logs_tell_of_the_copy()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        await FillAsync(source, 2, 1 << 20);
        RestorePoint first = (await PointsAsync(source))[1];
        await source.SetProtectionAsync(first, true, "evidence", default);
        List<PointCopy> copies = await CopyAllAsync(source, destination);
        Assert.Equal([false, true], (await PointsAsync(destination)).Select(p => p.IsProtected));
        AuditRecord made = Assert.Single(await destination.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e,
            default),
            r => r.RestorePointId == copies[0].RestorePointId && r.Event == "point-made");
        Assert.Contains(source.RepositoryId, made.Data);
        Assert.Contains(first.RestorePointId, made.Data);
        AuditRecord told = Assert.Single(await source.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e,
            default),
            r => r.RestorePointId == first.RestorePointId && r.Event == "point-copied");
        Assert.Contains(destination.RepositoryId, told.Data);
        Assert.Contains(copies[0].RestorePointId!, told.Data);
        foreach (Repository repository in new[] { source, destination })
            Assert.All(await repository.VerifyAuditAsync(new AuditExpectations(), default),
                r => Assert.Equal(CheckOutcome.Passed, r.Result));
    }

    [Fact]
    public async Task A_point_that_was_protected_after_it_was_listed_arrives_protected()
    {
        using var from = new RepositoryFixture();
        using var to = new RepositoryFixture();
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync();
        await FillAsync(source, 1, 1 << 20);
        RestorePoint listed = (await PointsAsync(source))[0];
        await source.SetProtectionAsync(listed, true, "evidence", default);
        await new PointCopier(source, destination, null).CopyAsync(listed, false, null, default);
        Assert.True((await PointsAsync(destination))[0].IsProtected);
    }

    [Fact]
    public async Task A_source_that_may_only_be_read_is_copied_from_and_says_what_it_did_not_take()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using (Repository filling = await from.CreateAsync()) await FillAsync(filling, 2, 1 << 20);
        using Repository source = await from.OpenAsync(new ReadOnlyStore(from.Store)),
            destination = await to.CreateAsync();
        var trouble = new List<NataliaException>();
        Assert.Equal(2, (await CopyAllAsync(source, destination, onTrouble: trouble.Add)).Count);
        Assert.All(trouble, t => Assert.Equal(ErrorIds.StoreAccessDenied, t.ErrorId));
        Assert.Equal(2, trouble.Count);
        // The next run, with the right to write, makes up for the newest.
        using Repository writable = await from.OpenAsync();
        await CopyAllAsync(writable, destination);
        Assert.Single(await writable.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default),
            r => r.Event == "point-copied" && r.Data!.Contains("late"));
        await CopyAllAsync(writable, destination);
        Assert.Single(await writable.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default),
            r => r.Event == "point-copied");
        NataliaException refused =
            await Assert.ThrowsAsync<NataliaException>(() => CopyAllAsync(destination, source, again: true)
                .ContinueWith(_ => BackupAsync(source, Disk(100_000, 1))).Unwrap());
        Assert.Equal(ErrorIds.StoreAccessDenied, refused.ErrorId);
    }

    [Fact]
    public async Task What_cannot_be_copied_is_refused_with_its_own_error()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync(),
            twin = await from.OpenAsync();
        await FillAsync(source, 1, 1 << 20);
        RestorePoint point = (await PointsAsync(source))[0];
        Assert.Equal(ErrorIds.CopyOntoItself,
            Assert.Throws<NataliaException>(() => new PointCopier(source, twin, null)).ErrorId);
        using Repository locked = await Repository.OpenAsync(new FaultStore(to.Store), null, to.Options, default);
        Assert.Equal(ErrorIds.PasswordRequired,
            Assert.Throws<NataliaException>(() => new PointCopier(source, locked, null)).ErrorId);
        Assert.Equal(ErrorIds.PasswordRequired,
            Assert.Throws<NataliaException>(() => new PointCopier(locked, source, null)).ErrorId);

        async Task<string> ErrorAsync(Repository there, RestorePoint what) =>
            (await Assert.ThrowsAsync<NataliaException>(
                () => new PointCopier(source, there, null).CopyAsync(what, false, null, default))).ErrorId;
        Assert.Equal(ErrorIds.RestorePointNotFound,
            await ErrorAsync(destination, point with { RestorePointId = new string('a', 32) }));
        using (Repository full = await to.OpenAsync(new RefusingStore(to.Store, ErrorIds.StoreFull)))
            Assert.Equal(ErrorIds.StoreFull, await ErrorAsync(full, point));
        using (Repository denied = await to.OpenAsync(new RefusingStore(to.Store, ErrorIds.StoreAccessDenied)))
            Assert.Equal(ErrorIds.StoreAccessDenied, await ErrorAsync(denied, point));
        Assert.Empty(await PointsAsync(destination));
        Assert.Empty(await to.Store.ListAllAsync("appliances/" + Appliance.ApplianceId + "/data/", default));

        // In an archive class nothing can be read; that is no damage, and nothing is noted.
        using (Repository archived = await from.OpenAsync(new ArchivedStore(from.Store)))
            Assert.Equal(ErrorIds.ObjectArchived,
                (await Assert.ThrowsAsync<NataliaException>(
                    () => new PointCopier(archived, destination, null).CopyAsync(point, false, null,
                        default))).ErrorId);

        // A run holds the destination; one that holds the source is in nobody's way.
        var hang = new TaskCompletionSource<bool>();
        var entered = new TaskCompletionSource<bool>();
        async Task HangAsync(CancellationToken _)
        {
            entered.TrySetResult(true);
            await hang.Task;
        }
        using Repository busy = await to.OpenAsync();
        Task<RestorePoint> running = busy.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 1))), HangAsync, null,
            default);
        await entered.Task;
        Assert.Equal(ErrorIds.LeaseHeld, await ErrorAsync(destination, point));
        hang.SetResult(true);
        await running;
        entered = new TaskCompletionSource<bool>();
        hang = new TaskCompletionSource<bool>();
        running = twin.BackupAsync(Request(new MemoryDiskSource(Disk(1 << 20, 7))), HangAsync, null, default);
        await entered.Task;
        Assert.Equal(CopyStatus.Copied,
            (await new PointCopier(source, destination, null).CopyAsync(point, false, null, default)).Status);
        hang.SetResult(true);
        await running;
    }

    [Fact]
    public async Task Two_copies_of_one_point_at_once_make_one()
    {
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture { Password = "b" };
        using Repository source = await from.CreateAsync(), destination = await to.CreateAsync(),
            other = await to.OpenAsync();
        await FillAsync(source, 1, 1 << 20);
        RestorePoint point = (await PointsAsync(source))[0];
        PointCopier slow = new(source, destination, null), quick = new(source, other, null);
        Assert.Null(await slow.FindAsync(point, false, default));
        await quick.CopyAsync(point, false, null, default);
        Assert.Equal(CopyStatus.AlreadyThere, (await slow.CopyAsync(point, false, null, default)).Status);
        Assert.Single(await PointsAsync(destination));
    }

    [Fact]
    public async Task Copies_in_an_immutable_repository_are_locked_as_backups_are()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(s_time));
        using var store = new MemoryStore(clock, objectLock: true);
        using var from = new RepositoryFixture { Password = "a" };
        using var to = new RepositoryFixture(store) { Password = "b", Clock = clock };
        using Repository source = await from.CreateAsync();
        using (await Repository.CreateAsync(new FaultStore(store), Secret("b"),
            to.Options with { Immutability = new ImmutabilityPolicy(30) }, default)) { }
        byte[] disk = Disk(5 << 20, 1);
        for (int day = 0; day < 25; day++)
        {
            await BackupAsync(source, disk = Change(disk, 2, day), time: s_time.AddDays(day));
            using Repository destination = await to.OpenAsync();
            PointCopy copy = (await CopyAllAsync(source, destination))[day];
            Assert.True(copy.ImmutableUntilUtc >= clock.GetUtcNow().UtcDateTime.AddDays(30),
                $"day {day}: {copy.ImmutableUntilUtc:o}");
            var log = new FaultStore(store);
            using Repository reader = await to.OpenAsync(log);
            RestorePoint point = (await PointsAsync(destination))[0];
            Assert.Equal(disk, await RestoreAsync(reader, point));
            foreach (string name in log.Log.Where(l => !l.StartsWith("list", StringComparison.Ordinal))
                .Select(l => l.Split(' ')[1]).Where(n => !n.Contains("/leases/") && !n.Contains("log/")).Distinct())
                Assert.True(await store.GetRetainUntilAsync(name, default) >= point.ImmutableUntilUtc,
                    $"day {day}: {name}");
            if (day == 24)
                Assert.Equal(ErrorIds.RestorePointLocked,
                    (await Assert.ThrowsAsync<NataliaException>(
                        () => reader.RemoveRestorePointAsync(point, "a test", default))).ErrorId);
            clock.Advance(TimeSpan.FromDays(1));
        }
    }

    private static async Task ReplaceAsync(IObjectStore store, string name, byte[] bytes)
    {
        await store.DeleteAsync(name, default);
        await store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
    }

    /// <summary>The process dies as it reads packs, when the bytes of them that it has asked for are enough.</summary>
    private sealed class DyingStore(IObjectStore inner, Func<long, bool> isEnough) : WrappedStore(new FaultStore(inner))
    {
        private long _read;

        public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken) =>
            name.Contains("/data/") && isEnough(Interlocked.Add(ref _read, buffer.Length))
                ? throw new SimulatedCrashException(name)
                : base.ReadAsync(name, offset, buffer, cancellationToken);
    }

    private sealed class ReadOnlyStore(IObjectStore inner) : WrappedStore(new FaultStore(inner))
    {
        public override Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken) =>
            throw new NataliaException(ErrorIds.StoreAccessDenied, NataliaErrorKind.PermissionDenied,
                "This may only be read.", name);
    }

    private sealed class RefusingStore(IObjectStore inner, string errorId) : WrappedStore(new FaultStore(inner))
    {
        public override Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken) =>
            options.Class == ObjectClass.Data
            ? throw new NataliaException(errorId, NataliaErrorKind.WriteFailed, "Refused, on purpose.",
                name) : base.PutAsync(name, content, options, cancellationToken);
    }

    private sealed class ArchivedStore(IObjectStore inner) : WrappedStore(new FaultStore(inner))
    {
        public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken) =>
            name.Contains("/data/")
            ? throw new NataliaException(ErrorIds.ObjectArchived, NataliaErrorKind.ResourceUnavailable,
                "It is archived, on purpose.", name) : base.ReadAsync(name, offset, buffer, cancellationToken);
    }
}
