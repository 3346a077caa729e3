using System.Security;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>
/// All that is asked of Windows' Task Scheduler: what the interfaces ITaskService, ITaskFolder and IRegisteredTask of
/// taskschd.h document. Any thread; each call throws <see cref="TaskServiceException"/> when it is refused.
/// </summary>
internal interface ITaskService
{
    /// <summary>Registers a task in this product's folder, or replaces the one of that name, in one step.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="xml">What it is.</param>
    /// <param name="account">Who runs it.</param>
    /// <param name="password">The account's password, or null; belongs to the caller.</param>
    void Register(string name, string xml, TaskAccount account, SecureString? password);

    /// <summary>The tasks in this product's folder.</summary>
    IReadOnlyList<RegisteredTask> List();

    /// <summary>Removes a task; not an error when there is none.</summary>
    void Remove(string name);

    /// <summary>Starts a task now.</summary>
    void Start(string name);

    /// <summary>Ends the runs of a task.</summary>
    void Stop(string name);

    /// <summary>The id (SID) of an account by its name, or by an id; null when nobody knows it now.</summary>
    string? SidOf(string account);
}

/// <summary>A registered task.</summary>
internal sealed record RegisteredTask
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }
    /// <summary>What it is, in the service's words.</summary>
    public required string Xml { get; init; }
    /// <summary>Whether its triggers count.</summary>
    public bool IsEnabled { get; init; }
    /// <summary>Whether a run goes on (TASK_STATE_RUNNING).</summary>
    public bool IsRunning { get; init; }
    /// <summary>Whether a run waits to be started (TASK_STATE_QUEUED).</summary>
    public bool IsQueued { get; init; }
    /// <summary>When it ran last, UTC; null for never.</summary>
    public DateTime? LastRunUtc { get; init; }
    /// <summary>The exit code of the last run, or an HRESULT of the service.</summary>
    public long LastResult { get; init; }
    /// <summary>When it will run next, UTC; null for never.</summary>
    public DateTime? NextRunUtc { get; init; }
}

/// <summary>The service said no.</summary>
internal sealed class TaskServiceException(int code, string message, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>The HRESULT.</summary>
    internal int Code => code;
}
