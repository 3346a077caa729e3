using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using static Natalia.Backup.Testing.RepositoryFixture;
using RepositoryFixture = Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>An immutable repository in a real bucket that enforces object lock.</summary>
public sealed class S3ImmutabilityTests
{
    public static string? Obstacle => CephServer.Obstacle;

    [StoreFact]
    public async Task Everything_that_a_point_needs_is_locked_on_the_server_and_cannot_be_removed()
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        S3StoreOptions options = TestOptions.For(bucket) with { Prefix = "r", LockMode = ObjectLockMode.Governance };
        byte[] one = Disk(3 << 20, 1);
        using (Repository repository = await Repository.CreateAsync(await S3Store.OpenAsync(options, default),
            Secret("correct horse"), fixture.Options with
            {
                Immutability = new ImmutabilityPolicy(2, ObjectLockMode.Governance),
            }, default))
        {
            RestorePoint first = await BackupAsync(repository, one);
            RestorePoint second = await BackupAsync(repository, Change(one, 3, 1));
            Assert.True(first.ImmutableUntilUtc > DateTime.UtcNow.AddDays(2).AddMinutes(-5));
            Assert.True(second.ImmutableUntilUtc > DateTime.UtcNow.AddDays(2).AddMinutes(-5));
            NataliaException refused =
                await Assert.ThrowsAsync<NataliaException>(
                    () => repository.RemoveRestorePointAsync(first, "a test", default));
            Assert.Equal(ErrorIds.RestorePointLocked, refused.ErrorId);
        }

        using S3Store store = await S3Store.OpenAsync(options, default);
        int locked = 0;
        foreach (StoredObject item in await ListAsync(store))
        {
            DateTime? until = await store.ObjectLock!.GetRetainUntilAsync(item.Name, default);
            if (item.Name.Contains("/leases/", StringComparison.Ordinal))
            {
                Assert.Null(until);
                continue;
            }
            Assert.True(until > DateTime.UtcNow.AddDays(2).AddMinutes(-5), item.Name);
            NataliaException kept =
                await Assert.ThrowsAsync<NataliaException>(() => store.DeleteAsync(item.Name, default));
            Assert.Equal(ErrorIds.ObjectLocked, kept.ErrorId);
            locked++;
        }
        Assert.True(locked >= 10, $"{locked} objects");

        using Repository again = await fixture.OpenAsync(await S3Store.OpenAsync(options, default));
        Assert.Equal((2, ObjectLockMode.Governance), (again.ImmutableDays, again.ImmutabilityMode));
        Assert.Equal(one, await RestoreAsync(again, (await PointsAsync(again))[1]));

        // Opened without the means to lock, nothing is written.
        using Repository weak = await fixture.OpenAsync(await S3Store.OpenAsync(options with { LockMode = null },
            default));
        NataliaException unlocked = await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(weak, one));
        Assert.Equal(ErrorIds.ObjectLockNotSupported, unlocked.ErrorId);
    }

    /// <summary>The system's clock, some days ahead: the server keeps its own time, and waits still end.</summary>
    private sealed class LaterClock : TimeProvider
    {
        private TimeSpan _ahead;

        internal void Advance(TimeSpan time) => _ahead += time;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + _ahead;
    }

    [StoreFact]
    public async Task Locks_that_follow_the_policy_are_extended_on_the_server_as_long_as_a_point_is_kept_and_no_longer()
    {
        const int ahead = 4;
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
        var clock = new LaterClock();
        using var fixture = new RepositoryFixture { Clock = clock };
        S3StoreOptions options = TestOptions.For(bucket) with { Prefix = "r", LockMode = ObjectLockMode.Governance };
        var policy = new ImmutabilityPolicy(ahead, ObjectLockMode.Governance, WhileKept: true);
        using Repository repository = await Repository.CreateAsync(await S3Store.OpenAsync(options, default),
            null, fixture.Options with
            {
                Immutability = policy,
                Retention = new RetentionPolicy { Last = 1 },
                ClockLimit = TimeSpan.MaxValue,
            }, default);
        byte[] disk = Disk(2 << 20, 1);
        RestorePoint first = await BackupAsync(repository, disk, time: clock.GetUtcNow().UtcDateTime);
        DateTime before = first.ImmutableUntilUtc!.Value;
        clock.Advance(TimeSpan.FromDays(3));
        LockRenewal renewal = (await repository.RenewLocksAsync(Appliance.ApplianceId, look: false, default))!;
        Assert.Empty(renewal.Failures);
        // Two requests for each object: one that extends, one that reads back.
        Assert.InRange(renewal.Requests!.Value, 2 * renewal.ExtendedObjects, 2 * renewal.ExtendedObjects + 25);
        RestorePoint extended = Assert.Single(await PointsAsync(repository));
        Assert.True(extended.ImmutableUntilUtc >= clock.GetUtcNow().UtcDateTime.AddDays(ahead)
            && extended.ImmutableUntilUtc > before.AddDays(2));
        using S3Store store = await S3Store.OpenAsync(options, default);
        foreach (StoredObject pack in (await ListAsync(store))
            .Where(o => o.Name.Contains("/data/") || o.Name.Contains("/meta/") || o.Name.Contains("/points/")))
            Assert.True(await store.ObjectLock!.GetRetainUntilAsync(pack.Name, default) >= extended.ImmutableUntilUtc,
                pack.Name);

        // Let go by the policy: the next extension leaves it out.
        RestorePoint second = await BackupAsync(repository, Disk(2 << 20, 2), time: clock.GetUtcNow().UtcDateTime);
        clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal(1, (await repository.RenewLocksAsync(Appliance.ApplianceId, look: true, default))!.KeptPoints);
        IReadOnlyList<RestorePoint> points = await PointsAsync(repository);
        Assert.Equal(extended.ImmutableUntilUtc,
            points.Single(p => p.RestorePointId == first.RestorePointId).ImmutableUntilUtc);
        Assert.True(
            points.Single(p => p.RestorePointId == second.RestorePointId).ImmutableUntilUtc
            > extended.ImmutableUntilUtc);
    }

    private static async Task<List<StoredObject>> ListAsync(IObjectStore store)
    {
        var all = new List<StoredObject>();
        await foreach (StoredObject item in store.ListAsync("", default)) all.Add(item);
        return all;
    }
}
