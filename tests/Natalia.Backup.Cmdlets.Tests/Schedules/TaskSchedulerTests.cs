using System.Security;
using System.Xml.Linq;
using System.Xml.Schema;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Schedules.TaskScheduler;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>
/// Tasks of Windows. The XML is held against a schema of ours (task.xsd), written from knowledge of Microsoft's and
/// not compared with it element by element. The service is a stand-in of ours: nothing of this was run on Windows.
/// </summary>
public sealed class TaskSchedulerTests : IDisposable
{
    private const string Gmsa = @"CONTOSO\natalia$";

    private readonly TemporaryFolder _folder = new();
    private readonly TaskServiceStandIn _service = new();
    private readonly FakeTimeProvider _clock = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Works => [.. Enum.GetNames<ScheduledWork>()];

    [Theory]
    [MemberData(nameof(Works))]
    public void The_xml_is_valid_by_the_schema_as_it_is_known(string work)
    {
        foreach (ScheduleDefinition schedule in new[] { Windows, Windows with { Kind = ScheduleKind.Daily,
            ProfilePath = "C:\\a & <b> \"ü\u202e\" 100%\\p.json", IsEnabled = false } })
        {
            XDocument task = XDocument.Parse(TaskXml.Create(schedule, Enum.Parse<ScheduledWork>(work),
                TaskAccount.Of(Gmsa), TimeSpan.FromHours(23)));
            var schema = new XmlSchemaSet();
            schema.Add(TaskXml.Namespace.NamespaceName,
                Path.Combine(AppContext.BaseDirectory, "Schedules", "task.xsd"));
            task.Validate(schema, (_, e) => throw e.Exception);
        }
    }

    [Fact]
    public void The_task_says_what_the_schedule_says()
    {
        XElement task = Parse(TaskXml.Create(Windows, ScheduledWork.Backup, TaskAccount.Of(Gmsa),
            TimeSpan.FromHours(23)));
        Assert.Equal(["2020-01-01T01:00:00", "2020-01-01T07:00:00", "2020-01-01T13:00:00", "2020-01-01T19:00:00"],
            All(task, "StartBoundary"));
        Assert.Equal(("true", "IgnoreNew", "PT23H", "Password", Gmsa, "HighestAvailable"),
            (One(task, "StartWhenAvailable"), One(task, "MultipleInstancesPolicy"), One(task, "ExecutionTimeLimit"),
                One(task, "LogonType"), One(task, "UserId"), One(task, "RunLevel")));
        Assert.Equal(Windows.Program, One(task, "Command"));
        TaskMark mark = TaskXml.Read(task.ToString())!;
        Assert.Equal(Windows.ToMark(), mark.Schedule!.ToMark());

        XElement test = Parse(TaskXml.Create(Windows, ScheduledWork.RestoreTest, TaskAccount.Of(null),
            TimeSpan.FromHours(23)));
        Assert.Equal(("2020-01-01T04:00:00", "1", "S-1-5-18"),
            (One(test, "StartBoundary"), One(test, "Week"), One(test, "UserId")));
        Assert.Equal(["January", "April", "July", "October"],
            test.Descendants(TaskXml.Namespace + "Months").Single().Elements().Select(e => e.Name.LocalName));
        Assert.Empty(All(test, "LogonType"));
    }

    [Theory]
    [InlineData(@"C:\%USERNAME%\p.json")]
    [InlineData(@"C:\$(Arg0)\p.json")]
    public void What_windows_would_read_as_a_variable_is_refused(string path) =>
        Assert.Equal(ErrorIds.ScheduleInvalid, Assert.Throws<NataliaException>(() => TaskXml.Create(
            Windows with { ProfilePath = path }, ScheduledWork.Backup, TaskAccount.Of(null), TimeSpan.FromHours(1)))
            .ErrorId);

    [Theory]
    [InlineData("not xml")]
    [InlineData("<!DOCTYPE x [<!ENTITY e 'x'>]><Task>&e;</Task>")]
    [InlineData("<Task xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\"><RegistrationInfo>"
        + "<Source>X</Source></RegistrationInfo></Task>")]
    public void A_task_of_somebody_else_has_no_mark(string xml) => Assert.Null(TaskXml.Read(xml));

    [Theory]
    [InlineData(null, false, true)]
    [InlineData("SYSTEM", false, true)]
    [InlineData(@"nt authority\system", true, false)]
    [InlineData(Gmsa, false, true)]
    [InlineData(Gmsa, true, false)]
    [InlineData(@"CONTOSO\anna", false, false)]
    [InlineData(@"CONTOSO\anna", true, true)]
    public void A_password_is_given_where_there_is_one_and_nowhere_else(string? account, bool hasPassword, bool good)
    {
        Exception? refused = Record.Exception(() => TaskAccount.Of(account).EnsureUsable(hasPassword));
        Assert.Equal(good, refused is null);
    }

    [Fact]
    public async Task What_is_registered_is_listed_unchanged_the_second_time_and_removed()
    {
        TaskSchedulerScheduler scheduler = Scheduler();
        BackupSchedule made = await scheduler.RegisterAsync(Windows with { Account = Gmsa }, null, default);
        Assert.Equal((true, ScheduledRunResult.NeverRan, Gmsa, "01:00, 07:00, 13:00, 19:00"),
            (made.WasChanged, made.LastResult, made.Account, made.Expression));
        Assert.Equal(["natalia-backup-nightly", "natalia-backup-nightly.restore-test"], _service.Tasks.Keys.Order());
        Assert.All(_service.Passwords, Assert.Null);
        Assert.False((await scheduler.RegisterAsync(Windows with { Account = Gmsa }, null, default)).WasChanged);

        DateTime ran = new(2026, 1, 2, 1, 0, 0, DateTimeKind.Utc);
        _service.Set("natalia-backup-nightly", t => t with { LastRunUtc = ran, LastResult = 1 });
        (BackupSchedule listed, _) = Assert.Single(await scheduler.ListAsync(default));
        Assert.Equal((ScheduledRunResult.Failed, 1L, ran),
            (listed.LastResult, listed.LastExitCode, listed.LastRunUtc));
        Assert.True((await scheduler.RegisterAsync(Windows with { QuarterlyRestoreTest = false }, null, default))
            .WasChanged);
        Assert.Equal(["natalia-backup-nightly"], _service.Tasks.Keys);
        await scheduler.RemoveAsync("natalia-backup-nightly", default);
        Assert.Empty(_service.Tasks);
        Assert.Equal(ErrorIds.ScheduleNotFound, (await Assert.ThrowsAsync<NataliaException>(
            () => scheduler.RemoveAsync("natalia-backup-nightly", default))).ErrorId);
    }

    [Theory]
    [InlineData(0x41325, false, false, null, ScheduledRunResult.Queued)]
    [InlineData(0x41325, false, false, "2026-01-02", ScheduledRunResult.Queued)]
    [InlineData(1, false, true, "2026-01-02", ScheduledRunResult.Queued)]
    [InlineData(0x41301, false, false, "2026-01-02", ScheduledRunResult.Running)]
    [InlineData(1, true, false, "2026-01-02", ScheduledRunResult.Running)]
    [InlineData(0x41303, false, false, null, ScheduledRunResult.NeverRan)]
    [InlineData(0x41303, false, false, "2026-01-02", ScheduledRunResult.NeverRan)]
    [InlineData(0x41302, false, false, "2026-01-02", ScheduledRunResult.Unknown)]
    [InlineData(0, false, false, "2026-01-02", ScheduledRunResult.Succeeded)]
    [InlineData(2, false, false, "2026-01-02", ScheduledRunResult.Failed)]
    [InlineData(0x41306, false, false, "2026-01-02", ScheduledRunResult.Failed)]
    public async Task A_state_in_the_place_of_an_exit_code_is_no_failure(long code, bool isRunning, bool isQueued,
        string? ran, ScheduledRunResult result)
    {
        await Scheduler().RegisterAsync(Windows, null, default);
        _service.Set(Windows.ScheduleId, t => t with
        {
            LastResult = code,
            IsRunning = isRunning,
            IsQueued = isQueued,
            LastRunUtc = ran is null ? null : DateTime.Parse(ran, System.Globalization.CultureInfo.InvariantCulture),
        });
        (BackupSchedule listed, _) = Assert.Single(await Scheduler().ListAsync(default));
        bool ended = result is ScheduledRunResult.Succeeded or ScheduledRunResult.Failed;
        Assert.Equal((result, ended ? code : null), (listed.LastResult, listed.LastExitCode));
    }

    [Theory]
    [InlineData("", "2020-01-01T01:00:00", "2020-01-01T03:00:00", "When the task 'natalia-backup-nightly' is")]
    [InlineData("", "<DaysInterval>1<", "<DaysInterval>7<", "When the task 'natalia-backup-nightly' is")]
    [InlineData("", "<StartBoundary>2020-01-01T01:00:00", "<Enabled>false</Enabled><StartBoundary>2020-01-01T01:00:00",
        "When the task 'natalia-backup-nightly' is")]
    [InlineData("", ">CONTOSO\\natalia$<", ">S-1-5-21-1-2-3-1001<", "The account of the task")]
    [InlineData("", "-Strategy SixHourly", "-Strategy Daily", "What the task 'natalia-backup-nightly' starts")]
    [InlineData(".restore-test", "<July />", "", "When the task 'natalia-backup-nightly.restore-test' is")]
    [InlineData(".restore-test", "off", null, "'natalia-backup-nightly.restore-test' was switched off")]
    [InlineData(".restore-test", "gone", null, "'natalia-backup-nightly.restore-test' of its restore tests is missing")]
    [InlineData("", "off", null, "'natalia-backup-nightly' was switched off")]
    public async Task What_was_changed_by_hand_is_told_and_mended(string which, string from, string? to, string told)
    {
        (_service.Sids[Gmsa], _service.Sids["CONTOSO\\anna"]) = ("S-1-5-21-1-2-3-1000", "S-1-5-21-1-2-3-1001");
        ScheduleDefinition schedule = Windows with { Account = Gmsa };
        Assert.Empty((await Scheduler().RegisterAsync(schedule, null, default)).Warnings);
        RegisteredTask before = _service.Tasks[schedule.ScheduleId + which];
        if (from == "gone") _service.Tasks.Remove(before.Name);
        else if (to is null) _service.Set(before.Name, t => t with { IsEnabled = false });
        else _service.Set(before.Name, t => t with { Xml = t.Xml.Replace(from, to) });
        Assert.NotEqual(before, _service.Tasks.GetValueOrDefault(before.Name));

        (BackupSchedule listed, _) = Assert.Single(await Scheduler().ListAsync(default));
        Assert.Contains(told, listed.Warnings[0], StringComparison.Ordinal);
        Assert.Equal(2, listed.Warnings.Count);

        BackupSchedule again = await Scheduler().RegisterAsync(schedule, null, default);
        Assert.True(again.WasChanged);
        Assert.Empty(again.Warnings);
        Assert.Equal(before, _service.Tasks[before.Name]);
    }

    /// <summary>Windows writes the ids of accounts for their names, and elements in an order of its own.</summary>
    [Fact]
    public async Task What_windows_writes_in_its_own_way_was_not_changed()
    {
        _service.Sids[Gmsa] = "S-1-5-21-1-2-3-1000";
        ScheduleDefinition schedule = Windows with { Account = Gmsa };
        await Scheduler().RegisterAsync(schedule, null, default);
        foreach (string name in _service.Tasks.Keys.ToArray())
            _service.Set(name, t => t with
            {
                Xml = t.Xml.Replace(">" + Gmsa + "<", ">S-1-5-21-1-2-3-1000<")
                    .Replace("</StartBoundary>", "</StartBoundary>\r\n <Enabled>true</Enabled>")
                    .Replace("<CalendarTrigger>", "<CalendarTrigger id=\"x\">"),
            });
        Assert.Empty(Assert.Single(await Scheduler().ListAsync(default)).Schedule.Warnings);
        Assert.False((await Scheduler().RegisterAsync(schedule, null, default)).WasChanged);

        // Nobody can tell whose id it is: not told as a change, and registered again all the same.
        _service.Sids.Clear();
        Assert.Empty(Assert.Single(await Scheduler().ListAsync(default)).Schedule.Warnings);
        Assert.True((await Scheduler().RegisterAsync(schedule, null, default)).WasChanged);
    }

    [Fact]
    public async Task A_password_goes_to_the_service_and_stands_nowhere_else()
    {
        using SecureString password = Password("correct horse");
        await Scheduler().RegisterAsync(Windows with { Account = @"CONTOSO\anna" }, password, default);
        Assert.Equal(["correct horse", "correct horse"], _service.Passwords);
        Assert.All(_service.Tasks.Values, t => Assert.DoesNotContain("horse", t.Xml, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(unchecked((int)0x80070005), ErrorIds.PermissionDenied)]
    [InlineData(unchecked((int)0x8007052E), ErrorIds.ScheduleNotRegistered)]
    [InlineData(unchecked((int)0x80070534), ErrorIds.ScheduleNotRegistered)]
    [InlineData(unchecked((int)0x80070569), ErrorIds.ScheduleNotRegistered)]
    public async Task A_refusal_is_told_and_leaves_nothing(int code, string id)
    {
        for (int call = 0; call < 2; call++)
        {
            _service.Refuse(call, code);
            NataliaException refused = await Assert.ThrowsAsync<NataliaException>(
                () => Scheduler().RegisterAsync(Windows, null, default));
            Assert.Equal(id, refused.ErrorId);
            Assert.Empty(_service.Tasks);
        }
    }

    [Theory]
    [InlineData(null, null, true, false)]
    [InlineData(Gmsa, null, true, false)]
    [InlineData(@"CONTOSO\anna", Gmsa, false, false)]
    [InlineData(null, null, true, true)]
    [InlineData(@"CONTOSO\anna", Gmsa, false, true)]
    public async Task A_restore_test_that_was_replaced_is_put_back_when_its_schedule_is_refused_or_stopped(
        string? account, string? next, bool isPutBack, bool isStopped)
    {
        using SecureString password = Password("correct horse");
        ScheduleDefinition former = Windows with { Account = account };
        await Scheduler().RegisterAsync(former, TaskAccount.Of(account).NeedsPassword ? password : null, default);
        Dictionary<string, RegisteredTask> before = new(_service.Tasks);
        using var stop = new CancellationTokenSource();
        if (isStopped) _service.OnRegister = stop.Cancel;
        else _service.Refuse(1, unchecked((int)0x80070569));

        Exception refused = await Assert.ThrowsAnyAsync<Exception>(
            () => Scheduler().RegisterAsync(former with { At = "05:00", Account = next }, null, stop.Token));

        if (isStopped && isPutBack) Assert.IsAssignableFrom<OperationCanceledException>(refused);
        else Assert.Equal(ErrorIds.ScheduleNotRegistered, Assert.IsType<NataliaException>(refused).ErrorId);
        Assert.Equal(before[Windows.ScheduleId].Xml, _service.Tasks[Windows.ScheduleId].Xml);
        Assert.Equal(isPutBack, before[Windows.RestoreTestId].Xml == _service.Tasks[Windows.RestoreTestId].Xml);
        // Nobody but the Task Scheduler had the password of the former account: that it is not back is told.
        Assert.Equal(!isPutBack, refused.Message.Contains("could not be put back", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_somebody_else_made_is_left_alone_and_half_a_registration_is_told()
    {
        _service.Register("natalia-backup-nightly", "<Task/>", TaskAccount.Of(null), null);
        foreach (Func<Task> act in new Func<Task>[] { () => Scheduler().RegisterAsync(Windows, null, default),
            () => Scheduler().RemoveAsync("natalia-backup-nightly", default) })
            Assert.Equal(ErrorIds.ScheduleNotOwn, (await Assert.ThrowsAsync<NataliaException>(act)).ErrorId);
        Assert.Empty(await Scheduler().ListAsync(default));
        _service.Tasks.Clear();
        await Scheduler().RegisterAsync(Windows, null, default);
        _service.Tasks.Remove("natalia-backup-nightly");
        BackupSchedule half = Assert.Single(await Scheduler().ListAsync(default)).Schedule;
        Assert.Contains("interrupted", Assert.Single(half.Warnings), StringComparison.Ordinal);
        await Scheduler().RemoveAsync("natalia-backup-nightly", default);
        Assert.Empty(_service.Tasks);
    }

    [Fact]
    public async Task A_trial_is_one_task_that_is_gone_afterwards()
    {
        _service.OnStart = (name, xml) =>
        {
            XElement task = Parse(xml);
            Assert.Empty(task.Descendants(TaskXml.Namespace + "Triggers").Single().Elements());
            string folder = One(task, "Arguments").Split("-ReportFolder ")[1].Split(' ')[0];
            File.WriteAllText(Path.Combine(folder, "probe.json"), "natalia-probe {\"account\":\"C\\\\g$\","
                + "\"connected\":[\"hv\",\"nas\"],\"notConnected\":[],\"warnings\":[],\"appliances\":1,\"missing\":[],"
                + "\"error\":null}");
            _service.Set(name, t => t with { LastRunUtc = DateTime.UtcNow, LastResult = 0 });
        };
        IReadOnlyList<CheckResult> checks = await ScheduleProbe.ExecuteAsync(Scheduler(),
            Windows with { Account = Gmsa }, null, _clock, default);
        Assert.All(checks, c => Assert.Equal(CheckOutcome.Passed, c.Result));
        Assert.Equal((3, "hv, nas"), (checks.Count, checks[1].Actual));
        Assert.Empty(_service.Tasks);
        Assert.Empty(_folder.Files);

        CheckResult untried = Assert.Single(await ScheduleProbe.ExecuteAsync(Scheduler(),
            Windows with { Account = @"CONTOSO\anna" }, null, _clock, default));
        Assert.Equal(CheckOutcome.NotEvidenced, untried.Result);
    }

    [Fact]
    public async Task A_trial_that_never_ends_is_ended_and_is_no_success()
    {
        _service.OnStart = (name, _) => _service.Set(name, t => t with { IsRunning = true });
        Task<IReadOnlyList<CheckResult>> trial =
            ScheduleProbe.ExecuteAsync(Scheduler(), Windows, null, _clock, default);
        while (!trial.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield();
        }
        CheckResult check = Assert.Single(await trial);
        Assert.Equal(CheckOutcome.NotEvidenced, check.Result);
        Assert.Contains("did not end", check.Detail, StringComparison.Ordinal);
        Assert.Empty(_service.Tasks);
        Assert.Single(_service.Stopped);
    }

    private static ScheduleDefinition Windows => Sample.Windows;

    private TaskSchedulerScheduler Scheduler() => new(_service, _clock, _folder.Path);

    private static SecureString Password(string text)
    {
        var password = new SecureString();
        foreach (char c in text) password.AppendChar(c);
        return password;
    }

    private static XElement Parse(string xml) => XDocument.Parse(xml).Root!;

    private static IEnumerable<string> All(XElement task, string name) =>
        task.Descendants(TaskXml.Namespace + name).Select(e => e.Value);

    private static string One(XElement task, string name) => Assert.Single(All(task, name));
}
