using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>The probe of a destination against a server that really locks.</summary>
public sealed class S3ProbeTests
{
    private static CancellationToken None => CancellationToken.None;

    private static async Task<Dictionary<string, CheckResult>> ProbeAsync(IObjectStore store)
    {
        var results = new Dictionary<string, CheckResult>();
        await foreach (CheckResult result in StoreProbe.RunAsync(store,
            new StoreProbeOptions { LockDuration = TimeSpan.FromSeconds(10) }, None))
            results.Add(result.Name, result);
        return results;
    }

    [CephFact]
    public async Task Proves_a_plain_bucket()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using var store = new RetryStore(await S3Store.OpenAsync(TestOptions.For(bucket), None));
        Dictionary<string, CheckResult> results = await ProbeAsync(store);
        foreach (string name in new[] { "StoreReachable", "StoreReadAfterWrite", "StoreRangedRead",
            "StoreConcurrentWriters", "StoreClock" })
            Assert.Equal((name, CheckOutcome.Passed), (name, results[name].Result));
        // It is this very machine, and says so.
        Assert.Equal(CheckOutcome.Warning, results["StoreOffHost"].Result);
        Assert.Equal(CheckOutcome.Skipped, results["StoreFreeSpace"].Result);
        Assert.Equal(CheckOutcome.Skipped, results["StoreImmutability"].Result);
        Assert.Empty((await CephServer.Running.Admin.ListObjectsV2Async(new() { BucketName = bucket })).S3Objects
            ?? []);
    }

    [CephFact]
    public async Task Proves_an_immutable_bucket_by_trying_to_delete()
    {
        foreach (ObjectLockMode mode in new[] { ObjectLockMode.Compliance, ObjectLockMode.Governance })
        {
            string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
            using var store =
                new ThrottledStore(
                    new RetryStore(await S3Store.OpenAsync(TestOptions.For(bucket) with { LockMode = mode }, None)),
                4);
            Dictionary<string, CheckResult> results = await ProbeAsync(store);
            foreach (string name in new[] { "StoreReachable", "StoreReadAfterWrite", "StoreRangedRead",
                "StoreConcurrentWriters", "StoreClock", "StoreImmutability" })
                Assert.Equal((name, CheckOutcome.Passed), (name, results[name].Result));
            Assert.Contains($"({mode})", results["StoreImmutability"].Actual, StringComparison.Ordinal);
            // Of all that was made, only the locked probe is still there, every version of the rest is gone.
            Assert.EndsWith("/locked",
                Assert.Single((await CephServer.Running.Admin.ListVersionsAsync(bucket)).Versions).Key,
                StringComparison.Ordinal);
        }
    }

    [CephFact]
    public async Task Reports_a_bucket_that_has_gone_as_a_result()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        await CephServer.Running.Admin.DeleteBucketAsync(bucket);
        CheckResult result = (await ProbeAsync(store))["StoreReachable"];
        Assert.Equal((CheckOutcome.Failed, ErrorIds.BucketNotFound), (result.Result, result.ErrorId));
    }
}
