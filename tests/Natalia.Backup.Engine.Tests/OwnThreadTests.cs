namespace Natalia.Backup.Engine.Tests;

public sealed class OwnThreadTests
{
    [Fact]
    public async Task What_waits_does_so_on_no_thread_of_the_pool()
    {
        bool ofPool = true;
        await OwnThread.RunAsync(() =>
        {
            ofPool = Thread.CurrentThread.IsThreadPoolThread;
            return Task.CompletedTask;
        }, default);
        Assert.False(ofPool);
    }

    [Fact]
    public async Task Where_the_system_gives_no_further_thread_one_of_the_pool_does_it_once()
    {
        int done = 0;
        await OwnThread.RunAsync(() =>
        {
            Interlocked.Increment(ref done);
            return Task.CompletedTask;
        }, default, new NoFurtherThread());
        Assert.Equal(1, done);
    }

    [Fact]
    public async Task What_fails_fails_as_it_did() =>
        await Assert.ThrowsAsync<IOException>(() => OwnThread.RunAsync(() => throw new IOException("gone"), default));

    private sealed class NoFurtherThread : TaskScheduler
    {
        protected override IEnumerable<Task> GetScheduledTasks() => [];

        protected override void QueueTask(Task task) => throw new OutOfMemoryException("No thread can be started.");

        protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;
    }
}
