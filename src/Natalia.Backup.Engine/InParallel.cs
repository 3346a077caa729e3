namespace Natalia.Backup.Engine;

/// <summary>
/// Does the same with many things, a few at a time. After the first failure nothing more is begun, and it is thrown
/// when what is under way has ended.
/// </summary>
public static class InParallel
{
    /// <summary>Does something with each.</summary>
    /// <param name="items">The things.</param>
    /// <param name="atOnce">With how many at a time, 1 or more.</param>
    /// <param name="work">What to do; called on any thread.</param>
    /// <param name="cancellationToken">Begins no more.</param>
    /// <exception cref="OperationCanceledException">Stopped.</exception>
    public static Task RunAsync<T>(IReadOnlyCollection<T> items, int atOnce, Func<T, Task> work,
        CancellationToken cancellationToken) =>
        SelectAsync(items, atOnce, async item =>
        {
            await work(item).ConfigureAwait(false);
            return true;
        }, cancellationToken);

    /// <summary>Makes something of each, in their order.</summary>
    /// <param name="items">The things.</param>
    /// <param name="atOnce">With how many at a time, 1 or more.</param>
    /// <param name="work">What to do; called on any thread.</param>
    /// <param name="cancellationToken">Begins no more.</param>
    /// <exception cref="OperationCanceledException">Stopped.</exception>
    public static async Task<TResult[]> SelectAsync<T, TResult>(IReadOnlyCollection<T> items, int atOnce,
        Func<T, Task<TResult>> work, CancellationToken cancellationToken)
    {
        IReadOnlyList<T> list = items as IReadOnlyList<T> ?? [.. items];
        var results = new TResult[list.Count];
        int next = -1;
        bool hasFailed = false;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(atOnce, list.Count)).Select(async _ =>
        {
            while (!Volatile.Read(ref hasFailed) && Interlocked.Increment(ref next) is int at && at < list.Count)
            {
                cancellationToken.ThrowIfCancellationRequested();
                try
                {
                    results[at] = await work(list[at]).ConfigureAwait(false);
                }
                catch
                {
                    Volatile.Write(ref hasFailed, true);
                    throw;
                }
            }
        })).ConfigureAwait(false);
        return results;
    }
}
