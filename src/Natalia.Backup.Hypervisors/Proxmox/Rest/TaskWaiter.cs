using System.Text.Json;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// Waits for tasks: every second at first, then slower, up to a deadline; a node that does not answer for a while is
/// waited for, too.
/// </summary>
internal sealed class TaskWaiter(ApiClient client)
{
    private const int TailLines = 20;
    private static readonly TimeSpan s_quickPhase = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_finishLimit = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_silenceLimit = TimeSpan.FromMinutes(15);

    /// <summary>Waits for the end. Cancellation leaves the task alone, and waits on where the options say so.</summary>
    internal async Task<TaskOutcome> WaitAsync(Upid task, TaskWaitOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await PollAsync(task, options, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
            when (cancellationToken.IsCancellationRequested && options.FinishWhenCancelled)
        {
            using var limit = new CancellationTokenSource(s_finishLimit);
            await PollAsync(task, options with { Timeout = s_finishLimit, OnLogLine = null },
                limit.Token).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Stops a task and waits until it is gone, for a minute at most.</summary>
    /// <param name="task">The task.</param>
    /// <param name="onLogLine">Told every line of the log, from its beginning; or null.</param>
    /// <returns>How it ended; still running when it would not end.</returns>
    internal async Task<TaskOutcome> StopAsync(Upid task, Action<string>? onLogLine = null)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        try
        {
            await client.DeleteAsync(ApiPath.Of($"/nodes/{task.Node}/tasks/{task.Text}"), null,
                limit.Token).ConfigureAwait(false);
        }
        catch (ApiException e) when (IsUnknown(e))
        {
            // Nothing runs that nobody knows.
            return new TaskOutcome(task, TaskState.Lost, 0, $"the server has no record of the task ({e.ServerText})",
                []);
        }
        return await PollAsync(task, new TaskWaitOptions { Timeout = TimeSpan.FromMinutes(1), OnLogLine = onLogLine },
            limit.Token).ConfigureAwait(false);
    }

    /// <summary>
    /// Looks for a task whose start was not confirmed: the request broke, or a node in between did not get the answer.
    /// Null when none has appeared.
    /// </summary>
    /// <param name="node">Where it was to start.</param>
    /// <param name="type">The type of the task.</param>
    /// <param name="id">What it is about.</param>
    /// <param name="sinceUtc">Earlier ones are others.</param>
    /// <param name="cancellationToken">Stops the look.</param>
    /// <param name="except">Tasks that are known to be others; or null.</param>
    internal async Task<Upid?> FindStartedAsync(string node, string type, string id, DateTime sinceUtc,
        CancellationToken cancellationToken, IReadOnlyCollection<string>? except = null)
    {
        long since = new DateTimeOffset(sinceUtc, TimeSpan.Zero).ToUnixTimeSeconds();
        for (int attempt = 0; attempt < 4; attempt++)
        {
            await client.Clock.WaitAsync(TimeSpan.FromSeconds(3), cancellationToken).ConfigureAwait(false);
            JsonElement tasks = (await client.GetAsync(ApiPath.Of($"/nodes/{node}/tasks"),
                new ApiArguments { { "source", "all" }, { "since", since }, { "typefilter", type }, { "vmid", id },
                    { "limit", 100 } },
                cancellationToken).ConfigureAwait(false)).Data;
            string user = client.User;
            Upid? found = tasks.Items().Select(t => Upid.TryParse(t.Text("upid"), out Upid u) ? u : null)
                .Where(u => u is not null && u.Type == type && u.Id == id && u.User == user
                    && except?.Contains(u.Text) != true
                    && new DateTimeOffset(u.StartUtc).ToUnixTimeSeconds() >= since)
                .OrderBy(u => u!.StartUtc).FirstOrDefault();
            if (found is not null) return found;
        }
        return null;
    }

    private async Task<TaskOutcome> PollAsync(Upid task, TaskWaitOptions options, CancellationToken cancellationToken)
    {
        TimeProvider clock = client.Clock;
        long start = clock.GetTimestamp(), lastAnswer = start;
        var log = new LogReader(client, task, options.OnLogLine);
        TimeSpan pause = TimeSpan.FromSeconds(1);
        string lastTrouble = "running";
        while (true)
        {
            try
            {
                if (options.OnLogLine is not null) await log.AdvanceAsync(cancellationToken).ConfigureAwait(false);
                JsonElement status = (await client.GetAsync(ApiPath.Of($"/nodes/{task.Node}/tasks/{task.Text}/status"),
                    cancellationToken).ConfigureAwait(false)).Data;
                lastAnswer = clock.GetTimestamp();
                lastTrouble = "running";
                if (status.Text("status") == "stopped")
                {
                    string? exit = status.Text("exitstatus");
                    bool whole = await log.FinishAsync(cancellationToken).ConfigureAwait(false);
                    (TaskState state, int warnings) = TaskOutcome.ReadExitStatus(exit);
                    return new TaskOutcome(task, state, warnings,
                        state == TaskState.Lost ? "the server has no result of the task" : exit!,
                        log.Tail)
                    { IsLogWhole = whole };
                }
            }
            catch (ApiException e) when (IsUnknown(e))
            {
                return new TaskOutcome(task, TaskState.Lost, 0,
                    $"the server has no record of the task ({e.ServerText})", log.Tail);
            }
            catch (ApiException e) when (e.ErrorId is ErrorIds.ServerUnreachable or ErrorIds.ServerError)
            {
                // The node may be restarting, or the cluster electing. The task's own end still counts.
                lastTrouble = e.Message;
                if (clock.GetElapsedTime(lastAnswer) > s_silenceLimit)
                    return new TaskOutcome(task, TaskState.Lost, 0,
                        $"its node has not answered for {s_silenceLimit.TotalMinutes:0} minutes ({e.Message})",
                        log.Tail);
            }
            TimeSpan elapsed = clock.GetElapsedTime(start);
            if (elapsed >= options.Timeout) return new TaskOutcome(task, TaskState.Running, 0, lastTrouble, log.Tail);
            if (elapsed > s_quickPhase) pause = Min(TimeSpan.FromTicks(pause.Ticks * 3 / 2), options.MaximumInterval);
            await clock.WaitAsync(Min(pause, options.Timeout - elapsed), cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool IsUnknown(ApiException e) =>
        e.Says("no such task") || e.Says("unable to open file") || e.Status == 404;

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    /// <summary>Follows a log by pages.</summary>
    private sealed class LogReader(ApiClient client, Upid task, Action<string>? onLine)
    {
        private const int PageLines = 500;
        private readonly Queue<string> _tail = new();
        private long _next;
        private bool _isMissing;

        internal IReadOnlyList<string> Tail => [.. _tail];

        /// <summary>Reads what is new.</summary>
        internal async Task AdvanceAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                // Without a limit the server gives 50 lines and says nothing of the others.
                ApiAnswer answer = await client.GetAsync(ApiPath.Of($"/nodes/{task.Node}/tasks/{task.Text}/log"),
                    new ApiArguments { { "start", _next }, { "limit", PageLines } },
                    cancellationToken).ConfigureAwait(false);
                int count = 0;
                foreach (JsonElement line in answer.Data.Items())
                {
                    string text = line.Text("t") ?? "";
                    // An empty log, and a page behind the end, are one made-up line.
                    if (text == "no content" && (_next == 0 || line.Long("n") is null or 0 || line.Long("n") <= _next))
                        continue;
                    count++;
                    // A log that is not there is an answer like any other, whose one line says so.
                    if (_next == 0 && count == 1 && text.StartsWith("unable to open file", StringComparison.Ordinal))
                        _isMissing = true;
                    if (TaskLogLine.Tells(text)) _tail.Enqueue(text);
                    if (_tail.Count > TailLines) _tail.Dequeue();
                    onLine?.Invoke(text);
                }
                _next += count;
                if (count < PageLines) return;
            }
        }

        /// <summary>Reads the rest; a log that cannot be read does not change how the task ended.</summary>
        /// <returns>Whether all of it was read.</returns>
        internal async Task<bool> FinishAsync(CancellationToken cancellationToken)
        {
            try
            {
                await AdvanceAsync(cancellationToken).ConfigureAwait(false);
                return !_isMissing;
            }
            catch (ApiException e)
            {
                _tail.Enqueue($"(the log cannot be read: {e.Message})");
                return false;
            }
        }
    }
}
