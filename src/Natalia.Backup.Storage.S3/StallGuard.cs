namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Ends a request that makes no progress for a while. The time starts anew with every piece of progress, so that a slow
/// line is no error and a dead one is.
/// </summary>
internal sealed class StallGuard : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationToken _caller;
    private readonly TimeSpan _limit;
    private readonly TimeProvider _clock;
    private readonly ITimer _timer;
    private long _touchedAt;
    private volatile bool _hasStalled;

    internal StallGuard(TimeSpan limit, TimeProvider clock, CancellationToken caller)
    {
        _limit = limit;
        _clock = clock;
        _caller = caller;
        _source = CancellationTokenSource.CreateLinkedTokenSource(caller);
        _touchedAt = clock.GetTimestamp();
        _timer = clock.CreateTimer(static guard => ((StallGuard)guard!).End(), this, limit, Timeout.InfiniteTimeSpan);
    }

    internal CancellationToken Token => _source.Token;

    /// <summary>True when the request was ended for lack of progress, and not by the caller.</summary>
    internal bool HasStalled => _hasStalled && !_caller.IsCancellationRequested;

    /// <summary>There was progress.</summary>
    internal void Touch()
    {
        // Setting a timer costs more than reading the clock; a tenth of the limit is exact enough.
        if (_clock.GetElapsedTime(Interlocked.Read(ref _touchedAt)) < TimeSpan.FromTicks(_limit.Ticks / 10)) return;
        Interlocked.Exchange(ref _touchedAt, _clock.GetTimestamp());
        _timer.Change(_limit, Timeout.InfiniteTimeSpan);
    }

    public void Dispose()
    {
        _timer.Dispose();
        _source.Dispose();
    }

    private void End()
    {
        _hasStalled = true;
        try { _source.Cancel(); }
        catch (ObjectDisposedException) { }
    }
}
