namespace Natalia.Backup.Engine;

/// <summary>Waiting by the injected clock, under one name on all frameworks.</summary>
internal static class ClockExtensions
{
    internal static DateTime UtcNow(this TimeProvider clock) => clock.GetUtcNow().UtcDateTime;

    internal static Task WaitAsync(this TimeProvider clock, TimeSpan time, CancellationToken cancellationToken) =>
#if NET8_0_OR_GREATER
        Task.Delay(time, clock, cancellationToken);
#else
        clock.Delay(time, cancellationToken);
#endif
}
