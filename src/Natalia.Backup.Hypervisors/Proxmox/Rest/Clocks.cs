namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>Waiting on an injected clock, on every framework.</summary>
internal static class Clocks
{
    internal static Task DelayAsync(TimeProvider clock, TimeSpan delay, CancellationToken cancellationToken) =>
#if NET8_0_OR_GREATER
        Task.Delay(delay, clock, cancellationToken);
#else
        clock.Delay(delay, cancellationToken);
#endif

    internal static DateTime UtcNow(this TimeProvider clock) => clock.GetUtcNow().UtcDateTime;
}
