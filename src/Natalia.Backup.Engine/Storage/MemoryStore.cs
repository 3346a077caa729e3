using System.Runtime.CompilerServices;

namespace Natalia.Backup.Engine.Storage;

/// <summary>Objects in memory: for tests and try-outs. Gone with the process.</summary>
public sealed class MemoryStore : IObjectStore, IObjectLock
{
    private readonly object _gate = new();
    private readonly Dictionary<string, Item> _items = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _names = new(StringComparer.Ordinal);
    private readonly TimeProvider _clock;
    private readonly bool _lockable;

    /// <summary>Makes an empty store.</summary>
    /// <param name="clock">Dates objects and ends locks; null takes the system's.</param>
    /// <param name="objectLock">The store can lock objects, as strong as
    /// <see cref="ObjectLockMode.Compliance"/>.</param>
    public MemoryStore(TimeProvider? clock = null, bool objectLock = false)
    {
        _clock = clock ?? TimeProvider.System;
        _lockable = objectLock;
    }

    private sealed class Item
    {
        public required byte[] Bytes { get; set; }
        public required DateTime PutUtc { get; init; }
        public DateTime? RetainUntilUtc { get; set; }
    }

    /// <inheritdoc/>
    public string Location => "memory";

    /// <inheritdoc/>
    public string Kind => "Memory";

    /// <inheritdoc/>
    public bool HasExclusiveCreate => true;

    /// <inheritdoc/>
    public IObjectLock? ObjectLock => _lockable ? this : null;

    ObjectLockMode IObjectLock.Mode => ObjectLockMode.Compliance;

    /// <inheritdoc/>
    public Task PutAsync(string name, ObjectContent content, PutOptions options, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (options.RetainUntilUtc is not null && !_lockable)
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported,
                "This store in memory cannot lock objects against deletion.", Location);
        byte[] bytes = content.ToArray();
        lock (_gate)
        {
            if (!_items.TryGetValue(name, out Item? there))
            {
                _names.Add(name);
                _items.Add(name, new Item { Bytes = bytes, PutUtc = Now, RetainUntilUtc = options.RetainUntilUtc });
            }
            else if (options.MustNotExist || !there.Bytes.AsSpan().SequenceEqual(bytes))
                throw new NataliaException(ErrorIds.ObjectExists, NataliaErrorKind.AlreadyExists,
                    $"An object '{name}' exists already in '{Location}'.", name);
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<int> ReadAsync(string name, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (offset < 0) throw new ArgumentOutOfRangeException(nameof(offset));
        byte[] bytes = Find(name, cancellationToken).Bytes;
        if (offset >= bytes.Length) return Task.FromResult(0);
        int count = Math.Min(buffer.Length, bytes.Length - (int)offset);
        bytes.AsMemory((int)offset, count).CopyTo(buffer);
        return Task.FromResult(count);
    }

    /// <inheritdoc/>
    public Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        Task.FromResult<Stream>(new MemoryStream(Find(name, cancellationToken).Bytes, writable: false));

    /// <inheritdoc/>
    public Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
            return Task.FromResult(_items.TryGetValue(name, out Item? item)
                ? new StoredObject(name, item.Bytes.Length, item.PutUtc)
                : null);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ObjectName.RequirePrefix(prefix);
        string first = after is not null && string.CompareOrdinal(after, prefix) > 0 ? after : prefix,
            last = prefix + char.MaxValue;
        var found = new List<StoredObject>();
        lock (_gate)
        {
            if (string.CompareOrdinal(first, last) < 0)
            {
                foreach (string name in _names.GetViewBetween(first, last))
                {
                    if (name.StartsWith(prefix, StringComparison.Ordinal) && name != after && _items[name] is Item item)
                        found.Add(new StoredObject(name, item.Bytes.Length, item.PutUtc));
                }
            }
        }
        foreach (StoredObject item in found)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return item;
        }
        await Task.CompletedTask.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (_items.TryGetValue(name, out Item? item) && item.RetainUntilUtc > Now)
                throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied,
                    $"The object '{name}' is locked until {item.RetainUntilUtc:u}.", name);
            _items.Remove(name);
            _names.Remove(name);
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) => Task.FromResult(0);

    /// <inheritdoc/>
    public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
        Task.FromResult(Find(name, cancellationToken).RetainUntilUtc);

    /// <inheritdoc/>
    public Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken)
    {
        Item item = Find(name, cancellationToken);
        lock (_gate)
        {
            if (item.RetainUntilUtc is not DateTime until || until < retainUntilUtc)
                item.RetainUntilUtc = retainUntilUtc;
            return Task.FromResult(item.RetainUntilUtc.Value);
        }
    }

    /// <summary>Changes stored bytes behind everybody's back, as rot and vandals do.</summary>
    /// <param name="name">The object's name.</param>
    /// <param name="change">Gets a copy of the bytes and returns what is to be there instead.</param>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>.</exception>
    public void Tamper(string name, Func<byte[], byte[]> change)
    {
        Item item = Find(name, CancellationToken.None);
        lock (_gate) item.Bytes = change((byte[])item.Bytes.Clone());
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private DateTime Now => _clock.GetUtcNow().UtcDateTime;

    private Item Find(string name, CancellationToken cancellationToken)
    {
        ObjectName.Require(name);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            return _items.TryGetValue(name, out Item? item) ? item
                : throw new NataliaException(ErrorIds.ObjectNotFound, NataliaErrorKind.NotFound,
                    $"There is no object '{name}' in '{Location}'.", name);
        }
    }
}
