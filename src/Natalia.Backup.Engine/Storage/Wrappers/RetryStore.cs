using System.Runtime.CompilerServices;

namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>
/// Repeats what failed for a reason that may pass: a bounded number of times, with growing waits. After a cancellation
/// no request is made any more. An error that lasts is thrown as it is.
/// </summary>
/// <remarks>
/// Puts are repeated with the same bytes, so an attempt whose answer was lost does no harm. With
/// <see cref="PutOptions.MustNotExist"/>, a repeated attempt can meet the object of the earlier one: then the bytes
/// there are compared, and the caller's own count as success. (A caller that must tell itself from another one puts
/// something unique into the object.) A listing that breaks goes on behind the last name it gave. A stream that breaks
/// is opened again where it stood.
/// </remarks>
public sealed class RetryStore : WrappedStore
{
    private readonly RetryPolicy _policy;
    private readonly TimeProvider _clock;
    private readonly StoreMeter? _meter;
    private readonly object _gate = new();
    private readonly Random _random = new();

    /// <summary>Wraps a store.</summary>
    /// <param name="inner">The store whose failures are repeated.</param>
    /// <param name="policy">How often; null takes the defaults.</param>
    /// <param name="clock">Measures the waits; null takes the system's.</param>
    public RetryStore(IObjectStore inner, RetryPolicy? policy = null, TimeProvider? clock = null) : base(inner)
    {
        _policy = policy ?? new RetryPolicy();
        _clock = clock ?? TimeProvider.System;
        _meter = inner.Find<IMeteredStore>()?.Meter;
    }

    /// <inheritdoc/>
    public override IObjectLock? ObjectLock =>
        Inner.ObjectLock is IObjectLock inner ? new RetriedLock(this, inner) : null;

    /// <inheritdoc/>
    public override Task PutAsync(string name, ObjectContent content, PutOptions options,
        CancellationToken cancellationToken) =>
        RetryAsync(async attempt =>
    {
        try
        {
            await Inner.PutAsync(name, content, options, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error)
            when (attempt > 1 && options.MustNotExist && error.ErrorId == ErrorIds.ObjectExists)
        {
            if (!await HoldsAsync(name, content, cancellationToken).ConfigureAwait(false)) throw;
            // The earlier attempt may have ended before its lock was read back.
            if (options.RetainUntilUtc is DateTime until && Inner.ObjectLock is IObjectLock locks)
                await locks.ExtendAsync(name, until, cancellationToken).ConfigureAwait(false);
        }
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    public override Task<int> ReadAsync(string name, long offset, Memory<byte> buffer,
        CancellationToken cancellationToken) =>
        RetryAsync(_ => Inner.ReadAsync(name, offset, buffer, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public override async Task<Stream> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        new RetryStream(this, name,
            await RetryAsync(_ => Inner.OpenReadAsync(name, cancellationToken),
                cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public override Task<StoredObject?> StatAsync(string name, CancellationToken cancellationToken) =>
        RetryAsync(_ => Inner.StatAsync(name, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public override async IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? last = after;
        IAsyncEnumerator<StoredObject> items = Inner.ListAsync(prefix, after, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        try
        {
            while (true)
            {
                bool found = await RetryAsync(async attempt =>
                {
                    if (attempt > 1)
                    {
                        await items.DisposeAsync().ConfigureAwait(false);
                        items = Inner.ListAsync(prefix, last, cancellationToken).GetAsyncEnumerator(cancellationToken);
                    }
                    while (await items.MoveNextAsync().ConfigureAwait(false))
                        if (last is null || string.CompareOrdinal(items.Current.Name, last) > 0) return true;
                    return false;
                }, cancellationToken).ConfigureAwait(false);
                if (!found) yield break;
                last = items.Current.Name;
                yield return items.Current;
            }
        }
        finally
        {
            await items.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override Task DeleteAsync(string name, CancellationToken cancellationToken) => RetryAsync(async _ =>
    {
        await Inner.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => RetryAsync(async _ =>
    {
        await Inner.FlushAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }, cancellationToken);

    /// <inheritdoc/>
    public override Task<int> SweepAsync(TimeSpan olderThan, CancellationToken cancellationToken) =>
        RetryAsync(_ => Inner.SweepAsync(olderThan, cancellationToken), cancellationToken);

    internal async Task<T> RetryAsync<T>(Func<int, Task<T>> attemptAsync, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return await attemptAsync(attempt).ConfigureAwait(false);
            }
            catch (NataliaException error)
                when (attempt < _policy.MaxAttempts && _policy.Repeats(error)
                    && !cancellationToken.IsCancellationRequested)
            {
                _meter?.Retry();
            }
            double random;
            lock (_gate) random = _random.NextDouble();
            await _clock.WaitAsync(_policy.DelayAfter(attempt, random), cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<bool> HoldsAsync(string name, ObjectContent content, CancellationToken cancellationToken)
    {
        // One byte more than expected shows a longer object.
        byte[] there = new byte[checked((int)content.Length + 1)];
        int count = await Inner.ReadAsync(name, 0, there, cancellationToken).ConfigureAwait(false);
        return count == content.Length && there.AsSpan(0, count).SequenceEqual(content.ToArray());
    }

    private sealed class RetriedLock(RetryStore store, IObjectLock inner) : IObjectLock
    {
        public ObjectLockMode Mode => inner.Mode;

        public Task<DateTime?> GetRetainUntilAsync(string name, CancellationToken cancellationToken) =>
            store.RetryAsync(_ => inner.GetRetainUntilAsync(name, cancellationToken), cancellationToken);

        public Task<DateTime> ExtendAsync(string name, DateTime retainUntilUtc, CancellationToken cancellationToken) =>
            store.RetryAsync(_ => inner.ExtendAsync(name, retainUntilUtc, cancellationToken), cancellationToken);
    }
}
