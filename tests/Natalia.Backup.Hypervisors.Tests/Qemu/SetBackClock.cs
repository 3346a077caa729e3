namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// A clock on which every wait is over at once, and whose time of day is set back by an hour meanwhile, as somebody who
/// corrects it does. Its timestamps go on.
/// </summary>
internal sealed class SetBackClock : TimeProvider
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    private long _ticks;
    private int _waits;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => s_start.AddHours(-Volatile.Read(ref _waits));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Interlocked.Add(ref _ticks, Math.Max(dueTime.Ticks, 0));
        if (Interlocked.Increment(ref _waits) > 1000) throw new InvalidOperationException("It waits for ever.");
        return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }
}
