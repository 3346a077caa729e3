namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>A clock on which every wait is over at once, and time has passed.</summary>
/// <param name="skipsTime">Whether it has by its timestamps as well, for waits that nothing real has to end.</param>
internal sealed class HastyClock(bool skipsTime = false) : TimeProvider
{
    private long _ticks;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow.AddTicks(Interlocked.Read(ref _ticks));

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() =>
        System.GetElapsedTime(0).Ticks + (skipsTime ? Interlocked.Read(ref _ticks) : 0);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Interlocked.Add(ref _ticks, Math.Max(dueTime.Ticks, 0));
        return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}
