using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.HyperV.Wmi;

/// <summary>How a job of a host ended.</summary>
internal enum JobEnd
{
    Succeeded,
    Failed,
    /// <summary>The host knows nothing of it any more: only its effect tells.</summary>
    Lost,
    /// <summary>It still runs at the end of the time.</summary>
    StillRunning,
}

/// <summary>A job's end, and what the host said of it.</summary>
internal sealed record JobResult(JobEnd End, string? Message, long? JobType);

/// <summary>
/// Waits for jobs of a host: every quarter of a second at first, then slower, to a deadline. A host that does not
/// answer for a while (its service restarts) is waited for, too.
/// </summary>
internal sealed class WmiJob(ICimGateway gateway, TimeProvider clock)
{
    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_slowest = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_silenceLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_endLimit = TimeSpan.FromMinutes(2);

    // Msvm_ConcreteJob.JobState: 7 completed, 32768 completed with warnings; 8 terminated, 9 killed, 10 exception.
    private static bool IsGood(long state) => state is 7 or 32768;

    private static bool IsBad(long state) => state is 8 or 9 or 10;

    /// <summary>
    /// Waits for the end. When it is cancelled, the job is told to end, and its end is waited for before the call
    /// returns: whoever clears up then finds all of what it made.
    /// </summary>
    internal async Task<JobResult> WaitAsync(CimPath job, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            return await PollAsync(job, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            using var limit = new CancellationTokenSource(s_endLimit);
            await EndAsync(job, limit.Token).ConfigureAwait(false);
            throw;
        }
    }

    private async Task EndAsync(CimPath job, CancellationToken cancellationToken)
    {
        try
        {
            CimRow? row = await gateway.GetAsync(job, cancellationToken).ConfigureAwait(false);
            if (row?.Flag("Cancellable") == true)
                await gateway.InvokeAsync(job, "RequestStateChange",
                    new CimArguments { { "RequestedState", (ushort)4 }, { "TimeoutPeriod", (DateTime?)null } },
                    cancellationToken).ConfigureAwait(false);
            await PollAsync(job, s_endLimit, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is CimFaultException or OperationCanceledException)
        {
            // What it made is found by what was recorded before it was started.
        }
    }

    private async Task<JobResult> PollAsync(CimPath job, TimeSpan timeout, CancellationToken cancellationToken)
    {
        DateTimeOffset start = clock.GetUtcNow(), lastAnswer = start;
        TimeSpan pause = s_first;
        while (true)
        {
            try
            {
                CimRow? row = await gateway.GetAsync(job, cancellationToken).ConfigureAwait(false);
                lastAnswer = clock.GetUtcNow();
                if (row is null) return new JobResult(JobEnd.Lost, null, null);
                long state = row.Number("JobState") ?? 0;
                if (IsGood(state)) return new JobResult(JobEnd.Succeeded, null, row.Number("JobType"));
                if (IsBad(state))
                    return new JobResult(JobEnd.Failed, await MessageAsync(job, row, cancellationToken)
                        .ConfigureAwait(false), row.Number("JobType"));
            }
            catch (CimFaultException e) when (e.Fault == CimFault.NotFound)
            {
                return new JobResult(JobEnd.Lost, null, null);
            }
            catch (CimFaultException e) when (e.Fault == CimFault.Transport
                && clock.GetUtcNow() - lastAnswer < s_silenceLimit)
            {
                // The host's service restarts, or the network hesitates. The job's own end still counts.
            }
            if (clock.GetUtcNow() - start >= timeout) return new JobResult(JobEnd.StillRunning, null, null);
            await clock.WaitAsync(pause, cancellationToken).ConfigureAwait(false);
            pause = pause + pause > s_slowest ? s_slowest : pause + pause;
        }
    }

    /// <summary>All that the host says of a failure; each sentence once.</summary>
    private async Task<string> MessageAsync(CimPath job, CimRow row, CancellationToken cancellationToken)
    {
        var said = new List<string>();
        try
        {
            CimAnswer errors = await gateway.InvokeAsync(job, "GetErrorEx", CimArguments.None,
                cancellationToken).ConfigureAwait(false);
            foreach (string text in errors.Outputs.Texts("Errors"))
            {
                if (EmbeddedInstance.Read(text).Text("Message") is string message) said.Add(message.Trim());
            }
        }
        catch (Exception e) when (e is CimFaultException or FormatException)
        {
            // The job itself says why, too.
        }
        if (said.Count == 0)
            said.AddRange(new[] { row.Text("ErrorDescription"), row.Text("ErrorSummaryDescription") }
                .OfType<string>().Where(t => t.Trim().Length > 0).Select(t => t.Trim()));
        string all = string.Join(" ", said.Distinct(StringComparer.Ordinal));
        return all.Length > 0 ? all : $"error {row.Number("ErrorCode") ?? 0}";
    }
}
