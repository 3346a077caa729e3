using System.Security;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>
/// Tasks of Windows' Task Scheduler. Each is registered in one step of the service; that of the backups comes last, so
/// that whatever dies in between leaves at most a restore test, which the next registration replaces.
/// </summary>
/// <param name="service">The service.</param>
/// <param name="clock">The time.</param>
/// <param name="probeFolder">Where a trial writes what it found; everybody may write there.</param>
internal sealed class TaskSchedulerScheduler(ITaskService service, TimeProvider clock, string probeFolder) : IScheduler
{
    private const int AccessDenied = unchecked((int)0x80070005);
    private const int LogonFailure = unchecked((int)0x8007052E);
    private const int NoSuchAccount = unchecked((int)0x80070534);
    private const int LogonNotGranted = unchecked((int)0x80070569);

    private static readonly TimeSpan s_backupLimit = TimeSpan.FromHours(23);
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public string Name => "TaskScheduler";

    /// <inheritdoc/>
    public string? UnitFolder => null;

    /// <inheritdoc/>
    public Task<BackupSchedule> RegisterAsync(ScheduleDefinition schedule, SecureString? password,
        CancellationToken cancellationToken) => OnPool(() =>
    {
        schedule.EnsureValid();
        TaskAccount account = TaskAccount.Of(schedule.Account);
        account.EnsureUsable(password is not null);
        string backup = TaskXml.Create(schedule, ScheduledWork.Backup, account, s_backupLimit);
        string test = TaskXml.Create(schedule, ScheduledWork.RestoreTest, account, s_backupLimit);
        IReadOnlyList<RegisteredTask> before = List();
        foreach (RegisteredTask task in before.Where(t => Is(t, schedule.ScheduleId)
            || Is(t, schedule.RestoreTestId)))
            if (TaskXml.Read(task.Xml) is null) throw NotOwn(task.Name);
        RegisteredTask? formerTest = before.FirstOrDefault(t => Is(t, schedule.RestoreTestId));
        bool hasTest = formerTest is not null;
        // A password that was given may be a new one: then there is something to change whatever the task says.
        if (password is null && hasTest == schedule.QuarterlyRestoreTest
            && before.FirstOrDefault(t => Is(t, schedule.ScheduleId)) is RegisteredTask there
            && IsAsWanted(there, schedule, ScheduledWork.Backup)
            && (formerTest is null || IsAsWanted(formerTest, schedule, ScheduledWork.RestoreTest)))
            return Describe(there, before, schedule, false);
        bool isTestReplaced = false, isRegistered = false;
        try
        {
            if (schedule.QuarterlyRestoreTest)
            {
                service.Register(schedule.RestoreTestId, test, account, password);
                isTestReplaced = hasTest;
            }
            cancellationToken.ThrowIfCancellationRequested();
            service.Register(schedule.ScheduleId, backup, account, password);
            isRegistered = true;
            if (hasTest && !schedule.QuarterlyRestoreTest) service.Remove(schedule.RestoreTestId);
        }
        catch (Exception e) when (e is TaskServiceException or OperationCanceledException)
        {
            string left = "";
            if (isTestReplaced)
            {
                left = PutBack(formerTest!, account, password);
            }
            else if (schedule.QuarterlyRestoreTest && !hasTest)
            {
                try
                {
                    service.Remove(schedule.RestoreTestId);
                }
                catch (TaskServiceException again)
                {
                    left = $" The task '{schedule.RestoreTestId}' could not be removed again: {again.Message}";
                }
            }
            if (e is TaskServiceException refused)
                throw Refused(refused, ErrorIds.ScheduleNotRegistered, isRegistered
                    ? $"The schedule '{schedule.ScheduleId}' was registered, but its task "
                        + $"'{schedule.RestoreTestId}', which is wanted no more, could not be removed"
                    : $"The schedule '{schedule.ScheduleId}' was not registered", schedule.ScheduleId, left);
            if (left.Length == 0) throw;
            throw new NataliaException(ErrorIds.ScheduleNotRegistered, NataliaErrorKind.WriteFailed,
                $"The schedule '{schedule.ScheduleId}' was not registered, because it was stopped.{left}",
                schedule.ScheduleId, "Register it again.", e);
        }
        IReadOnlyList<RegisteredTask> after = List();
        return Describe(after.FirstOrDefault(t => Is(t, schedule.ScheduleId))
            ?? throw new NataliaException(ErrorIds.ScheduleNotRegistered, NataliaErrorKind.InvalidOperation,
                $"The Task Scheduler took '{schedule.ScheduleId}' and does not show it.", schedule.ScheduleId),
            after, schedule, true);
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<(BackupSchedule Schedule, ScheduleDefinition? Definition)>> ListAsync(
        CancellationToken cancellationToken) => OnPool<IReadOnlyList<(BackupSchedule, ScheduleDefinition?)>>(() =>
    {
        var found = new List<(BackupSchedule, ScheduleDefinition?)>();
        IReadOnlyList<RegisteredTask> tasks = List();
        foreach (RegisteredTask task in tasks.OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            if (TaskXml.Read(task.Xml) is not TaskMark mark) continue;
            string id = ScheduleDefinition.ScheduleIdOf(task.Name);
            if (!ScheduleDefinition.IsScheduleId(id)) continue;
            if (id != task.Name)
            {
                if (!tasks.Any(t => Is(t, id)))
                    found.Add((BackupSchedule.Incomplete(id, Name, "It has no task for backups, only the one for "
                        + "restore tests: its registration was interrupted."), null));
            }
            else
            {
                found.Add(mark.Schedule is ScheduleDefinition schedule && Is(task, schedule.ScheduleId)
                    ? (Describe(task, tasks, schedule, false), schedule)
                    : (BackupSchedule.Incomplete(id, Name, "What it does cannot be read in its task."), null));
            }
        }
        return found;
    });

    /// <inheritdoc/>
    public Task RemoveAsync(string scheduleId, CancellationToken cancellationToken) => OnPool(() =>
    {
        List<RegisteredTask> there = ScheduleDefinition.IsScheduleId(scheduleId)
            ? [.. List().Where(t => Is(t, scheduleId)
                || Is(t, ScheduleDefinition.RestoreTestIdOf(scheduleId)))]
            : [];
        if (there.Count == 0)
            throw new NataliaException(ErrorIds.ScheduleNotFound, NataliaErrorKind.NotFound,
                $"The Task Scheduler has no schedule '{scheduleId}'.", scheduleId, "Get-NataliaSchedule lists them.");
        if (there.FirstOrDefault(t => TaskXml.Read(t.Xml) is null) is RegisteredTask foreign)
            throw NotOwn(foreign.Name);
        try
        {
            foreach (RegisteredTask task in there.OrderBy(t => t.Name.Length)) service.Remove(task.Name);
        }
        catch (TaskServiceException e)
        {
            throw Refused(e, ErrorIds.ScheduleNotRemoved,
                $"The schedule '{scheduleId}' could not be removed, or not whole", scheduleId, "");
        }
        return true;
    });

    /// <inheritdoc/>
    public async Task<ProbeRun> ProbeAsync(ScheduleDefinition schedule, SecureString? password, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        TaskAccount account = TaskAccount.Of(schedule.Account);
        if (account.NeedsPassword && password is null)
            return new ProbeRun(null, $"It was not tried: the account '{account.UserId}' needs its password, which "
                + "nobody but the Task Scheduler has. Give -Credential.");
        account.EnsureUsable(password is not null);
        string id = $"natalia-probe-{Guid.NewGuid():n}";
        string folder = Path.Combine(probeFolder, id);
        try
        {
            Directory.CreateDirectory(folder);
            string xml = TaskXml.Create(schedule, ScheduledWork.Probe, account, limit, folder);
            await OnPool(() =>
            {
                service.Register(id, xml, account, password);
                service.Start(id);
                return true;
            }).ConfigureAwait(false);
            long start = clock.GetTimestamp();
            while (true)
            {
                RegisteredTask? task = (await OnPool(List).ConfigureAwait(false)).FirstOrDefault(t => t.Name == id);
                if (task is not null && TaskRunResult.Of(task).ExitCode is long code)
                    return new ProbeRun(code, ReadReport(folder));
                if (task is null || clock.GetElapsedTime(start) > limit)
                    return new ProbeRun(null, task is null
                        ? "It was not tried to its end: somebody removed the task meanwhile."
                        : $"It did not end within {limit.TotalMinutes:0} minutes.");
                await clock.WaitAsync(s_look, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (TaskServiceException e)
        {
            throw Refused(e, ErrorIds.ScheduleNotRegistered, "The account of the schedule cannot be tried",
                schedule.ScheduleId, "");
        }
        finally
        {
            await OnPool(() => Clear(id, folder)).ConfigureAwait(false);
        }
    }

    /// <summary>Puts back the restore test that was replaced before the registration failed.</summary>
    /// <param name="former">What it was.</param>
    /// <param name="account">Whose password was given.</param>
    /// <param name="password">That password, or null.</param>
    /// <returns>What people should know, a full sentence behind a space; empty when it is as it was.</returns>
    private string PutBack(RegisteredTask former, TaskAccount account, SecureString? password)
    {
        string why = "its account's password is not known.";
        if (TaskXml.Read(former.Xml)?.Schedule is not ScheduleDefinition was)
        {
            why = "its account is not known.";
        }
        else if (TaskAccount.Of(was.Account) is TaskAccount owner && (!owner.NeedsPassword || owner == account))
        {
            try
            {
                service.Register(former.Name, former.Xml, owner, owner.NeedsPassword ? password : null);
                return "";
            }
            catch (TaskServiceException again)
            {
                why = again.Message;
            }
        }
        return $" The task '{former.Name}' is the new one already, and could not be put back: {why}";
    }

    private bool Clear(string id, string folder)
    {
        try
        {
            if (List().FirstOrDefault(t => t.Name == id) is RegisteredTask left)
            {
                if (left.IsRunning) service.Stop(id);
                service.Remove(id);
            }
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is TaskServiceException or IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.ScheduleNotRemoved, NataliaErrorKind.WriteFailed,
                $"The trial task '{id}' could not be removed: {e.Message}", id,
                $"Delete it in the Task Scheduler's folder {ComTaskService.Folder}.", e);
        }
        return true;
    }

    private static string ReadReport(string folder)
    {
        string file = Path.Combine(folder, "probe.json");
        return File.Exists(file) && new FileInfo(file).Length < 1 << 20 ? File.ReadAllText(file) : "";
    }

    private bool IsAsWanted(RegisteredTask task, ScheduleDefinition schedule, ScheduledWork work) =>
        TaskXml.Read(task.Xml) is TaskMark mark && mark.Schedule?.ToMark() == schedule.ToMark()
            && !TaskChanges.Find(task, mark, schedule, work, (user, account) => IsAccount(user, account) is true).Any();

    /// <summary>
    /// Whether a user of a task's XML is an account; null when nobody can tell. The service writes names as ids.
    /// </summary>
    private bool? IsAccount(string userId, TaskAccount account) =>
        string.Equals(userId, account.UserId, StringComparison.OrdinalIgnoreCase) ? true
        : service.SidOf(userId) is string one && service.SidOf(account.UserId) is string other ? one == other
        : null;

    private BackupSchedule Describe(RegisteredTask task, IReadOnlyList<RegisteredTask> tasks,
        ScheduleDefinition schedule, bool wasChanged)
    {
        (ScheduledRunResult result, long? exitCode) = TaskRunResult.Of(task);
        return BackupSchedule.Of(schedule, Name, ScheduledCommand.Line) with
        {
            Account = schedule.Account ?? "SYSTEM",
            Expression = ScheduleTimes.Describe(schedule.Kind, schedule.AtTime),
            NextRunsUtc = task.IsEnabled && task.NextRunUtc is DateTime next ? [next] : [],
            LastRunUtc = task.LastRunUtc,
            LastResult = result,
            LastExitCode = exitCode,
            IsEnabled = task.IsEnabled,
            WasChanged = wasChanged,
            Warnings = [.. Warn(task, tasks, schedule)],
        };
    }

    private IEnumerable<string> Warn(RegisteredTask task, IReadOnlyList<RegisteredTask> tasks,
        ScheduleDefinition schedule)
    {
        List<string> warnings = [.. Changes(task, ScheduledWork.Backup)];
        if (schedule.QuarterlyRestoreTest)
        {
            RegisteredTask? test = tasks.FirstOrDefault(t => Is(t, schedule.RestoreTestId));
            if (test is null) warnings.Add($"The task '{schedule.RestoreTestId}' of its restore tests is missing.");
            else warnings.AddRange(Changes(test, ScheduledWork.RestoreTest));
        }
        return warnings.Count == 0 ? [] : warnings.Append("Register-NataliaSchedule makes it as it was.");

        IEnumerable<string> Changes(RegisteredTask one, ScheduledWork work) => TaskXml.Read(one.Xml) is TaskMark mark
            ? TaskChanges.Find(one, mark, schedule, work, (user, account) => IsAccount(user, account) is not false)
            : [$"The task '{one.Name}' was made by somebody else."];
    }

    private IReadOnlyList<RegisteredTask> List()
    {
        try
        {
            return service.List();
        }
        catch (TaskServiceException e)
        {
            throw Refused(e, ErrorIds.SchedulerNotAvailable, "The Task Scheduler does not list its tasks", null, "");
        }
    }

    /// <summary>Windows does not tell large letters from small ones in the names of tasks.</summary>
    private static bool Is(RegisteredTask task, string name) =>
        string.Equals(task.Name, name, StringComparison.OrdinalIgnoreCase);

    private static Task<T> OnPool<T>(Func<T> body) => Task.Run(body);

    private static NataliaException NotOwn(string task) =>
        new(ErrorIds.ScheduleNotOwn, NataliaErrorKind.InvalidOperation,
            $"The task '{ComTaskService.Folder}\\{task}' was not made by this product and is left alone.", task,
            "Choose another -Name, or delete the task if it is not needed.");

    private static NataliaException Refused(TaskServiceException e, string id, string what, string? target,
        string more) => e.Code switch
        {
            AccessDenied => new(ErrorIds.PermissionDenied, NataliaErrorKind.PermissionDenied,
                $"{what}: Windows denies access.{more}", target,
                "Run it in a PowerShell that was started as administrator.", e),
            LogonFailure => new(id, NataliaErrorKind.Authentication,
                $"{what}: the account cannot be logged on; its name or password is wrong, or a group managed service "
                + $"account is not installed on this machine.{more}", target,
                "Test-ADServiceAccount tells whether this machine may use a group managed service account.", e),
            NoSuchAccount => new(id, NataliaErrorKind.InvalidArgument,
                $"{what}: there is no such account.{more}", target, innerException: e),
            LogonNotGranted => new(id, NataliaErrorKind.PermissionDenied,
                $"{what}: the account may not log on as a batch job.{more}", target,
                "Grant it 'Log on as a batch job' (secpol.msc, Local Policies, User Rights Assignment).", e),
            _ => new(id, NataliaErrorKind.InvalidOperation, $"{what}: {e.Message} (0x{e.Code:X8}).{more}", target,
                innerException: e),
        };
}
