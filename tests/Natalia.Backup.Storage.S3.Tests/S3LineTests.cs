using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

/// <summary>A real server behind a line that breaks.</summary>
public sealed class S3LineTests : IAsyncLifetime
{
    private static readonly RetryPolicy s_immediate = new() { FirstDelay = TimeSpan.FromMilliseconds(1) };
    private BadLine _line = null!;
    private string _bucket = "";

    public static string? Obstacle => CephServer.Obstacle;
    private static CancellationToken None => CancellationToken.None;

    public async Task InitializeAsync()
    {
        _line = new BadLine(CephServer.Running.Endpoint);
        _bucket = await CephServer.Running.MakeBucketAsync();
    }

    public Task DisposeAsync()
    {
        _line?.Dispose();
        return Task.CompletedTask;
    }

    private Task<S3Store> OpenAsync(TimeSpan? stallTimeout = null)
    {
        S3StoreOptions options = TestOptions.For(_bucket) with { Endpoint = _line.Endpoint };
        return S3Store.OpenAsync(stallTimeout is null ? options : options with { StallTimeout = stallTimeout.Value },
            None);
    }

    private async Task<List<string>> KeysAsync() =>
        [.. ((await CephServer.Running.Admin.ListObjectsV2Async(new() { BucketName = _bucket })).S3Objects ?? [])
            .Select(o => o.Key)];

    [StoreFact]
    public async Task Leaves_nothing_of_an_upload_that_breaks_and_succeeds_when_it_is_repeated()
    {
        byte[] bytes = ObjectStoreConformance.Bytes(8 << 20);
        using S3Store store = await OpenAsync();
        _line.BreakUpAfter(3 << 20);
        Assert.Equal(ErrorIds.StoreUnavailable,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.PutAsync("data/1", new ObjectContent(bytes), PutOptions.Data, None))).ErrorId);
        Assert.Empty(await KeysAsync());
        _line.BreakUpAfter(3 << 20);
        using var retry = new RetryStore(store, s_immediate);
        await retry.PutAsync("data/1", new ObjectContent(bytes), PutOptions.Data, None);
        Assert.Equal(["data/1"], await KeysAsync());
        Assert.Equal(2, _line.Broken);
        Assert.Equal(1, store.Meter.Usage.Retries);
    }

    [StoreTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Knows_its_own_object_again_when_the_answer_was_lost(bool mustNotExist)
    {
        using var store = new RetryStore(await OpenAsync(), s_immediate);
        // The first put of a session tries conditions before it.
        await store.PutAsync("leases/0", new ObjectContent(new byte[] { 0 }), new PutOptions(), None);
        await store.DeleteAsync("leases/0", None);
        // The request arrives, the answer does not.
        _line.BreakDownAfter(10);
        await store.PutAsync("leases/1", new ObjectContent(new byte[] { 1, 2, 3 }),
            new PutOptions { MustNotExist = mustNotExist }, None);
        Assert.Equal(1, _line.Broken);
        Assert.Equal(["leases/1"], await KeysAsync());
    }

    [StoreFact]
    public async Task Locks_the_first_of_two_versions_when_the_answer_was_lost()
    {
        string bucket = await CephServer.Running.MakeBucketAsync(objectLock: true);
        S3Store plain = await S3Store.OpenAsync(TestOptions.For(bucket) with
        {
            Endpoint = _line.Endpoint,
            LockMode = ObjectLockMode.Governance,
        }, None);
        using var store = new RetryStore(plain, s_immediate);
        DateTime now = DateTime.UtcNow;
        _line.BreakDownAfter(10);
        await store.PutAsync("data/1", new ObjectContent(new byte[] { 1, 2, 3 }),
            new PutOptions { RetainUntilUtc = now.AddDays(1) }, None);
        await store.ObjectLock!.ExtendAsync("data/1", now.AddDays(9), None);
        List<Amazon.S3.Model.S3ObjectVersion> versions =
            (await CephServer.Running.Admin.ListVersionsAsync(bucket)).Versions;
        Assert.Equal(2, versions.Count);
        Amazon.S3.Model.GetObjectMetadataResponse first = await CephServer.Running.Admin.GetObjectMetadataAsync(new()
        {
            BucketName = bucket,
            Key = "data/1",
            VersionId = versions[^1].VersionId,
        });
        Assert.True(first.ObjectLockRetainUntilDate?.ToUniversalTime() >= now.AddDays(9));
    }

    [StoreFact]
    public async Task Reads_on_where_a_download_broke()
    {
        byte[] bytes = ObjectStoreConformance.Bytes(20 << 20);
        using S3Store plain = await OpenAsync();
        using var store = new RetryStore(plain, s_immediate);
        await store.PutAsync("data/1", new ObjectContent(bytes), PutOptions.Data, None);
        _line.BreakDownAfter(11 << 20);
        using Stream stream = await store.OpenReadAsync("data/1", None);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        Assert.Equal(bytes, all.ToArray());
        _line.BreakDownAfter(1 << 20);
        byte[] range = new byte[5 << 20];
        Assert.Equal(range.Length, await store.ReadAsync("data/1", 123, range, None));
        Assert.Equal(bytes.AsSpan(123, range.Length).ToArray(), range);
        Assert.Equal(2, _line.Broken);
    }

    [StoreFact]
    public async Task Never_takes_a_broken_download_for_the_end_of_the_object()
    {
        byte[] bytes = ObjectStoreConformance.Bytes(8 << 20);
        using S3Store store = await OpenAsync();
        await store.PutAsync("data/1", new ObjectContent(bytes), PutOptions.Data, None);
        _line.BreakDownAfter(4 << 20);
        Assert.Equal(ErrorIds.StoreUnavailable,
            (await Assert.ThrowsAsync<NataliaException>(
                () => store.ReadAsync("data/1", 0, new byte[8 << 20], None))).ErrorId);
        _line.BreakDownAfter(4 << 20);
        using Stream stream = await store.OpenReadAsync("data/1", None);
        Assert.Equal(ErrorIds.StoreUnavailable,
            (await Assert.ThrowsAsync<NataliaException>(() => stream.CopyToAsync(Stream.Null))).ErrorId);
    }

    [StoreFact]
    public async Task Gives_up_a_line_on_which_nothing_moves()
    {
        using S3Store store = await OpenAsync(TimeSpan.FromSeconds(2));
        _line.HoldsUp = true;
        _line.BreakUpAfter(1 << 20);
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(
                () => store.PutAsync("data/1", new ObjectContent(new byte[8 << 20]), PutOptions.Data, None));
        Assert.Equal((ErrorIds.StoreUnavailable, NataliaErrorKind.Timeout), (error.ErrorId, error.Kind));
        Assert.Empty(await KeysAsync());
    }

    [StoreFact]
    public async Task Ends_at_once_when_it_is_cancelled_in_the_middle_of_an_upload()
    {
        using S3Store store = await OpenAsync();
        _line.HoldsUp = true;
        _line.BreakUpAfter(4 << 20);
        using var stop = new CancellationTokenSource();
        Task put = store.PutAsync("data/1", new ObjectContent(new byte[16 << 20]), PutOptions.Data, stop.Token);
        Assert.True(SpinWait.SpinUntil(() => _line.Broken > 0, TimeSpan.FromMinutes(1)));
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        Assert.Empty(await KeysAsync());
    }
}
