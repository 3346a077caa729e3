using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

public sealed class ScheduleDefinitionTests
{
    [Fact]
    public void A_mark_is_read_as_it_was_written_and_what_is_no_mark_is_none()
    {
        ScheduleDefinition hostile = Sample.Schedule with { ProfilePath = Sample.Hostile, Account = @"DOM\svc$" };
        string mark = hostile.ToMark();

        Assert.DoesNotContain('\n', mark);
        ScheduleDefinition read = ScheduleDefinition.TryParse(mark)!;
        Assert.Equal(mark, read.ToMark());
        Assert.Equal((Sample.Hostile, @"DOM\svc$", "offsite"), (read.ProfilePath, read.Account, read.CopyTo.Single()));
        foreach (string bad in new[] { "", "{}", "null", "[]", mark[..^1],
            mark.Replace("\"version\":1", "\"version\":2"),
            mark.Replace("nightly", "../x"), mark.Replace("01:00", "25:99"), mark.Replace("{", "{\"more\":1,") })
            Assert.Null(ScheduleDefinition.TryParse(bad));
    }

    [Theory]
    [InlineData("nightly", true)]
    [InlineData("a", true)]
    [InlineData("Nice_2-b", true)]
    [InlineData("", false)]
    [InlineData("../etc", false)]
    [InlineData("a.restore-test", false)]
    [InlineData("a b", false)]
    [InlineData("a\n", false)]
    [InlineData("-a", false)]
    [InlineData("a@b", false)]
    [InlineData("ä", false)]
    public void Names_are_contained(string name, bool good)
    {
        Assert.Equal(good, ScheduleDefinition.IsName(name));
        Assert.Equal(good, ScheduleDefinition.IsScheduleId("natalia-backup-" + name));
        // The jobs of a Proxmox VE cluster are something else.
        Assert.False(ScheduleDefinition.IsScheduleId("natalia-100"));
    }

    [Theory]
    [InlineData("/etc/natalia.json", "natalia")]
    [InlineData("/etc/Nice & Paris (1).json", "Nice-Paris-1")]
    [InlineData("/etc/\u4e2d.json", "profile")]
    public void A_profile_gives_a_name(string path, string name)
    {
        Assert.Equal(name, ScheduleDefinition.NameOf(path));
        Assert.True(ScheduleDefinition.IsName(ScheduleDefinition.NameOf(new string('x', 300) + ".json")));
    }

    [Theory]
    [InlineData("a|b")]
    [InlineData("-Work")]
    [InlineData("\u2013x")]
    [InlineData("a\nb")]
    [InlineData("")]
    public void What_the_command_line_would_take_for_something_else_is_refused(string name)
    {
        foreach (ScheduleDefinition bad in new[] { Sample.Schedule with { Appliances = [name] },
            Sample.Schedule with { CopyTo = [name] }, Sample.Schedule with { TestBench = name } })
            Assert.Equal(ErrorIds.ScheduleInvalid, Assert.Throws<NataliaException>(bad.EnsureValid).ErrorId);
        Assert.Throws<NataliaException>((Sample.Schedule with { ProfilePath = "/a\nb" }).EnsureValid);
    }

    [Fact]
    public void The_command_holds_names_of_secrets_at_most_and_each_work_what_it_needs()
    {
        ScheduleDefinition schedule = Sample.Schedule with
        {
            Appliances = ["natalia-*", "b"],
            TestBench = "bench",
            LogFolder = "/l",
            SecretScript = "/s.ps1",
        };
        string backup = ScheduledCommand.Line(ScheduledCommand.Arguments(schedule, ScheduledWork.Backup));
        string test = ScheduledCommand.Line(ScheduledCommand.Arguments(schedule, ScheduledWork.RestoreTest));
        string probe = ScheduledCommand.Line(ScheduledCommand.Arguments(schedule, ScheduledWork.Probe, "/r"));
        Assert.EndsWith("-File /opt/natalia/Natalia.Backup.ScheduledRun.ps1 -ProfilePath /etc/natalia/profile.json "
            + "-ScheduleId natalia-backup-nightly -Work Backup -Strategy SixHourly -At 01:00 -Appliance natalia-*|b "
            + "-CopyTo offsite -LogFolder /l -SecretScript /s.ps1", backup, StringComparison.Ordinal);
        Assert.EndsWith("-Work RestoreTest -Appliance natalia-*|b -TestBench bench -LogFolder /l -SecretScript /s.ps1",
            test, StringComparison.Ordinal);
        // A trial counts the appliances that a run would take.
        Assert.EndsWith("-Work Probe -Appliance natalia-*|b -ReportFolder /r -SecretScript /s.ps1", probe,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("", "\"\"")]
    [InlineData("a b", "\"a b\"")]
    [InlineData(@"C:\a b\", @"""C:\a b\\""")]
    [InlineData("a\"b", "\"a\\\"b\"")]
    [InlineData("a\\\"b c", "\"a\\\\\\\"b c\"")]
    [InlineData(@"\\nas\share", @"\\nas\share")]
    public void Arguments_are_quoted_as_windows_takes_them_apart(string argument, string quoted) =>
        Assert.Equal(quoted, ScheduledCommand.Line([argument]));

    [Theory]
    [InlineData("/opt/a-b_c.ps1:@", "/opt/a-b_c.ps1:@")]
    [InlineData("", "''")]
    [InlineData("a|b", "'a|b'")]
    [InlineData("natalia-*", "'natalia-*'")]
    [InlineData("it's $HOME", "'it'\\''s $HOME'")]
    [InlineData("\u00fc~#", "'\u00fc~#'")]
    public void Arguments_are_quoted_as_a_shell_takes_them_apart(string argument, string quoted) =>
        Assert.Equal(quoted, ScheduledCommand.ShellLine([argument]));

    [Fact]
    public void Runs_are_foreseen_in_local_time_over_changes_of_the_clocks()
    {
        TimeZoneInfo paris = TimeZoneInfo.FindSystemTimeZoneById("Europe/Paris");
        Assert.Equal(["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"], Next(ScheduleKind.Daily, 2, 30,
            "2026-03-28T00:00", 3));
        Assert.Equal(["2026-10-24T23:00", "2026-10-25T06:00", "2026-10-25T12:00"], Next(ScheduleKind.SixHourly, 1, 0,
            "2026-10-24T17:00", 3));

        IEnumerable<string> Next(ScheduleKind kind, int hour, int minute, string after, int count) =>
            ScheduleTimes.Next(kind, new TimeSpan(hour, minute, 0), Utc(after), paris, count)
                .Select(t => t.ToString("yyyy-MM-dd'T'HH:mm", System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData(ScheduleKind.Daily, "2026-01-01T22:30", false)]
    [InlineData(ScheduleKind.Daily, "2026-01-01T21:30", true)]
    [InlineData(ScheduleKind.SixHourly, "2026-01-02T16:30", false)]
    [InlineData(ScheduleKind.SixHourly, "2026-01-02T15:30", true)]
    [InlineData(ScheduleKind.Daily, null, true)]
    public void A_run_that_never_was_is_seen_by_the_age_of_the_newest_point(ScheduleKind kind, string? newest,
        bool overdue) =>
        Assert.Equal(overdue, ScheduleTimes.IsOverdue(kind, newest is null ? null : Utc(newest),
            Utc("2026-01-03T00:00")));

    private static DateTime Utc(string text) => DateTime.Parse(text, System.Globalization.CultureInfo.InvariantCulture,
        System.Globalization.DateTimeStyles.AssumeUniversal | System.Globalization.DateTimeStyles.AdjustToUniversal);

    [Fact]
    public void The_powershell_that_runs_this_is_found_or_must_be_named()
    {
        Assert.Equal("/opt/pwsh", Find("/opt/pwsh", null)!.Path);
        PowerShellProgram tool = Find("/usr/bin/dotnet", "/root/.store/pwsh.dll")!;
        Assert.Equal(("/usr/bin/dotnet", "/root/.store/pwsh.dll"), (tool.Path, Assert.Single(tool.Arguments)));
        Assert.Equal(Path.Combine("/home", "pwsh"), Find("/usr/bin/code", null, Path.Combine("/home", "pwsh"))!.Path);
        Assert.Null(Find("/usr/bin/dotnet", "/t/testhost.dll"));

        PowerShellProgram? Find(string process, string? first, string? there = null) =>
            PowerShellProgram.Find(process, first, "/home", p => p == there);
    }
}
