using System.Diagnostics;

namespace Natalia.Backup.ProxmoxSimulator;

/// <summary>
/// A clock that jumps to the end of whatever anybody waits for. The simulated cluster runs on it too, so that its tasks
/// go on while the client waits, and no test sleeps.
/// </summary>
internal sealed class JumpingClock : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly double _speed;
    private DateTimeOffset _now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    internal JumpingClock() { }

    /// <summary>A clock that runs by itself, so many times as fast: for clients that wait in real time.</summary>
    internal JumpingClock(double speed, DateTimeOffset? start = null) =>
        (_speed, _now) = (speed, start ?? DateTimeOffset.UtcNow);

    /// <summary>How long was waited for in all.</summary>
    internal TimeSpan Waited { get; private set; }

    internal List<TimeSpan> Waits { get; } = [];

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) return _speed > 0 ? _now + Stopwatch.GetElapsedTime(_start) * _speed : _now;
    }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => GetUtcNow().UtcTicks;

    internal void Advance(TimeSpan by)
    {
        lock (_gate) _now += by;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime == Timeout.InfiniteTimeSpan) return new Fired();
        lock (_gate)
        {
            _now += dueTime;
            Waited += dueTime;
            Waits.Add(dueTime);
        }
        ThreadPool.QueueUserWorkItem(_ => callback(state));
        return new Fired();
    }

    private sealed class Fired : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => true;
        public void Dispose() { }
        public ValueTask DisposeAsync() => default;
    }
}
