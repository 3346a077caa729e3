namespace Natalia.Backup.Engine;

/// <summary>Waiting by the injected clock, under one name on all frameworks.</summary>
internal static class ClockExtensions
{
    internal static DateTime UtcNow(this TimeProvider clock) => clock.GetUtcNow().UtcDateTime;

    /// <summary>Clocks of machines that are looked after are closer together than this; what is dated further ahead has a time that cannot be true.</summary>
    internal static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(15);

    /// <summary>Whether a time lies in the future by this clock, so that either it or the clock that wrote it is wrong.</summary>
    internal static bool IsInFuture(this TimeProvider clock, DateTime utc) => utc - Tolerance > clock.UtcNow();

    internal static Task WaitAsync(this TimeProvider clock, TimeSpan time, CancellationToken cancellationToken) =>
#if NET8_0_OR_GREATER
        Task.Delay(time, clock, cancellationToken);
#else
        clock.Delay(time, cancellationToken);
#endif
}
