using System.Runtime.CompilerServices;

namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>
/// Counts requests and bytes. Where the innermost store counts its own requests (<see cref="IMeteredStore"/>), its
/// numbers are shown; else calls are counted, a listing as one page for each 1,000 objects.
/// </summary>
public sealed class CountingStore : WrappedStore, IMeteredStore
{
    private readonly bool _counts;

    /// <summary>Wraps a store.</summary>
    /// <param name="inner">The store to count.</param>
    public CountingStore(IObjectStore inner) : base(inner)
    {
        IMeteredStore? metered = inner.Find<IMeteredStore>();
        _counts = metered is null;
        Meter = metered?.Meter ?? new StoreMeter();
    }

    /// <inheritdoc/>
    public StoreMeter Meter { get; }

    /// <summary>What was counted so far. Take it before and after, and subtract.</summary>
    public StoreUsage Usage => Meter.Usage;

    /// <inheritdoc/>
    public override IObjectLock? ObjectLock =>
        Inner.ObjectLock is IObjectLock inner ? _counts ? new CountedLock(inner, Meter) : inner : null;

    /// <inheritdoc/>
    public override Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken)
    {
        if (_counts) Meter.Put(content.Length);
        return Inner.PutAsync(name, content, options, cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken)
    {
        if (_counts) Meter.Read();
        int count = await Inner.ReadAsync(name, offset, buffer, cancellationToken).ConfigureAwait(false);
        if (_counts) Meter.ReadBytes(count);
        return count;
    }

    /// <inheritdoc/>
    public override async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        if (!_counts) return await Inner.OpenReadAsync(name, cancellationToken).ConfigureAwait(false);
        Meter.Read();
        return new CountingStream(await Inner.OpenReadAsync(name, cancellationToken).ConfigureAwait(false), Meter);
    }

    /// <inheritdoc/>
    public override Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken)
    {
        if (_counts) Meter.Stat();
        return Inner.StatAsync(name, cancellationToken);
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long seen = 0;
        if (_counts) Meter.List();
        await foreach (StoredObject item in Inner.ListAsync(prefix, after, cancellationToken).ConfigureAwait(false))
        {
            if (_counts && ++seen % 1000 == 0) Meter.List();
            yield return item;
        }
    }

    /// <inheritdoc/>
    public override Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        if (_counts) Meter.Delete();
        return Inner.DeleteAsync(name, cancellationToken);
    }

    private sealed class CountedLock(IObjectLock inner, StoreMeter meter) : IObjectLock
    {
        public ObjectLockMode Mode => inner.Mode;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken)
        {
            meter.Stat();
            return inner.GetRetainUntilAsync(name, cancellationToken);
        }

        public Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken)
        {
            meter.Lock();
            return inner.ExtendAsync(name, retainUntilUtc, cancellationToken);
        }
    }
}
