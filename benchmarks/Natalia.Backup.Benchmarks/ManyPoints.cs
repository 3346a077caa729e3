using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Benchmarks;

/// <summary>Whether listing and removing still answer when an appliance has very many points.</summary>
internal static class ManyPoints
{
    internal static async Task RunAsync(int count, string? folder)
    {
        using var place = new Workplace(folder);
        using (Repository repository = await place.OpenAsync(create: true))
        {
            const long size = 64L << 20;
            DateTime first = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
            await place.MeasureAsync($"make {count:N0} points", async () =>
            {
                for (int i = 0; i < count; i++)
                {
                    Extent[] changed = [new Extent((i * 7919L % (size / 65536)) * 65536, 65536)];
                    await MakeAsync(repository, new SyntheticDisk(size, i, changed), first.AddHours(6 * i),
                        i == 0 ? RequestedBackupType.Full : RequestedBackupType.Incremental);
                    if (i % 1000 == 999) Console.WriteLine($"  {i + 1:N0}");
                }
                return 0;
            });
            await place.MeasureAsync("one more point",
                () => MakeAsync(repository, new SyntheticDisk(size, count, [new Extent(0, 65536)]),
                    first.AddHours(6 * count), RequestedBackupType.Incremental));
        }
        IReadOnlyList<RestorePoint> points = await InNewSessionAsync(place, "list all", ListAsync);
        await InNewSessionAsync(place, "one more point, in a new session",
            r => MakeAsync(r, new SyntheticDisk(64L << 20, count + 1, [new Extent(0, 65536)]),
                new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc), RequestedBackupType.Incremental));
        string appliance = Workplace.Appliance.ApplianceId;
        await InNewSessionAsync(place, "reclaim, nothing removed",
            r => r.ReclaimAsync(appliance, TimeSpan.Zero, default));
        foreach (int part in new[] { count / 100, count / 10, count / 2 - count / 100 - count / 10 })
        {
            PointRemoval[] removals = [.. points.Reverse().Take(part).Select(p => new PointRemoval(p, "benchmark"))];
            points = [.. points.Take(points.Count - part)];
            await InNewSessionAsync(place, $"remove the {part:N0} oldest", async r =>
            {
                await r.RemoveRestorePointsAsync(appliance, removals, (_, refusal) =>
                {
                    if (refusal is not null) throw refusal;
                }, default);
                return 0;
            });
            await InNewSessionAsync(place, "list what stays", ListAsync);
            ReclaimResult result = await InNewSessionAsync(place, "reclaim",
                r => r.ReclaimAsync(appliance, TimeSpan.Zero, default));
            Console.WriteLine($"  {result.ForgottenPoints:N0} points forgotten, {result.DeletedPacks:N0} packs "
                + $"deleted, {result.FreedBytes:N0} bytes freed");
            await InNewSessionAsync(place, "list what stays", ListAsync);
        }
    }

    private static async Task<T> InNewSessionAsync<T>(Workplace place, string what, Func<Repository, Task<T>> work)
    {
        using Repository repository = await place.OpenAsync();
        return await place.MeasureAsync(what, () => work(repository));
    }

    private static async Task<IReadOnlyList<RestorePoint>> ListAsync(Repository repository) =>
        await repository.GetRestorePointsAsync(new RestorePointFilter(), null, default);

    private static Task<RestorePoint> MakeAsync(Repository repository, SyntheticDisk disk, DateTime time,
        RequestedBackupType type) =>
        repository.BackupAsync(
        new BackupRequest
        {
            Appliance = Workplace.Appliance,
            Disks = [new BackupDisk("data", DiskRole.Data, disk)],
            RequestedType = type,
            TimeUtc = time,
        }, null, null, default);
}
