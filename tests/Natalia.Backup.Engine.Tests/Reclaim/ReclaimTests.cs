using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.BlockMap;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Reclaim;

public sealed class ReclaimTests
{
    /// <summary>
    /// Backups, removals, optimizations and crashes in random order: every point that is left restores, and dead lists
    /// and mark-and-sweep agree on what is free.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public Task Any_sequence_of_backup_removal_and_reclaim_keeps_every_point_whole(int seed) =>
        Sequence.CheckAsync(seed, 40, 10, async steps =>
    {
        using var fixture = new RepositoryFixture { CheckpointBytes = 600_000 };
        (await fixture.CreateAsync()).Dispose();
        byte[] disk = Disk(9 << 20, seed), system = Disk(2 << 20, seed + 100);
        var states = new Dictionary<string, (byte[] Data, byte[]? System)>();
        Repository repository = await fixture.OpenAsync();
        foreach (Step step in steps)
        {
            var random = new Random(step.Seed);
            switch (step.Kind)
            {
                case < 5:
                    disk = Change(disk, random.Next(1, 40), random.Next());
                    bool both = random.Next(3) == 0;
                    if (both) system = Change(system, random.Next(1, 10), random.Next());
                    BackupRequest request = Request(new MemoryDiskSource(disk));
                    if (both) request = request with
                    {
                        Disks = [.. request.Disks,
                            new BackupDisk("scsi0", DiskRole.System, new MemoryDiskSource(system))],
                    };
                    RestorePoint made = await repository.BackupAsync(request, null, null, default);
                    states[made.RestorePointId] = (disk, both ? system : null);
                    break;
                case < 8:
                    IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
                    if (points.Count < 2) break;
                    RestorePoint victim = points[random.Next(1, points.Count)];
                    await repository.RemoveRestorePointAsync(victim, "a test", default);
                    states.Remove(victim.RestorePointId);
                    break;
                case 8:
                    ReclaimResult planned = await repository.PlanReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero,
                        default);
                    Assert.Equal(planned, await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default)
                        with
                    { IsWhatIf = true });
                    break;
                default:
                    repository.Dispose();
                    var faulty = new FaultStore(fixture.Store,
                        random.Next(2) == 0 ? Fault.CrashBefore : Fault.CrashAfter,
                        random.Next(4, 40), seed: seed);
                    try
                    {
                        using Repository dying = await fixture.OpenAsync(faulty);
                        if (random.Next(2) == 0)
                            await dying.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
                        else
                        {
                            byte[] next = Change(disk, 10, random.Next());
                            await BackupAsync(dying, next);
                        }
                    }
                    catch (SimulatedCrashException)
                    {
                    }
                    repository = await fixture.OpenAsync();
                    // A point that the dying process had just published counts as made.
                    foreach (RestorePoint found in await PointsAsync(repository))
                    {
                        if (!states.ContainsKey(found.RestorePointId))
                            states[found.RestorePointId] = (await RestoreAsync(repository, found, "scsi1"), null);
                    }
                    break;
            }
        }
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        await AssertWholeAsync(repository, states, "in the end");
        await AssertSweptAsync(fixture, "in the end");
        repository.Dispose();
    });

    [Fact]
    public async Task What_is_looked_at_is_told_pack_by_pack()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        await BackupAsync(repository, Disk(9 << 20, 1));
        await BackupAsync(repository, Disk(9 << 20, 2));
        await repository.RemoveRestorePointAsync((await PointsAsync(repository))[1], "a test", default);
        Told told = new();
        ReclaimResult result = await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, told, default);
        Assert.Equal("Looking for what nobody needs", told.All[0].Activity);
        Assert.All(told.All.Skip(1), p => Assert.Equal("packs", p.Unit));
        Assert.Equal(result.DeletedPacks, told.All.Count(p => p.Activity == "Deleting packs"));
        Assert.NotEqual(0, result.DeletedPacks);
        told.All.Clear();
        await repository.VerifyAuditAsync(new Natalia.Backup.Engine.Audit.AuditExpectations(), told, default);
        Assert.All(told.All, p => Assert.Equal("objects", p.Unit));
        Assert.All(told.All, p => Assert.True(p.DoneBytes < p.TotalBytes));
        Assert.NotEmpty(told.All);
    }

    private sealed class Told : IProgress<OperationProgress>
    {
        public List<OperationProgress> All { get; } = [];

        public void Report(OperationProgress value)
        {
            lock (All) All.Add(value);
        }
    }

    private static async Task AssertWholeAsync(Repository repository,
        Dictionary<string, (byte[] Data, byte[]? System)> states, string what)
    {
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.Equal(states.Keys.Order(), points.Select(p => p.RestorePointId).Order());
        foreach (RestorePoint point in points)
        {
            (byte[] data, byte[]? system) = states[point.RestorePointId];
            Assert.True(await StateFinder.IsAsync(repository, point, data, "scsi1"),
                $"{what}: point {point.Sequence}");
            if (system is null) continue;
            Assert.True(await StateFinder.IsAsync(repository, point, system, "scsi0"),
                $"{what}: system disk of point {point.Sequence}");
        }
        CheckResult? failed = (await CheckAsync(repository)).Find(r => r.Result == CheckOutcome.Failed);
        Assert.True(failed is null, $"{what}: {failed?.Detail}");
    }

    /// <summary>Marks all that the existing manifests reach; no pack may be left of which nothing is reached.</summary>
    internal static async Task AssertSweptAsync(RepositoryFixture fixture, string what)
    {
        string appliance = Appliance.ApplianceId;
        var settings = RepositorySettings.Decode(await fixture.Store.ReadAllAsync(Layout.Settings, default), "test");
        using RepositorySecrets secrets =
            KeySlot.TryOpen(
                await fixture.Store.ReadAllAsync((await fixture.Store.ListAllAsync(Layout.Keys, default))[0].Name,
            default),
            Secret(fixture.Password), Hash256.Of(await fixture.Store.ReadAllAsync(Layout.Settings, default)))!;
        var core = new RepositoryCore(fixture.Store, settings, secrets, fixture.Options);
        var manifests = new ManifestReader(core);
        var reached = new HashSet<string>();
        using var codec = new SegmentCodec();
        foreach (Run run in await manifests.ListAsync(appliance, default))
        {
            PointManifest manifest = await manifests.ReadAsync(appliance, run, default);
            if (manifest.Configuration is Reference configuration)
                reached.Add(Layout.Pack(appliance, PackArea.Meta, configuration.Run, configuration.Pack));
            foreach (ManifestDisk disk in manifest.Disks)
                if (disk.Root.Reference is Reference root)
                    await MarkAsync(new MapReader(core.PackReader(appliance), disk.Root), root, disk.Root.Level);
        }
        // Runs that died before their manifest are the next run's to sweep.
        long newest = (await manifests.ListAsync(appliance, default)).Select(r => r.Sequence).DefaultIfEmpty(0).Max();
        foreach (StoredObject pack in await fixture.Store.ListAllAsync(Layout.Appliance(appliance), default))
        {
            if (!pack.Name.Contains("/data/") && !pack.Name.Contains("/meta/")) continue;
            string name = pack.Name.Split(".r")[0];
            if (Run.TryParse(name.Split('/')[3], out Run run) && run.Sequence > newest) continue;
            Assert.True(reached.Contains(name),
                $"{what}: nothing needs {pack.Name} ({pack.Length} bytes), and it is still there");
        }

        async Task MarkAsync(MapReader map, Reference reference, int level)
        {
            reached.Add(Layout.Pack(appliance, PackArea.Meta, reference.Run, reference.Pack));
            MapNode node = await map.ReadAsync(reference, level, codec, default);
            for (int slot = 0; slot < BlockGeometry.FanOut; slot++)
            {
                if (node[slot] is not Reference child) continue;
                if (level > 0) await MarkAsync(map, child, level - 1);
                else reached.Add(Layout.Pack(appliance, PackArea.Data, child.Run, child.Pack));
            }
        }
    }

    [Fact]
    public async Task Removing_a_point_costs_the_deltas_up_to_the_next_survivor_and_not_more()
    {
        using var fixture = new RepositoryFixture();
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Disk(2 << 20, 1);
        var points = new List<RestorePoint>();
        for (int i = 0; i < 30; i++) points.Add(await BackupAsync(repository, disk = Change(disk, 2, i)));
        await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        foreach (int i in new[] { 10, 11, 20 }) await repository.RemoveRestorePointAsync(points[i], "a test", default);
        Assert.Equal(3, (await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default)).ReadDeltas);
        Assert.Equal(0, (await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default)).ReadDeltas);
        for (int i = 0; i < 10; i++) await repository.RemoveRestorePointAsync(points[i], "a test", default);
        ReclaimResult last = await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
        Assert.InRange(last.ReadDeltas, 10, 12);
        Assert.Equal(10, last.ForgottenPoints);
        Assert.True(last.FreedBytes > 0);
    }

    [Fact]
    public async Task A_plan_says_what_is_done_although_a_pack_was_rewritten_within_the_grace()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(store) { Clock = clock };
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Disk(8 << 20, 1);
        var points = new List<RestorePoint> { await BackupAsync(repository, disk) };
        // Each point takes the place of a part of the first one's pack.
        for (int i = 1; i <= 7; i++)
        {
            Disk(1 << 20, 100 + i).CopyTo(disk = [.. disk], (i - 1) << 20);
            points.Add(await BackupAsync(repository, disk));
        }
        for (int i = 0; i < 6; i++) await repository.RemoveRestorePointAsync(points[i], "a test", default);
        clock.Advance(TimeSpan.FromHours(40));
        await repository.RemoveRestorePointAsync(points[6], "a test", default);
        clock.Advance(TimeSpan.FromHours(33));
        ReclaimResult first = await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.True(first.RepackedPacks > 0);
        Assert.Equal(1, first.WaitingPoints);
        // The last removal's grace is over, that of the rewritten pack is not.
        clock.Advance(TimeSpan.FromHours(40));
        ReclaimResult planned = await repository.PlanReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace,
            default);
        Assert.Equal(1, planned.ForgottenPoints);
        Assert.Equal(planned,
            await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default)
            with
            { IsWhatIf = true });
    }

    [Fact]
    public async Task A_removed_point_stays_readable_for_the_grace()
    {
        var clock = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(store) { Clock = clock };
        using Repository repository = await fixture.CreateAsync();
        byte[] one = Disk(1 << 20, 1);
        RestorePoint first = await BackupAsync(repository, one);
        await BackupAsync(repository, Disk(1 << 20, 2));
        await repository.RemoveRestorePointAsync(first, "a test", default);
        ReclaimResult early = await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.Equal((0, 1, 0), (early.ForgottenPoints, early.WaitingPoints, early.DeletedPacks));
        clock.Advance(TimeSpan.FromHours(73));
        ReclaimResult late = await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.Equal((1, 0), (late.ForgottenPoints, late.WaitingPoints));
        Assert.True(late.DeletedPacks >= 1 && late.FreedBytes > 100_000);
    }
}
