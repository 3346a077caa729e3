namespace Natalia.Backup.Engine;

/// <summary>Telling time and waiting by the injected clock, under one name on all frameworks.</summary>
public static class ClockExtensions
{
    /// <summary>
    /// Clocks of machines that are looked after are closer together than this; what is dated further ahead has a time
    /// that cannot be true.
    /// </summary>
    internal static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(15);

    /// <summary>The time, UTC.</summary>
    /// <param name="clock">The clock.</param>
    public static DateTime UtcNow(this TimeProvider clock) => clock.GetUtcNow().UtcDateTime;

    /// <summary>Waits.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="time">How long.</param>
    /// <param name="cancellationToken">Ends the wait with <see cref="OperationCanceledException"/>.</param>
    public static Task WaitAsync(this TimeProvider clock, TimeSpan time, CancellationToken cancellationToken) =>
#if NET8_0_OR_GREATER
        Task.Delay(time, clock, cancellationToken);
#else
        clock.Delay(time, cancellationToken);
#endif

    /// <summary>A token that is cancelled when the time is over, or when another one is.</summary>
    /// <param name="clock">The clock.</param>
    /// <param name="time">How long.</param>
    /// <param name="cancellationToken">The other one.</param>
    /// <returns>The caller disposes it.</returns>
    public static Deadline CreateDeadline(this TimeProvider clock, TimeSpan time,
        CancellationToken cancellationToken) =>
        new(clock, time, cancellationToken);

    /// <summary>Whether a time lies in the future by this clock, so that either it or the clock that wrote it is
    /// wrong.</summary>
    internal static bool IsInFuture(this TimeProvider clock, DateTime utc) => utc - Tolerance > clock.UtcNow();
}
