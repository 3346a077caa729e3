using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Schedules.Systemd;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>
/// Unit files, read by systemd's own tools where they are installed. The running manager is a stand-in here that
/// remembers what it was told (<see cref="SystemdStandIn"/>): no test machine is started by systemd.
/// </summary>
public sealed class SystemdTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly SystemdStandIn _manager = new();

    public void Dispose() => _folder.Dispose();

    [SystemdFact]
    public void Systemd_reads_every_unit_without_a_complaint_whatever_the_names()
    {
        string profile = _folder["p/" + Sample.Hostile.Replace('/', '_')];
        ScheduleDefinition schedule = Sample.Schedule with { ProfilePath = profile, Account = "root" };
        foreach (KeyValuePair<string, string> file in UnitFiles.Create(schedule, true,
            new Dictionary<string, string> { ["DOTNET_ROOT"] = "/opt/100% .net$" }))
            File.WriteAllText(_folder[file.Key], file.Value);

        (int code, string output, string errors) = Counterpart.Systemd.Run(new Dictionary<string, string?>(),
            ["verify", "--man=no", .. _folder.Files.Select(f => _folder[f])]);

        Assert.Equal((0, "", ""), (code, output, errors));
    }

    [SystemdFact]
    public void Systemd_understands_when()
    {
        (int code, string output, string errors) = Counterpart.Systemd.Run(
            new Dictionary<string, string?> { ["TZ"] = "UTC" }, "calendar", "--base-time=2026-11-29 12:00:00",
            UnitText.Calendar(ScheduleKind.Daily, new TimeSpan(23, 5, 0)),
            UnitText.Calendar(ScheduleKind.SixHourly, new TimeSpan(22, 15, 0)),
            UnitText.QuarterlyCalendar(ScheduleTimes.RestoreTestAt(new TimeSpan(22, 15, 0))));

        Assert.True(code == 0, errors);
        Assert.Equal(["Sun 2026-11-29 23:05:00 UTC", "Sun 2026-11-29 16:15:00 UTC", "Sun 2027-01-03 01:15:00 UTC"],
            output.Split('\n').Where(l => l.Contains("Next elapse:")).Select(l => l.Split(": ")[1].Trim()));
        // What is foreseen without systemd is what systemd says.
        DateTime noon = new(2026, 11, 29, 12, 0, 0, DateTimeKind.Utc);
        Assert.Equal(new DateTime(2026, 11, 29, 16, 15, 0, DateTimeKind.Utc),
            ScheduleTimes.Next(ScheduleKind.SixHourly, new TimeSpan(22, 15, 0), noon, TimeZoneInfo.Utc, 1).Single());
    }

    [Fact]
    public void Arguments_arrive_as_they_are()
    {
        foreach (string text in new[] { Sample.Hostile, "", " ", "a\nb\tc", "\x01\x7f", "$$", "%%", "\\", "\"" })
        {
            string line = UnitText.Command("/bin/$x %y", [text, "end"]);
            Assert.DoesNotContain('\n', line);
            Assert.Equal(["/bin/$x %y", text, "end"], SystemdLine.TakeApart(line));
        }
    }

    [Fact]
    public async Task What_is_registered_is_listed_unchanged_the_second_time_and_removed()
    {
        SystemdScheduler systemd = Scheduler();
        BackupSchedule made = await systemd.RegisterAsync(Sample.Schedule, null, default);
        Assert.Equal((true, true, "natalia-backup-nightly", "*-*-* 01,07,13,19:00:00"),
            (made.WasChanged, made.IsEnabled, made.ScheduleId, made.Expression));
        string[] files = ["natalia-backup-nightly.restore-test.service", "natalia-backup-nightly.restore-test.timer",
            "natalia-backup-nightly.service", "natalia-backup-nightly.timer"];
        Assert.Equal([.. files, "timers.target.wants"], _folder.Files);
        string timer = File.ReadAllText(_folder["natalia-backup-nightly.timer"]);
        Assert.Contains("\nPersistent=true\n", timer, StringComparison.Ordinal);
        // SIGTERM would end pwsh with nothing cleaned up.
        foreach (string service in files.Where(f => f.EndsWith(".service", StringComparison.Ordinal)))
            Assert.Contains("\nKillSignal=SIGINT\n", File.ReadAllText(_folder[service]), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal((UnixFileMode)Convert.ToInt32("644", 8),
                File.GetUnixFileMode(_folder["natalia-backup-nightly.timer"]));
        _manager.Calls.Clear();
        Assert.False((await systemd.RegisterAsync(Sample.Schedule, null, default)).WasChanged);
        Assert.DoesNotContain(_manager.Calls, c => !c.StartsWith("show", StringComparison.Ordinal));

        // Less than before: the timer of the tests is stopped, and gone.
        BackupSchedule daily = await systemd.RegisterAsync(
            Sample.Schedule with { QuarterlyRestoreTest = false, Kind = ScheduleKind.Daily, IsEnabled = false }, null,
            default);
        Assert.Equal((true, false, 0), (daily.WasChanged, daily.IsEnabled, daily.NextRunsUtc.Count));
        Assert.Equal([.. files.Skip(2), "timers.target.wants"], _folder.Files);
        Assert.Empty(_manager.Enabled);

        (BackupSchedule listed, ScheduleDefinition? definition) = Assert.Single(await systemd.ListAsync(default));
        Assert.Equal((ScheduleKind.Daily, "offsite", Sample.Schedule.ProfilePath),
            (listed.Kind, listed.CopyTo.Single(), definition!.ProfilePath));
        await systemd.RemoveAsync("natalia-backup-nightly", default);
        Assert.Equal(["timers.target.wants"], _folder.Files);
        Assert.Equal(ErrorIds.ScheduleNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => systemd.RemoveAsync("natalia-backup-nightly", default)))
                .ErrorId);
    }

    /// <summary>Refused at each call, and stopped at each: everything is as it was.</summary>
    [Fact]
    public async Task A_registration_that_fails_anywhere_leaves_everything_as_it_was()
    {
        foreach (bool cancels in new[] { false, true })
        {
            foreach (bool update in new[] { false, true })
            {
                for (int call = 0; ; call++)
                {
                    using var folder = new TemporaryFolder();
                    var manager = new SystemdStandIn();
                    SystemdScheduler systemd = Scheduler(folder, manager);
                    if (update)
                        await systemd.RegisterAsync(Sample.Schedule with { At = "02:00" }, null, default);
                    string before = Describe(folder, manager);
                    using var stop = new CancellationTokenSource();
                    manager.FailAt(call, cancels ? stop.Cancel : null);
                    Exception? failure = await Record.ExceptionAsync(() => systemd.RegisterAsync(
                        Sample.Schedule with { QuarterlyRestoreTest = !update }, null, stop.Token));
                    if (!manager.HasFailed)
                    {
                        Assert.Null(failure);
                        Assert.True(call > 2, "too few calls to mean anything");
                        break;
                    }
                    // What is only looked at afterwards may fail: the schedule is there then.
                    if (failure is null) continue;
                    Assert.True(cancels
                        ? failure is OperationCanceledException
                        : failure is NataliaException { ErrorId: ErrorIds.ScheduleNotRegistered }, failure.ToString());
                    Assert.Equal(before, Describe(folder, manager));
                }
            }
        }
    }

    [Fact]
    public async Task What_somebody_else_made_is_left_alone()
    {
        SystemdScheduler systemd = Scheduler();
        File.WriteAllText(_folder["natalia-backup-nightly.service"], "[Service]\nExecStart=/bin/true\n");
        foreach (Func<Task> act in new Func<Task>[] { () => systemd.RegisterAsync(Sample.Schedule, null, default),
            () => systemd.RemoveAsync("natalia-backup-nightly", default) })
            Assert.Equal(ErrorIds.ScheduleNotOwn, (await Assert.ThrowsAsync<NataliaException>(act)).ErrorId);
        Assert.Equal(["natalia-backup-nightly.service"], _folder.Files);
        Assert.Empty(await systemd.ListAsync(default));
        Assert.Equal(ErrorIds.ScheduleNotFound, (await Assert.ThrowsAsync<NataliaException>(
            () => systemd.RemoveAsync("../natalia-backup-nightly", default))).ErrorId);
    }

    [Fact]
    public async Task What_a_killed_registration_left_is_told_replaced_and_removable()
    {
        SystemdScheduler systemd = Scheduler();
        KeyValuePair<string, string> service = UnitFiles.Create(Sample.Schedule, true,
            new Dictionary<string, string>()).First(f => f.Key == "natalia-backup-nightly.service");
        File.WriteAllText(_folder[service.Key], service.Value);
        (BackupSchedule half, ScheduleDefinition? none) = Assert.Single(await systemd.ListAsync(default));
        Assert.Null(none);
        Assert.Contains("interrupted", Assert.Single(half.Warnings), StringComparison.Ordinal);
        Assert.True((await systemd.RegisterAsync(Sample.Schedule, null, default)).WasChanged);
        File.Delete(_folder["natalia-backup-nightly.timer"]);
        await systemd.RemoveAsync("natalia-backup-nightly", default);
        Assert.Equal(["timers.target.wants"], _folder.Files);
    }

    [Theory]
    [InlineData("", "", ScheduledRunResult.NeverRan, null)]
    [InlineData("LastTriggerUSec=@1764460800\n", "", ScheduledRunResult.Unknown, null)]
    [InlineData("LastTriggerUSec=@1764460800\n",
        "ActiveState=inactive\nResult=success\nExecMainStatus=0\nExecMainStartTimestamp=@1764460801\n",
        ScheduledRunResult.Succeeded, 0)]
    [InlineData("LastTriggerUSec=@1764460800\n",
        "ActiveState=failed\nResult=exit-code\nExecMainStatus=1\nExecMainStartTimestamp=@1764460801\n",
        ScheduledRunResult.Failed, 1)]
    [InlineData("", "ActiveState=inactive\nResult=success\nExecMainStatus=15\nExecMainStartTimestamp=@1764460801\n",
        ScheduledRunResult.Failed, 15)]
    [InlineData("", "ActiveState=activating\nExecMainStartTimestamp=@1764460801\n", ScheduledRunResult.Running, null)]
    public async Task What_systemd_knows_of_the_last_run_is_told(string timer, string service,
        ScheduledRunResult result, int? code)
    {
        SystemdScheduler systemd = Scheduler();
        await systemd.RegisterAsync(Sample.Schedule, null, default);
        (_manager.Timer, _manager.Service) = (timer, service);
        BackupSchedule schedule = (await systemd.ListAsync(default)).Single().Schedule;
        Assert.Equal((result, (long?)code), (schedule.LastResult, schedule.LastExitCode));
    }

    [Theory]
    [InlineData("natalia-backup-nightly.service", "/bin/true", "/bin/false", "What 'natalia-backup-nightly.service'")]
    [InlineData("natalia-backup-nightly.service", "User=backup", "User=root", "The account of")]
    [InlineData("natalia-backup-nightly.timer", " 01,07,", " 02,07,", "When 'natalia-backup-nightly.timer'")]
    [InlineData("natalia-backup-nightly.timer", "[Timer]", "[Timer]\nOnBootSec=1", "When 'natalia-backup-nightly.t")]
    [InlineData("natalia-backup-nightly.restore-test.timer", "Sun ", "Mon ", "When 'natalia-backup-nightly.restore")]
    [InlineData("natalia-backup-nightly.restore-test.service", null, null, "is missing")]
    [InlineData("timers.target.wants/natalia-backup-nightly.timer", null, null, "was switched off")]
    public async Task What_was_changed_by_hand_is_told_and_mended(string unit, string? from, string? to, string told)
    {
        SystemdScheduler systemd = Scheduler();
        ScheduleDefinition schedule = Sample.Schedule with { Account = "backup" };
        await systemd.RegisterAsync(schedule, null, default);
        string file = _folder[unit], before = File.ReadAllText(file);
        Assert.DoesNotContain((await systemd.ListAsync(default)).Single().Schedule.Warnings,
            w => w.Contains("by hand"));
        if (from is null) File.Delete(file);
        else File.WriteAllText(file, before.Replace(from, to));

        Assert.Contains((await systemd.ListAsync(default)).Single().Schedule.Warnings, w => w.Contains(told));
        Assert.True((await systemd.RegisterAsync(schedule, null, default)).WasChanged);
        Assert.Equal(before, File.ReadAllText(file));
    }

    /// <summary>What systemd will do counts, not what the mark says.</summary>
    [Theory]
    [InlineData("NextElapseUSecRealtime=@1764555000\n", "2025-12-01T02:10", "which is not when", true)]
    [InlineData("NextElapseUSecRealtime=@1764555000\nDropInPaths=/etc/systemd/system/natalia-backup-nightly.timer.d/"
        + "o.conf\n", "2025-12-01T02:10", "has drop-ins", false)]
    [InlineData("DropInPaths=/usr/lib/systemd/system/timer.d/all.conf\n", "2025-12-01T01:00", null, false)]
    [InlineData("NextElapseUSecRealtime=@1764550800\n", "2025-12-01T01:00", null, false)]
    [InlineData("NextElapseUSecRealtime=@1764450000\n", "2025-12-01T01:00", null, false)]
    [InlineData("NextElapseUSecRealtime=n/a\nNeedDaemonReload=yes\n", "2025-12-01T01:00", "daemon-reload", true)]
    [InlineData("ActiveState=inactive\n", null, "is inactive", true)]
    public async Task What_systemd_will_start_is_told_and_what_it_does_not_go_by_is_registered_again(string timer,
        string? next, string? told, bool isChanged)
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2025, 11, 30, 20, 0, 0, TimeSpan.Zero));
        SystemdScheduler systemd = Scheduler(_folder, _manager, clock);
        await systemd.RegisterAsync(Sample.Schedule, null, default);
        _manager.Timer = timer;

        BackupSchedule listed = Assert.Single(await systemd.ListAsync(default)).Schedule;

        Assert.Equal(next, listed.NextRunsUtc.Count == 0 ? null : listed.NextRunsUtc[0].ToString("yyyy-MM-dd'T'HH:mm",
            System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(told is null, listed.Warnings.Count == 0);
        if (told is not null) Assert.Contains(listed.Warnings, w => w.Contains(told));
        _manager.Calls.Clear();
        Assert.Equal(isChanged, (await systemd.RegisterAsync(Sample.Schedule, null, default)).WasChanged);
        Assert.Equal(isChanged, _manager.Calls.Contains("daemon-reload"));
    }

    /// <summary>Persistent timers begin at once when one of their name went off long ago.</summary>
    [Fact]
    public async Task A_timer_that_begins_anew_makes_up_for_nothing_and_one_that_goes_on_does()
    {
        const string Backup = "natalia-backup-nightly.timer", Test = "natalia-backup-nightly.restore-test.timer";
        SystemdScheduler systemd = Scheduler();
        await systemd.RegisterAsync(Sample.Schedule, null, default);
        Assert.Equal([$"stop {Test} {Backup}", $"clean --what=state {Test} {Backup}", $"enable --now {Test} {Backup}"],
            _manager.Calls.Where(c => c.Contains(Backup) && !c.StartsWith("show", StringComparison.Ordinal)).Take(3));

        _manager.Calls.Clear();
        await systemd.RegisterAsync(Sample.Schedule with { CopyTo = [] }, null, default);
        Assert.DoesNotContain(_manager.Calls, c => c.StartsWith("clean", StringComparison.Ordinal));

        _manager.Calls.Clear();
        await systemd.RegisterAsync(Sample.Schedule with { QuarterlyRestoreTest = false, At = "02:00" }, null, default);
        Assert.Equal([$"clean --what=state {Backup}", $"clean --what=state {Test}"],
            _manager.Calls.Where(c => c.StartsWith("clean", StringComparison.Ordinal)));

        _manager.Calls.Clear();
        await systemd.RemoveAsync("natalia-backup-nightly", default);
        Assert.Contains($"clean --what=state {Backup}", _manager.Calls);
    }

    /// <summary>A systemd before version 243 does not know the word.</summary>
    [Fact]
    public async Task A_systemd_that_cannot_forget_is_enough()
    {
        SystemdScheduler systemd = Scheduler();
        _manager.Refused = "clean";
        Assert.True((await systemd.RegisterAsync(Sample.Schedule, null, default)).WasChanged);
        await systemd.RemoveAsync("natalia-backup-nightly", default);
        Assert.Equal(["timers.target.wants"], _folder.Files);
    }

    [Fact]
    public async Task A_unit_that_is_started_on_a_failure_changes_no_time()
    {
        SystemdScheduler systemd = Scheduler();
        await systemd.RegisterAsync(Sample.Schedule, null, default);
        string file = _folder["natalia-backup-nightly.timer"];
        File.WriteAllText(file, File.ReadAllText(file).Replace("[Unit]", "[Unit]\nOnFailure=mail.service"));
        Assert.DoesNotContain((await systemd.ListAsync(default)).Single().Schedule.Warnings,
            w => w.Contains("goes off"));
    }

    [Fact]
    public async Task Without_a_running_manager_nothing_is_written_and_a_trial_is_no_success()
    {
        SystemdScheduler systemd = Scheduler();
        _manager.Obstacle = "systemd does not run this machine";
        Assert.Equal(ErrorIds.SchedulerNotAvailable, (await Assert.ThrowsAsync<NataliaException>(
            () => systemd.RegisterAsync(Sample.Schedule, null, default))).ErrorId);
        Assert.Empty(_folder.Files);
        CheckResult check = Assert.Single(
            await ScheduleProbe.ExecuteAsync(systemd, Sample.Schedule, null, TimeProvider.System, default));
        Assert.Equal(("ScheduledAccount", Engine.Model.CheckOutcome.NotEvidenced), (check.Name, check.Result));
        Assert.Contains("does not run this machine", check.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trial_runs_the_probe_as_the_account_and_judges_what_it_reports()
    {
        SystemdScheduler systemd = Scheduler();
        ScheduleDefinition schedule = Sample.Schedule with { Account = "backup", ProfilePath = "/a $b.json" };
        _manager.Run = new ProgramResult(1, "noise\nnatalia-probe {\"account\":\"H\\\\backup\",\"connected\":[\"vms\"],"
            + "\"notConnected\":[\"nas\"],\"warnings\":[\"no nas\"],\"appliances\":2,\"missing\":[],"
            + "\"error\":null}\n", "");
        IReadOnlyList<CheckResult> checks =
            await ScheduleProbe.ExecuteAsync(systemd, schedule, null, TimeProvider.System, default);
        Assert.Equal(["ScheduledAccount: Passed", "ScheduledConnections: Failed", "ScheduledAppliances: Passed"],
            checks.Select(c => c.ToString()));
        Assert.Equal((@"H\backup", "no nas"), (checks[0].Actual, checks[1].Detail));
        string run = Assert.Single(_manager.Calls, c => c.StartsWith("--quiet", StringComparison.Ordinal));
        Assert.Contains(" --uid=backup ", run, StringComparison.Ordinal);
        Assert.Contains(" -ProfilePath /a $$b.json ", run, StringComparison.Ordinal);
        Assert.Contains(" --property=KillSignal=SIGINT ", run, StringComparison.Ordinal);

        _manager.Run = new ProgramResult(1, "natalia-probe {\"account\":\"H\\\\backup\",\"connected\":[\"vms\"],"
            + "\"notConnected\":[],\"warnings\":[],\"appliances\":1,\"missing\":[\"natlia-02\"],\"error\":null}\n", "");
        CheckResult named =
            (await ScheduleProbe.ExecuteAsync(systemd, schedule, null, TimeProvider.System, default))[2];
        Assert.Equal((Engine.Model.CheckOutcome.Failed, "1"), (named.Result, named.Actual));
        Assert.Contains("'natlia-02'", named.Detail, StringComparison.Ordinal);

        _manager.Run = new ProgramResult(203, "", "Failed at step EXEC");
        CheckResult failed = Assert.Single(
            await ScheduleProbe.ExecuteAsync(systemd, schedule, null, TimeProvider.System, default));
        Assert.Equal((Engine.Model.CheckOutcome.Failed, "exit code 203"), (failed.Result, failed.Actual));
        Assert.Contains("Failed at step EXEC", failed.Detail, StringComparison.Ordinal);
    }

    /// <summary>systemd-run only waits for its unit, which goes on without it.</summary>
    [Fact]
    public async Task A_trial_that_is_cancelled_is_stopped()
    {
        using var stop = new CancellationTokenSource();
        _manager.OnRun = stop.Cancel;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ScheduleProbe.ExecuteAsync(Scheduler(),
            Sample.Schedule, null, TimeProvider.System, stop.Token));
        string unit = _manager.Calls[0].Split("--unit=")[1].Split(' ')[0];
        Assert.Equal($"stop {unit}", _manager.Calls[1]);
    }

    private SystemdScheduler Scheduler() => Scheduler(_folder, _manager);

    private static SystemdScheduler Scheduler(TemporaryFolder folder, SystemdStandIn manager,
        TimeProvider? clock = null)
    {
        manager.Folder = folder.Path;
        return new SystemdScheduler(folder.Path, true, manager, clock ?? TimeProvider.System);
    }

    private static string Describe(TemporaryFolder folder, SystemdStandIn manager) => string.Join("\n",
        folder.Files.Where(f => f.Contains('.') && !f.EndsWith(".wants", StringComparison.Ordinal))
            .Select(f => f + ": " + File.ReadAllText(folder[f])).Append(string.Join(",", manager.Enabled.Order())));
}
