using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>What the service says of the last run of a task. Pure.</summary>
internal static class TaskRunResult
{
    /// <summary>SCHED_S_TASK_READY, _RUNNING, _DISABLED, _HAS_NOT_RUN, _NO_MORE_RUNS, _NOT_SCHEDULED and _QUEUED of
    /// winerror.h: states of the task in the place of an exit code.</summary>
    private const long IsReady = 0x41300, IsRunningNow = 0x41301, IsDisabled = 0x41302, HasNotRun = 0x41303,
        NoMoreRuns = 0x41304, NotScheduled = 0x41305, IsQueued = 0x41325;

    /// <summary>How it went, and the exit code where a run ended.</summary>
    internal static (ScheduledRunResult Result, long? ExitCode) Of(RegisteredTask task) => task switch
    {
        { IsRunning: true } => (ScheduledRunResult.Running, null),
        { IsQueued: true } => (ScheduledRunResult.Queued, null),
        { LastResult: IsRunningNow } => (ScheduledRunResult.Running, null),
        { LastResult: IsQueued } => (ScheduledRunResult.Queued, null),
        { LastRunUtc: null } or { LastResult: HasNotRun } => (ScheduledRunResult.NeverRan, null),
        { LastResult: IsReady or IsDisabled or NoMoreRuns or NotScheduled } => (ScheduledRunResult.Unknown, null),
        { LastResult: 0 } => (ScheduledRunResult.Succeeded, 0),
        _ => (ScheduledRunResult.Failed, task.LastResult),
    };
}
