using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Tests.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Reclaim;

/// <summary>
/// Optimizations of one appliance that meet: whatever operation of the one the other comes before, points restore, and
/// after one more nothing is left that only a repair would find.
/// </summary>
public sealed class TwoOptimizationsTests
{
    /// <param name="twice">Whether an earlier optimization has rewritten packs, and left what it replaced to
    /// readers.</param>
    /// <param name="first">What becomes of the one that was interrupted by the other: it goes on, or dies one operation
    /// later.</param>
    /// <param name="meet">Whether another one comes; else the one dies alone.</param>
    [Theory]
    [InlineData(false, Fault.None, true)]
    [InlineData(false, Fault.CrashAfter, true)]
    [InlineData(true, Fault.None, true)]
    [InlineData(true, Fault.CrashAfter, true)]
    [InlineData(false, Fault.CrashAfter, false)]
    [InlineData(false, Fault.PowerLoss, false)]
    public async Task What_two_leave_is_found_by_the_next(bool twice, Fault first, bool meet)
    {
        using var store = new MemoryStore();
        using var fixture = new RepositoryFixture(store);
        var states = new Dictionary<string, byte[]>();
        var ids = new List<string>();
        byte[] disk = new byte[24 * 65536];
        new Random(1).NextBytes(disk);
        using (Repository repository = await fixture.CreateAsync())
        {
            await MakeAsync(repository);
            // Of what each adds, most dies with the next point and the rest with the one after. Or, of the first, a
            // part dies with a point of which nothing is left then.
            for (int i = 0; i < 5; i++)
            {
                disk = Renew(disk,
                    !meet ? Enumerable.Range(0, 10) : i % 2 == 0 ? Enumerable.Range(0, 17) : Enumerable.Range(17, 7),
                    i);
                await MakeAsync(repository);
            }
            await RemoveAsync(repository, 0);
            if (!meet) await RemoveAsync(repository, 1);
            if (twice) await repository.ReclaimAsync(Appliance.ApplianceId, TimeSpan.FromTicks(1), default);
        }
        Dictionary<string, byte[]> before = await StoreCopy.TakeAsync(store);
        int operations = int.MaxValue, repacked = 0;
        for (int at = -1; at < operations; at++)
        {
            await StoreCopy.PutBackAsync(store, before);
            var counter = new FaultStore(store, first, at, seed: 1);
            var hooked = new HookStore(counter);
            hooked.Before = async _ =>
            {
                if (!meet || counter.Operations != at || at < 0) return;
                hooked.Before = _ => Task.CompletedTask;
                using Repository other = await fixture.OpenAsync(store);
                await RemoveAsync(other, 1);
                await RemoveAsync(other, 2);
                await other.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            };
            string what = $"twice {twice}, {first}, {(meet ? "met" : "alone")}, at operation {at}";
            try
            {
                using Repository one = await fixture.OpenAsync(hooked);
                ReclaimResult result = await one.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
                Assert.True(result.Reason is null, $"{what}: {result.Reason}");
                repacked += result.RepackedPacks;
            }
            catch (Exception failure) when (first != Fault.None && failure is SimulatedCrashException)
            {
            }
            if (at < 0) operations = counter.Operations;
            using Repository next = await fixture.OpenAsync(store);
            await next.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            foreach (RestorePoint point in await PointsAsync(next))
                Assert.True(await StateFinder.IsAsync(next, point, states[point.RestorePointId]),
                    $"{what}: the point {point.Sequence}");
            await ReclaimTests.AssertSweptAsync(fixture, what);
            CheckResult? failed = (await CheckAsync(next)).Find(r => r.Result == CheckOutcome.Failed);
            Assert.True(failed is null, $"{what}: {failed?.Detail}");
            RepairReport repair = await next.RepairAsync(new RepairOptions { WhatIf = true }, (_, why) => throw why,
                null, default);
            Assert.True(repair.Findings.Count == 0 && repair.UnneededBytes == 0,
                $"{what}: {repair.UnneededBytes} bytes that only a repair finds; {string.Join(" ", repair.Findings)}");
        }
        Assert.True(operations > 20 && (twice || !meet || repacked > 0),
            $"{operations} operations, {repacked} rewritten");

        async Task MakeAsync(Repository repository)
        {
            string id = (await BackupAsync(repository, disk)).RestorePointId;
            states[id] = disk;
            ids.Add(id);
        }

        async Task RemoveAsync(Repository repository, int index) =>
            await repository.RemoveRestorePointAsync(
                (await PointsAsync(repository)).Single(p => p.RestorePointId == ids[index]),
                "a test", default);
    }

    /// <summary>
    /// Whatever operation a backup comes before: the optimization takes nothing for missing, and the new point is
    /// whole.
    /// </summary>
    [Fact]
    public async Task A_backup_beside_an_optimization_is_no_reason_to_warn()
    {
        using var store = new MemoryStore();
        using var fixture = new RepositoryFixture(store);
        byte[] disk = Disk(1 << 20, 1), next = Change(disk, 20, 9);
        using (Repository repository = await fixture.CreateAsync())
        {
            for (int i = 0; i < 3; i++) await BackupAsync(repository, disk = Change(disk, 10, i));
            await repository.RemoveRestorePointAsync((await PointsAsync(repository))[2], "a test", default);
        }
        Dictionary<string, byte[]> before = await StoreCopy.TakeAsync(store);
        int operations = int.MaxValue;
        for (int at = -1; at < operations; at++)
        {
            await StoreCopy.PutBackAsync(store, before);
            var counter = new FaultStore(store);
            var hooked = new HookStore(counter);
            hooked.Before = async _ =>
            {
                if (at < 0 || counter.Operations != at) return;
                hooked.Before = _ => Task.CompletedTask;
                using Repository other = await fixture.OpenAsync(store);
                await BackupAsync(other, next);
            };
            using Repository one = await fixture.OpenAsync(hooked);
            ReclaimResult result = await one.ReclaimAsync(Appliance.ApplianceId, TimeSpan.Zero, default);
            Assert.True(result.Reason is null, $"at {at}: {result.Reason}");
            if (at < 0) operations = counter.Operations;
            else Assert.True(await StateFinder.IsAsync(one, (await PointsAsync(one))[0], next), $"at {at}");
        }
        Assert.True(operations > 15, $"{operations} operations");
    }

    /// <summary>The disk with other bytes in these blocks.</summary>
    private static byte[] Renew(byte[] disk, IEnumerable<int> blocks, int seed)
    {
        byte[] next = (byte[])disk.Clone();
        var random = new Random(seed + 100);
        foreach (int block in blocks) random.NextBytes(next.AsSpan(block * 65536, 65536));
        return next;
    }
}
