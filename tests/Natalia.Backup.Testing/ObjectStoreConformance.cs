using System.Buffers;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Testing;

/// <summary>What every store must do. A store passes by deriving from this and opening an empty place.</summary>
public abstract class ObjectStoreConformance : IAsyncLifetime
{
    private IObjectStore? _store;

    protected IObjectStore Store => _store!;
    protected static CancellationToken None => CancellationToken.None;

    /// <summary>Opens a place that holds nothing.</summary>
    protected abstract Task<IObjectStore> OpenEmptyAsync();

    /// <summary>Opens the same place once more, as another machine would.</summary>
    protected abstract Task<IObjectStore> OpenAgainAsync();

    /// <summary>How many objects the list test makes: above the 1,000 that an S3 answer holds.</summary>
    protected virtual int ManyObjects => 2_345;

    public virtual async Task InitializeAsync() => _store = await OpenEmptyAsync();

    public virtual Task DisposeAsync()
    {
        _store?.Dispose();
        return Task.CompletedTask;
    }

    public static byte[] Bytes(int length, int seed = 1)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    protected static ObjectContent Content(byte[] bytes) => new(bytes);

    protected Task PutAsync(string name, byte[] bytes) =>
        Store.PutAsync(name, Content(bytes), PutOptions.Metadata, None);

    protected static async Task<List<string>> NamesAsync(IObjectStore store, string prefix = "")
    {
        var names = new List<string>();
        await foreach (StoredObject item in store.ListAsync(prefix, None)) names.Add(item.Name);
        return names;
    }

    protected static async Task<byte[]> ReadAllAsync(IObjectStore store, string name)
    {
        using Stream stream = await store.OpenReadAsync(name, None);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }

    protected static async Task<string> ErrorOf(Func<Task> action) =>
        (await Assert.ThrowsAnyAsync<NataliaException>(action)).ErrorId;

    [StoreFact]
    public async Task Returns_what_was_put()
    {
        byte[] bytes = Bytes(100_000);
        await PutAsync("natalia.json", bytes);
        Assert.Equal(bytes, await ReadAllAsync(Store, "natalia.json"));
        StoredObject? found = await Store.StatAsync("natalia.json", None);
        Assert.Equal(("natalia.json", 100_000L), (found!.Name, found.Length));
        Assert.Equal(DateTimeKind.Utc, found.LastModifiedUtc.Kind);
        Assert.InRange(found.LastModifiedUtc, DateTime.UtcNow.AddMinutes(-5), DateTime.UtcNow.AddMinutes(5));
    }

    [StoreFact]
    public async Task Joins_the_pieces_of_a_content()
    {
        byte[] bytes = Bytes(10_000);
        await Store.PutAsync("a/b",
            new ObjectContent(bytes.AsMemory(0, 1), default, bytes.AsMemory(1, 4_998), bytes.AsMemory(4_999)),
            PutOptions.Data, None);
        Assert.Equal(bytes, await ReadAllAsync(Store, "a/b"));
    }

    [StoreFact]
    public async Task Keeps_an_empty_object()
    {
        await PutAsync("a/empty", []);
        Assert.Empty(await ReadAllAsync(Store, "a/empty"));
        Assert.Equal(0, (await Store.StatAsync("a/empty", None))!.Length);
        Assert.Equal(0, await Store.ReadAsync("a/empty", 0, new byte[10], None));
        Assert.Equal(["a/empty"], await NamesAsync(Store));
    }

    [StoreTheory]
    [InlineData(0, 10, 10)]
    [InlineData(5_000, 64, 64)]
    [InlineData(9_990, 10, 10)]
    [InlineData(9_990, 100, 10)]
    [InlineData(0, 20_000, 10_000)]
    [InlineData(9_999, 1, 1)]
    [InlineData(10_000, 1, 0)]
    [InlineData(12_345_678, 10, 0)]
    [InlineData(77, 0, 0)]
    public async Task Reads_a_range_and_stops_at_the_end(long offset, int wanted, int got)
    {
        byte[] bytes = Bytes(10_000);
        await PutAsync("a", bytes);
        byte[] buffer = new byte[wanted];
        Assert.Equal(got, await Store.ReadAsync("a", offset, buffer, None));
        if (got > 0) Assert.Equal(bytes.AsSpan((int)offset, got).ToArray(), buffer.AsSpan(0, got).ToArray());
        Assert.All(buffer.AsSpan(got).ToArray(), b => Assert.Equal(0, b));
    }

    [StoreFact]
    public async Task Reads_into_memory_that_is_no_array()
    {
        byte[] bytes = Bytes(5_000);
        await PutAsync("a", bytes);
        using var memory = new WatchedMemory(new byte[1_000]);
        Assert.Equal(1_000, await Store.ReadAsync("a", 7, memory.Memory, None));
        Assert.Equal(bytes.AsSpan(7, 1_000).ToArray(), memory.Memory.ToArray());
    }

    [StoreFact]
    public async Task Says_that_an_object_is_missing()
    {
        await PutAsync("there/a", [1]);
        foreach (string name in new[] { "missing", "there/b", "not/there/at/all" })
        {
            Assert.Equal(ErrorIds.ObjectNotFound, await ErrorOf(() => Store.ReadAsync(name, 0, new byte[1], None)));
            Assert.Equal(ErrorIds.ObjectNotFound, await ErrorOf(() => Store.OpenReadAsync(name, None)));
            Assert.Null(await Store.StatAsync(name, None));
            await Store.DeleteAsync(name, None);
        }
        Assert.Null(await Store.StatAsync("there", None));
        Assert.Equal(["there/a"], await NamesAsync(Store));
    }

    [StoreFact]
    public async Task Deletes_for_good()
    {
        await PutAsync("a/b/c", Bytes(100));
        await PutAsync("a/b/d", Bytes(100));
        await Store.DeleteAsync("a/b/c", None);
        Assert.Null(await Store.StatAsync("a/b/c", None));
        Assert.Equal(ErrorIds.ObjectNotFound, await ErrorOf(() => Store.OpenReadAsync("a/b/c", None)));
        Assert.Equal(["a/b/d"], await NamesAsync(Store));
        await Store.DeleteAsync("a/b/d", None);
        Assert.Empty(await NamesAsync(Store));
        await PutAsync("a/b/e", [1]);
        Assert.Equal(["a/b/e"], await NamesAsync(Store, "a/"));
    }

    [StoreFact]
    public async Task Lists_in_ordinal_order_of_the_complete_names()
    {
        string[] names = ["a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a0", "a_b", "b", "a/c.d", "a/c-d", "a/c0",
            "natalia.json", "z/0/0", "z/0.r1", "z/0-1"];
        foreach (string name in names) await PutAsync(name, [1]);
        Array.Sort(names, string.CompareOrdinal);
        Assert.Equal(names, await NamesAsync(Store));
        foreach (string prefix in new[] { "a", "a/", "a/c", "a/c/", "a/c/d", "z/0", "q", "natalia.json",
            "natalia.json2", "a-", "a/b-c/" })
            Assert.Equal(names.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)),
                await NamesAsync(Store, prefix));
    }

    [StoreFact]
    public async Task Lists_what_stands_behind_a_name()
    {
        string[] names = ["a-b", "a.b", "a/b", "a/b-c", "a/c/d", "a/c/e", "a0", "b", "a/c.d", "a/c-d", "a/c0", "z/0/0",
            "z/0.r1", "z/0-1"];
        foreach (string name in names) await PutAsync(name, [1]);
        Array.Sort(names, string.CompareOrdinal);
        foreach (string prefix in new[] { "", "a", "a/", "a/c", "a/c/", "z/" })
        {
            foreach (string after in names.Concat(["a", "a/", "a/c", "a/c/", "a/c/d_", "a/d", "z", "zz", "0"]))
            {
                var found = new List<string>();
                await foreach (StoredObject item in Store.ListAsync(prefix, after, None)) found.Add(item.Name);
                Assert.Equal(names
                    .Where(n => n.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(n, after) > 0),
                    found);
            }
        }
    }

    [StoreFact]
    public async Task Lists_more_objects_than_one_answer_holds()
    {
        string[] names = [.. Enumerable.Range(0, ManyObjects).Select(i => $"appliances/{i % 3}/data/{i:x8}")];
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (name, token) => await Store.PutAsync(name, Content([1, 2, 3]), PutOptions.Metadata, token));
        Array.Sort(names, string.CompareOrdinal);
        Assert.Equal(names, await NamesAsync(Store));
        Assert.Equal(names.Where(n => n.StartsWith("appliances/1/", StringComparison.Ordinal)),
            await NamesAsync(Store, "appliances/1/"));
        await foreach (StoredObject item in Store.ListAsync("appliances/2/data/0000000", None))
            Assert.Equal(3, item.Length);
    }

    [StoreFact]
    public async Task Stops_listing_when_told()
    {
        await PutAsync("a/1", [1]);
        await PutAsync("a/2", [1]);
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (StoredObject _ in Store.ListAsync("", stop.Token)) stop.Cancel();
        });
    }

    [StoreFact]
    public async Task Accepts_the_same_bytes_again_and_never_replaces_them()
    {
        byte[] bytes = Bytes(3_000_000);
        await PutAsync("a/b", bytes);
        await PutAsync("a/b", bytes);
        byte[] other = (byte[])bytes.Clone();
        other[^1] ^= 1;
        try { await PutAsync("a/b", other); }
        catch (NataliaException error) { Assert.Equal(ErrorIds.ObjectExists, error.ErrorId); }
        try { await PutAsync("a/b", [1]); }
        catch (NataliaException error) { Assert.Equal(ErrorIds.ObjectExists, error.ErrorId); }
        Assert.Equal(bytes, await ReadAllAsync(Store, "a/b"));
        Assert.Equal(bytes.Length, (await Store.StatAsync("a/b", None))!.Length);
        Assert.Equal(["a/b"], await NamesAsync(Store));
    }

    [StoreFact]
    public async Task Lets_one_of_many_writers_win_a_name()
    {
        if (!Store.HasExclusiveCreate) return;
        const int writers = 16;
        using IObjectStore other = await OpenAgainAsync();
        for (int round = 0; round < 5; round++)
        {
            string name = $"leases/{round}";
            var winners = new List<int>();
            await Parallel.ForEachAsync(Enumerable.Range(0, writers),
                new ParallelOptions { MaxDegreeOfParallelism = writers }, async (i, token) =>
            {
                try
                {
                    await (i % 2 == 0 ? Store : other).PutAsync(name, Content([(byte)i]),
                        new PutOptions { MustNotExist = true, Class = ObjectClass.Transient }, token);
                    lock (winners) winners.Add(i);
                }
                catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectExists) { }
            });
            Assert.Single(winners);
            Assert.Equal((byte)winners[0], Assert.Single(await ReadAllAsync(other, name)));
        }
    }

    [StoreFact]
    public async Task Refuses_a_taken_name_even_with_the_same_bytes_when_it_must_not_exist()
    {
        if (!Store.HasExclusiveCreate) return;
        var options = new PutOptions { MustNotExist = true };
        await Store.PutAsync("a", Content([1]), options, None);
        Assert.Equal(ErrorIds.ObjectExists, await ErrorOf(() => Store.PutAsync("a", Content([1]), options, None)));
        await Store.DeleteAsync("a", None);
        await Store.PutAsync("a", Content([2]), options, None);
        Assert.Equal([2], await ReadAllAsync(Store, "a"));
    }

    [StoreFact]
    public async Task Serves_many_writers_readers_and_deleters_at_once()
    {
        using IObjectStore other = await OpenAgainAsync();
        await Parallel.ForEachAsync(Enumerable.Range(0, 64),
            new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, token) =>
        {
            string name = $"r{i % 4}/{i}";
            byte[] bytes = Bytes(10_000 + i, i);
            await Store.PutAsync(name, Content(bytes), PutOptions.Data, token);
            Assert.Equal(bytes, await ReadAllAsync(other, name));
            if (i % 2 == 0) await other.DeleteAsync(name, token);
        });
        Assert.Equal(32, (await NamesAsync(other)).Count);
    }

    [StoreFact]
    public async Task Shows_to_everybody_at_once_what_was_put_and_deleted()
    {
        using IObjectStore other = await OpenAgainAsync();
        for (int i = 0; i < 20; i++)
        {
            await PutAsync($"a/{i}", [(byte)i]);
            Assert.Equal([(byte)i], await ReadAllAsync(other, $"a/{i}"));
            Assert.Equal([$"a/{i}"], await NamesAsync(other, "a/"));
            await Store.DeleteAsync($"a/{i}", None);
            Assert.Null(await other.StatAsync($"a/{i}", None));
            Assert.Empty(await NamesAsync(other));
        }
    }

    [StoreFact]
    public async Task Stores_a_big_object()
    {
        byte[] bytes = Bytes((64 << 20) + 12_345);
        await Store.PutAsync("data/big", new ObjectContent(bytes.AsMemory(0, 20 << 20), bytes.AsMemory(20 << 20)),
            PutOptions.Data, None);
        using Stream stream = await Store.OpenReadAsync("data/big", None);
        Assert.Equal(System.Security.Cryptography.SHA256.HashData(bytes),
            await System.Security.Cryptography.SHA256.HashDataAsync(stream));
        byte[] buffer = new byte[70_000];
        Assert.Equal(12_345, await Store.ReadAsync("data/big", 64 << 20, buffer, None));
        Assert.Equal(bytes.AsSpan(bytes.Length - 12_345).ToArray(), buffer.AsSpan(0, 12_345).ToArray());
    }

    public static TheoryData<string> HostileNames =>
    [
        "", "/", "/etc/passwd", "a//b", "a/", "../a", "a/../b", "..", ".", "a/./b", ".tmp/x", "a/.hidden", "A", "a b",
        "a\\b", "..\\a", "c:\\x", "a\0b", "a\nb", "é", "a:stream",
        "nul", "a/con", "com1.pack", "a.", "a./b", "a?b", "a*", "a%2fb", "a\u2028b", new string('a', 201),
        string.Join('/', Enumerable.Repeat("abcdefgh", 60)),
    ];

    [StoreTheory]
    [MemberData(nameof(HostileNames))]
    public async Task Refuses_a_hostile_name(string name)
    {
        Assert.Equal(ErrorIds.PathNotContained,
            await ErrorOf(() => Store.PutAsync(name, Content([1]), PutOptions.Metadata, None)));
        Assert.Equal(ErrorIds.PathNotContained, await ErrorOf(() => Store.ReadAsync(name, 0, new byte[1], None)));
        Assert.Equal(ErrorIds.PathNotContained, await ErrorOf(() => Store.OpenReadAsync(name, None)));
        Assert.Equal(ErrorIds.PathNotContained, await ErrorOf(() => Store.StatAsync(name, None)));
        Assert.Equal(ErrorIds.PathNotContained, await ErrorOf(() => Store.DeleteAsync(name, None)));
        Assert.Empty(await NamesAsync(Store));
    }

    [StoreTheory]
    [InlineData("/")]
    [InlineData("../")]
    [InlineData("a/../")]
    [InlineData(".")]
    [InlineData("a//")]
    [InlineData("a/.")]
    [InlineData("A")]
    public async Task Refuses_a_hostile_prefix(string prefix) =>
        Assert.Equal(ErrorIds.PathNotContained, await ErrorOf(() => NamesAsync(Store, prefix)));

    [StoreFact]
    public async Task Takes_every_name_that_the_rule_allows()
    {
        string[] names =
        [
            "0", "_", "-", "a.b.c", "a-b_c.d", "console", "com0", "nul1", "com10", "a..b", "a/_/-/0.r1",
            new string('a', 200), string.Join('/', Enumerable.Repeat(new string('n', 63), 8)),
            "appliances/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/data/0123456789abcdef0123456789abcdef/00000001.r12",
        ];
        foreach (string name in names) await PutAsync(name, Bytes(10, name.Length));
        Array.Sort(names, string.CompareOrdinal);
        Assert.Equal(names, await NamesAsync(Store));
        foreach (string name in names)
        {
            Assert.Equal(Bytes(10, name.Length), await ReadAllAsync(Store, name));
            await Store.DeleteAsync(name, None);
        }
        Assert.Empty(await NamesAsync(Store));
    }

    [StoreFact]
    public async Task Leaves_nothing_of_a_put_that_was_cancelled_on_the_way()
    {
        using var stop = new CancellationTokenSource();
        using var memory = new WatchedMemory(Bytes(8 << 20))
        {
            BeforeSpan = count =>
        {
            if (count == 2) stop.Cancel();
        }
        };
        bool done = false;
        try
        {
            await Store.PutAsync("data/cancelled",
                new ObjectContent(Bytes(8 << 20, 2), memory.Memory, Bytes(8 << 20, 3)), PutOptions.Data, stop.Token);
            done = true;
        }
        catch (OperationCanceledException) { }
        // It may have been too late; then the object is whole.
        Assert.Equal(done ? ["data/cancelled"] : [], await NamesAsync(Store));
        if (done) Assert.Equal(24 << 20, (await Store.StatAsync("data/cancelled", None))!.Length);
        Assert.Equal(0, await Store.SweepAsync(TimeSpan.Zero, None));
    }

    [StoreFact]
    public async Task Leaves_nothing_of_a_put_that_broke_on_the_way()
    {
        using var memory = new WatchedMemory(Bytes(8 << 20))
        {
            BeforeSpan = _ => throw new InvalidOperationException("broken on purpose"),
        };
        Exception error =
            await Assert.ThrowsAnyAsync<Exception>(
                () => Store.PutAsync("data/broken", new ObjectContent(Bytes(8 << 20), memory.Memory), PutOptions.Data,
                    None));
        Assert.Contains("broken on purpose", error.ToString(), StringComparison.Ordinal);
        Assert.Empty(await NamesAsync(Store));
        Assert.Null(await Store.StatAsync("data/broken", None));
        Assert.Equal(0, await Store.SweepAsync(TimeSpan.Zero, None));
        await PutAsync("data/broken", [1]);
        Assert.Equal([1], await ReadAllAsync(Store, "data/broken"));
    }

    [StoreFact]
    public async Task Does_nothing_once_the_token_is_cancelled()
    {
        var cancelled = new CancellationToken(canceled: true);
        await PutAsync("a", [1]);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Store.PutAsync("b", Content([1]), PutOptions.Metadata, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.DeleteAsync("a", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.ReadAsync("a", 0, new byte[1], cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.OpenReadAsync("a", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.StatAsync("a", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.FlushAsync(cancelled));
        Assert.Equal(["a"], await NamesAsync(Store));
    }

    [StoreFact]
    public async Task Flushes_at_any_time()
    {
        await Store.FlushAsync(None);
        await Parallel.ForEachAsync(Enumerable.Range(0, 20), async (i, token) =>
        {
            await Store.PutAsync($"f/{i % 5}/{i}", Content([1]), PutOptions.Metadata, token);
            await Store.FlushAsync(token);
            await Store.DeleteAsync($"f/{i % 5}/{i}", token);
            await Store.FlushAsync(token);
        });
        Assert.Empty(await NamesAsync(Store));
    }

    [StoreFact]
    public async Task Refuses_a_lock_that_it_cannot_give()
    {
        if (Store.ObjectLock is not null) return;
        var options = new PutOptions { RetainUntilUtc = DateTime.UtcNow.AddDays(1) };
        Assert.Equal(ErrorIds.ObjectLockNotSupported,
            await ErrorOf(() => Store.PutAsync("a", Content([1]), options, None)));
        Assert.Empty(await NamesAsync(Store));
    }

    [StoreFact]
    public void Names_itself()
    {
        Assert.NotEmpty(Store.Location);
        Assert.Contains(Store.Kind, new[] { "Folder", "S3", "Memory" });
    }

    /// <summary>Memory that tells when somebody looks at it, and is no array.</summary>
    protected sealed class WatchedMemory(byte[] bytes) : MemoryManager<byte>
    {
        private int _count;

        public Action<int>? BeforeSpan { get; init; }

        public override Span<byte> GetSpan()
        {
            BeforeSpan?.Invoke(Interlocked.Increment(ref _count));
            return bytes;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();
        public override void Unpin() { }
        protected override void Dispose(bool disposing) { }
    }
}
