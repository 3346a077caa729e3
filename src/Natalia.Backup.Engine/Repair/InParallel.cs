namespace Natalia.Backup.Engine.Repair;

/// <summary>Does the same with many things, a few at a time.</summary>
internal static class InParallel
{
    internal static async Task RunAsync<T>(IReadOnlyList<T> items, int atOnce, Func<T, Task> work, CancellationToken cancellationToken)
    {
        int next = -1;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(atOnce, items.Count)).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) is int at && at < items.Count)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await work(items[at]).ConfigureAwait(false);
            }
        })).ConfigureAwait(false);
    }
}
