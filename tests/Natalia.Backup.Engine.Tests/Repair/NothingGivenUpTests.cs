using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Verification;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Repair;

/// <summary>
/// What looks like loss and is none, and what others do meanwhile: nothing that somebody may still want goes, not even
/// where giving up was asked for.
/// </summary>
public sealed class NothingGivenUpTests
{
    private static string Id => RepositoryFixture.Appliance.ApplianceId;

    private static readonly RepairOptions s_giveUp = new() { Full = true, RemoveLost = true };

    [Theory]
    [InlineData("points/", 0)]
    [InlineData("points/", 3)]
    [InlineData("data/", 0)]
    [InlineData("meta/", 0)]
    public async Task A_folder_that_is_not_mounted_is_no_loss(string room, int from)
    {
        using var fixture = new RepositoryFixture();
        byte[][] states = await MakeAsync(fixture, 4);
        var away = new Dictionary<string, byte[]>();
        foreach (StoredObject item in
            (await fixture.Store.ListAllAsync(Layout.Appliance(Id) + room, default)).Skip(from))
        {
            away[item.Name] = await fixture.Store.ReadAllAsync(item.Name, default);
            await fixture.Store.DeleteAsync(item.Name, default);
        }
        Assert.Equal(0, (await RepairAsync(fixture, s_giveUp)).RemovedPoints);
        foreach (KeyValuePair<string, byte[]> item in away)
            await fixture.Store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata, default);
        await AssertWholeAsync(fixture, states);
    }

    /// <summary>A point without a manifest is given up no sooner than one without blocks: what else cannot be had may
    /// be the same trouble.</summary>
    [Theory]
    [InlineData(true, true, "/points/")]
    [InlineData(true, false, "/points/")]
    [InlineData(false, true, "/points/")]
    [InlineData(false, true, "/meta/")]
    [InlineData(false, false, "/meta/")]
    public async Task While_the_store_fails_to_read_no_point_is_given_up_for_its_manifest(bool full, bool isMissing,
        string room)
    {
        using var fixture = new RepositoryFixture();
        byte[][] states = await MakeAsync(fixture, 4);
        string manifest = (await fixture.Store.ListAllAsync(Layout.Manifests(Id), default))[0].Name;
        byte[] whole = await fixture.Store.ReadAllAsync(manifest, default);
        string unreadable = (await fixture.Store.ListAllAsync(Layout.Appliance(Id), default))
            .Where(o => o.Name.Contains(room)).ElementAt(1).Name;
        await ReplaceAsync(fixture, manifest, Flipped(whole, whole.Length - 40));
        if (isMissing) await fixture.Store.DeleteAsync(manifest, default);
        var hooked = new HookStore(fixture.Store)
        {
            Before = operation => operation == "read " + unreadable || operation == "open " + unreadable
                ? throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, "A bad sector.")
                : Task.CompletedTask,
        };
        using (Repository repairing = await fixture.OpenAsync(hooked))
        {
            RepairReport report = await repairing.RepairAsync(new RepairOptions { Full = full, RemoveLost = true },
                (_, failure) => throw failure, null, default);
            Assert.Equal(0, report.RemovedPoints);
            Assert.Contains("could not read", Assert.Single(report.Findings, f => f.Object is string name
                && (isMissing ? f.Kind == RepairFindingKind.ManifestMissing : name == manifest)).Detail);
        }
        if (!isMissing) await fixture.Store.DeleteAsync(manifest, default);
        await fixture.Store.PutAsync(manifest, new ObjectContent(whole), PutOptions.Metadata, default);
        await AssertWholeAsync(fixture, states);
    }

    [Theory]
    [InlineData("data/")]
    [InlineData("meta/")]
    public async Task A_point_without_a_manifest_is_not_given_up_beside_a_room_that_is_not_mounted(string room)
    {
        using var fixture = new RepositoryFixture();
        byte[][] states = await MakeAsync(fixture, 4);
        var away = new Dictionary<string, byte[]>();
        foreach (StoredObject item in (await fixture.Store.ListAllAsync(Layout.Appliance(Id) + room, default))
            .Append((await fixture.Store.ListAllAsync(Layout.Manifests(Id), default))[0]))
        {
            away[item.Name] = await fixture.Store.ReadAllAsync(item.Name, default);
            await fixture.Store.DeleteAsync(item.Name, default);
        }
        Assert.Equal(0, (await RepairAsync(fixture, s_giveUp)).RemovedPoints);
        foreach (KeyValuePair<string, byte[]> item in away)
            await fixture.Store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata, default);
        await AssertWholeAsync(fixture, states);
    }

    [Fact]
    public async Task The_newest_point_is_not_given_up_when_its_manifest_is_damaged()
    {
        using var fixture = new RepositoryFixture();
        byte[][] states = await MakeAsync(fixture, 4);
        StoredObject manifest = (await fixture.Store.ListAllAsync(Layout.Manifests(Id), default))[3];
        byte[] whole = await fixture.Store.ReadAllAsync(manifest.Name, default);
        await ReplaceAsync(fixture, manifest.Name, Flipped(whole, whole.Length - 40));
        Assert.Equal(0, (await RepairAsync(fixture, s_giveUp)).RemovedPoints);
        await ReplaceAsync(fixture, manifest.Name, whole);
        await AssertWholeAsync(fixture, states);
    }

    [Fact]
    public async Task A_point_that_lost_only_its_configuration_stays()
    {
        using var fixture = new RepositoryFixture();
        byte[][] states = await MakeAsync(fixture, 4);
        StoredObject pack = (await fixture.Store.ListAllAsync(Layout.Packs(Id, PackArea.Meta), default))[0];
        byte[] whole = await fixture.Store.ReadAllAsync(pack.Name, default);
        // The configuration is the first thing that a run stores.
        await ReplaceAsync(fixture, pack.Name, Flipped(whole, (int)Envelope.Parse(whole).BodyOffset + 4));
        RepairReport report = await RepairAsync(fixture, s_giveUp);
        Assert.Equal((4, 0), (report.LostPoints, report.RemovedPoints));
        await AssertWholeAsync(fixture, states);
    }

    [Fact]
    public async Task An_optimization_leaves_the_copies_of_manifests_that_are_lost()
    {
        using var fixture = new RepositoryFixture();
        using (Repository repository = await fixture.CreateAsync())
        {
            var disk = new byte[65536];
            for (int i = 0; i < 330; i++)
            {
                BitConverter.GetBytes(i + 1).CopyTo(disk, 0);
                await BackupAsync(repository, disk);
            }
        }
        foreach (StoredObject manifest in (await fixture.Store.ListAllAsync(Layout.Manifests(Id), default)).Take(255))
            await fixture.Store.DeleteAsync(manifest.Name, default);
        using (Repository repository = await fixture.OpenAsync())
            await repository.ReclaimAsync(Id, Repository.DefaultGrace, default);
        Assert.Equal(0, (await RepairAsync(fixture, new RepairOptions())).LostPoints);
        using Repository look = await fixture.OpenAsync();
        Assert.Equal(330, (await PointsAsync(look)).Count);
    }

    [Fact]
    public async Task No_protection_is_promised_while_points_are_given_up()
    {
        using var fixture = new RepositoryFixture { HasLockDirectory = false };
        await MakeAsync(fixture, 4);
        using Repository admin = await fixture.OpenAsync();
        RestorePoint point = (await PointsAsync(admin))[2];
        foreach (StoredObject item in await fixture.Store.ListAllAsync(Layout.Packs(Id, PackArea.Data), default))
        {
            if (item.Name.Contains(point.RestorePointId)) await fixture.Store.DeleteAsync(item.Name, default);
        }
        string? refusal = null;
        // While it looks through the maps, which takes hours where there is much.
        var store = new HookedStore(fixture.Store, (what, name) => what == "read" && name.Contains("/meta/"),
            async () =>
            refusal =
                (await Assert.ThrowsAsync<NataliaException>(
                    () => admin.SetProtectionAsync(point, true, "keep what is left", default))).ErrorId);
        using Repository repairing = await fixture.OpenAsync(store);
        await repairing.RepairAsync(new RepairOptions { RemoveLost = true }, (_, failure) => throw failure, null,
            default);
        Assert.Equal(ErrorIds.LeaseHeld, refusal);
    }

    [Fact]
    public async Task Removed_points_that_an_optimization_takes_during_a_repair_are_no_damage()
    {
        using var fixture = new RepositoryFixture();
        await MakeAsync(fixture, 6);
        using Repository repository = await fixture.OpenAsync();
        foreach (RestorePoint point in (await PointsAsync(repository)).Skip(2))
            await repository.RemoveRestorePointAsync(point, "test", default);
        using Repository other = await fixture.OpenAsync();
        var store = new HookedStore(fixture.Store, (what, name) => what == "read" && name.Contains("/meta/"),
            () => other.ReclaimAsync(Id, TimeSpan.Zero, default));
        using (Repository repairing = await fixture.OpenAsync(store))
            Assert.Equal(0,
                (await repairing.RepairAsync(new RepairOptions(), (_, failure) => throw failure, null,
                    default)).LostPoints);
        Assert.True(store.HasStruck);
        Assert.DoesNotContain(await repository.GetAuditRecordsAsync(new AuditRecordFilter(), _ => { }, default),
            r => r.Event == "damage-found");
    }

    [Fact]
    public async Task A_removal_that_has_slept_looks_at_its_lease_before_it_goes_on()
    {
        var clock = new SleepyClock();
        using var fixture = new RepositoryFixture { HasLockDirectory = false, Clock = clock };
        await MakeAsync(fixture, 30, bytes: 65536);
        using Repository other = await fixture.OpenAsync();
        List<RestorePoint> points = [.. (await PointsAsync(other)).Reverse()];
        int removals = 0;
        var store = new HookedStore(fixture.Store,
            (what, name) => what == "put" && name.Contains("point-removed") && ++removals == 5, async () =>
        {
            clock.Sleep(TimeSpan.FromMinutes(7));
            string claim = (await fixture.Store.ListAllAsync(Layout.Leases(Id),
                default)).Last(o => !o.Name.EndsWith(".end", StringComparison.Ordinal)).Name;
            await fixture.Store.PutAsync(claim + ".end", new ObjectContent(new byte[1]), PutOptions.Metadata, default);
            Assert.True((await other.SetProtectionAsync(points[20], true, "keep", default)).IsProtected);
        });
        using Repository removing = await fixture.OpenAsync(store);
        NataliaException lost =
            await Assert.ThrowsAsync<NataliaException>(
                () => removing.RemoveRestorePointsAsync(Id,
                    [.. points.Take(25).Select(p => new PointRemoval(p, "test"))], (_, _) => { }, default));
        Assert.Equal(ErrorIds.LeaseLost, lost.ErrorId);
        using Repository look = await fixture.OpenAsync();
        Assert.Contains(await PointsAsync(look), p => p.RestorePointId == points[20].RestorePointId);
    }

    [Fact]
    public async Task Clocks_that_are_hours_apart_accuse_nobody()
    {
        using var fixture = new RepositoryFixture();
        await MakeAsync(fixture, 70, bytes: 65536);
        var late = new SleepyClock();
        late.Sleep(TimeSpan.FromHours(2));
        using var lateFixture = new RepositoryFixture(fixture.Store) { Clock = late };
        using Repository other = await lateFixture.OpenAsync();
        int removals = 0;
        var store = new HookedStore(fixture.Store,
            (what, name) => what == "put" && name.Contains("point-removed") && ++removals == 20,
            () => other.SetRetentionPolicyAsync(Id, "x", null, default));
        using Repository removing = await fixture.OpenAsync(store);
        List<RestorePoint> points = [.. (await PointsAsync(removing)).Reverse()];
        await removing.RemoveRestorePointsAsync(Id, [.. points.Take(60).Select(p => new PointRemoval(p, "test"))],
            (_, _) => { }, default);
        Assert.True(store.HasStruck);
        Assert.DoesNotContain(await AuditVerification.ExecuteAsync(fixture.Store, new AuditExpectations(), default),
            r => r.Result == CheckOutcome.Failed);
    }

    private static async Task<byte[][]> MakeAsync(RepositoryFixture fixture, int count, int bytes = 9 << 20)
    {
        using Repository repository = await fixture.CreateAsync();
        var states = new byte[count][];
        byte[] disk = Disk(bytes, 1);
        for (int i = 0; i < count; i++)
        {
            states[i] = disk = Change(disk, 12, i);
            await BackupAsync(repository, disk);
        }
        return states;
    }

    private static async Task<RepairReport> RepairAsync(RepositoryFixture fixture, RepairOptions options)
    {
        using Repository repository = await fixture.OpenAsync();
        return await repository.RepairAsync(options, (_, failure) => throw failure, null, default);
    }

    private static async Task AssertWholeAsync(RepositoryFixture fixture, byte[][] states)
    {
        using Repository repository = await fixture.OpenAsync();
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.Equal(states.Length, points.Count);
        foreach (RestorePoint point in points)
            Assert.Equal(states[point.Sequence!.Value - 1], await RestoreAsync(repository, point));
    }

    private static byte[] Flipped(byte[] bytes, int at)
    {
        byte[] flipped = (byte[])bytes.Clone();
        flipped[at] ^= 1;
        return flipped;
    }

    private static async Task ReplaceAsync(RepositoryFixture fixture, string name, byte[] bytes)
    {
        await fixture.Store.DeleteAsync(name, default);
        await fixture.Store.PutAsync(name, new ObjectContent(bytes), PutOptions.Metadata, default);
    }

    /// <summary>Does something once, at a certain request.</summary>
    private sealed class HookedStore(IObjectStore inner, Func<string, string, bool> when, Func<Task> work)
        : WrappedStore(inner)
    {
        private int _struck;

        internal bool HasStruck => _struck > 0;

        public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
            CancellationToken cancellationToken)
        {
            await StrikeAsync("read", name);
            return await base.ReadAsync(name, offset, buffer, cancellationToken);
        }

        public override async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken)
        {
            await StrikeAsync("read", name);
            return await base.OpenReadAsync(name, cancellationToken);
        }

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            await StrikeAsync("put", name);
            await base.PutAsync(name, content, options, cancellationToken);
        }

        private async Task StrikeAsync(string what, string name)
        {
            if (when(what, name) && Interlocked.Exchange(ref _struck, 1) == 0) await work();
        }

        // Its inner store outlives it.
        protected override void Dispose(bool disposing)
        {
        }
    }

    /// <summary>The system's clock, and a machine that slept.</summary>
    private sealed class SleepyClock : TimeProvider
    {
        private TimeSpan _slept;

        internal void Sleep(TimeSpan time) => _slept += time;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _slept;

        public override long GetTimestamp() => base.GetTimestamp() + (long)(_slept.TotalSeconds * TimestampFrequency);
    }
}
