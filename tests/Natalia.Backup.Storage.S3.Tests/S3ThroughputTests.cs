using System.Diagnostics;
using Amazon.S3.Transfer;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Testing;
using Xunit.Abstractions;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>
/// The store against the SDK's own TransferUtility: the same bytes, server and number of streams, in turns within one
/// run.
/// </summary>
[Trait("Category", "Long")]
[Collection("Alone")]
public sealed class S3ThroughputTests(ITestOutputHelper output)
{
    private const int Objects = 6;
    private const int ObjectSize = 64 << 20;
    private const int Streams = 4;
    private const int Rounds = 3;
    private const int Connections = 8;
    private const int RangeSize = 8 << 20;

    public static string? Obstacle => CephServer.Obstacle;
    private static CancellationToken None => CancellationToken.None;

    [StoreFact]
    public async Task Is_as_fast_as_the_SDKs_own_transfers_and_keeps_its_memory()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        byte[] bytes = ObjectStoreConformance.Bytes(ObjectSize);
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        using var utility = new TransferUtility(CephServer.Running.Admin,
            new TransferUtilityConfig { ConcurrentServiceRequests = Connections / Streams });
        Speed ourPut = new(0, 0), theirPut = ourPut, ourGet = ourPut, theirGet = ourPut;
        long most = 0;
        // Of one round each, because what else runs on the machine changes from round to round.
        var ratios = new List<(double Put, double Get)>();

        for (int round = 0; round < Rounds; round++)
        {
            Speed theirPutNow = await SpeedAsync(i => utility.UploadAsync(new TransferUtilityUploadRequest
            {
                BucketName = bucket,
                Key = $"theirs/{i}",
                InputStream = new MemoryStream(bytes, writable: false),
            }));
            Speed theirGetNow = await SpeedAsync(async i =>
            {
                using Stream stream = await utility.OpenStreamAsync(bucket, $"theirs/{i}");
                byte[] buffer = new byte[128 << 10];
                while (await stream.ReadAsync(buffer) > 0) { }
            });
            long before = GC.GetTotalMemory(forceFullCollection: true);
            void Watch() => InterlockedMax(ref most, GC.GetTotalMemory(forceFullCollection: false) - before);
            Speed ourPutNow = await SpeedAsync(async i =>
            {
                await store.PutAsync($"ours/{i}", new ObjectContent(bytes), PutOptions.Data, None);
                Watch();
            });
            // As a restore reads: workers that fetch ranges.
            Speed ourGetNow = await SpeedAsync(async i => await Parallel.ForEachAsync(Enumerable.Range(0,
                ObjectSize / RangeSize),
                new ParallelOptions { MaxDegreeOfParallelism = Connections / Streams }, async (part, _) =>
            {
                byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(RangeSize);
                Assert.Equal(RangeSize,
                    await store.ReadAsync($"ours/{i}", (long)part * RangeSize, buffer.AsMemory(0, RangeSize), None));
                System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
                Watch();
            }));
            ratios.Add((ourPutNow.Rate / theirPutNow.Rate, ourGetNow.Rate / theirGetNow.Rate));
            (ourPut, ourGet, theirPut, theirGet) = (Best(ourPut, ourPutNow), Best(ourGet, ourGetNow), Best(theirPut,
                theirPutNow), Best(theirGet, theirGetNow));
            for (int i = 0; i < Objects; i++)
            {
                await store.DeleteAsync($"ours/{i}", None);
                await store.DeleteAsync($"theirs/{i}", None);
            }
        }
        output.WriteLine($"{Objects} objects of {ObjectSize >> 20} MiB, {Streams} at once, best of {Rounds} rounds");
        output.WriteLine($"put   store {ourPut}   TransferUtility {theirPut}   ratio of each round "
            + $"{string.Join(", ", ratios.Select(r => $"{r.Put:f2}"))}");
        output.WriteLine($"get   store {ourGet}   TransferUtility {theirGet}   ratio of each round "
            + $"{string.Join(", ", ratios.Select(r => $"{r.Get:f2}"))}");
        output.WriteLine($"managed memory beside the content: at most {most >> 20} MiB, of which "
            + $"{Connections * (RangeSize >> 20)} MiB are the buffers that the readers bring");
        Assert.True(ratios.Max(r => r.Put) >= 0.8, $"put: {ourPut} against {theirPut}");
        Assert.True(ratios.Max(r => r.Get) >= 0.8, $"get: {ourGet} against {theirGet}");
        Assert.True(most < (Connections * RangeSize) + (48 << 20), $"{most >> 20} MiB beside the content");
    }

    [StoreFact]
    public async Task Says_what_small_requests_cost()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using S3Store store = await S3Store.OpenAsync(TestOptions.For(bucket), None);
        const int count = 200;
        byte[] bytes = ObjectStoreConformance.Bytes(2_000);
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < count; i++)
            await store.PutAsync($"small/{i}", new ObjectContent(bytes), PutOptions.Metadata, None);
        output.WriteLine($"put of 2 kB: {watch.Elapsed.TotalMilliseconds / count:f1} ms");
        watch.Restart();
        for (int i = 0; i < count; i++) await store.ReadAsync($"small/{i}", 0, new byte[4_000], None);
        output.WriteLine($"read of 2 kB: {watch.Elapsed.TotalMilliseconds / count:f1} ms");
        Assert.Equal(count, store.Meter.Usage.Reads);
    }

    private sealed record Speed(double Rate, double CpuSecondsPerGiB)
    {
        public override string ToString() => $"{Rate,5:f0} MiB/s ({CpuSecondsPerGiB:f2} CPU s/GiB)";
    }

    private static Speed Best(Speed a, Speed b) => a.Rate > b.Rate ? a : b;

    private static async Task<Speed> SpeedAsync(Func<int, Task> transfer)
    {
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        await Parallel.ForEachAsync(Enumerable.Range(0, Objects),
            new ParallelOptions { MaxDegreeOfParallelism = Streams }, async (i, _) => await transfer(i));
        double size = Objects * (double)(ObjectSize >> 20);
        return new Speed(size / watch.Elapsed.TotalSeconds,
            (Environment.CpuUsage.TotalTime - cpu).TotalSeconds / size * 1024);
    }

    private static void InterlockedMax(ref long most, long value)
    {
        for (long seen = Interlocked.Read(ref most); value > seen;)
        {
            long was = Interlocked.CompareExchange(ref most, value, seen);
            if (was == seen) return;
            seen = was;
        }
    }
}

/// <summary>Tests that measure: they run when all others have ended.</summary>
[CollectionDefinition("Alone", DisableParallelization = true)]
public sealed class AloneCollection;
