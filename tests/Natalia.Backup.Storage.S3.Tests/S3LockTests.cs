using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>Object lock and versions, against a server that really enforces them.</summary>
public sealed class S3LockTests : IAsyncLifetime
{
    private string _bucket = "";

    public static string? Obstacle => CephServer.Obstacle;
    private static CancellationToken None => CancellationToken.None;
    private static ObjectContent Content(params byte[] bytes) => new(bytes);
    private static Amazon.S3.IAmazonS3 Vandal => CephServer.Running.Admin;

    public async Task InitializeAsync() => _bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);

    public Task DisposeAsync() => Task.CompletedTask;

    private Task<S3Store> OpenAsync(ObjectLockMode? mode = ObjectLockMode.Compliance) =>
        S3Store.OpenAsync(TestOptions.For(_bucket) with { LockMode = mode, Prefix = "p" }, None);

    private async Task<List<S3ObjectVersion>> VersionsAsync() =>
        (await Vandal.ListVersionsAsync(new ListVersionsRequest { BucketName = _bucket })).Versions ?? [];

    private static async Task<List<string>> NamesAsync(IObjectStore store)
    {
        var names = new List<string>();
        await foreach (StoredObject item in store.ListAsync("", None)) names.Add(item.Name);
        return names;
    }

    private static async Task<byte[]> ReadAsync(IObjectStore store, string name)
    {
        byte[] buffer = new byte[100];
        return buffer[..await store.ReadAsync(name, 0, buffer, None)];
    }

    private static async Task<string> ErrorOf(Func<Task> action) =>
        (await Assert.ThrowsAsync<NataliaException>(action)).ErrorId;

    [StoreTheory]
    [InlineData(ObjectLockMode.Compliance)]
    [InlineData(ObjectLockMode.Governance)]
    public async Task Locks_what_it_puts_and_reads_the_lock_back(ObjectLockMode mode)
    {
        using S3Store store = await OpenAsync(mode);
        Assert.False(store.HasExclusiveCreate);
        Assert.Equal(mode, store.ObjectLock!.Mode);
        DateTime until = DateTime.UtcNow.AddDays(1);
        StoreUsage before = store.Meter.Usage;
        await store.PutAsync("data/1", Content(1, 2, 3), PutOptions.Data with { RetainUntilUtc = until }, None);
        // One put and one question: the price of knowing.
        Assert.Equal(new StoreUsage { Puts = 1, Stats = 1, BytesWritten = 3 }, store.Meter.Usage - before);
        DateTime locked = (await store.ObjectLock.GetRetainUntilAsync("data/1", None))!.Value;
        Assert.InRange(locked, until, until.AddSeconds(1));
        Assert.Equal(DateTimeKind.Utc, locked.Kind);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => store.DeleteAsync("data/1", None));
        Assert.Equal(ErrorIds.ObjectLocked, error.ErrorId);
        Assert.Contains(locked.ToString("u"), error.Message, StringComparison.Ordinal);
        Assert.Equal([1, 2, 3], await ReadAsync(store, "data/1"));
    }

    [StoreFact]
    public async Task Extends_a_lock_and_never_shortens_it()
    {
        using S3Store store = await OpenAsync();
        DateTime now = DateTime.UtcNow;
        await store.PutAsync("a", Content(1), new PutOptions { RetainUntilUtc = now.AddDays(2) }, None);
        StoreUsage before = store.Meter.Usage;
        Assert.InRange(await store.ObjectLock!.ExtendAsync("a", now.AddDays(5), None), now.AddDays(5),
            now.AddDays(5).AddSeconds(1));
        Assert.Equal(2, (store.Meter.Usage - before).Requests);
        Assert.InRange(await store.ObjectLock.ExtendAsync("a", now.AddDays(3), None), now.AddDays(5),
            now.AddDays(5).AddSeconds(1));
        Assert.InRange((await store.ObjectLock.GetRetainUntilAsync("a", None))!.Value, now.AddDays(5),
            now.AddDays(5).AddSeconds(1));
        // What had no lock gets one.
        await store.PutAsync("b", Content(1), PutOptions.Metadata, None);
        Assert.Null(await store.ObjectLock.GetRetainUntilAsync("b", None));
        await store.ObjectLock.ExtendAsync("b", now.AddDays(1), None);
        Assert.Equal(ErrorIds.ObjectLocked, await ErrorOf(() => store.DeleteAsync("b", None)));
        Assert.Equal(ErrorIds.ObjectNotFound,
            await ErrorOf(() => store.ObjectLock.ExtendAsync("c", now.AddDays(1), None)));
    }

    [StoreFact]
    public async Task Extends_a_compliance_lock_from_a_session_with_governance()
    {
        DateTime now = DateTime.UtcNow;
        using (S3Store strict = await OpenAsync())
            await strict.PutAsync("a", Content(1), new PutOptions { RetainUntilUtc = now.AddDays(1) }, None);
        using S3Store store = await OpenAsync(ObjectLockMode.Governance);
        Assert.InRange(await store.ObjectLock!.ExtendAsync("a", now.AddDays(3), None), now.AddDays(3),
            now.AddDays(3).AddSeconds(1));
        GetObjectRetentionResponse retention =
            await Vandal.GetObjectRetentionAsync(new GetObjectRetentionRequest { BucketName = _bucket, Key = "p/a" });
        Assert.Equal("COMPLIANCE", retention.Retention.Mode.Value);
    }

    /// <summary>Both may be told that theirs was stored: what is there is for both the first one.</summary>
    [StoreFact]
    public async Task Two_who_fight_for_a_name_read_the_same()
    {
        using S3Store one = await OpenAsync(), two = await OpenAsync();
        for (int i = 0; i < 10; i++)
        {
            string name = $"a/{i}";
            await Task.WhenAll(new[] { (one, 1), (two, 2) }.Select(async writer =>
            {
                try
                {
                    await writer.Item1.PutAsync(name, Content((byte)writer.Item2),
                        new PutOptions { MustNotExist = true }, None);
                }
                catch (NataliaException second) when (second.ErrorId == ErrorIds.ObjectExists)
                {
                }
            }));
            Assert.Equal(await ReadAsync(one, name), await ReadAsync(two, name));
        }
    }

    /// <summary>What is put there takes the place of what was put there before: only a condition keeps it.</summary>
    [StoreFact]
    public async Task A_bucket_whose_versioning_was_suspended_keeps_what_came_first()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        async Task SetAsync(string status) => await Vandal.PutBucketVersioningAsync(new PutBucketVersioningRequest
        {
            BucketName = bucket,
            VersioningConfig = new S3BucketVersioningConfig { Status = status },
        });
        Task<S3Store> OpenHereAsync() => S3Store.OpenAsync(TestOptions.For(bucket) with { Prefix = "p" }, None);
        var claim = new PutOptions { MustNotExist = true };
        await SetAsync("Enabled");
        using (S3Store before = await OpenHereAsync())
        {
            Assert.False(before.HasExclusiveCreate);
            await before.PutAsync("old", Content(1), PutOptions.Metadata, None);
        }
        await SetAsync("Suspended");
        using S3Store one = await OpenHereAsync(), two = await OpenHereAsync();
        await one.PutAsync("new", Content(2), claim, None);
        Assert.True(one.IsVersioned);
        Assert.True(one.HasExclusiveCreate);
        foreach (string name in new[] { "old", "new" })
        {
            Assert.Equal(ErrorIds.ObjectExists, await ErrorOf(() => two.PutAsync(name, Content(3), claim, None)));
            Assert.Equal(ErrorIds.ObjectExists,
                await ErrorOf(() => two.PutAsync(name, Content(3), PutOptions.Metadata, None)));
            foreach (S3Store store in new[] { one, two })
                Assert.Equal([(byte)(name == "old" ? 1 : 2)], await ReadAsync(store, name));
        }
        Assert.Equal(["new", "old"], await NamesAsync(two));
        foreach (string name in new[] { "old", "new" }) await two.DeleteAsync(name, None);
        // Neither probes nor markers stay.
        Assert.Empty((await Vandal.ListVersionsAsync(new ListVersionsRequest { BucketName = bucket })).Versions ?? []);
    }

    [StoreFact]
    public async Task Deletes_when_the_lock_has_ended()
    {
        using S3Store store = await OpenAsync();
        // Two seconds are enough for the next request, unless the machine is very busy: then it is tried with more.
        DateTime end;
        for (int seconds = 2; ; seconds *= 2)
        {
            await store.PutAsync("a", Content(1),
                new PutOptions { RetainUntilUtc = DateTime.UtcNow.AddSeconds(seconds) }, None);
            end = (await store.ObjectLock!.GetRetainUntilAsync("a", None))!.Value;
            Exception? refused = await Record.ExceptionAsync(() => store.DeleteAsync("a", None));
            if (refused is null && DateTime.UtcNow > end) continue;
            Assert.Equal(ErrorIds.ObjectLocked, Assert.IsType<NataliaException>(refused).ErrorId);
            break;
        }
        // The server's clock is the one that counts, and it does not move by hand.
        while (DateTime.UtcNow <= end.AddSeconds(0.5)) await Task.Delay(100);
        await store.DeleteAsync("a", None);
        Assert.Empty(await VersionsAsync());
    }

    [StoreFact]
    public async Task Is_neither_hidden_nor_replaced_by_what_a_vandal_writes()
    {
        using S3Store store = await OpenAsync();
        await store.PutAsync("a/1", Content(1), new PutOptions { RetainUntilUtc = DateTime.UtcNow.AddDays(1) }, None);
        await store.PutAsync("a/2", Content(2), PutOptions.Metadata, None);
        for (int i = 0; i < 3; i++)
        {
            await Vandal.PutObjectAsync(new PutObjectRequest
            {
                BucketName = _bucket,
                Key = "p/a/1",
                ContentBody = "encrypted, pay now",
                UseChunkEncoding = false,
            });
            await Vandal.DeleteObjectAsync(_bucket, "p/a/1");
        }
        await Vandal.DeleteObjectAsync(_bucket, "p/a/2");
        // What was never there but for a marker is nothing.
        await Vandal.DeleteObjectAsync(_bucket, "p/a/15");
        using S3Store fresh = await OpenAsync();
        foreach (S3Store reader in new[] { store, fresh })
        {
            Assert.Equal([1], await ReadAsync(reader, "a/1"));
            Assert.Equal(1, (await reader.StatAsync("a/1", None))!.Length);
            Assert.Equal(["a/1", "a/2"], await NamesAsync(reader));
            Assert.Equal([2], await ReadAsync(reader, "a/2"));
            Assert.NotNull(await reader.ObjectLock!.GetRetainUntilAsync("a/1", None));
            Assert.Null(await reader.StatAsync("a/15", None));
        }
    }

    [StoreFact]
    public async Task Deletes_every_version_so_that_the_space_comes_back()
    {
        using S3Store store = await OpenAsync();
        for (int i = 0; i < 12; i++) await store.PutAsync("a/1", Content(1), PutOptions.Metadata, None);
        await Vandal.DeleteObjectAsync(_bucket, "p/a/1");
        await store.PutAsync("a/10", Content(2), PutOptions.Metadata, None);
        await store.DeleteAsync("a/1", None);
        Assert.Equal("p/a/10", Assert.Single(await VersionsAsync()).Key);
        Assert.Equal(["a/10"], await NamesAsync(store));
    }

    [StoreFact]
    public async Task Shows_the_first_of_two_writers_to_both()
    {
        using S3Store one = await OpenAsync();
        using S3Store two = await OpenAsync();
        var claim = new PutOptions { Class = ObjectClass.Transient, MustNotExist = true };
        int refused = 0;
        await Task.WhenAll(new[] { (one, (byte)1), (two, (byte)2) }.Select(async w =>
        {
            try { await w.Item1.PutAsync("leases/1", Content(w.Item2), claim, None); }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectExists)
            {
                Interlocked.Increment(ref refused);
            }
        }));
        Assert.InRange(refused, 0, 1);
        Assert.Equal(await ReadAsync(one, "leases/1"), await ReadAsync(two, "leases/1"));
        Assert.Equal(ErrorIds.ObjectExists, await ErrorOf(() => one.PutAsync("leases/1", Content(1), claim, None)));
    }

    [StoreFact]
    public async Task Notices_that_another_machine_deleted_and_made_an_object_anew()
    {
        using S3Store one = await OpenAsync();
        using S3Store two = await OpenAsync();
        await one.PutAsync("a", Content(1), PutOptions.Metadata, None);
        await two.DeleteAsync("a", None);
        Assert.Equal(ErrorIds.ObjectNotFound, await ErrorOf(() => one.ReadAsync("a", 0, new byte[1], None)));
        await one.PutAsync("a", Content(1), PutOptions.Metadata, None);
        await two.DeleteAsync("a", None);
        await two.PutAsync("a", Content(2), PutOptions.Metadata, None);
        Assert.Equal([2], await ReadAsync(one, "a"));
    }

    [StoreFact]
    public async Task Notices_a_lock_by_the_buckets_default()
    {
        await Vandal.PutObjectLockConfigurationAsync(new PutObjectLockConfigurationRequest
        {
            BucketName = _bucket,
            ObjectLockConfiguration = new ObjectLockConfiguration
            {
                ObjectLockEnabled = "Enabled",
                Rule = new ObjectLockRule { DefaultRetention = new DefaultRetention { Mode = "GOVERNANCE", Days = 7 } },
            },
        });
        using S3Store store = await OpenAsync();
        Assert.Equal(7, store.DefaultRetentionDays);
        await store.PutAsync("a", Content(1), PutOptions.Metadata, None);
        Assert.True(await store.ObjectLock!.GetRetainUntilAsync("a", None) > DateTime.UtcNow.AddDays(6));
        Assert.Equal(ErrorIds.ObjectLocked, await ErrorOf(() => store.DeleteAsync("a", None)));
    }

    [StoreFact]
    public async Task Names_a_legal_hold_as_the_reason()
    {
        using S3Store store = await OpenAsync();
        await store.PutAsync("a", Content(1), PutOptions.Metadata, None);
        var hold = new PutObjectLegalHoldRequest
        {
            BucketName = _bucket,
            Key = "p/a",
            LegalHold = new ObjectLockLegalHold { Status = "ON" },
        };
        await Vandal.PutObjectLegalHoldAsync(hold);
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => store.DeleteAsync("a", None));
        Assert.Equal(ErrorIds.ObjectLocked, error.ErrorId);
        Assert.Contains("legal hold", error.Message, StringComparison.Ordinal);
    }

    /// <summary>What a repository says of its locks is known only when it is read: then they are set by the same
    /// connection.</summary>
    [StoreFact]
    public async Task A_store_that_is_told_of_locks_later_sets_them_without_asking_the_bucket_again()
    {
        S3Store plain = await OpenAsync(mode: null);
        await plain.PutAsync("before", Content(1), PutOptions.Metadata, None);
        StoreUsage before = plain.Meter.Usage;
        using S3Store store = plain.With(ObjectLockMode.Compliance, null);
        Assert.Equal(before, store.Meter.Usage);
        Assert.Equal(ObjectLockMode.Compliance, store.ObjectLock!.Mode);
        DateTime until = DateTime.UtcNow.AddDays(1);
        await store.PutAsync("a", Content(1), new PutOptions { RetainUntilUtc = until }, None);
        Assert.InRange((await store.ObjectLock.GetRetainUntilAsync("a", None))!.Value, until, until.AddSeconds(1));
        Assert.Null(await store.ObjectLock.GetRetainUntilAsync("before", None));
        Assert.Equal(ErrorIds.ObjectLocked, await ErrorOf(() => store.DeleteAsync("a", None)));
    }

    [StoreFact]
    public async Task A_bucket_without_locks_refuses_them_also_later()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        NataliaException refused = Assert.Throws<NataliaException>(() => store.With(ObjectLockMode.Governance, null));
        Assert.Equal(ErrorIds.BucketWithoutObjectLock, refused.ErrorId);
        using S3Store same = store.With(null, "STANDARD");
        Assert.Null(same.ObjectLock);
    }

    [StoreFact]
    public async Task Refuses_to_lock_from_a_session_without_immutability()
    {
        using S3Store store = await OpenAsync(mode: null);
        Assert.Null(store.ObjectLock);
        Assert.Equal(ErrorIds.ObjectLockNotSupported,
            await ErrorOf(
                () => store.PutAsync("a", Content(1), new PutOptions { RetainUntilUtc = DateTime.UtcNow.AddDays(1) },
                    None)));
        Assert.Empty(await VersionsAsync());
    }
}
