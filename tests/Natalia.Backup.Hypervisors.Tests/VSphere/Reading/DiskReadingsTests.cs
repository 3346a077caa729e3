using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Reading;

/// <summary>
/// The two ways to the bytes. The files and their ranges are served by govmomi's simulator; change tracking, exports,
/// locks and who may read what are our handler's model.
/// </summary>
public sealed class DiskReadingsTests
{
    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Ranges_of_the_flat_files_are_the_first_way_and_give_the_frozen_bytes(bool isCenter)
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync(isCenter);
        FrozenMachine frozen = await bench.FreezeAsync();
        byte[][] before = [.. bench.Contents.Select(c => (byte[])c.Clone())];
        bench.Write(0, 3_000_000, new byte[] { 1, 2, 3 });
        await using (IDiskReading reading = await bench.Readings.OpenAsync(frozen, default))
        {
            for (int i = 0; i < 2; i++)
            {
                IDiskSource disk = reading.GetDisk(frozen.Disks[i].DiskId);
                Assert.Equal(ReadMethod.RangedHttp, ((IReadMethodSource)disk).ReadMethod);
                Assert.False(((IOrderedDiskSource)disk).IsOrdered);
                Same(before[i], await FrozenFixture.ReadAsync(disk));
            }
            Assert.Empty(reading.Warnings);
            Assert.Equal(ErrorIds.DiskNotFound,
                Assert.Throws<NataliaException>(() => reading.GetDisk("scsi3:9")).ErrorId);
        }
        await bench.ReleaseAsync(frozen);
    }

    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_export_gives_the_same_bytes_and_is_told(bool isCenter)
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync(isCenter);
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        await using (IDiskReading reading = await bench.Readings.OpenAsync(frozen, default))
        {
            Assert.Contains("Datastore.FileManagement", Assert.Single(reading.Warnings));
            for (int i = 0; i < 2; i++)
            {
                IDiskSource disk = reading.GetDisk(frozen.Disks[i].DiskId);
                Assert.Equal(ReadMethod.NfcExport, ((IReadMethodSource)disk).ReadMethod);
                Assert.True(((IOrderedDiskSource)disk).IsOrdered);
                Same(bench.Contents[i], await FrozenFixture.ReadAsync(disk));
            }
        }
        Assert.Contains("HttpNfcLeaseComplete", bench.Server.Calls());
        Assert.Equal(0, bench.Clock.Waiting);
        await bench.ReleaseAsync(frozen);
    }

    [VSphereFact]
    public async Task The_way_that_works_for_a_host_is_not_looked_for_again()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        await (await bench.Readings.OpenAsync(frozen, default)).DisposeAsync();
        bench.Server.Do("clear");

        await (await bench.Readings.OpenAsync(frozen, default)).DisposeAsync();

        Assert.DoesNotContain(bench.Server.Calls(), c => c.StartsWith("GET /folder/", StringComparison.Ordinal));
    }

    [VSphereTheory]
    [InlineData("whole", "", 0, "whole file")]
    [InlineData("before", "status", 404, "is not there as a file")]
    public async Task What_is_given_as_a_whole_or_is_no_file_is_read_by_an_export(string when, string action,
        int status, string said)
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Fail("GET /folder/", when, action, ("status", status), ("times", 1));
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);

        Assert.Contains(said, Assert.Single(reading.Warnings));
        IDiskSource disk = reading.GetDisk(frozen.Disks[0].DiskId);
        Assert.Equal(ReadMethod.NfcExport, ((IReadMethodSource)disk).ReadMethod);
        Same(bench.Contents[0], await FrozenFixture.ReadAsync(disk));
    }

    [VSphereTheory]
    [InlineData("whole", "", 0, "(200)")]
    [InlineData("before", "status", 404, "was moved")]
    public async Task A_whole_file_or_none_in_the_middle_fails_the_read_and_says_which(string when, string action,
        int status, string said)
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);
        bench.Server.Fail("GET /folder/", when, action, ("status", status), ("times", 1));

        NataliaException e = await ReadFailsAsync(reading, frozen);

        Assert.Contains(said, e.Message);
    }

    [VSphereFact]
    public async Task A_locked_file_and_broken_connections_are_waited_for_and_not_for_ever()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);
        IDiskSource disk = reading.GetDisk(frozen.Disks[0].DiskId);
        bench.Server.Fail("GET /folder/", "before", "status", ("status", 500), ("times", 3));
        bench.Server.Fail("GET /folder/", "before", "drop", ("times", 2));
        Same(bench.Contents[0], await FrozenFixture.ReadAsync(disk));
        Assert.NotEmpty(bench.Clock.Skipped);

        bench.Server.Fail("GET /folder/", "before", "status", ("status", 500), ("times", 99));
        NataliaException e = await ReadFailsAsync(reading, frozen);
        Assert.Contains("somebody else holds it", e.Message);
    }

    [VSphereFact]
    public async Task A_session_that_ends_meanwhile_is_renewed()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);
        bench.Server.Do("expire");

        Same(bench.Contents[0], await FrozenFixture.ReadAsync(reading.GetDisk(frozen.Disks[0].DiskId)));
    }

    [VSphereTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_session_is_kept_alive_as_long_as_disks_are_read(bool isExport)
    {
        var every = TimeSpan.FromMinutes(2);
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        if (isExport) bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        await using (IDiskReading reading = await bench.Readings.OpenAsync(frozen, default))
        {
            bench.Server.Do("clear");
            for (int i = 1; i <= 2; i++)
            {
                await UntilAsync(() => bench.Clock.WaitingFor(every) == 1);
                bench.Clock.Pass(every);
                int told = i;
                await UntilAsync(() => bench.Server.Calls().Count(c => c == "CurrentTime") == told);
            }
            await UntilAsync(() => bench.Clock.WaitingFor(every) == 1);
        }
        Assert.Equal(0, bench.Clock.WaitingFor(every));
    }

    [VSphereFact]
    public async Task A_host_gets_four_requests_at_once_however_many_are_wanted()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        await using (IDiskReading reading = await bench.Readings.OpenAsync(frozen, default))
        {
            bench.Server.Do("clear");
            bench.Server.Fail("GET /folder/", "before", "wait", ("wait", 300), ("times", 99));
            await Task.WhenAll(Enumerable.Range(0, 16).Select(i => reading.GetDisk(frozen.Disks[i % 2].DiskId)
                .ReadAsync(i * 4096, new byte[4096], default).AsTask()));
        }
        await bench.ReleaseAsync(frozen);

        Assert.Equal((4, 0), (bench.Server.MostReads, bench.Server.ReadsAtRemoval));
    }

    [VSphereTheory]
    [InlineData("VMFS", true)]
    [InlineData("vsan", false)]
    public async Task What_was_never_allocated_is_not_read_where_the_datastore_knows_that(string type, bool isKnown)
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync(true, "-datastore-type", type);
        FrozenMachine frozen = await bench.FreezeAsync();
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);
        long bytes = 0;
        IDiskSource disk = reading.GetDisk(frozen.Disks[0].DiskId);
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(default))
            bytes += extent.Length;

        Assert.Equal(isKnown, bytes < frozen.Disks[0].SizeBytes / 2);
        // A datastore that keeps no files is read by an export, and its bytes are the disk's.
        Assert.Equal(isKnown ? ReadMethod.RangedHttp : ReadMethod.NfcExport, ((IReadMethodSource)disk).ReadMethod);
        Same(bench.Contents[0], await FrozenFixture.ReadAsync(disk));
    }

    [VSphereFact]
    public async Task A_vm_with_snapshots_of_others_is_read_by_an_export_and_as_it_is_now()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        await bench.FreezeAsync();
        bench.Write(0, 500_000, new byte[] { 9, 8, 7 });
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Write(0, 600_000, new byte[] { 9, 8, 7 });
        byte[] expected = (byte[])bench.Contents[0].Clone();
        expected.AsSpan(600_000, 3).Clear();
        RepositoryBytes(expected);
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);

        Assert.Contains("had snapshots before", Assert.Single(reading.Warnings));
        Same(expected, await FrozenFixture.ReadAsync(reading.GetDisk(frozen.Disks[0].DiskId)));

        static void RepositoryBytes(byte[] disk) =>
            RepositoryFixture.Disk(1_000_000, 40).AsSpan(530_000, 3).CopyTo(disk.AsSpan(600_000));
    }

    [VSphereFact]
    public async Task A_lease_that_ends_in_the_middle_fails_the_read_and_never_gives_zeros()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        bench.Server.Fail("GET /nfc/", "middle", "", ("skip", 5), ("times", 1));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
        {
            await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);
            await FrozenFixture.ReadAsync(reading.GetDisk(frozen.Disks[0].DiskId));
        });

        Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        Assert.Contains("goes on from there", e.RecommendedAction);
        await bench.ReleaseAsync(frozen);
    }

    [VSphereFact]
    public async Task Progress_is_told_by_the_clock_also_while_nothing_moves()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        await using IDiskReading reading = await bench.Readings.OpenAsync(frozen, default);
        for (int i = 1; i <= 3; i++)
        {
            bench.Clock.Pass();
            int told = i;
            await UntilAsync(() => bench.Server.Calls().Count(c => c == "HttpNfcLeaseProgress") >= told
                && bench.Clock.Waiting >= 1);
        }
        bench.Server.Fail("HttpNfcLeaseProgress", "before", "fault", ("name", "Timedout"));
        bench.Clock.Pass();
        await UntilAsync(() => bench.Server.Calls().Count(c => c == "HttpNfcLeaseProgress") >= 4);
    }

    [VSphereFact]
    public async Task When_neither_way_leads_there_the_error_says_what_to_change()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        bench.Server.Do("deny", ("privilege", "VApp.Export"));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            bench.Readings.OpenAsync(frozen, default));

        Assert.Equal(ErrorIds.ReadMethodMissing, e.ErrorId);
        Assert.Contains("Datastore.FileManagement", e.Message);
        Assert.Contains("VApp.Export", e.RecommendedAction);
        Assert.Equal(0, bench.Clock.Waiting);
    }

    [VSphereFact]
    public async Task A_firewall_before_the_hosts_is_named_when_the_other_way_is_shut_too()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine frozen = await bench.FreezeAsync();
        bench.Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        bench.Server.Fail("GET /nfc/", "before", "drop", ("times", 9));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            bench.Readings.OpenAsync(frozen, default));

        Assert.Equal(ErrorIds.ReadMethodMissing, e.ErrorId);
        Assert.Contains("port 443 of every ESXi host", e.RecommendedAction, StringComparison.Ordinal);
        await bench.ReleaseAsync(frozen);
    }

    [VSphereFact]
    public async Task What_changed_is_counted_from_an_earlier_state_in_many_answers()
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine first = await bench.FreezeAsync();
        string since;
        byte[] state;
        await using (IDiskReading reading = await bench.Readings.OpenAsync(first, default))
        {
            var disk = (IChangeTrackingSource)reading.GetDisk(first.Disks[0].DiskId);
            since = disk.TrackingToken!;
            state = await FrozenFixture.ReadAsync(disk);
        }
        for (int i = 0; i < 11; i++) bench.Write(0, i * 400_000 + 11, new byte[] { 1, (byte)i });
        await bench.ReleaseAsync(first);
        FrozenMachine second = await bench.FreezeAsync();
        await using (IDiskReading reading = await bench.Readings.OpenAsync(second, default))
        {
            var disk = (IChangeTrackingSource)reading.GetDisk(second.Disks[0].DiskId);
            ChangedExtents changed = await disk.GetChangedExtentsAsync(since, default);
            Assert.InRange(changed.Extents!.Count, 5, 11);
            Assert.InRange(changed.Extents.Sum(e => e.Length), 11, 11 * 2 * 65536);
            foreach (Extent extent in changed.Extents)
                await disk.ReadAsync(extent.Offset, state.AsMemory((int)extent.Offset, (int)extent.Length), default);
            Assert.True(bench.Contents[0].AsSpan().SequenceEqual(state));
        }
        Assert.True(bench.Server.Calls().Count(c => c == "QueryChangedDiskAreas") >= 4);

        bench.Server.Do("reset", ("vm", bench.Machine.Id));
        await bench.ReleaseAsync(second);
        FrozenMachine third = await bench.FreezeAsync();
        await using (IDiskReading reading = await bench.Readings.OpenAsync(third, default))
        {
            var disk = (IChangeTrackingSource)reading.GetDisk(third.Disks[0].DiskId);
            Assert.Contains("anew", (await disk.GetChangedExtentsAsync(since, default)).Reason);
        }
    }

    [VSphereTheory]
    [InlineData("overlap")]
    [InlineData("unsorted")]
    [InlineData("zero")]
    [InlineData("beyond")]
    [InlineData("empty")]
    [InlineData("elsewhere")]
    public async Task An_odd_answer_about_changes_is_a_reason_and_one_about_allocation_means_everything(string how)
    {
        await using FrozenFixture bench = await FrozenFixture.StartAsync();
        FrozenMachine first = await bench.FreezeAsync();
        string since;
        await using (IDiskReading reading = await bench.Readings.OpenAsync(first, default))
            since = ((IChangeTrackingSource)reading.GetDisk(first.Disks[0].DiskId)).TrackingToken!;
        await bench.ReleaseAsync(first);
        FrozenMachine second = await bench.FreezeAsync();
        await using (IDiskReading reading = await bench.Readings.OpenAsync(second, default))
        {
            var disk = (IChangeTrackingSource)reading.GetDisk(second.Disks[0].DiskId);
            bench.Server.Fail("QueryChangedDiskAreas", "answer", "", ("name", how));
            ChangedExtents changed = await disk.GetChangedExtentsAsync(since, default);
            Assert.Null(changed.Extents);
            Assert.StartsWith("Of disk 'scsi0:0' everything was read: the ", changed.Reason);
            bench.Server.Fail("QueryChangedDiskAreas", "answer", "", ("name", how));
            Same(bench.Contents[0], await FrozenFixture.ReadAsync(disk));
        }
    }

    private static void Same(byte[] expected, byte[] read) => Assert.True(expected.AsSpan().SequenceEqual(read));

    private static async Task<NataliaException> ReadFailsAsync(IDiskReading reading, FrozenMachine frozen)
    {
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => reading.GetDisk(frozen.Disks[0].DiskId)
            .ReadAsync(1 << 20, new byte[8192], default).AsTask());
        Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        return e;
    }

    /// <summary>Waits for something that another thread brings about.</summary>
    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!isSo()) await Task.Delay(10, limit.Token);
    }
}
