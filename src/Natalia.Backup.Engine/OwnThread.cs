namespace Natalia.Backup.Engine;

/// <summary>
/// Does what waits for a disk on a thread of its own, so that those of the pool, as many as there are processors, go on
/// computing meanwhile.
/// </summary>
internal static class OwnThread
{
    /// <param name="work">What to do; until its first real wait it runs on that thread.</param>
    /// <param name="cancellationToken">Keeps it from beginning.</param>
    /// <param name="scheduler">What gives threads: the system, but for a test.</param>
    internal static Task RunAsync(Func<Task> work, CancellationToken cancellationToken, TaskScheduler? scheduler = null)
    {
        try
        {
            return Task.Factory.StartNew(work, cancellationToken,
                TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
                scheduler ?? TaskScheduler.Default).Unwrap();
        }
        catch (TaskSchedulerException)
        {
            // The system gives no further thread (a container's limit, ulimit -u): those that are there do it too.
            return Task.Run(work, cancellationToken);
        }
    }
}
