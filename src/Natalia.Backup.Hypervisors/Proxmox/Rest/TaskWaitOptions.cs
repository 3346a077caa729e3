namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>How a task is awaited.</summary>
internal sealed record TaskWaitOptions
{
    /// <summary>How long at most. The task itself is not stopped then.</summary>
    internal required TimeSpan Timeout { get; init; }
    /// <summary>The longest pause between two questions.</summary>
    internal TimeSpan MaximumInterval { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Told every line of the log, in order, once; or null.</summary>
    internal Action<string>? OnLogLine { get; init; }
    /// <summary>
    /// Told what is waited for while another operation holds the VM, before the task can start; or null.
    /// </summary>
    internal Action<string>? OnWaiting { get; init; }
    /// <summary>
    /// Whether a cancelled wait goes on, for ten minutes at most, until the task has ended: one that is killed half-way
    /// would leave the VM locked.
    /// </summary>
    internal bool FinishWhenCancelled { get; init; }
}
