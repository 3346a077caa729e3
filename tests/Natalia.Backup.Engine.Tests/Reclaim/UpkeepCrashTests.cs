using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Reclaim;

/// <summary>
/// Whatever operation of the store a removal or an optimization dies at: every point that was not removed restores, a
/// new backup works, and all space can be given back.
/// </summary>
public sealed class UpkeepCrashTests
{
    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.Tear)]
    [InlineData(Fault.PowerLoss)]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    [InlineData(Fault.Gone)]
    public Task A_removal_that_dies_at_any_operation_harms_nothing(Fault fault) =>
        SweepAsync(fault, removeFirst: false, async repository =>
    {
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        await repository.RemoveRestorePointsAsync(Appliance.ApplianceId,
            [new PointRemoval(points[1], "a test"), new PointRemoval(points[3], "a test")], (_, refusal) =>
        {
            if (refusal is not null) throw refusal;
        }, default);
    });

    [Theory]
    [InlineData(Fault.CrashBefore)]
    [InlineData(Fault.CrashAfter)]
    [InlineData(Fault.Tear)]
    [InlineData(Fault.PowerLoss)]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    [InlineData(Fault.Gone)]
    public Task An_optimization_that_dies_at_any_operation_harms_nothing(Fault fault) =>
        SweepAsync(fault, removeFirst: true,
            repository => repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default));

    private static async Task SweepAsync(Fault fault, bool removeFirst, Func<Repository, Task> work)
    {
        using var fixture = new RepositoryFixture { CheckpointBytes = 400_000 };
        byte[] disk = Disk(1 << 20, 1);
        var states = new Dictionary<string, byte[]>();
        string[] removed;
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 5; i++)
                states[(await BackupAsync(repository, disk = Change(disk, 14, i))).RestorePointId] = disk;
            IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
            removed = [points[1].RestorePointId, points[3].RestorePointId];
            foreach (string id in removeFirst ? removed : [])
                await repository.RemoveRestorePointAsync(points.Single(p => p.RestorePointId == id), "a test", default);
        }
        Dictionary<string, byte[]> before = await CopyAsync(fixture.Store);
        int operations = int.MaxValue;
        bool writesOnly = fault is not (Fault.FailBefore or Fault.FailAfter or Fault.Gone);
        for (int at = -1; at < operations; at++)
        {
            await ResetAsync(fixture.Store, before);
            var faulty = new FaultStore(fixture.Store, at < 0 ? Fault.None : fault, at, writesOnly);
            bool done = false;
            try
            {
                using Repository dying = await fixture.OpenAsync(faulty);
                await work(dying);
                done = true;
            }
            catch (Exception failure) when (failure is SimulatedCrashException or NataliaException)
            {
            }
            if (at < 0) operations = faulty.Operations;
            string what = $"{fault} at {at}" + (at >= 0 && at < faulty.Log.Count ? ": " + faulty.Log[at] : "");
            using Repository repository = await fixture.OpenAsync();
            IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
            Assert.True(states.Keys.Except(removed).All(id => points.Any(p => p.RestorePointId == id)),
                $"{what}: a point that nobody removed is gone");
            if (done || removeFirst)
                Assert.True(!points.Any(p => removed.Contains(p.RestorePointId)), $"{what}: a removed point is there");
            if (fault == Fault.Tear && at >= 0 && faulty.Log[at].Contains("/leases/")) continue;
            byte[] next = Change(disk, 6, 99);
            string made = (await BackupAsync(repository, next)).RestorePointId;
            await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            foreach (RestorePoint point in await PointsAsync(repository))
                Assert.True(await StateFinder.IsAsync(repository, point,
                    point.RestorePointId == made ? next : states[point.RestorePointId]),
                    $"{what}: the point {point.Sequence}");
            await ReclaimTests.AssertSweptAsync(fixture, what);
            // A torn object under a final name is what no store may leave; where one did, the check says so.
            if (fault == Fault.Tear) continue;
            CheckResult? failed = (await CheckAsync(repository)).Find(r => r.Result == CheckOutcome.Failed);
            Assert.True(failed is null, $"{what}: {failed?.Detail}");
        }
        Assert.True(operations > 5, $"{operations} operations");
    }

    private static async Task<Dictionary<string, byte[]>> CopyAsync(IObjectStore store)
    {
        var copy = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (StoredObject item in await store.ListAllAsync("", default))
            copy[item.Name] = await store.ReadAllAsync(item.Name, default);
        return copy;
    }

    private static async Task ResetAsync(IObjectStore store, Dictionary<string, byte[]> copy)
    {
        foreach (StoredObject item in await store.ListAllAsync("", default))
            await store.DeleteAsync(item.Name, default);
        foreach (KeyValuePair<string, byte[]> item in copy)
            await store.PutAsync(item.Key, new ObjectContent(item.Value), PutOptions.Metadata, default);
    }
}
