namespace Natalia.Backup.Engine.Tests;

public sealed class InParallelTests
{
    [Fact]
    public async Task Results_keep_the_order_of_the_things_and_no_more_are_done_at_once_than_was_said()
    {
        int running = 0, most = 0;
        int[] doubled = await InParallel.SelectAsync(Enumerable.Range(0, 100).ToArray(), 4, async i =>
        {
            int now = Interlocked.Increment(ref running);
            lock (this) most = Math.Max(most, now);
            await Task.Yield();
            Interlocked.Decrement(ref running);
            return 2 * i;
        }, default);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => 2 * i), doubled);
        Assert.InRange(most, 1, 4);
    }

    [Fact]
    public async Task After_a_failure_what_is_under_way_ends_and_nothing_more_is_begun()
    {
        var gate = new TaskCompletionSource<bool>();
        int begun = 0, ended = 0;
        Task all = InParallel.RunAsync(Enumerable.Range(0, 1000).ToArray(), 2, async i =>
        {
            begun++;
            if (i == 1) throw new InvalidDataException("the second");
            await gate.Task;
            ended++;
        }, default);
        Assert.False(all.IsCompleted);
        gate.SetResult(true);
        Assert.Equal("the second", (await Assert.ThrowsAsync<InvalidDataException>(() => all)).Message);
        Assert.Equal((2, 1), (begun, ended));
    }

    [Fact]
    public async Task A_stop_begins_no_more()
    {
        using var stop = new CancellationTokenSource();
        int begun = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InParallel.RunAsync(Enumerable.Range(0, 1000)
            .ToArray(),
            1, _ =>
        {
            if (++begun == 3) stop.Cancel();
            return Task.CompletedTask;
        }, stop.Token));
        Assert.Equal(3, begun);
    }
}
