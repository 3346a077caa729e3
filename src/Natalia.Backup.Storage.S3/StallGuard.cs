namespace Natalia.Backup.Storage.S3;

/// <summary>Ends a request that makes no progress for a while. The time starts anew with every piece of progress, so that a slow line is no error and a dead one is.</summary>
internal sealed class StallGuard : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationToken _caller;
    private readonly TimeSpan _limit;
    private long _touchedAt;

    internal StallGuard(TimeSpan limit, CancellationToken caller)
    {
        _limit = limit;
        _caller = caller;
        _source = CancellationTokenSource.CreateLinkedTokenSource(caller);
        _source.CancelAfter(limit);
        _touchedAt = Environment.TickCount;
    }

    internal CancellationToken Token => _source.Token;

    /// <summary>True when the request was ended for lack of progress, and not by the caller.</summary>
    internal bool HasStalled => _source.IsCancellationRequested && !_caller.IsCancellationRequested;

    /// <summary>There was progress.</summary>
    internal void Touch()
    {
        // Setting a timer costs more than reading the clock; a tenth of the limit is exact enough.
        int now = Environment.TickCount;
        if (unchecked(now - (int)Interlocked.Read(ref _touchedAt)) < _limit.TotalMilliseconds / 10) return;
        Interlocked.Exchange(ref _touchedAt, now);
        try { _source.CancelAfter(_limit); }
        catch (ObjectDisposedException) { }
    }

    public void Dispose() => _source.Dispose();
}
