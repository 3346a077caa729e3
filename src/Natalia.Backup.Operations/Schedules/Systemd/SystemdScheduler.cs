using System.Globalization;
using System.Security;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Exports;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.Systemd;

/// <summary>
/// Timers and services of systemd. What makes a schedule is its timer's file: it is written last and removed first, so
/// that whatever dies in between leaves at most a service that nothing starts, which the next registration replaces.
/// </summary>
/// <param name="folder">Where the unit files are, a full path.</param>
/// <param name="isSystem">Whether they are the system's, not a user's.</param>
/// <param name="control">The running manager; null for a folder of an image or a test, which no manager reads
/// now.</param>
/// <param name="clock">The time.</param>
internal sealed class SystemdScheduler(string folder, bool isSystem, ISystemdControl? control, TimeProvider clock)
    : IScheduler
{
    /// <summary>What <c>systemctl enable</c> makes a link in for the units' WantedBy.</summary>
    private const string WantsFolder = "timers.target.wants";

    private const int ForeseenRuns = 3;
    private const long LongestUnit = 1 << 20;

    private static readonly UTF8Encoding s_utf8 = new(false);

    /// <inheritdoc/>
    public string Name => "Systemd";

    /// <inheritdoc/>
    public string? UnitFolder => folder;

    /// <inheritdoc/>
    public async Task<BackupSchedule> RegisterAsync(ScheduleDefinition schedule, SecureString? password,
        CancellationToken cancellationToken)
    {
        schedule.EnsureValid();
        EnsureReachable();
        EnsureAccount(schedule.Account);
        if (password is not null)
            throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
                "Nothing was registered: systemd runs services as any account without its password.", null,
                "Name the account with -Account.");
        IReadOnlyList<KeyValuePair<string, string>> files =
            UnitFiles.Create(schedule, isSystem, NeededEnvironment());
        Dictionary<string, string?> before = NamesOf(schedule.ScheduleId).ToDictionary(n => n, ReadFile);
        foreach (KeyValuePair<string, string?> file in before)
            if (file.Value is not null && !UnitFiles.IsOwn(file.Value)) throw NotOwn(schedule.ScheduleId, file.Key);
        string[] timers = [.. files.Select(f => f.Key).Where(IsTimer)];
        bool asWanted = files.All(f => before[f.Key] == f.Value)
            && before.All(b => b.Value is null || files.Any(f => f.Key == b.Key))
            && timers.All(t => IsLinked(t) == schedule.IsEnabled);
        // A registration that was killed may have written what the manager does not go by yet.
        if (asWanted && await IsInForceAsync(schedule, [.. files.Select(f => f.Key)], cancellationToken)
            .ConfigureAwait(false))
            return await DescribeAsync(schedule, false, cancellationToken).ConfigureAwait(false);
        bool[] wasLinked = [.. before.Keys.Select(IsLinked)];
        // What the manager does not go by begins anew as well: it stood still, or goes off at other times.
        string[] anew = [.. files.Where(f => IsTimer(f.Key) && (asWanted || !IsLinked(f.Key)
            || before[f.Key] is not string former || UnitFiles.HasOtherTime(former, f.Value))).Select(f => f.Key)];
        try
        {
            Directory.CreateDirectory(folder);
            foreach (KeyValuePair<string, string> file in files)
                if (before[file.Key] != file.Value) WriteFile(file.Key, file.Value);
            await SwitchAsync(timers, schedule.IsEnabled, cancellationToken, anew).ConfigureAwait(false);
            string[] gone = [.. before.Where(b => b.Value is not null && files.All(f => f.Key != b.Key))
                .Select(b => b.Key)];
            if (gone.Length > 0)
            {
                string[] goneTimers = [.. gone.Where(IsTimer)];
                await SwitchAsync(goneTimers, false, cancellationToken).ConfigureAwait(false);
                await ForgetAsync(goneTimers, cancellationToken).ConfigureAwait(false);
                foreach (string file in gone) File.Delete(Path.Combine(folder, file));
            }
            await ReloadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            IReadOnlyList<string> left =
                await RestoreAsync(before, [.. before.Keys.Where((_, i) => wasLinked[i])]).ConfigureAwait(false);
            if (e is OperationCanceledException && left.Count == 0) throw;
            throw NotRegistered(schedule, e, left);
        }
        // It is registered: who stops it now must be told so.
        return await DescribeAsync(schedule, true, CancellationToken.None).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<(BackupSchedule Schedule, ScheduleDefinition? Definition)>> ListAsync(
        CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder)) return [];
        var found = new List<(BackupSchedule, ScheduleDefinition?)>();
        IEnumerable<string> ids = Directory.EnumerateFiles(folder, ScheduleDefinition.Prefix + "*")
            .Select(f => Path.GetFileName(f))
            .Where(f => f.EndsWith(".timer", StringComparison.Ordinal)
                || f.EndsWith(".service", StringComparison.Ordinal))
            .Select(f => ScheduleDefinition.ScheduleIdOf(f.Substring(0, f.LastIndexOf('.'))))
            .Where(ScheduleDefinition.IsScheduleId).Distinct().OrderBy(i => i, StringComparer.Ordinal);
        foreach (string id in ids)
        {
            if (ReadFile(id + ".timer") is not string timer)
            {
                // A registration that was killed, or somebody's own service of such a name.
                if (!NamesOf(id).Any(n => ReadFile(n) is string part && UnitFiles.IsOwn(part))) continue;
                found.Add((Incomplete(id, "It has no timer, so nothing starts it: its registration was interrupted."),
                    null));
            }
            else if (UnitFiles.Read(timer) is ScheduleDefinition schedule && schedule.ScheduleId == id)
            {
                found.Add((await DescribeAsync(schedule, false, cancellationToken).ConfigureAwait(false), schedule));
            }
            else if (UnitFiles.IsOwn(timer))
            {
                found.Add((Incomplete(id, "What it does cannot be read in its unit files."), null));
            }
        }
        return found;
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(string scheduleId, CancellationToken cancellationToken)
    {
        string[] there = ScheduleDefinition.IsScheduleId(scheduleId)
            ? [.. NamesOf(scheduleId).Where(n => ReadFile(n) is not null)]
            : [];
        if (there.Length == 0)
            throw new NataliaException(ErrorIds.ScheduleNotFound, NataliaErrorKind.NotFound,
                $"There is no schedule '{scheduleId}' in '{folder}'.", scheduleId, "Get-NataliaSchedule lists them.");
        if (there.FirstOrDefault(n => !UnitFiles.IsOwn(ReadFile(n)!)) is string foreign)
            throw NotOwn(scheduleId, foreign);
        EnsureReachable();
        try
        {
            string[] timers = [.. there.Where(IsTimer)];
            await SwitchAsync(timers, false, cancellationToken).ConfigureAwait(false);
            await ForgetAsync(timers, cancellationToken).ConfigureAwait(false);
            foreach (string file in there.OrderBy(f => IsTimer(f) ? 0 : 1)) File.Delete(Path.Combine(folder, file));
            await ReloadAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SystemdException)
        {
            throw new NataliaException(ErrorIds.ScheduleNotRemoved,
                e is UnauthorizedAccessException ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.WriteFailed,
                $"The schedule '{scheduleId}' could not be removed, or not whole: {e.Message}", scheduleId,
                "Try it again when that is mended.", e);
        }
    }

    /// <inheritdoc/>
    public async Task<ProbeRun> ProbeAsync(ScheduleDefinition schedule, SecureString? password, TimeSpan limit,
        CancellationToken cancellationToken)
    {
        if (control is null)
            return new ProbeRun(null, "The unit files lie in a folder that no manager reads here.");
        if (control.Obstacle is string obstacle) return new ProbeRun(null, $"It was not tried: {obstacle}.");
        EnsureAccount(schedule.Account);
        string unit = $"natalia-probe-{Guid.NewGuid():n}.service";
        var arguments = new List<string>
        {
            "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec",
            $"--unit={unit}",
            // As in the units: PowerShell's console cleans up for this signal alone.
            "--property=KillSignal=SIGINT",
            FormattableString.Invariant($"--property=RuntimeMaxSec={(long)limit.TotalSeconds}"),
        };
        if (schedule.Account is string account) arguments.Add($"--uid={account}");
        foreach (KeyValuePair<string, string> variable in NeededEnvironment())
            arguments.Add($"--setenv={variable.Key}={variable.Value}");
        arguments.AddRange(["--", schedule.Program]);
        // The service manager looks for variables in arguments, as in ExecStart.
        arguments.AddRange(ScheduledCommand.Arguments(schedule, ScheduledWork.Probe).Select(a => a.Replace("$", "$$")));
        try
        {
            ProgramResult run = await control.RunAsync(arguments, cancellationToken).ConfigureAwait(false);
            return new ProbeRun(run.ExitCode, run.Output.Length > 0 ? run.Output : run.Errors.Trim());
        }
        catch (OperationCanceledException)
        {
            // Who waited for the unit is gone; the unit itself goes on.
            using var bound = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            await control.ControlAsync(["stop", unit], bound.Token).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Variables without which the program would not start in the empty environment of a service.</summary>
    private static Dictionary<string, string> NeededEnvironment()
    {
        var needed = new Dictionary<string, string>(StringComparer.Ordinal);
        // A .NET that is installed for one user alone is found by it.
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root) needed["DOTNET_ROOT"] = root;
        return needed;
    }

    private async Task<BackupSchedule> DescribeAsync(ScheduleDefinition schedule, bool wasChanged,
        CancellationToken cancellationToken)
    {
        DateTime now = clock.GetUtcNow().UtcDateTime;
        string timer = schedule.ScheduleId + ".timer", service = schedule.ScheduleId + ".service";
        bool isEnabled = IsLinked(timer);
        var warnings = new List<string>();
        foreach (KeyValuePair<string, string> file in UnitFiles.Create(schedule, isSystem, NeededEnvironment()))
        {
            if (ReadFile(file.Key) is not string unit)
            {
                warnings.Add($"Its unit '{file.Key}' is missing: register it anew.");
                continue;
            }
            warnings.AddRange(UnitFiles.Changes(file.Key, unit, file.Value));
            if (IsTimer(file.Key) && IsLinked(file.Key) != schedule.IsEnabled)
                warnings.Add($"'{file.Key}' was switched {(schedule.IsEnabled ? "off" : "on")} by hand.");
        }
        DateTime[] next = isEnabled ? Foreseen(schedule, now) : [];
        DateTime? lastRun = null;
        (ScheduledRunResult Result, long? ExitCode) last = (ScheduledRunResult.Unknown, null);
        if (control is { Obstacle: null })
        {
            Dictionary<string, UnitState> states = await ShowAsync(schedule, cancellationToken).ConfigureAwait(false);
            UnitState timerState = states[timer], serviceState = states[service];
            DateTime? triggered = timerState.Time("LastTriggerUSec");
            lastRun = serviceState.Time("ExecMainStartTimestamp") ?? triggered;
            last = serviceState.Run(triggered);
            if (isEnabled && timerState["ActiveState"] is not ("active" or ""))
            {
                next = [];
                warnings.Add($"Its timer is {timerState["ActiveState"]}: nothing starts it until the next start of the "
                    + $"machine, or 'systemctl start {timer}'.");
            }
            else if (isEnabled && timerState.Time("NextElapseUSecRealtime") is DateTime elapse && elapse > now)
            {
                if (IsForeseen(schedule, elapse, now))
                {
                    next = [elapse, .. Foreseen(schedule, elapse).Take(ForeseenRuns - 1)];
                }
                else
                {
                    // What comes after it is known to systemd alone.
                    next = [elapse];
                    warnings.Add(string.Format(CultureInfo.InvariantCulture, "systemd starts it next at {0:yyyy-MM-dd "
                        + "HH:mm} UTC, which is not when it should run: a drop-in says so, systemd goes by what stood "
                        + "there before, or this session has another time zone than the machine.", elapse));
                }
            }
            foreach (KeyValuePair<string, UnitState> state in states)
            {
                if (state.Value.DropIns is { Length: > 0 } dropIns)
                    warnings.Add($"'{state.Key}' has drop-ins, and what they change is not told here: {dropIns}");
                if (state.Value.NeedsReload)
                    warnings.Add($"systemd does not go by '{state.Key}' as it is now: register it anew, or say "
                        + "'systemctl daemon-reload'.");
            }
        }
        else
        {
            warnings.Add($"Whether it runs is not known: {control?.Obstacle
                ?? $"no running manager is asked about '{folder}'"}.");
        }
        return BackupSchedule.Of(schedule, Name, ScheduledCommand.ShellLine) with
        {
            Account = schedule.Account ?? (isSystem ? "root" : Environment.UserName),
            Expression = UnitText.Calendar(schedule.Kind, schedule.AtTime),
            NextRunsUtc = next,
            LastRunUtc = lastRun,
            LastResult = last.Result,
            LastExitCode = last.ExitCode,
            IsEnabled = isEnabled,
            WasChanged = wasChanged,
            UnitFolder = folder,
            Warnings = [.. warnings],
        };
    }

    private BackupSchedule Incomplete(string id, string warning) =>
        BackupSchedule.Incomplete(id, Name, warning) with { UnitFolder = folder };

    private DateTime[] Foreseen(ScheduleDefinition schedule, DateTime afterUtc) =>
        ScheduleTimes.Next(schedule.Kind, schedule.AtTime, afterUtc, clock.LocalTimeZone, ForeseenRuns);

    /// <summary>Whether a time is that of the next run; where clocks change, an hour beside it is as good.</summary>
    private bool IsForeseen(ScheduleDefinition schedule, DateTime elapse, DateTime now)
    {
        TimeZoneInfo zone = clock.LocalTimeZone;
        TimeSpan change = zone.GetUtcOffset(elapse.AddDays(-1)) - zone.GetUtcOffset(elapse.AddDays(1));
        return (elapse - Foreseen(schedule, now)[0]).Duration() < change.Duration() + TimeSpan.FromMinutes(1);
    }

    /// <summary>Whether the running manager goes by the units as they are.</summary>
    private async Task<bool> IsInForceAsync(ScheduleDefinition schedule, IReadOnlyList<string> units,
        CancellationToken cancellationToken)
    {
        if (control is null) return true;
        Dictionary<string, UnitState> states = await ShowAsync(schedule, cancellationToken).ConfigureAwait(false);
        if (units.Any(u => states[u].NeedsReload)) return false;
        if (!schedule.IsEnabled) return true;
        if (units.Where(IsTimer).Any(t => states[t]["ActiveState"] is not ("active" or ""))) return false;
        UnitState timer = states[schedule.ScheduleId + ".timer"];
        DateTime now = clock.GetUtcNow().UtcDateTime;
        // What somebody's drop-in says stays as it is.
        return timer.DropIns.Length > 0 || timer.Time("NextElapseUSecRealtime") is not DateTime elapse
            || elapse <= now || IsForeseen(schedule, elapse, now);
    }

    /// <summary>What the manager knows of each unit that a schedule has.</summary>
    private async Task<Dictionary<string, UnitState>> ShowAsync(ScheduleDefinition schedule,
        CancellationToken cancellationToken)
    {
        var states = new Dictionary<string, UnitState>(StringComparer.Ordinal);
        foreach (string unit in NamesOf(schedule.ScheduleId).Take(schedule.QuarterlyRestoreTest ? 4 : 2))
            states[unit] = await ShowAsync(unit, "ActiveState,NeedDaemonReload,DropInPaths," + (IsTimer(unit)
                ? "NextElapseUSecRealtime,LastTriggerUSec"
                : "Result,ExecMainStatus,ExecMainStartTimestamp"), cancellationToken).ConfigureAwait(false);
        return states;
    }

    private async Task<UnitState> ShowAsync(string unit, string properties, CancellationToken cancellationToken)
    {
        ProgramResult shown = await control!.ControlAsync(
            ["show", unit, "--timestamp=unix", "--property=" + properties], cancellationToken).ConfigureAwait(false);
        return new UnitState(shown.ExitCode == 0 ? shown.Output : "");
    }

    /// <summary>Lets the timers be started with the machine and now, or no more.</summary>
    /// <param name="timers">The timers.</param>
    /// <param name="on">Whether they are started.</param>
    /// <param name="anew">Those of them that make up for nothing.</param>
    private async Task SwitchAsync(IReadOnlyList<string> timers, bool on, CancellationToken cancellationToken,
        IReadOnlyList<string>? anew = null)
    {
        if (timers.Count == 0) return;
        if (control is null)
        {
            foreach (string timer in timers) Link(timer, on);
            return;
        }
        await ReloadAsync(cancellationToken).ConfigureAwait(false);
        if (on && anew is { Count: > 0 })
        {
            // Persistent timers make up at once for what was missed since they went off last, and go by a file for
            // that which a timer of this name, or of other times, has left: a backup and a restore test would begin
            // in the middle of the day.
            await ControlAsync(["stop", .. anew], cancellationToken).ConfigureAwait(false);
            await ForgetAsync(anew, cancellationToken).ConfigureAwait(false);
        }
        await ControlAsync([on ? "enable" : "disable", "--now", .. timers], cancellationToken).ConfigureAwait(false);
        // A timer that runs already keeps the time that it had before.
        if (on) await ControlAsync(["restart", .. timers], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes what stopped timers keep of when they went off; systemd can since version 243.</summary>
    private async Task ForgetAsync(IReadOnlyList<string> timers, CancellationToken cancellationToken)
    {
        if (control is not null && timers.Count > 0)
            _ = await control.ControlAsync(["clean", "--what=state", .. timers], cancellationToken)
                .ConfigureAwait(false);
    }

    private Task ReloadAsync(CancellationToken cancellationToken) =>
        control is null ? Task.CompletedTask : ControlAsync(["daemon-reload"], cancellationToken);

    private async Task ControlAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        ProgramResult result = await control!.ControlAsync(arguments, cancellationToken).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw new SystemdException($"'systemctl {string.Join(" ", arguments)}' ended with {result.ExitCode}: "
                + $"{result.Errors.Trim()}");
    }

    /// <summary>Puts back what was there, whatever was cancelled; it is bounded by what it does.</summary>
    /// <returns>What could not be put back.</returns>
    private async Task<IReadOnlyList<string>> RestoreAsync(Dictionary<string, string?> before,
        IReadOnlyList<string> linked)
    {
        var left = new List<string>();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        string[] timers = [.. before.Keys.Where(IsTimer)];
        await TryAsync(folder, () => SwitchAsync([.. timers.Where(t => !linked.Contains(t)
            && ReadFile(t) is not null)], false, limit.Token)).ConfigureAwait(false);
        foreach (KeyValuePair<string, string?> file in before)
        {
            await TryAsync(file.Key, () =>
            {
                if (file.Value is null) File.Delete(Path.Combine(folder, file.Key));
                else if (ReadFile(file.Key) != file.Value) WriteFile(file.Key, file.Value);
                return Task.CompletedTask;
            }).ConfigureAwait(false);
        }
        await TryAsync(folder, () => ReloadAsync(limit.Token)).ConfigureAwait(false);
        await TryAsync(folder, () => SwitchAsync([.. timers.Where(linked.Contains)], true, limit.Token))
            .ConfigureAwait(false);
        // A manager that cannot be talked to is why it failed; what counts is that no file of it is left.
        return [.. before.Where(b => ReadFile(b.Key) != b.Value).Select(b => b.Key).Concat(left
            .Where(l => l != folder)).Distinct()];

        async Task TryAsync(string what, Func<Task> step)
        {
            try
            {
                await step().ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or SystemdException
                or NataliaException or OperationCanceledException)
            {
                left.Add(what);
            }
        }
    }

    private static string[] NamesOf(string id)
    {
        string test = ScheduleDefinition.RestoreTestIdOf(id);
        return [id + ".timer", id + ".service", test + ".timer", test + ".service"];
    }

    private static bool IsTimer(string file) => file.EndsWith(".timer", StringComparison.Ordinal);

    private string? ReadFile(string name)
    {
        string path = Path.Combine(folder, name);
        var file = new FileInfo(path);
        return !file.Exists ? null : file.Length > LongestUnit ? "" : File.ReadAllText(path, s_utf8);
    }

    private void WriteFile(string name, string text)
    {
        byte[] bytes = s_utf8.GetBytes(text);
        AtomicFile.Write(Path.Combine(folder, name), stream => stream.Write(bytes, 0, bytes.Length));
    }

    private bool IsLinked(string timer)
    {
        string link = Path.Combine(folder, WantsFolder, timer);
        // A link whose target is not there is a file for the one and none for the other.
        return new FileInfo(link).Attributes != (FileAttributes)(-1);
    }

    private void Link(string timer, bool on)
    {
        string link = Path.Combine(folder, WantsFolder, timer);
        if (!on)
        {
            if (IsLinked(timer)) File.Delete(link);
            return;
        }
        if (IsLinked(timer)) return;
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
#if NET8_0_OR_GREATER
        File.CreateSymbolicLink(link, Path.Combine("..", timer));
#else
        // The older framework runs on Windows, where there is no systemd.
        throw new NataliaException(ErrorIds.SchedulerNotAvailable, NataliaErrorKind.NotSupported,
            "Timers of systemd need PowerShell 7.", link);
#endif
    }

    private void EnsureReachable()
    {
        if (control?.Obstacle is string obstacle)
            throw new NataliaException(ErrorIds.SchedulerNotAvailable, NataliaErrorKind.ResourceUnavailable,
                $"Nothing was registered or removed: {obstacle}.", folder,
                "Let cron run the line that docs/schedules.md gives, or write the unit files for another machine with "
                + "-UnitFolder.");
    }

    private void EnsureAccount(string? account)
    {
        if (account is null) return;
        string? why = !isSystem ? "only root can let the system run something as another account"
            : !System.Text.RegularExpressions.Regex.IsMatch(account, @"^[A-Za-z_][A-Za-z0-9_.-]{0,62}\$?\z")
                ? $"'{account}' is not the name of an account" : null;
        if (why is not null)
            throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
                $"Nothing was registered: {why}.", account);
    }

    private NataliaException NotOwn(string scheduleId, string file) =>
        new(ErrorIds.ScheduleNotOwn, NataliaErrorKind.InvalidOperation,
            $"The unit '{Path.Combine(folder, file)}' was not made by this product and is left alone.", scheduleId,
            "Choose another -Name, or remove the unit if it is not needed.");

    private static NataliaException NotRegistered(ScheduleDefinition schedule, Exception e,
        IReadOnlyList<string> left) =>
        new(ErrorIds.ScheduleNotRegistered,
            e is UnauthorizedAccessException or NataliaException { Kind: NataliaErrorKind.PermissionDenied }
                ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.WriteFailed,
            $"The schedule '{schedule.ScheduleId}' was not registered: {e.Message} "
            + (left.Count == 0 ? "Everything is as it was before." : $"These could not be put back: "
                + $"{string.Join(", ", left)}."),
            schedule.ScheduleId, "Try it again when that is mended.", e);
}

/// <summary>A program of systemd said no.</summary>
internal sealed class SystemdException(string message) : Exception(message);
