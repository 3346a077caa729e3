using System.Globalization;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>What became of a task.</summary>
/// <param name="Task">The task.</param>
/// <param name="State">How it ended.</param>
/// <param name="WarningCount">How many warnings it gave.</param>
/// <param name="ExitStatus">Its last word, or why it is lost.</param>
/// <param name="LogTail">The last lines of its log that tell something: without progress and clearing up.</param>
internal sealed record TaskOutcome(Upid Task, TaskState State, int WarningCount, string ExitStatus,
    IReadOnlyList<string> LogTail)
{
    /// <summary>Whether every line of the log was read. Where it was not, what it does not say means nothing.</summary>
    internal bool IsLogWhole { get; init; }

    internal bool Succeeded => State is TaskState.Ok or TaskState.Warnings;

    /// <summary>Throws unless the task is done.</summary>
    /// <param name="what">What it was to do, as the beginning of a sentence: "The backup of VM 100".</param>
    /// <param name="note">A full sentence to add, or null.</param>
    internal TaskOutcome ThrowUnlessDone(string what, string? note = null)
    {
        if (Succeeded) return this;
        string tail = LogTail.Count == 0
            ? ""
            : " Its last lines: " + string.Join(" | ", LogTail.Skip(Math.Max(0, LogTail.Count - 5)));
        string more = note is null ? "" : " " + note;
        throw State switch
        {
            TaskState.Running => new ApiException(ErrorIds.TaskNotFinished, NataliaErrorKind.Timeout,
                $"{what} was not finished when it was last seen ({ExitStatus}); the task runs on at node "
                + $"'{Task.Node}'.{more}{tail}",
                Task.Text, "Look at the task on the node; give a longer timeout next time."),
            TaskState.Lost => new ApiException(ErrorIds.TaskLost, NataliaErrorKind.Unknown,
                $"How {Decapitalize(what)} ended is not known: {ExitStatus.TrimEnd('.')}.{more}{tail}", Task.Text,
                "Look at what is there before repeating it; the node may have gone down in between."),
            _ => new ApiException(ErrorIds.TaskFailed, NataliaErrorKind.InvalidOperation,
                $"{what} failed: {ExitStatus.TrimEnd('.')}.{more}{tail}", Task.Text)
            { ServerText = ExitStatus },
        };
    }

    /// <summary>Reads the server's last word.</summary>
    internal static (TaskState State, int Warnings) ReadExitStatus(string? status)
    {
        if (status is null or "unexpected status" or "") return (TaskState.Lost, 0);
        if (status == "OK") return (TaskState.Ok, 0);
        if (status.StartsWith("WARNINGS:", StringComparison.Ordinal))
            return (TaskState.Warnings,
                int.TryParse(status.Substring(9).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int n)
                ? n
                : 1);
        return (TaskState.Failed, 0);
    }

    internal static string Decapitalize(string text) =>
        text.Length == 0 ? text : char.ToLowerInvariant(text[0]) + text.Substring(1);
}
