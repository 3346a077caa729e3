using System.Threading.Channels;

namespace Natalia.Backup.Engine;

/// <summary>
/// Works on items in parallel and hands the results over in the order of the items. As many items are under way as
/// there are workers; results that wait for an earlier one are bounded too.
/// </summary>
internal static class OrderedPipeline
{
    /// <param name="workers">The workers; each has one item at a time.</param>
    /// <param name="next">Gives the next item, or false at the end. Called by one thread at a time.</param>
    /// <param name="work">What a worker does with an item.</param>
    /// <param name="consume">Takes the results in order, one at a time.</param>
    /// <param name="cancellationToken">Stops it. When this returns, by whatever way, no worker is busy any
    /// more.</param>
    internal static async Task RunAsync<TWorker, TItem, TResult>(IReadOnlyList<TWorker> workers,
        Func<CancellationToken, ValueTask<(bool Has, TItem Item)>> next,
        Func<TWorker, TItem, CancellationToken, Task<TResult>> work, Func<TResult, CancellationToken, Task> consume,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Channel<TWorker> idle = Channel.CreateUnbounded<TWorker>();
        foreach (TWorker worker in workers) idle.Writer.TryWrite(worker);
        Channel<Task<TResult>> results =
            Channel.CreateBounded<Task<TResult>>(
                new BoundedChannelOptions(workers.Count * 2) { SingleWriter = true, SingleReader = true });

        Task producing = Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    // The worker first: an item that was taken must not be lost.
                    TWorker worker = await idle.Reader.ReadAsync(stop.Token).ConfigureAwait(false);
                    (bool has, TItem item) = await next(stop.Token).ConfigureAwait(false);
                    if (!has) break;
                    Task<TResult> task = Task.Run(async () =>
                    {
                        try
                        {
                            return await work(worker, item, stop.Token).ConfigureAwait(false);
                        }
                        finally
                        {
                            idle.Writer.TryWrite(worker);
                        }
                    }, CancellationToken.None);
                    await results.Writer.WriteAsync(task, CancellationToken.None).ConfigureAwait(false);
                }
                results.Writer.Complete();
            }
            catch (Exception failure)
            {
                results.Writer.Complete(failure);
            }
        }, CancellationToken.None);

        System.Runtime.ExceptionServices.ExceptionDispatchInfo? first = null;
        while (true)
        {
            try
            {
                if (!await results.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false)) break;
            }
            catch (Exception failure)
            {
                first ??= System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(failure);
                break;
            }
            while (results.Reader.TryRead(out Task<TResult>? task))
            {
                try
                {
                    TResult result = await task.ConfigureAwait(false);
                    if (first is null) await consume(result, stop.Token).ConfigureAwait(false);
                }
                catch (Exception failure)
                {
                    first ??= System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(failure);
                    stop.Cancel();
                }
            }
        }
        await producing.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        first?.Throw();
    }
}
