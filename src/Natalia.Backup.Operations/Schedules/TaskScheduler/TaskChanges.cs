using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>What somebody changed in a registered task: what it starts, when, as whom, and whether. Pure.</summary>
internal static class TaskChanges
{
    /// <summary>The changes, each a full sentence; none when the task is what it should be.</summary>
    /// <param name="task">The task as it is.</param>
    /// <param name="mark">What its XML says.</param>
    /// <param name="schedule">The schedule as it should be.</param>
    /// <param name="work">Which of its tasks.</param>
    /// <param name="isAccount">Whether a user of the XML is an account.</param>
    internal static IEnumerable<string> Find(RegisteredTask task, TaskMark mark, ScheduleDefinition schedule,
        ScheduledWork work, Func<string, TaskAccount, bool> isAccount)
    {
        string what = $"the task '{task.Name}'";
        if (mark.Command != schedule.Program
            || mark.Arguments != ScheduledCommand.Line(ScheduledCommand.Arguments(schedule, work)))
            yield return $"What {what} starts was changed by hand.";
        if (mark.Triggers != TaskXml.TriggersOf(schedule, work))
            yield return $"When {what} is started was changed by hand.";
        if (!isAccount(mark.UserId, TaskAccount.Of(schedule.Account)))
            yield return $"The account of {what} was changed by hand: it is '{mark.UserId}'.";
        if (task.IsEnabled != schedule.IsEnabled)
            yield return $"The task '{task.Name}' was switched {(task.IsEnabled ? "on" : "off")} by hand.";
    }
}
