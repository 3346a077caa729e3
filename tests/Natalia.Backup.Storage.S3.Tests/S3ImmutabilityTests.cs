using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Storage.S3;
using static Natalia.Backup.Engine.Tests.Repositories.RepositoryBench;
using RepositoryBench = Natalia.Backup.Engine.Tests.Repositories.RepositoryBench;

namespace Natalia.Backup.Tests.Storage;

/// <summary>An immutable repository in a real bucket that enforces object lock.</summary>
public sealed class S3ImmutabilityTests
{
    public static string? Obstacle => CephServer.Obstacle;

    [StoreFact]
    public async Task Everything_that_a_point_needs_is_locked_on_the_server_and_cannot_be_removed()
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
        using var bench = new RepositoryBench { Password = "correct horse" };
        S3StoreOptions options = TestOptions.For(bucket) with { Prefix = "r", LockMode = ObjectLockMode.Governance };
        byte[] one = Disk(3 << 20, 1);
        using (Repository repository = await Repository.CreateAsync(await S3Store.OpenAsync(options, default), Secret("correct horse"), bench.Options with { Immutability = new ImmutabilityPolicy(2, ObjectLockMode.Governance) }, default))
        {
            RestorePoint first = await BackupAsync(repository, one);
            RestorePoint second = await BackupAsync(repository, Change(one, 3, 1));
            Assert.True(first.ImmutableUntilUtc > DateTime.UtcNow.AddDays(2).AddMinutes(-5));
            Assert.True(second.ImmutableUntilUtc > DateTime.UtcNow.AddDays(2).AddMinutes(-5));
            NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() => repository.RemoveRestorePointAsync(first, "a test", default));
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
            NataliaException kept = await Assert.ThrowsAsync<NataliaException>(() => store.DeleteAsync(item.Name, default));
            Assert.Equal(ErrorIds.ObjectLocked, kept.ErrorId);
            locked++;
        }
        Assert.True(locked >= 10, $"{locked} objects");

        using Repository again = await bench.OpenAsync(await S3Store.OpenAsync(options, default));
        Assert.Equal((2, ObjectLockMode.Governance), (again.ImmutableDays, again.ImmutabilityMode));
        Assert.Equal(one, await RestoreAsync(again, (await PointsAsync(again))[1]));

        // Opened without the means to lock, nothing is written.
        using Repository weak = await bench.OpenAsync(await S3Store.OpenAsync(options with { LockMode = null }, default));
        NataliaException unlocked = await Assert.ThrowsAsync<NataliaException>(() => BackupAsync(weak, one));
        Assert.Equal(ErrorIds.ObjectLockNotSupported, unlocked.ErrorId);
    }

    private static async Task<List<StoredObject>> ListAsync(IObjectStore store)
    {
        var all = new List<StoredObject>();
        await foreach (StoredObject item in store.ListAsync("", default)) all.Add(item);
        return all;
    }
}
