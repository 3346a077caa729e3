using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;

namespace Natalia.Backup.Benchmarks;

/// <summary>
/// What a point costs by what has changed, on a disk of 16 TiB whose changes are known: the line should follow the
/// change, whatever lies between.
/// </summary>
internal static class ChangeLine
{
    private const long Size = 16L << 40;

    internal static async Task RunAsync(string? folder)
    {
        using var place = new Workplace(folder);
        using Repository repository = await place.OpenAsync(create: true);
        int version = 0;
        // The first point and a small one are not of interest: they warm the code up.
        await MakeAsync(repository, Spread(64 << 20), RequestedBackupType.Full, version++);
        await MakeAsync(repository, Spread(64 << 20), RequestedBackupType.Incremental, version++);
        foreach (int mebibytes in new[] { 0, 1, 10, 100, 1000 })
        {
            Extent[] changed = Spread((long)mebibytes << 20);
            await place.MeasureAsync($"16 TiB, {mebibytes:N0} MiB changed in {changed.Length:N0} places",
                () => MakeAsync(repository, changed, RequestedBackupType.Incremental, version++));
        }
    }

    /// <summary>Changes of 1 MiB each, over the whole disk.</summary>
    private static Extent[] Spread(long bytes)
    {
        int count = (int)(bytes >> 20);
        return [.. Enumerable.Range(0, count).Select(i => new Extent(Size / count * i >> 20 << 20, 1 << 20))];
    }

    private static Task<RestorePoint> MakeAsync(Repository repository, Extent[] changed, RequestedBackupType type,
        int version) =>
        repository.BackupAsync(
        new BackupRequest
        {
            Appliance = Workplace.Appliance,
            Disks = [new BackupDisk("data", DiskRole.Data, new SyntheticDisk(Size, version, changed))],
            RequestedType = type,
            TimeUtc = DateTime.UtcNow,
        }, null, null, default);
}
