using System.Runtime.CompilerServices;

namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>
/// Lets only so many requests run at once; the others wait their turn. An open stream does not hold a place, a listing
/// holds one while it fetches.
/// </summary>
public sealed class ThrottledStore : WrappedStore
{
    private readonly SemaphoreSlim _places;

    /// <summary>Wraps a store.</summary>
    /// <param name="inner">The store to spare.</param>
    /// <param name="maxConcurrency">How many requests run at once, 1 or more.</param>
    public ThrottledStore(IObjectStore inner, int maxConcurrency) : base(inner)
    {
        if (maxConcurrency < 1) throw new ArgumentOutOfRangeException(nameof(maxConcurrency));
        _places = new SemaphoreSlim(maxConcurrency, maxConcurrency);
    }

    /// <inheritdoc/>
    public override IObjectLock? ObjectLock =>
        Inner.ObjectLock is IObjectLock inner ? new ThrottledLock(this, inner) : null;

    /// <inheritdoc/>
    public override Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken) =>
        InTurnAsync(async () =>
    {
        await Inner.PutAsync(name, content, options, cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken) =>
        InTurnAsync(() => Inner.ReadAsync(name, offset, buffer, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public override Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        InTurnAsync(() => Inner.OpenReadAsync(name, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public override Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        InTurnAsync(() => Inner.StatAsync(name, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IAsyncEnumerator<StoredObject> items = Inner.ListAsync(prefix, after, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        try
        {
            // The caller may use the store between two items, so the place is given back each time.
            while (await InTurnAsync(() => items.MoveNextAsync().AsTask(), cancellationToken).ConfigureAwait(false))
                yield return items.Current;
        }
        finally
        {
            await items.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override Task DeleteAsync(string name, CancellationToken cancellationToken) => InTurnAsync(async () =>
    {
        await Inner.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing) _places.Dispose();
    }

    private async Task<T> InTurnAsync<T>(Func<Task<T>> requestAsync, CancellationToken cancellationToken)
    {
        await _places.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await requestAsync().ConfigureAwait(false);
        }
        finally
        {
            _places.Release();
        }
    }

    private sealed class ThrottledLock(ThrottledStore store, IObjectLock inner) : IObjectLock
    {
        public ObjectLockMode Mode => inner.Mode;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
            store.InTurnAsync(() => inner.GetRetainUntilAsync(name, cancellationToken), cancellationToken);

        public Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken) =>
            store.InTurnAsync(() => inner.ExtendAsync(name, retainUntilUtc, cancellationToken), cancellationToken);
    }
}
