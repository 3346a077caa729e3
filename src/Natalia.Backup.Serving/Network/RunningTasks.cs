namespace Natalia.Backup.Serving.Network;

/// <summary>The requests of a connection that are being worked on. Thread-safe.</summary>
internal sealed class RunningTasks
{
    private readonly HashSet<Task> _tasks = [];

    /// <summary>Holds a task until it ends.</summary>
    internal void Add(Task task)
    {
        if (task.IsCompleted) return;
        lock (_tasks) _tasks.Add(task);
        _ = task.ContinueWith(t =>
        {
            lock (_tasks) _tasks.Remove(t);
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Ends when those have ended that are there now.</summary>
    internal Task WhenAllAsync()
    {
        lock (_tasks) return Task.WhenAll(_tasks);
    }
}
