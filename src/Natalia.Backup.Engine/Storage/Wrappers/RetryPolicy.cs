namespace Natalia.Backup.Engine.Storage.Wrappers;

/// <summary>How often and how fast a failed request is repeated.</summary>
public sealed record RetryPolicy
{
    /// <summary>
    /// Attempts in all, the first one included; 1 or more. With the default delays, six attempts take about half a
    /// minute.
    /// </summary>
    public int MaxAttempts { get; init; } = 6;

    /// <summary>
    /// The longest wait before the second attempt. It doubles with every further one; the wait itself is a random time
    /// between half of it and all of it.
    /// </summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>No wait is longer.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// For files that virus scanners and indexers open for a moment: a few attempts within two seconds, and for nothing
    /// else. A share that has gone is told at once.
    /// </summary>
    public static RetryPolicy ForFiles { get; } = new()
    {
        MaxAttempts = 5,
        FirstDelay = TimeSpan.FromMilliseconds(100),
        ErrorIds = [Engine.ErrorIds.StoreFileInUse],
    };

    /// <summary>
    /// The ids of the errors that are repeated; null for all of which <see cref="IsTransient"/> is true.
    /// </summary>
    public IReadOnlyCollection<string>? ErrorIds { get; init; }

    internal bool Repeats(NataliaException error) => ErrorIds?.Contains(error.ErrorId) ?? IsTransient(error);

    /// <summary>
    /// Whether another attempt may help. What a person must repair (rights, room, a wrong name) is not repeated.
    /// </summary>
    /// <param name="error">The error.</param>
    public static bool IsTransient(NataliaException error) =>
        error.ErrorId is Engine.ErrorIds.StoreUnavailable or Engine.ErrorIds.StoreThrottled
            or Engine.ErrorIds.StoreReadFailed or Engine.ErrorIds.StoreWriteFailed or Engine.ErrorIds.StoreFileInUse;

    /// <summary>How long to wait after an attempt.</summary>
    /// <param name="attempt">Which attempt failed: 1 for the first.</param>
    /// <param name="random">Between 0 and 1: spreads clients that failed together.</param>
    internal TimeSpan DelayAfter(int attempt, double random)
    {
        double longest = Math.Min(MaxDelay.TotalMilliseconds, FirstDelay.TotalMilliseconds * Math.Pow(2, attempt - 1));
        return TimeSpan.FromMilliseconds(longest * (0.5 + random / 2));
    }
}
