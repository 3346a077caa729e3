namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>How a task of the server is waited for.</summary>
/// <param name="Deadline">How long it may take. When it is over the task is cancelled where the server allows it, and
/// the wait fails with <c>TaskNotFinished</c>; what the task made may still come.</param>
/// <param name="What">What it does, for messages: <c>the snapshot of 'natalia'</c>.</param>
/// <param name="Progress">Told 0 to 100, as the server says it; or null.</param>
/// <param name="GoesOn">Whether the task is left alone when nobody waits for it any more: what cleans up is to come to
/// its end.</param>
internal sealed record VimTaskOptions(TimeSpan Deadline, string What, IProgress<int>? Progress = null,
    bool GoesOn = false);
