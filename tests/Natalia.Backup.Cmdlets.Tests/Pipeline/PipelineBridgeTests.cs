using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Cmdlets.Tests.Pipeline;

public sealed class PipelineBridgeTests : IDisposable
{
    private readonly PipelineBridge _bridge = new();

    public void Dispose() => _bridge.Dispose();

    [Fact]
    public void What_a_body_sends_is_done_in_order_on_the_thread_that_called()
    {
        int pipeline = Environment.CurrentManagedThreadId;
        List<(int Thread, int Item)> done = [];

        Exception? failure = _bridge.Run(async _ =>
        {
            Assert.NotEqual(pipeline, Environment.CurrentManagedThreadId);
            for (int i = 0; i < 1000; i++)
            {
                int item = i;
                _bridge.Post(() => done.Add((Environment.CurrentManagedThreadId, item)));
            }
            Assert.Equal(7, await _bridge.AskAsync(() => 7, _ => true));
            Assert.NotEqual(pipeline, Environment.CurrentManagedThreadId);
        });

        Assert.Null(failure);
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (pipeline, i)), done);
    }

    [Fact]
    public void The_first_refusal_cancels_the_body_and_is_thrown_when_the_body_has_cleaned_up()
    {
        bool cleanedUp = false;
        int done = 0, abandoned = 0;

        Exception thrown = Assert.Throws<InvalidTimeZoneException>(() => _bridge.Run(async token =>
        {
            _bridge.Post(() => throw new InvalidTimeZoneException());
            try
            {
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                _bridge.Post(() => done++, () => abandoned++);
                cleanedUp = true;
            }
        }));

        Assert.NotNull(thrown);
        Assert.True(cleanedUp);
        Assert.Equal((0, 1), (done, abandoned));
    }

    [Fact]
    public void A_question_fails_alone_or_ends_the_command_as_the_asker_says()
    {
        Exception? failure = _bridge.Run(async token =>
        {
            await Assert.ThrowsAsync<InvalidTimeZoneException>(
                () => _bridge.AskAsync<int>(() => throw new InvalidTimeZoneException(), _ => false));
            Assert.False(token.IsCancellationRequested);
        });
        Assert.Null(failure);

        Assert.Throws<InvalidTimeZoneException>(() => _bridge.Run(async token =>
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                () => _bridge.AskAsync<int>(() => throw new InvalidTimeZoneException(), _ => true));
            Assert.True(token.IsCancellationRequested);
        }));
    }

    [Fact]
    public void Stopping_cancels_the_body_and_does_no_harm_afterwards()
    {
        Exception? failure = _bridge.Run(token =>
        {
            _bridge.Post(_bridge.Stop);
            return Task.Delay(Timeout.Infinite, token);
        });

        Assert.IsAssignableFrom<OperationCanceledException>(failure);
        _bridge.Dispose();
        _bridge.Stop();
    }

    [Fact]
    public void Nothing_is_asked_when_no_body_runs() => Assert.True(_bridge.AskAsync(() => 1, _ => true).IsCanceled);
}
