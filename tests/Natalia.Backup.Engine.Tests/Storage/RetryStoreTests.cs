using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Storage;

/// <summary>The wrapper over a store that never fails must be that store.</summary>
public sealed class RetryStoreConformance : ObjectStoreConformance
{
    private readonly MemoryStore _memory = new();

    protected override Task<IObjectStore> OpenEmptyAsync() => OpenAgainAsync();

    protected override Task<IObjectStore> OpenAgainAsync() =>
        Task.FromResult<IObjectStore>(new ThrottledStore(new CountingStore(new RetryStore(_memory)), 4));
}

public sealed class RetryStoreTests
{
    private static readonly RetryPolicy s_immediate = new() { FirstDelay = TimeSpan.Zero };
    private static CancellationToken None => CancellationToken.None;

    [Theory]
    [InlineData(Fault.FailBefore)]
    [InlineData(Fault.FailAfter)]
    public async Task Repeats_whatever_failed_once(Fault fault)
    {
        for (int at = 0; at < 8; at++)
        {
            using var memory = new MemoryStore();
            var broken = new FaultStore(memory, fault, at);
            using var store = new RetryStore(broken, s_immediate);
            await store.PutAsync("a", new ObjectContent(new byte[] { 1, 2 }), PutOptions.Metadata, None);
            await store.PutAsync("lease", new ObjectContent(new byte[] { 7 }), new PutOptions { MustNotExist = true },
                None);
            Assert.Equal(2, await store.ReadAsync("a", 0, new byte[5], None));
            using (Stream stream = await store.OpenReadAsync("a", None)) Assert.Equal(1, stream.ReadByte());
            Assert.NotNull(await store.StatAsync("a", None));
            var names = new List<string>();
            await foreach (StoredObject item in store.ListAsync("", None)) names.Add(item.Name);
            Assert.Equal(["a", "lease"], names);
            await store.FlushAsync(None);
            await store.DeleteAsync("a", None);
            Assert.Null(await memory.StatAsync("a", None));
            Assert.True(broken.HasStruck);
        }
    }

    [Fact]
    public async Task Does_not_take_another_writers_object_for_its_own()
    {
        using var memory = new MemoryStore();
        await memory.PutAsync("lease", new ObjectContent(new byte[] { 8 }), PutOptions.Metadata, None);
        using var store = new RetryStore(new FaultStore(memory, Fault.FailBefore, 0), s_immediate);
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(
                () => store.PutAsync("lease", new ObjectContent(new byte[] { 7 }),
                    new PutOptions { MustNotExist = true }, None));
        Assert.Equal(ErrorIds.ObjectExists, error.ErrorId);
    }

    /// <summary>The store takes the bytes and no lock, and the line breaks before the lock is read back.</summary>
    [Fact]
    public async Task A_put_that_is_known_again_has_its_lock()
    {
        using var memory = new MemoryStore(objectLock: true);
        using var store = new RetryStore(new UnlockedStore(memory), s_immediate);
        DateTime until = DateTime.UtcNow.AddDays(3);
        await store.PutAsync("a", new ObjectContent(new byte[] { 1 }),
            new PutOptions { MustNotExist = true, RetainUntilUtc = until }, None);
        Assert.Equal(until, await memory.GetRetainUntilAsync("a", None));
    }

    private sealed class UnlockedStore(IObjectStore inner) : WrappedStore(inner)
    {
        public override async Task PutAsync(string name, ObjectContent content, PutOptions options,
            CancellationToken cancellationToken)
        {
            await base.PutAsync(name, content, options with { RetainUntilUtc = null }, cancellationToken);
            throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "Broken, on purpose.");
        }
    }

    [Fact]
    public async Task Gives_up_after_the_last_attempt_and_waits_longer_each_time()
    {
        var clock = new TimerCountingClock();
        using var store = new RetryStore(new MemoryStore(), new RetryPolicy
        {
            MaxAttempts = 4,
            FirstDelay = TimeSpan.FromSeconds(1),
            MaxDelay = TimeSpan.FromSeconds(3),
        }, clock);
        int attempts = 0;
        Task<int> work = store.RetryAsync<int>(_ =>
        {
            attempts++;
            throw new NataliaException(ErrorIds.StoreUnavailable, NataliaErrorKind.Connection, "gone");
        }, None);
        // Never before half the longest wait, never after all of it.
        foreach ((int after, double longest) in new[] { (1, 1.0), (2, 2.0), (3, 3.0) })
        {
            Assert.True(SpinWait.SpinUntil(() => clock.Timers == after, TimeSpan.FromSeconds(10)));
            Assert.Equal(after, attempts);
            clock.Advance(TimeSpan.FromSeconds(longest * 0.49));
            Assert.Equal(after, attempts);
            clock.Advance(TimeSpan.FromSeconds(longest * 0.52));
        }
        Assert.Equal(ErrorIds.StoreUnavailable, (await Assert.ThrowsAsync<NataliaException>(() => work)).ErrorId);
        Assert.Equal(4, attempts);
    }

    [Theory]
    [InlineData(ErrorIds.StoreFull)]
    [InlineData(ErrorIds.StoreAccessDenied)]
    [InlineData(ErrorIds.ObjectNotFound)]
    [InlineData(ErrorIds.ObjectExists)]
    [InlineData(ErrorIds.ObjectLocked)]
    public async Task Does_not_repeat_what_a_person_must_repair(string id)
    {
        using var store = new RetryStore(new MemoryStore(), s_immediate);
        int attempts = 0;
        await Assert.ThrowsAsync<NataliaException>(() => store.RetryAsync<int>(_ =>
        {
            attempts++;
            throw new NataliaException(id, NataliaErrorKind.Unknown, "no");
        }, None));
        Assert.Equal(1, attempts);
    }

    [Fact]
    public async Task Writes_nothing_after_a_cancellation()
    {
        var clock = new FakeTimeProvider();
        var broken = new FaultStore(new MemoryStore(), Fault.FailBefore, 0);
        using var store = new RetryStore(broken, new RetryPolicy(), clock);
        using var stop = new CancellationTokenSource();
        Task put = store.PutAsync("a", new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, stop.Token);
        Assert.False(put.IsCompleted);
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        clock.Advance(TimeSpan.FromMinutes(10));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => store.PutAsync("b", new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, stop.Token));
        Assert.Equal(["put a"], broken.Log);
    }

    [Fact]
    public async Task Goes_on_reading_where_a_stream_broke()
    {
        byte[] bytes = ObjectStoreConformance.Bytes(9_000_000);
        using var memory = new MemoryStore();
        await memory.PutAsync("a", new ObjectContent(bytes), PutOptions.Data, None);
        using var store = new RetryStore(new BreakingStore(memory), s_immediate);
        using Stream stream = await store.OpenReadAsync("a", None);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        Assert.Equal(bytes, all.ToArray());
    }

    [Fact]
    public async Task Goes_on_listing_where_a_listing_broke()
    {
        using var memory = new MemoryStore();
        string[] names = [.. Enumerable.Range(0, 50).Select(i => $"a/{i:d2}")];
        foreach (string name in names)
            await memory.PutAsync(name, new ObjectContent(new byte[] { 1 }), PutOptions.Metadata, None);
        using var store = new RetryStore(new BreakingStore(memory), s_immediate);
        var listed = new List<string>();
        await foreach (StoredObject item in store.ListAsync("a/", None)) listed.Add(item.Name);
        Assert.Equal(names, listed);
    }

    /// <summary>Tells how many waits were begun.</summary>
    private sealed class TimerCountingClock : FakeTimeProvider
    {
        private int _timers;

        public int Timers => Volatile.Read(ref _timers);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref _timers);
            return timer;
        }
    }

    /// <summary>Breaks each stream after 100,000 bytes and each listing after 20 items more than the last.</summary>
    private sealed class BreakingStore(IObjectStore inner) : WrappedStore(inner)
    {
        private int _listings;

        public override async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
            new BreakingStream(await Inner.OpenReadAsync(name, cancellationToken));

        public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            int left = 20 * ++_listings;
            await foreach (StoredObject item in Inner.ListAsync(prefix, after, cancellationToken))
            {
                if (left-- == 0)
                    throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed,
                        "broken on purpose");
                yield return item;
            }
        }
    }

    private sealed class BreakingStream(Stream inner) : MemoryStream
    {
        private int _left = 100_000;

        public override async Task<int> ReadAsync(byte[] buffer, int offset, int count,
            CancellationToken cancellationToken)
        {
            if (_left == 0)
                throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed, "broken on purpose");
            int read = await inner.ReadAsync(buffer.AsMemory(offset, Math.Min(count, _left)), cancellationToken);
            _left -= read;
            return read;
        }
    }
}
