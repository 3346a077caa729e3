using System.Runtime.ExceptionServices;

namespace Natalia.Backup.Pipeline;

/// <summary>
/// Lies between a body that runs on the thread pool and the one thread that may talk to the pipeline: what the body
/// sends is done there, in order. Stopping only cancels the body's token; <see cref="Run"/> returns when the body has
/// ended, its clean-up included.
/// </summary>
internal sealed class PipelineBridge : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private PipelineQueue? _queue;

    /// <summary>Cancels the body. From any thread, at any time.</summary>
    internal void Stop()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // May come when the command has just ended by itself.
        }
    }

    /// <summary>Has something done on the pipeline thread, waiting for room.</summary>
    /// <param name="run">What to do. What it throws ends the command.</param>
    /// <param name="abandon">Called there instead, when the pipeline takes nothing any more.</param>
    internal void Post(Action run, Action? abandon = null) => _queue?.Post(new PipelineMessage(run, abandon));

    /// <summary>The same if there is room at once; for what may be lost.</summary>
    internal void TryPost(Action run) => _queue?.TryPost(new PipelineMessage(run));

    /// <summary>
    /// Has something answered on the pipeline thread. The answer is cancelled when the pipeline takes nothing any more.
    /// </summary>
    /// <param name="function">What to ask.</param>
    /// <param name="endsCommand">Which of its failures end the command, instead of being the answer.</param>
    internal Task<T> AskAsync<T>(Func<T> function, Func<Exception, bool> endsCommand)
    {
        // Asynchronous continuations: otherwise the body would go on on the pipeline thread.
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        void Run()
        {
            try
            {
                answer.TrySetResult(function());
            }
            catch (Exception e) when (endsCommand(e))
            {
                // Cancelled first, so that the body, when it goes on, knows why it got no answer.
                _stop.Cancel();
                answer.TrySetCanceled();
                throw;
            }
            catch (Exception e)
            {
                answer.TrySetException(e);
            }
        }
        var message = new PipelineMessage(Run, () => answer.TrySetCanceled());
        if (_queue?.Post(message) != true) answer.TrySetCanceled();
        return answer.Task;
    }

    /// <summary>
    /// Runs a body on the thread pool and does on the calling thread what it sends, until it has ended.
    /// </summary>
    /// <returns>What the body failed with; null when it did not.</returns>
    /// <exception cref="Exception">What the pipeline refused a message with; the body was cancelled then, and has
    /// ended.</exception>
    internal Exception? Run(Func<CancellationToken, Task> body)
    {
        var queue = new PipelineQueue();
        _queue = queue;
        CancellationToken token = _stop.Token;
        Task task = Task.Run(async () =>
        {
            try
            {
                await body(token).ConfigureAwait(false);
            }
            finally
            {
                queue.Close();
            }
        }, CancellationToken.None);

        ExceptionDispatchInfo? refusal = Drain(queue);
        Exception? failure = Await(task);
        refusal?.Throw();
        return failure;
    }

    public void Dispose() => _stop.Dispose();

    /// <summary>
    /// Delivers until the body has ended. The first message that the pipeline refuses cancels the body; what follows is
    /// abandoned, but still taken, so that nobody waits for ever.
    /// </summary>
    private ExceptionDispatchInfo? Drain(PipelineQueue queue)
    {
        ExceptionDispatchInfo? refusal = null;
        while (queue.TryTake(out PipelineMessage? message))
        {
            if (refusal is not null)
            {
                message.Abandon();
                continue;
            }
            try
            {
                message.Run();
            }
            catch (Exception e)
            {
                refusal = ExceptionDispatchInfo.Capture(e);
                _stop.Cancel();
                message.Abandon();
            }
        }
        return refusal;
    }

    private static Exception? Await(Task task)
    {
        try
        {
            task.GetAwaiter().GetResult();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }
}
