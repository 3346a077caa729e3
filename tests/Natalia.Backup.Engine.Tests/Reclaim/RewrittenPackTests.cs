using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Tests.Repositories;
using Natalia.Backup.Testing;
using static Natalia.Backup.Engine.Tests.Copy.CopySteps;
using static Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Engine.Tests.Reclaim;

/// <summary>
/// An optimization deletes the old object of a pack that it rewrote, whoever has read that object's table before: the
/// reader finds the new object, and takes nothing for damage.
/// </summary>
public sealed class RewrittenPackTests
{
    private const int Block = 64 << 10, LeafBlocks = 128;

    /// <summary>The blocks of each leaf that stay when the others get new content: many, few, and all of a leaf that
    /// is mostly zeros, so that its node stays, too.</summary>
    private static readonly int[] s_staying = [40, 10, 40, 20];

    public enum Reader { Restore, Verification, Salvage, Backup, Copy }

    [Theory]
    [InlineData(Reader.Restore)]
    [InlineData(Reader.Verification)]
    [InlineData(Reader.Salvage)]
    [InlineData(Reader.Backup)]
    [InlineData(Reader.Copy)]
    public async Task Its_old_object_may_go_before_any_operation_of_a_reader(Reader reader)
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        using var store = new MemoryStore(clock);
        using var fixture = new RepositoryFixture(store) { Clock = clock };
        byte[] disk = await FillAsync(fixture, clock);
        Dictionary<string, byte[]> before = await StoreCopy.TakeAsync(store);
        Assert.Equal(2, before.Keys.Count(n => n.EndsWith(".r1")));
        int operations = int.MaxValue, optimizations = 0;
        for (int at = -1; at < operations; at++)
        {
            await StoreCopy.PutBackAsync(store, before);
            // Putting back made the replacement a new one.
            clock.Advance(Repository.DefaultGrace + TimeSpan.FromHours(1));
            int done = 0;
            var hooked = new HookStore(store);
            using Repository repository = await fixture.OpenAsync(hooked);
            RestorePoint point = (await PointsAsync(repository))[0];
            hooked.Before = async _ =>
            {
                if (Interlocked.Increment(ref done) - 1 != at) return;
                using Repository other = await fixture.OpenAsync();
                await other.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
                Interlocked.Increment(ref optimizations);
            };
            await ReadAsync(reader, repository, point, disk, $"{reader}, before operation {at}");
            hooked.Before = _ => Task.CompletedTask;
            if (at < 0) operations = Volatile.Read(ref done);
            else if (Volatile.Read(ref done) > at)
                Assert.DoesNotContain(await store.ListAllAsync("", default), o => before.ContainsKey(o.Name + ".r1"));
            using Repository after = await fixture.OpenAsync();
            Assert.DoesNotContain(await after.GetAuditRecordsAsync(new AuditRecordFilter(), e => throw e, default),
                r => r.Event == DamageRecords.Event);
        }
        Assert.True(operations > 5 && optimizations > 5, $"{operations} operations, {optimizations} optimizations");
    }

    /// <summary>What is not there under any name is missing, whatever was read of it before.</summary>
    [Fact]
    public async Task A_pack_that_goes_for_good_while_it_is_read_is_missing()
    {
        using var fixture = new RepositoryFixture { Workers = 1 };
        using var to = new RepositoryFixture();
        using (Repository filling = await fixture.CreateAsync()) await BackupAsync(filling, Blocks(1));
        using Repository destination = await to.CreateAsync();
        string pack = (await fixture.Store.ListAllAsync($"appliances/{Appliance.ApplianceId}/data/", default))[0].Name;
        byte[] bytes = await fixture.Store.ReadAllAsync(pack, default);
        foreach (bool isCopy in new[] { false, true })
        {
            int reads = 0;
            var hooked = new HookStore(fixture.Store);
            hooked.Before = async operation =>
            {
                if (operation == "read " + pack && Interlocked.Increment(ref reads) == 2)
                    await fixture.Store.DeleteAsync(pack, default);
            };
            using Repository repository = await fixture.OpenAsync(hooked);
            RestorePoint point = (await PointsAsync(repository))[0];
            NataliaException missing = await Assert.ThrowsAsync<NataliaException>(() => isCopy
                ? CopyAllAsync(repository, destination)
                : RestoreAsync(repository, point));
            Assert.Equal((isCopy ? ErrorIds.RestorePointDamaged : ErrorIds.PackMissing, pack),
                (missing.ErrorId, missing.Target));
            await fixture.Store.PutAsync(pack, new ObjectContent(bytes), PutOptions.Metadata, default);
        }
    }

    private static async Task ReadAsync(Reader reader, Repository repository, RestorePoint point, byte[] disk,
        string what)
    {
        switch (reader)
        {
            case Reader.Restore:
                AssertSame(disk, await RestoreAsync(repository, point), what);
                break;
            case Reader.Verification:
                CheckResult verified = await repository.VerifyRestorePointAsync(point, null, default);
                Assert.True(verified.Result == CheckOutcome.Passed, $"{what}: {verified.Detail}");
                break;
            case Reader.Salvage:
                using (var target = new MemoryDiskTarget())
                {
                    SalvagedDisk salvaged = await (await repository.OpenPointAsync(point, default))
                        .SalvageDiskAsync(null, target, null, default);
                    Assert.True(salvaged.BytesLost == 0, $"{what}: {salvaged.BytesLost} bytes lost");
                    AssertSame(disk, target.Bytes, what);
                }
                break;
            case Reader.Backup:
                byte[] next = (byte[])disk.Clone();
                next[7] ^= 1;
                RestorePoint made = await BackupAsync(repository, next);
                Assert.True(made.Reason is null, $"{what}: {made.Reason}");
                AssertSame(next, await RestoreAsync(repository, made), what);
                break;
            default:
                using (var to = new RepositoryFixture())
                using (Repository destination = await to.CreateAsync())
                {
                    PointCopy copy = Assert.Single(await CopyAllAsync(repository, destination));
                    Assert.True(copy is { Status: CopyStatus.Copied, Reason: null }, $"{what}: {copy.Reason}");
                    AssertSame(disk, await RestoreAsync(destination, (await PointsAsync(destination))[0]), what);
                }
                break;
        }
    }

    private static void AssertSame(byte[] expected, byte[] actual, string what) =>
        Assert.True(expected.AsSpan().SequenceEqual(actual), what);

    /// <summary>
    /// Leaves a point that needs a part of two rewritten packs, one of blocks and one of nodes, whose old objects are
    /// still there.
    /// </summary>
    private static async Task<byte[]> FillAsync(RepositoryFixture fixture, FakeTimeProvider clock)
    {
        using Repository repository = await fixture.CreateAsync();
        byte[] disk = Blocks(1), other = Blocks(2);
        RestorePoint first = await BackupAsync(repository, (byte[])disk.Clone());
        for (int leaf = 0; leaf < 3; leaf++)
        {
            int at = (leaf * LeafBlocks + s_staying[leaf]) * Block;
            other.AsSpan(at, (leaf + 1) * LeafBlocks * Block - at).CopyTo(disk.AsSpan(at));
        }
        await BackupAsync(repository, disk);
        await repository.RemoveRestorePointAsync(first, "a test", default);
        clock.Advance(Repository.DefaultGrace + TimeSpan.FromHours(1));
        ReclaimResult result = await repository.ReclaimAsync(Appliance.ApplianceId, Repository.DefaultGrace, default);
        Assert.Equal(2, result.RepackedPacks);
        return disk;
    }

    /// <summary>A disk whose blocks all differ, and take little room when they are compressed; the last leaf has but a
    /// few.</summary>
    private static byte[] Blocks(int seed)
    {
        var disk = new byte[4 * LeafBlocks * Block];
        var random = new Random(seed);
        for (int block = 0; block < 3 * LeafBlocks + s_staying[3]; block++)
            random.NextBytes(disk.AsSpan(block * Block, 100));
        return disk;
    }
}
