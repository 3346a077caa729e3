using System.Security;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>What starts runs on this machine. Any thread.</summary>
internal interface IScheduler
{
    /// <summary>What a user calls it: TaskScheduler or Systemd.</summary>
    string Name { get; }

    /// <summary>The folder of its files; null where it has none of its own.</summary>
    string? UnitFolder { get; }

    /// <summary>
    /// Makes a schedule, or changes it to what is wanted; the same call twice changes nothing. When it fails, what it
    /// made is gone again.
    /// </summary>
    /// <param name="schedule">What is wanted.</param>
    /// <param name="password">The account's password; null for an account without one. Belongs to the caller.</param>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>, <c>ScheduleNotOwn</c>, <c>SchedulerNotAvailable</c>,
    /// <c>ScheduleNotRegistered</c>, <c>PermissionDenied</c>.</exception>
    Task<BackupSchedule> RegisterAsync(ScheduleDefinition schedule, SecureString? password,
        CancellationToken cancellationToken);

    /// <summary>The schedules of this product that are there.</summary>
    /// <exception cref="NataliaException"><c>SchedulerNotAvailable</c>, <c>PermissionDenied</c>.</exception>
    Task<IReadOnlyList<(BackupSchedule Schedule, ScheduleDefinition? Definition)>> ListAsync(
        CancellationToken cancellationToken);

    /// <summary>Removes one that carries the mark of this product; after a failure it can be tried again.</summary>
    /// <param name="scheduleId">Its id.</param>
    /// <exception cref="NataliaException"><c>ScheduleNotFound</c>, <c>ScheduleNotOwn</c>,
    /// <c>ScheduleNotRemoved</c>, <c>PermissionDenied</c>.</exception>
    Task RemoveAsync(string scheduleId, CancellationToken cancellationToken);

    /// <summary>Runs the probe of a schedule once, as its account, and leaves nothing.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="password">The account's password, as in <see cref="RegisterAsync"/>.</param>
    /// <param name="limit">How long the run may take.</param>
    /// <returns>What it wrote, and its exit code; or why it could not be run.</returns>
    Task<ProbeRun> ProbeAsync(ScheduleDefinition schedule, SecureString? password, TimeSpan limit,
        CancellationToken cancellationToken);
}

/// <summary>A run of the probe.</summary>
/// <param name="ExitCode">Its exit code; null when it was not run.</param>
/// <param name="Output">What it wrote; else why it was not run, a full sentence.</param>
internal sealed record ProbeRun(long? ExitCode, string Output);
