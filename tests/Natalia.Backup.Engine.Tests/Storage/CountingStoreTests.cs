using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Engine.Tests.Storage;

public sealed class CountingStoreTests
{
    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task Counts_requests_and_bytes_by_kind()
    {
        using var store = new CountingStore(new RetryStore(new MemoryStore(objectLock: true)));
        await store.PutAsync("a", new ObjectContent(new byte[100]), PutOptions.Metadata, None);
        StoreUsage before = store.Usage;
        await store.PutAsync("b", new ObjectContent(new byte[7], new byte[8]), PutOptions.Data, None);
        await store.ReadAsync("b", 10, new byte[10], None);
        using (Stream stream = await store.OpenReadAsync("a", None)) await stream.CopyToAsync(Stream.Null);
        await store.StatAsync("b", None);
        await foreach (StoredObject _ in store.ListAsync("", None)) { }
        await store.ObjectLock!.ExtendAsync("b", DateTime.UtcNow.AddMilliseconds(1), None);
        await store.ObjectLock!.GetRetainUntilAsync("b", None);
        await store.DeleteAsync("a", None);
        Assert.Equal(new StoreUsage
        {
            Puts = 1,
            BytesWritten = 15,
            Reads = 2,
            BytesRead = 105,
            Stats = 2,
            Lists = 1,
            Locks = 1,
            Deletes = 1,
        }, store.Usage.Since(before));
        Assert.Equal(8, store.Usage.Since(before).Requests);
    }

    [Fact]
    public async Task Counts_the_pages_of_a_long_list()
    {
        using var store = new CountingStore(new MemoryStore());
        for (int i = 0; i < 2_500; i++)
            await store.Inner.PutAsync($"{i}", new ObjectContent(), PutOptions.Metadata, None);
        await foreach (StoredObject _ in store.ListAsync("", None)) { }
        Assert.Equal(3, store.Usage.Lists);
    }

    [Fact]
    public void Shows_the_numbers_of_a_store_that_counts_for_itself()
    {
        using var inner = new CountingStore(new MemoryStore());
        using var outer = new CountingStore(new RetryStore(inner));
        Assert.Same(inner.Meter, outer.Meter);
    }
}

public sealed class ThrottledStoreTests
{
    [Fact]
    public async Task Lets_no_more_requests_through_than_it_has_places()
    {
        var slow = new SlowStore();
        using var store = new ThrottledStore(slow, 3);
        Task[] puts = [.. Enumerable.Range(0, 10)
            .Select(i => store.PutAsync($"{i}", new ObjectContent(), PutOptions.Metadata, CancellationToken.None))];
        SpinWait.SpinUntil(() => slow.Running == 3, TimeSpan.FromSeconds(10));
        Assert.Equal(3, slow.Running);
        slow.Go.SetResult();
        await Task.WhenAll(puts);
        Assert.Equal(3, slow.Most);
    }

    [Fact]
    public async Task Forgets_those_who_stop_waiting()
    {
        var slow = new SlowStore();
        using var store = new ThrottledStore(slow, 1);
        Task first = store.PutAsync("a", new ObjectContent(), PutOptions.Metadata, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        Task second = store.PutAsync("b", new ObjectContent(), PutOptions.Metadata, stop.Token);
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        slow.Go.SetResult();
        await first;
        Assert.Null(await slow.Inner.StatAsync("b", CancellationToken.None));
    }

    private sealed class SlowStore() : WrappedStore(new MemoryStore())
    {
        private int _running, _most;

        public TaskCompletionSource Go { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public int Running => Volatile.Read(ref _running);
        public int Most => Volatile.Read(ref _most);

        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            int now = Interlocked.Increment(ref _running);
            while (_most < now) Interlocked.CompareExchange(ref _most, now, _most);
            await Go.Task;
            await base.PutAsync(name, content, options, cancellationToken);
            Interlocked.Decrement(ref _running);
        }
    }

    [Fact]
    public async Task Counts_what_one_operation_asks_apart_from_what_others_ask_at_the_same_time()
    {
        using var store = new CountingStore(new MemoryStore());
        await Task.WhenAll(OperationAsync("a", 3), OperationAsync("b", 7));
        Assert.Equal(10, store.Usage.Puts);
        await OperationAsync("c", 2);

        async Task OperationAsync(string name, int puts)
        {
            StoreMeter mine = store.Meter.Measure();
            await Task.Yield();
            for (int i = 0; i < puts; i++)
                await Task.Run(() => store.PutAsync($"{name}/{i}", new ObjectContent(), PutOptions.Metadata, default));
            Assert.Equal(puts, mine.Usage.Requests);
            await WithinAsync();
            Assert.Equal(puts + 1, mine.Usage.Requests);
        }

        // A part of an operation counts in the whole.
        async Task WithinAsync()
        {
            StoreMeter part = store.Meter.Measure();
            await store.StatAsync("a/0", default);
            Assert.Equal(1, part.Usage.Requests);
        }
    }
}
