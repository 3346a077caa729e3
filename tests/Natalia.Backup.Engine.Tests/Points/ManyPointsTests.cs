using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Points;

/// <summary>
/// Very many points: what is asked of the store follows what is done, not what is there. Seconds are for benchmarks;
/// requests are counted here.
/// </summary>
public sealed class ManyPointsTests
{
    private static readonly DateTime s_first = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    [Fact]
    public async Task Listing_takes_a_request_for_hundreds_of_points()
    {
        using var fixture = new RepositoryFixture();
        await MakeAsync(fixture, 330);
        (IReadOnlyList<RestorePoint> points, long requests) = await CountAsync(fixture, ListAsync);
        Assert.Equal(330, points.Count);
        // 255 stand in the catalog, 75 were made since.
        Assert.InRange(requests, 1, 95);

        // The catalog is derived: without it, and with a damaged one, the list is the same.
        List<StoredObject> catalog =
            await fixture.Store.ListAllAsync(Layout.Appliance(RepositoryFixture.Appliance.ApplianceId) + "catalog/",
            default);
        Assert.NotEmpty(catalog);
        foreach (StoredObject item in catalog)
        {
            byte[] bytes = await fixture.Store.ReadAllAsync(item.Name, default);
            bytes[^40] ^= 1;
            await fixture.Store.DeleteAsync(item.Name, default);
            await fixture.Store.PutAsync(item.Name, new ObjectContent(bytes), PutOptions.Metadata, default);
        }
        Assert.Equal(points.Select(Key), (await CountAsync(fixture, ListAsync)).Result.Select(Key));
        foreach (StoredObject item in catalog) await fixture.Store.DeleteAsync(item.Name, default);
        Assert.Equal(points.Select(Key), (await CountAsync(fixture, ListAsync)).Result.Select(Key));
    }

    [Fact]
    public async Task A_point_whose_manifest_is_gone_or_cut_short_is_not_listed_from_the_catalog()
    {
        using var fixture = new RepositoryFixture();
        await MakeAsync(fixture, 300);
        IReadOnlyList<RestorePoint> points = (await CountAsync(fixture, ListAsync)).Result;
        RestorePoint gone = points[^10], cut = points[^20];
        string room = Layout.Manifests(RepositoryFixture.Appliance.ApplianceId);
        foreach (StoredObject manifest in await fixture.Store.ListAllAsync(room, default))
        {
            if (!manifest.Name.EndsWith(gone.RestorePointId, StringComparison.Ordinal)
                && !manifest.Name.EndsWith(cut.RestorePointId, StringComparison.Ordinal))
                continue;
            byte[] bytes = await fixture.Store.ReadAllAsync(manifest.Name, default);
            await fixture.Store.DeleteAsync(manifest.Name, default);
            if (manifest.Name.EndsWith(cut.RestorePointId, StringComparison.Ordinal))
                await fixture.Store.PutAsync(manifest.Name, new ObjectContent(bytes.AsMemory(0, bytes.Length - 1)),
                    PutOptions.Metadata, default);
        }
        using Repository repository = await fixture.OpenAsync();
        var damaged = new List<NataliaException>();
        IReadOnlyList<RestorePoint> left = await repository.GetRestorePointsAsync(new RestorePointFilter(), damaged.Add,
            default);
        Assert.Equal(298, left.Count);
        Assert.Equal(ErrorIds.ManifestDamaged, Assert.Single(damaged).ErrorId);
    }

    [Fact]
    public async Task One_more_point_asks_no_more_of_the_store_than_the_tenth()
    {
        using var fixture = new RepositoryFixture();
        await MakeAsync(fixture, 10);
        long early = (await CountAsync(fixture, r => OneAsync(r, 10))).Requests;
        await MakeAsync(fixture, 300, from: 11);
        Assert.InRange((await CountAsync(fixture, r => OneAsync(r, 320))).Requests, 1, early + 2);
    }

    [Fact]
    public async Task Removing_and_reclaiming_cost_what_goes_whatever_stays()
    {
        using var fixture = new RepositoryFixture();
        await MakeAsync(fixture, 120);
        (long removeFew, long reclaimFew) = await RemoveOldestAsync(fixture, 40);
        await MakeAsync(fixture, 600, from: 120);
        await CountAsync(fixture, r => r.ReclaimAsync(RepositoryFixture.Appliance.ApplianceId, TimeSpan.Zero, default));
        (long removeMany, long reclaimMany) = await RemoveOldestAsync(fixture, 40);
        // What is left of the difference are the newest points, which stand in no catalog yet, and the pages of lists.
        Assert.InRange(removeMany - removeFew, -1_000, 200);
        Assert.InRange(reclaimMany - reclaimFew, -1_000, 60);
        Assert.InRange(reclaimMany, 40, 40 * 12);
        Assert.Equal(640, (await CountAsync(fixture, ListAsync)).Result.Count);
    }

    private static string Key(RestorePoint point) =>
        $"{point.RestorePointId} {point.TimeUtc:O} {point.Type} {point.SizeBytes} {point.StoredBytes} {point.Reason} "
        + $"{point.Disks.Count}";

    private static async Task<(long Remove, long Reclaim)> RemoveOldestAsync(RepositoryFixture fixture, int count)
    {
        IReadOnlyList<RestorePoint> points = (await CountAsync(fixture, ListAsync)).Result;
        PointRemoval[] removals = [.. points.Reverse().Take(count).Select(p => new PointRemoval(p, "test"))];
        string appliance = RepositoryFixture.Appliance.ApplianceId;
        long remove = (await CountAsync(fixture, async r =>
        {
            await r.RemoveRestorePointsAsync(appliance, removals, (_, refusal) => Assert.Null(refusal), default);
            return 0;
        })).Requests;
        (ReclaimResult result, long reclaim) = await CountAsync(fixture,
            r => r.ReclaimAsync(appliance, TimeSpan.Zero, default));
        Assert.Equal(count, result.ForgottenPoints);
        return (remove, reclaim);
    }

    /// <summary>Points of a small disk of which each changes one block.</summary>
    private static async Task MakeAsync(RepositoryFixture fixture, int count, int from = 0)
    {
        if (from == 0) (await fixture.CreateAsync()).Dispose();
        using Repository repository = await fixture.OpenAsync();
        for (int i = from; i < from + count; i++) await OneAsync(repository, i);
    }

    private static Task<RestorePoint> OneAsync(Repository repository, int number)
    {
        byte[] Disk(int state)
        {
            var disk = new byte[256 * 1024];
            new Random(state).NextBytes(disk.AsSpan((state & 3) * 65536, 65536));
            return disk;
        }
        var source = new TrackedMemoryDiskSource(Disk(number), "t" + number,
            new Dictionary<string, byte[]> { ["t" + (number - 1)] = Disk(number - 1) });
        return RepositoryFixture.BackupAsync(repository, source, s_first.AddHours(6 * number));
    }

    private static async Task<IReadOnlyList<RestorePoint>> ListAsync(Repository repository) =>
        await repository.GetRestorePointsAsync(new RestorePointFilter(), null, default);

    /// <summary>Does something in a session of its own, and counts what it asks of the store.</summary>
    private static async Task<(T Result, long Requests)> CountAsync<T>(RepositoryFixture fixture,
        Func<Repository, Task<T>> work)
    {
        var counting = new CountingStore(new FaultStore(fixture.Store));
        using Repository repository = await fixture.OpenAsync(counting);
        StoreUsage before = counting.Usage;
        T result = await work(repository);
        return (result, counting.Usage.Since(before).Requests);
    }
}
