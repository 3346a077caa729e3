using System.Globalization;
using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>Waits for tasks by asking, quickly at first and then slower.</summary>
internal sealed class TaskWatcher(IVimService vim)
{
    private static readonly string[] s_paths =
        ["info.state", "info.progress", "info.error", "info.result", "info.cancelable"];
    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_last = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_silenceLimit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_afterCancel = TimeSpan.FromSeconds(30);

    internal async Task<XElement?> WaitAsync(VimReference task, VimTaskOptions how,
        CancellationToken cancellationToken)
    {
        try
        {
            if (await PollAsync(task, how, how.Deadline, cancellationToken).ConfigureAwait(false) is VimObject done)
                return ResultOf(done, how);
            // What is not wanted any more is not to come later, when nobody expects it.
            if (!how.GoesOn && await CancelAsync(task, how).ConfigureAwait(false) is VimObject late)
                return ResultOf(late, how);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && !how.GoesOn)
        {
            await CancelAsync(task, how).ConfigureAwait(false);
            throw;
        }
        throw new NataliaException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
            $"{Upper(how.What)} is not finished after "
            + $"{how.Deadline.TotalMinutes.ToString("0.#", CultureInfo.InvariantCulture)} minutes, and goes on.",
            vim.BaseUri.IdnHost, "Look at the server's list of tasks.");
    }

    private XElement? ResultOf(VimObject task, VimTaskOptions how) => task.Text("info.state") == "success"
        ? task["info.result"]
        : throw VimFaults.OfTask(vim.BaseUri.IdnHost, how.What, task["info.error"]);

    /// <summary>Asks the task to stop, and looks how it ended.</summary>
    /// <returns>The ended task; null when it runs on.</returns>
    private async Task<VimObject?> CancelAsync(VimReference task, VimTaskOptions how)
    {
        using Deadline limit = vim.Clock.CreateDeadline(s_afterCancel + s_afterCancel, CancellationToken.None);
        try
        {
            try
            {
                await vim.CallAsync(task, "CancelTask", [], limit.Token).ConfigureAwait(false);
            }
            catch (VimFaultException)
            {
                // It cannot be stopped, or is over.
            }
            return await PollAsync(task, how, s_afterCancel, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            return null;
        }
    }

    /// <returns>The ended task; null when the time was over before.</returns>
    private async Task<VimObject?> PollAsync(VimReference task, VimTaskOptions how, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        long begin = vim.Clock.GetTimestamp();
        long heard = begin;
        TimeSpan pause = s_first;
        while (true)
        {
            try
            {
                IReadOnlyList<VimObject> found = await vim.GetPropertiesAsync([task], s_paths,
                    cancellationToken).ConfigureAwait(false);
                heard = vim.Clock.GetTimestamp();
                if (found.Count == 0)
                    throw new NataliaException(ErrorIds.TaskLost, NataliaErrorKind.Connection,
                        $"The server does not know the task for {how.What} any more; how it ended is not known.",
                        vim.BaseUri.IdnHost);
                if (found[0].Text("info.state") is "success" or "error") return found[0];
                if (found[0]["info.progress"] is XElement progress
                    && int.TryParse(progress.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int percent))
                    how.Progress?.Report(percent);
            }
            catch (NataliaException e)
                when (e.ErrorId == ErrorIds.ServerUnreachable && vim.Clock.GetElapsedTime(heard) < s_silenceLimit)
            {
                // The task goes on at the server, and a network that is away for a moment comes back.
            }
            TimeSpan left = limit - vim.Clock.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero) return null;
            await vim.Clock.WaitAsync(pause < left ? pause : left, cancellationToken).ConfigureAwait(false);
            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, s_last.Ticks));
        }
    }

    private static string Upper(string text) =>
        text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text.Substring(1);
}
