namespace Natalia.Backup.Hypervisors.Tests.VSphere.Reading;

/// <summary>
/// A clock on which short waits are over at once, and long ones when a test says so: what a run waits for passes, and
/// what ticks beside it stands still.
/// </summary>
internal sealed class SkippingClock : TimeProvider
{
    private static readonly TimeSpan s_longestSkipped = TimeSpan.FromSeconds(30);
    private readonly List<Pending> _pending = [];
    private long _ticks;

    /// <summary>The short waits so far.</summary>
    internal List<TimeSpan> Skipped { get; } = [];

    /// <summary>How many long waits are under way.</summary>
    internal int Waiting
    {
        get { lock (_pending) return _pending.Count; }
    }

    /// <summary>How many long waits of that length are under way.</summary>
    internal int WaitingFor(TimeSpan time)
    {
        lock (_pending) return _pending.Count(p => p.Time == time);
    }

    // Multiplied first, a quarter of an hour in nanoseconds would be too much.
    public override long GetTimestamp() =>
        base.GetTimestamp() + Interlocked.Read(ref _ticks) * (TimestampFrequency / TimeSpan.TicksPerSecond);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _ticks));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime <= s_longestSkipped && dueTime >= TimeSpan.Zero)
        {
            lock (_pending) Skipped.Add(dueTime);
            Interlocked.Add(ref _ticks, dueTime.Ticks);
            return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
        var pending = new Pending(this, callback, state, dueTime);
        lock (_pending) _pending.Add(pending);
        return pending;
    }

    /// <summary>Ends all long waits, or those of one length.</summary>
    internal void Pass(TimeSpan? time = null)
    {
        Pending[] all;
        lock (_pending)
        {
            all = [.. _pending.Where(p => time is null || p.Time == time)];
            _pending.RemoveAll(p => all.Contains(p));
        }
        foreach (Pending one in all) one.Fire();
    }

    private sealed class Pending(SkippingClock clock, TimerCallback callback, object? state, TimeSpan time) : ITimer
    {
        internal TimeSpan Time => time;

        internal void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose()
        {
            lock (clock._pending) clock._pending.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
