namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>A clock on which every wait is over at once, and time has passed.</summary>
internal sealed class HastyClock : TimeProvider
{
    private long _ticks;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UtcNow.AddTicks(Interlocked.Read(ref _ticks));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Interlocked.Add(ref _ticks, Math.Max(dueTime.Ticks, 0));
        return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}
