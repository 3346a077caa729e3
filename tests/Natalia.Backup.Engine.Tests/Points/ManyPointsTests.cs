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
        using var bench = new RepositoryBench();
        await MakeAsync(bench, 330);
        (IReadOnlyList<RestorePoint> points, long requests) = await CountAsync(bench, ListAsync);
        Assert.Equal(330, points.Count);
        // 255 stand in the catalog, 75 were made since.
        Assert.InRange(requests, 1, 95);

        // The catalog is derived: without it, and with a damaged one, the list is the same.
        List<StoredObject> catalog =
            await bench.Store.ListAllAsync(Layout.Appliance(RepositoryBench.Appliance.ApplianceId) + "catalog/",
            default);
        Assert.NotEmpty(catalog);
        foreach (StoredObject item in catalog)
        {
            byte[] bytes = await bench.Store.ReadAllAsync(item.Name, default);
            bytes[^40] ^= 1;
            await bench.Store.DeleteAsync(item.Name, default);
            await bench.Store.PutAsync(item.Name, new ObjectContent(bytes), PutOptions.Metadata, default);
        }
        Assert.Equal(points.Select(Key), (await CountAsync(bench, ListAsync)).Result.Select(Key));
        foreach (StoredObject item in catalog) await bench.Store.DeleteAsync(item.Name, default);
        Assert.Equal(points.Select(Key), (await CountAsync(bench, ListAsync)).Result.Select(Key));
    }

    [Fact]
    public async Task A_point_whose_manifest_is_gone_or_cut_short_is_not_listed_from_the_catalog()
    {
        using var bench = new RepositoryBench();
        await MakeAsync(bench, 300);
        IReadOnlyList<RestorePoint> points = (await CountAsync(bench, ListAsync)).Result;
        RestorePoint gone = points[^10], cut = points[^20];
        string room = Layout.Manifests(RepositoryBench.Appliance.ApplianceId);
        foreach (StoredObject manifest in await bench.Store.ListAllAsync(room, default))
        {
            if (!manifest.Name.EndsWith(gone.RestorePointId, StringComparison.Ordinal)
                && !manifest.Name.EndsWith(cut.RestorePointId, StringComparison.Ordinal))
                continue;
            byte[] bytes = await bench.Store.ReadAllAsync(manifest.Name, default);
            await bench.Store.DeleteAsync(manifest.Name, default);
            if (manifest.Name.EndsWith(cut.RestorePointId, StringComparison.Ordinal))
                await bench.Store.PutAsync(manifest.Name, new ObjectContent(bytes.AsMemory(0, bytes.Length - 1)),
                    PutOptions.Metadata, default);
        }
        using Repository repository = await bench.OpenAsync();
        var damaged = new List<NataliaException>();
        IReadOnlyList<RestorePoint> left = await repository.GetRestorePointsAsync(new RestorePointFilter(), damaged.Add,
            default);
        Assert.Equal(298, left.Count);
        Assert.Equal(ErrorIds.ManifestDamaged, Assert.Single(damaged).ErrorId);
    }

    [Fact]
    public async Task One_more_point_asks_no_more_of_the_store_than_the_tenth()
    {
        using var bench = new RepositoryBench();
        await MakeAsync(bench, 10);
        long early = (await CountAsync(bench, r => OneAsync(r, 10))).Requests;
        await MakeAsync(bench, 300, from: 11);
        Assert.InRange((await CountAsync(bench, r => OneAsync(r, 320))).Requests, 1, early + 2);
    }

    [Fact]
    public async Task Removing_and_reclaiming_cost_what_goes_whatever_stays()
    {
        using var bench = new RepositoryBench();
        await MakeAsync(bench, 120);
        (long removeFew, long reclaimFew) = await RemoveOldestAsync(bench, 40);
        await MakeAsync(bench, 600, from: 120);
        await CountAsync(bench, r => r.ReclaimAsync(RepositoryBench.Appliance.ApplianceId, TimeSpan.Zero, default));
        (long removeMany, long reclaimMany) = await RemoveOldestAsync(bench, 40);
        // What is left of the difference are the newest points, which stand in no catalog yet, and the pages of lists.
        Assert.InRange(removeMany - removeFew, -1_000, 200);
        Assert.InRange(reclaimMany - reclaimFew, -1_000, 60);
        Assert.InRange(reclaimMany, 40, 40 * 12);
        Assert.Equal(640, (await CountAsync(bench, ListAsync)).Result.Count);
    }

    private static string Key(RestorePoint point) =>
        $"{point.RestorePointId} {point.TimeUtc:O} {point.Type} {point.SizeBytes} {point.StoredBytes} {point.Reason} "
        + $"{point.Disks.Count}";

    private static async Task<(long Remove, long Reclaim)> RemoveOldestAsync(RepositoryBench bench, int count)
    {
        IReadOnlyList<RestorePoint> points = (await CountAsync(bench, ListAsync)).Result;
        PointRemoval[] removals = [.. points.Reverse().Take(count).Select(p => new PointRemoval(p, "test"))];
        string appliance = RepositoryBench.Appliance.ApplianceId;
        long remove = (await CountAsync(bench, async r =>
        {
            await r.RemoveRestorePointsAsync(appliance, removals, (_, refusal) => Assert.Null(refusal), default);
            return 0;
        })).Requests;
        (ReclaimResult result, long reclaim) = await CountAsync(bench,
            r => r.ReclaimAsync(appliance, TimeSpan.Zero, default));
        Assert.Equal(count, result.ForgottenPoints);
        return (remove, reclaim);
    }

    /// <summary>Points of a small disk of which each changes one block.</summary>
    private static async Task MakeAsync(RepositoryBench bench, int count, int from = 0)
    {
        if (from == 0) (await bench.CreateAsync()).Dispose();
        using Repository repository = await bench.OpenAsync();
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
        return RepositoryBench.BackupAsync(repository, source, s_first.AddHours(6 * number));
    }

    private static async Task<IReadOnlyList<RestorePoint>> ListAsync(Repository repository) =>
        await repository.GetRestorePointsAsync(new RestorePointFilter(), null, default);

    /// <summary>Does something in a session of its own, and counts what it asks of the store.</summary>
    private static async Task<(T Result, long Requests)> CountAsync<T>(RepositoryBench bench,
        Func<Repository, Task<T>> work)
    {
        var counting = new CountingStore(new FaultStore(bench.Store));
        using Repository repository = await bench.OpenAsync(counting);
        StoreUsage before = counting.Usage;
        T result = await work(repository);
        return (result, counting.Usage.Since(before).Requests);
    }
}
