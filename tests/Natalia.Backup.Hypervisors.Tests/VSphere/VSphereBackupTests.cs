using System.Diagnostics;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Tests.VSphere.Reading;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere;

/// <summary>
/// A repository and a simulated server together. Sessions, tasks and ranges of files are govmomi's; change tracking,
/// exports and frozen disks are our handler's model.
/// </summary>
public sealed class VSphereBackupTests : IDisposable
{
    private const string Disk = "scsi0:0";

    private readonly Random _random = new(16);
    private readonly SparseDisk _content = new();
    private RepositoryFixture _repository = new();
    private SimulatedVSphere? _server;

    public void Dispose()
    {
        _repository.Dispose();
        _server?.Dispose();
    }

    [VSphereTheory]
    [InlineData(true, ReadMethod.RangedHttp)]
    [InlineData(true, ReadMethod.NfcExport)]
    [InlineData(false, ReadMethod.RangedHttp)]
    public async Task A_full_and_three_incrementals_of_a_disk_above_4_GiB_restore_bit_for_bit(bool isCenter,
        ReadMethod way)
    {
        await StartAsync(5 * 1024 + 1, isCenter);
        if (way == ReadMethod.NfcExport) Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        using Repository repository = await _repository.CreateAsync();
        Write(0, 300_000);
        Write((4L << 30) + 12_345, 700_000);
        Write((5L << 30) + (1 << 20) - 600, 600);
        var states = new List<(RestorePoint Point, SparseDisk State)>();
        for (int i = 0; i < 4; i++)
        {
            if (i > 0)
            {
                Write(_random.NextInt64(5L << 30), 200_000);
                Write((4L << 30) - 1000 + i, 5000);
            }
            SparseDisk state = _content.Clone();
            RestorePoint point = await RunAsync(repository, onFrozen: () => Write(77_777, 1000));
            Assert.Equal(i == 0 ? BackupType.Full : BackupType.Incremental, point.Type);
            Assert.Equal(way, point.ReadMethod);
            states.Add((point, state));
        }
        foreach ((RestorePoint point, SparseDisk state) in states)
        {
            using SparseDisk.Target target = state.Compare();
            await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(Disk, target, null, default);
            target.AssertSame();
        }
        Assert.Empty(Server.Snapshots(Server.Appliance));
        Assert.InRange(Server.MostReads, 1, 4);
        Assert.Equal(0, Server.ReadsAtRemoval);
    }

    [VSphereFact]
    public async Task An_incremental_of_1_TiB_costs_what_changed_in_requests_and_bytes()
    {
        await StartAsync(1 << 20, true, "-areas", "2000");
        using Repository repository = await _repository.CreateAsync();
        Write(0, 1 << 20);
        await RunAsync(repository);
        var costs = new List<(int Requests, long Bytes, TimeSpan Time)>();
        foreach (int places in new[] { 3, 25 })
        {
            for (int i = 0; i < places; i++) Write(i * (40L << 30) + places * (1L << 30), 4 << 20);
            Server.Do("clear");
            var watch = Stopwatch.StartNew();
            RestorePoint point = await RunAsync(repository);
            watch.Stop();
            Assert.Equal(BackupType.Incremental, point.Type);
            costs.Add((Server.Calls().Count(c => c.StartsWith("GET /folder/", StringComparison.Ordinal)),
                point.ReadBytes!.Value, watch.Elapsed));
        }

        // One probe; a change of 4 MiB lies in one leaf of the map.
        Assert.Equal((1 + 3, 3L * (4 << 20)), (costs[0].Requests, costs[0].Bytes));
        Assert.Equal((1 + 25, 25L * (4 << 20)), (costs[1].Requests, costs[1].Bytes));
        Assert.True(costs[1].Time < TimeSpan.FromMinutes(1), $"{costs[1].Time}");
    }

    [VSphereFact]
    public async Task A_lease_that_ends_keeps_what_is_done_and_the_next_run_goes_on_from_it()
    {
        await StartAsync(64);
        Server.Do("deny", ("privilege", "Datastore.FileManagement"));
        _repository = new RepositoryFixture { CheckpointBytes = 4 << 20, Workers = 2 };
        using Repository repository = await _repository.CreateAsync();
        for (int i = 0; i < 6; i++) Write(i * (10 << 20), 8 << 20);
        Server.Fail("GET /nfc/", "middle", "", ("skip", 600), ("times", 1));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository));
        Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        Assert.Empty(Server.Snapshots(Server.Appliance));
        Assert.Equal(0, Server.ReadsAtRemoval);
        Assert.Empty(await RepositoryFixture.PointsAsync(repository));
        RestorePoint point = await RunAsync(repository);

        // 48 MiB of the disk are not zeros, and most of them were stored by the run before.
        Assert.InRange(point.StoredBytes!.Value, 1, 40 << 20);
        await AssertSameAsync(repository, point, _content);
    }

    [VSphereFact]
    public async Task A_full_tells_when_change_tracking_has_lost_a_change()
    {
        await StartAsync(64);
        using Repository repository = await _repository.CreateAsync();
        Write(1 << 20, 100_000);
        await RunAsync(repository);
        Write(40 << 20, 100);
        Server.Fail("QueryChangedDiskAreas", "forget", "");
        RestorePoint wrong = await RunAsync(repository);
        Assert.Equal(BackupType.Incremental, wrong.Type);

        RestorePoint full = await RunAsync(repository, type: RequestedBackupType.Full);

        Assert.Equal(BackupType.Full, full.Type);
        Assert.Contains($"the first at byte {40 << 20}", full.TrackingFault, StringComparison.Ordinal);
        Assert.Contains("-EnableChangeTracking", full.TrackingFault, StringComparison.Ordinal);
        await AssertSameAsync(repository, full, _content);
        Assert.Null((await RunAsync(repository, type: RequestedBackupType.Full)).TrackingFault);
    }

    [VSphereTheory]
    [InlineData("reset", "begun its change tracking anew")]
    [InlineData("overlap", "overlap")]
    [InlineData("beyond", "beyond the disk")]
    [InlineData("fault", "no longer knows the state")]
    [InlineData("grown", "was resized")]
    public async Task Every_reason_to_doubt_makes_a_full_that_tells_it(string doubt, string reason)
    {
        await StartAsync(16);
        using Repository repository = await _repository.CreateAsync();
        Write(1 << 20, 100_000);
        await RunAsync(repository);
        Write(5 << 20, 100_000);
        string vm = Server.Appliance.Id;
        switch (doubt)
        {
            case "reset": Server.Do("reset", ("vm", vm)); break;
            case "grown": Server.Do("disk", ("vm", vm), ("disk", 0), ("capacity", 20 << 20)); break;
            case "fault": Server.Fail("QueryChangedDiskAreas", "before", "fault", ("name", "FileFault")); break;
            default: Server.Fail("QueryChangedDiskAreas", "answer", "", ("name", doubt)); break;
        }

        RestorePoint point = await RunAsync(repository);

        Assert.Equal(BackupType.Full, point.Type);
        Assert.Contains(reason, point.Reason, StringComparison.Ordinal);
        await AssertSameAsync(repository, point, _content);
        Assert.Equal(BackupType.Incremental, (await RunAsync(repository)).Type);
    }

    [VSphereFact]
    public async Task Sessions_that_end_and_connections_that_break_are_lived_through()
    {
        await StartAsync(64);
        using Repository repository = await _repository.CreateAsync();
        for (int i = 0; i < 5; i++) Write(i * (10 << 20), 1 << 20);
        Server.Fail("GET /folder/", "before", "drop", ("skip", 2), ("times", 2));
        Server.Fail("GET /folder/", "before", "status", ("status", 503), ("skip", 3), ("times", 1));

        RestorePoint point = await RunAsync(repository, onFrozen: () => Server.Do("expire"));

        await AssertSameAsync(repository, point, _content);
        Assert.Empty(Server.Snapshots(Server.Appliance));
    }

    [VSphereFact]
    public async Task A_host_that_stays_away_fails_the_run_and_leaves_nothing()
    {
        await StartAsync(16);
        using Repository repository = await _repository.CreateAsync();
        Write(1 << 20, 100_000);
        Server.Fail("GET /folder/", "before", "drop", ("skip", 1), ("times", 1000));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => RunAsync(repository));

        Assert.Equal(ErrorIds.DiskReadFailed, e.ErrorId);
        Assert.Empty(Server.Snapshots(Server.Appliance));
        Assert.Equal(0, Server.ReadsAtRemoval);
        Assert.Empty(await RepositoryFixture.PointsAsync(repository));
    }

    /// <summary>A request that the server still thinks about is ended before the snapshot goes.</summary>
    [VSphereFact]
    public async Task A_backup_that_is_stopped_leaves_no_request_to_the_server()
    {
        await StartAsync(16);
        using Repository repository = await _repository.CreateAsync();
        Write(1 << 20, 100_000);
        using var stop = new CancellationTokenSource();
        // Reads before it do not count: they are cleared.
        bool isFrozen = false;
        Task<RestorePoint> run = RunAsync(repository, stop: stop.Token, onFrozen: () =>
        {
            Server.Do("clear");
            Server.Fail("GET /folder/", "before", "wait", ("wait", 60_000), ("times", 99));
            Volatile.Write(ref isFrozen, true);
        });
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!run.IsCompleted && (!Volatile.Read(ref isFrozen) || Server.MostReads == 0))
            await Task.Delay(10, limit.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);

        Assert.Contains("RemoveSnapshot_Task", Server.Calls());
        Assert.InRange(Server.MostReads, 1, 4);
        Assert.Equal(0, Server.ReadsAtRemoval);
        Assert.Empty(Server.Snapshots(Server.Appliance));
    }

    private SimulatedVSphere Server => _server!;

    private async Task StartAsync(int mib, bool isCenter = true, params string[] more)
    {
        _server = SimulatedVSphere.Start([.. isCenter ? Array.Empty<string>() : ["-esx"], "-disk-mib", $"{mib}",
            .. more]);
        using IHypervisor hypervisor = await ConnectAsync();
        ApplianceDescription vm = await DescribeAsync(hypervisor);
        await hypervisor.Require<IChangeTrackingControl>("change tracking").EnableChangeTrackingAsync(vm,
            new string('1', 32), default);
    }

    private void Write(long offset, int length)
    {
        byte[] bytes = new byte[length];
        _random.NextBytes(bytes);
        Server.Write(Server.Appliance, 0, offset, bytes);
        _content.Write(offset, bytes);
    }

    private async Task<IHypervisor> ConnectAsync() => new VSphereHypervisor(await VimService.ConnectAsync(
        VSphereServers.Options(Server, clock: new SkippingClock()), default));

    private async Task<ApplianceDescription> DescribeAsync(IHypervisor hypervisor) =>
        (await hypervisor.GetAppliancesAsync(default)).Single(a => a.NativeId == Server.Appliance.Uuid);

    private async Task<RestorePoint> RunAsync(Repository repository, Action? onFrozen = null,
        RequestedBackupType type = RequestedBackupType.Auto, CancellationToken stop = default)
    {
        using IHypervisor hypervisor = await ConnectAsync();
        ApplianceDescription vm = await DescribeAsync(hypervisor);
        IImageSource source = hypervisor.Require<IImageSource>("images");
        await using PendingBackup pending = await repository.BeginBackupAsync(vm.ApplianceId, vm, [Disk], default);
        foreach (Leftover found in await source.FindLeftoversAsync(vm, default))
            if (!found.IsNeeded(pending.KnownTokens.Values)) await source.RemoveLeftoverAsync(found, default);
        await using IFrozenDisks frozen = await source.FreezeAsync(vm, new FreezeRequest
        {
            DiskIds = [Disk],
            RunId = pending.RunId,
            RepositoryId = pending.RepositoryId,
            HistoryId = vm.ApplianceId,
            KnownTokens = pending.KnownTokens,
        }, default);
        onFrozen?.Invoke();
        IDiskSource disk = frozen.GetDisk(Disk);
        RestorePoint point = await pending.ExecuteAsync(new BackupRequest
        {
            Appliance = vm,
            Disks = [new BackupDisk(Disk, DiskRole.Data, disk)],
            RequestedType = type,
            TimeUtc = frozen.TimeUtc,
            Consistency = frozen.Consistency,
            ConsistencyReason = frozen.ConsistencyReason,
            ReadMethod = (disk as IReadMethodSource)?.ReadMethod,
        }, frozen.SealAsync, null, stop);
        await frozen.PublishedAsync(default);
        return point;
    }

    private static async Task AssertSameAsync(Repository repository, RestorePoint point, SparseDisk content)
    {
        using SparseDisk.Target target = content.Compare();
        await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(Disk, target, null, default);
        target.AssertSame();
    }
}
