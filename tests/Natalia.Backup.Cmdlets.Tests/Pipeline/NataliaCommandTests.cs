using System.Management.Automation;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Cmdlets.Tests.Pipeline;

public sealed class NataliaCommandTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly EngineSession _session = new();

    public void Dispose() => _session.Dispose();

    [Fact]
    public void The_body_runs_on_the_pool_and_what_it_writes_arrives_in_order()
    {
        int bodyThread = 0;
        Func<TestBodyCommand, CancellationToken, Task> body = async (command, _) =>
        {
            await Task.Yield();
            bodyThread = Environment.CurrentManagedThreadId;
            for (int i = 0; i < 1000; i++) command.Write(i);
        };

        EngineSession.Result result = Run(body);

        Assert.Equal(Enumerable.Range(0, 1000), result.Output.Select(o => (int)o.BaseObject));
        Assert.NotEqual(0, bodyThread);
    }

    [Fact]
    public async Task Stop_returns_when_the_clean_up_has_ended_and_not_before()
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cleaning = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var mayEnd = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool cleaned = false;
        using PowerShell shell = Create(async (command, token) =>
        {
            try
            {
                started.SetResult();
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                cleaning.SetResult();
                await mayEnd.Task;
                cleaned = true;
            }
        });
        IAsyncResult running = shell.BeginInvoke();
        await started.Task.WaitAsync(s_patience);

        Task stop = Task.Run(shell.Stop);
        await cleaning.Task.WaitAsync(s_patience);
        Assert.False(stop.IsCompleted);
        Assert.False(running.IsCompleted);
        mayEnd.SetResult();
        await stop.WaitAsync(s_patience);

        Assert.True(cleaned);
        Assert.Equal(PSInvocationState.Stopped, shell.InvocationStateInfo.State);
    }

    [Fact]
    public void A_consumer_that_has_had_enough_cancels_the_body_and_waits_for_its_clean_up()
    {
        bool cleaned = false;
        EngineSession.Result result = Run(async (command, token) =>
        {
            try
            {
                for (int i = 0; ; i++)
                {
                    token.ThrowIfCancellationRequested();
                    command.Write(i);
                    await Task.Yield();
                }
            }
            finally
            {
                await Task.Yield();
                cleaned = true;
            }
        }, "param($body) Test-Body $body | ForEach-Object { $_; throw 'enough' }");

        Assert.True(cleaned);
        Assert.Equal("enough", Assert.Single(result.Errors).Exception.Message);
        Assert.Equal(["0"], result.Text);
    }

    [Fact]
    public void A_full_queue_does_not_hold_a_body_that_is_to_end()
    {
        EngineSession.Result result = Run((command, _) =>
        {
            // Far more than the queue holds, without looking at the token.
            for (int i = 0; i < 5000; i++) command.Write(i);
            return Task.CompletedTask;
        }, "param($body) Test-Body $body | ForEach-Object { throw 'no' }");

        Assert.Equal("no", Assert.Single(result.Errors).Exception.Message);
    }

    [Fact]
    public void The_failure_of_one_input_lets_the_next_ones_run()
    {
        EngineSession.Result result = Run((command, _) =>
        {
            if (command.Item!.ToString() == "2")
                throw new NataliaException(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound, "There is no disk.",
                    "disk 2");
            command.Write(command.Item!);
            return Task.CompletedTask;
        }, "param($body) 1, 2, 3 | Test-Body $body");

        Assert.Equal(["1", "3"], result.Text);
        ErrorRecord error = Assert.Single(result.Errors);
        Assert.StartsWith("DiskNotFound,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
        Assert.Equal("disk 2", error.TargetObject);
    }

    [Fact]
    public void What_nobody_foresaw_keeps_the_exception_inside()
    {
        EngineSession.Result result = Run((_, _) => throw new FormatException("odd"));

        ErrorRecord error = Assert.Single(result.Errors);
        Assert.StartsWith("Unexpected,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.IsType<FormatException>(error.Exception.InnerException);
    }

    [Fact]
    public void WhatIf_answers_no_without_asking_anybody()
    {
        EngineSession.Result result = Run(async (command, _) => command.Write(await command.Should("it", "Change")),
            "param($body) Test-Body $body -WhatIf");

        Assert.Equal(false, Assert.Single(result.Output).BaseObject);
    }

    [Fact]
    public void A_question_that_nobody_can_answer_ends_the_command()
    {
        // The engine's own host cannot prompt, as in a runbook.
        bool wentOn = false;
        EngineSession.Result result = Run(async (command, _) =>
        {
            await command.Should("it", "Change");
            wentOn = true;
        }, "param($body) Test-Body $body -Confirm; 'after'");

        Assert.NotEmpty(result.Errors);
        Assert.DoesNotContain("Unexpected", result.ErrorIds);
        Assert.False(wentOn);
    }

    [Fact]
    public void What_runs_on_the_pipeline_thread_may_fail_without_ending_the_command()
    {
        EngineSession.Result result = Run(async (command, _) =>
        {
            await Assert.ThrowsAsync<FormatException>(() => command.OnPipeline<int>(() => throw new FormatException()));
            command.Write(
                await command.OnPipeline(
                    () => System.Management.Automation.Runspaces.Runspace.DefaultRunspace is not null));
        });

        Assert.Empty(result.Errors);
        Assert.Equal(true, Assert.Single(result.Output).BaseObject);
    }

    [Fact]
    public void Deferred_errors_come_after_the_last_input()
    {
        EngineSession.Result result = Run(DeferEach, "param($body) 1, 2 | Test-Body $body -ErrorAction Continue 2>&1");

        Assert.Equal(["done 1", "done 2", "failed 1", "failed 2"], result.Text);
    }

    [Fact]
    public void Even_ErrorAction_Stop_lets_everything_run_and_shows_every_failure()
    {
        EngineSession.Result result = Run(DeferEach, "param($body) 1, 2 | Test-Body $body -ErrorAction Stop");

        Assert.Equal(["done 1", "done 2"], result.Text);
        Assert.Equal("failed 1", Assert.Single(result.Errors).Exception.Message);
        Assert.Equal(["failed 2"], result.Warnings);
    }

    [Fact]
    public void The_preference_variable_counts_as_the_parameter_does()
    {
        EngineSession.Result result = Run(DeferEach,
            "param($body) $ErrorActionPreference = 'Stop'; 1, 2 | Test-Body $body");

        Assert.Equal(["failed 2"], result.Warnings);
        Assert.Single(result.Errors);
    }

    [Fact]
    public void When_the_command_itself_ends_in_an_error_the_deferred_ones_are_not_lost()
    {
        EngineSession.Result result = _session.Run("param($body, $end) 1 | Test-Body $body -End $end",
            Delegate(DeferEach),
            Delegate((_, _) => throw new NataliaException(ErrorIds.LeaseLost, NataliaErrorKind.ResourceBusy, "Lost.")));

        Assert.Equal(["LeaseLost"], result.ErrorIds);
        Assert.Equal(["failed 1"], result.Warnings);
    }

    private static Task DeferEach(TestBodyCommand command, CancellationToken token)
    {
        command.Defer(new NataliaException(ErrorIds.DiskReadFailed, NataliaErrorKind.ReadFailed,
            $"failed {command.Item}"),
            command.Item);
        command.Write($"done {command.Item}");
        return Task.CompletedTask;
    }

    private static Func<TestBodyCommand, CancellationToken, Task> Delegate(
        Func<TestBodyCommand, CancellationToken, Task> body) =>
        body;

    private PowerShell Create(Func<TestBodyCommand, CancellationToken, Task> body) =>
        _session.Create("param($body) Test-Body $body", body);

    private EngineSession.Result Run(Func<TestBodyCommand, CancellationToken, Task> body,
        string script = "param($body) Test-Body $body") =>
        _session.Run(script, body);
}
