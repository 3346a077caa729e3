namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>How the last run of a schedule ended, as far as what starts it can tell.</summary>
public enum ScheduledRunResult
{
    /// <summary>Nobody can tell.</summary>
    Unknown = 0,
    /// <summary>There was no run yet.</summary>
    NeverRan,
    /// <summary>It goes on.</summary>
    Running,
    /// <summary>It ended with exit code 0.</summary>
    Succeeded,
    /// <summary>It ended otherwise.</summary>
    Failed,
    /// <summary>It is due, and waits to be started.</summary>
    Queued,
}
