using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;
using Xunit.Abstractions;
using static Natalia.Backup.Testing.RepositoryFixture;
using RepositoryFixture = Natalia.Backup.Testing.RepositoryFixture;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>Whole repositories in a real bucket.</summary>
public sealed class S3RepositoryTests(ITestOutputHelper output)
{
    public static string? Obstacle => CephServer.Obstacle;
    private static CancellationToken None => CancellationToken.None;

    private static async Task<IObjectStore> OpenAsync(string bucket, string prefix, Uri? endpoint = null)
    {
        S3StoreOptions options = TestOptions.For(bucket) with { Prefix = prefix };
        return new CountingStore(
            new RetryStore(await S3Store.OpenAsync(endpoint is null ? options : options with { Endpoint = endpoint },
                None),
            new RetryPolicy { FirstDelay = TimeSpan.FromMilliseconds(10) }));
    }

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Backs_up_lists_checks_and_restores(bool objectLock)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock);
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        byte[][] states = new byte[3][];
        states[0] = Disk(20 << 20, 1);
        for (int i = 1; i < states.Length; i++) states[i] = Change(states[i - 1], 20, i);
        using (Repository repository = await fixture.CreateAsync(await OpenAsync(bucket, "r")))
            foreach (byte[] state in states) await BackupAsync(repository, state);
        // Another machine, which remembers nothing.
        using Repository again = await fixture.OpenAsync(await OpenAsync(bucket, "r"));
        IReadOnlyList<RestorePoint> points = await PointsAsync(again);
        Assert.Equal(states.Length, points.Count);
        for (int i = 0; i < states.Length; i++) Assert.Equal(states[^(i + 1)], await RestoreAsync(again, points[i]));
        Assert.All(await CheckAsync(again), r => Assert.NotEqual(CheckOutcome.Failed, r.Result));
    }

    [StoreTheory]
    [InlineData(false, 100, 32)]
    // Fewer, because each lease waits two seconds on a bucket without exclusive create.
    [InlineData(true, 5, 38)]
    public async Task Takes_a_bounded_number_of_requests_for_each_small_incremental(bool objectLock, int runs,
        int bound)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock);
        using var fixture = new RepositoryFixture();
        byte[] disk = Disk(8 << 20, 1);
        var earlier = new Dictionary<string, byte[]>();
        var store = (CountingStore)await OpenAsync(bucket, "r");
        using Repository repository = await fixture.CreateAsync(store);
        var requests = new List<long>();
        for (int i = 0; i < runs; i++)
        {
            StoreUsage before = store.Usage;
            RestorePoint point =
                await repository.BackupAsync(Request(new TrackedMemoryDiskSource(disk, $"t{i}", earlier)),
                null, null, None);
            requests.Add((store.Usage - before).Requests);
            // The point tells what it took.
            Assert.Equal(requests[i], point.Requests);
            if (i == 1 || i == runs - 1) output.WriteLine($"run {i + 1}: {point.Type}, {store.Usage - before}");
            earlier[$"t{i}"] = disk;
            disk = Change(disk, 3, i);
        }
        output.WriteLine($"requests of each run: {string.Join(' ', requests)}");
        Assert.InRange(requests.Skip(1).Max(), 1, bound);
        // The last one costs what the second one costs.
        Assert.InRange(requests[^1], 1, requests[1] + 2);
    }

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Lets_one_of_two_machines_write_an_appliance(bool objectLock)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock);
        // No folder for local locks: as two machines, which share the bucket alone.
        using var fixture = new RepositoryFixture { HasLockDirectory = false };
        byte[] disk = Disk(4 << 20, 1);
        using (await fixture.CreateAsync(await OpenAsync(bucket, "r"))) { }
        using Repository one = await fixture.OpenAsync(await OpenAsync(bucket, "r"));
        using Repository two = await fixture.OpenAsync(await OpenAsync(bucket, "r"));
        // Both hold what they have won until both have tried.
        var tried = new CountdownEvent(2);
        string?[] errors = await Task.WhenAll(new[] { one, two }.Select(async repository =>
        {
            try
            {
                await repository.BackupAsync(Request(new MemoryDiskSource(disk)), async stop =>
                {
                    tried.Signal();
                    await Task.Run(() => tried.Wait(TimeSpan.FromSeconds(60), stop), stop);
                }, null, None);
                return null;
            }
            catch (NataliaException error)
            {
                tried.Signal();
                return error.ErrorId;
            }
        }));
        Assert.Equal([null, ErrorIds.LeaseHeld], errors.Order(StringComparer.Ordinal));
        Assert.Single(await PointsAsync(one));
        await BackupAsync(two, Change(disk, 3, 2));
        Assert.Equal(2, (await PointsAsync(one)).Count);
    }

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Lets_one_of_two_machines_make_a_repository(bool objectLock)
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock);
        using var fixture = new RepositoryFixture { Password = "correct horse" };
        int waiting = 2;
        var both = new TaskCompletionSource();
        async Task<string?> MakeAsync()
        {
            var hooked = new HookStore(await OpenAsync(bucket, "r"))
            {
                Before = operation =>
                {
                    if (operation != "put natalia.json") return Task.CompletedTask;
                    if (Interlocked.Decrement(ref waiting) == 0) both.SetResult();
                    return both.Task;
                },
            };
            try
            {
                using Repository made = await fixture.CreateAsync(hooked);
                await BackupAsync(made, Disk(1 << 20, 1));
                return null;
            }
            catch (NataliaException error)
            {
                return error.ErrorId;
            }
        }
        string?[] errors = await Task.WhenAll(MakeAsync(), MakeAsync());
        Assert.Equal([null, ErrorIds.RepositoryExists], errors.Order(StringComparer.Ordinal));
        using Repository again = await fixture.OpenAsync(await OpenAsync(bucket, "r"));
        Assert.Single(await PointsAsync(again));
        Assert.All(await CheckAsync(again), r => Assert.NotEqual(CheckOutcome.Failed, r.Result));
    }

    [StoreFact]
    public async Task Gets_through_a_line_that_breaks_again_and_again()
    {
        string bucket = await CephServer.Running.MakeBucketAsync();
        using var line = new BadLine(CephServer.Running.Endpoint);
        using var fixture = new RepositoryFixture { CheckpointBytes = 4 << 20 };
        byte[] disk = Disk(24 << 20, 5);
        using Repository repository = await fixture.CreateAsync(await OpenAsync(bucket, "r", line.Endpoint));
        // By bytes and not by time: what is repeated comes through, on a slow machine too.
        line.BreaksAgain = true;
        line.BreakUpAfter(1_500_000);
        RestorePoint point = await BackupAsync(repository, disk);
        int broken = line.Broken;
        line.BreakDownAfter(1_500_000);
        byte[] restored = await RestoreAsync(repository, point);
        output.WriteLine($"broken {broken} times up and {line.Broken - broken} times down");
        Assert.True(disk.AsSpan().SequenceEqual(restored));
        Assert.True(broken > 0 && line.Broken > broken);
    }
}
