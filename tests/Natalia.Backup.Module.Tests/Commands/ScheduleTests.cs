using System.Management.Automation.Language;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>
/// Schedules with a profile, as timers of systemd in a folder of the test's own. What would be started is really
/// started, in the empty environment that a service has; systemd itself is not.
/// </summary>
public sealed class ScheduleTests : IDisposable
{
    private const string Runs = "-UnitFolder $args[0] -PowerShellPath $args[2] -ProfilePath $args[1]";

    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    private string Units => _fixture.Full("units");

    /// <summary>With characters that unit files and shells give a meaning.</summary>
    private string Profile => _fixture.Full("100% \"$HOME\" it's.json");

    [Fact]
    public async Task What_is_registered_backs_up_copies_and_applies_retention_when_it_is_started()
    {
        if (!OperatingSystem.IsLinux()) return;
        await RunAsync(BuildLayout.Runner);
    }

    [RealPowerShellFact]
    public async Task The_same_in_pwsh()
    {
        if (!OperatingSystem.IsLinux()) return;
        await RunAsync(RealPowerShell.Path!);
    }

    private async Task RunAsync(string shell)
    {
        Enrol();
        _fixture.Run("""
            $null = Set-NataliaRetention -Repository nas -Last 1 -Confirm:$false
            $null = Set-NataliaRetention -Repository offsite -Last 1 -Confirm:$false
            """).ThrowIfFailed();
        string secrets = _fixture.Full("anna's \u2018se\u2019cr\u201aets\u201b.ps1");
        File.WriteAllText(secrets, "[Net.NetworkCredential]::new('', 'correct ' + $args[0]).SecurePassword");
        _fixture.Run($"$null = Register-NataliaSchedule {Runs} -Strategy SixHourly -CopyTo offsite "
            + "-SecretScript $args[3] -LogFolder $args[4]", Units, Profile, shell, secrets, _fixture.Full("logs"))
            .ThrowIfFailed();
        string[] command = Command();
        Assert.DoesNotContain(command, a => a.Contains("correct"));

        (int code, string output, string errors) = await StartAsync(command);
        Assert.True(code == 0, output + errors);
        Assert.Contains("Full backup: natalia-paris", output, StringComparison.Ordinal);
        Assert.Equal(("", 1, 1), (errors, Points("nas"), Points("offsite")));

        _fixture.Change("natalia-paris", 70_000);
        (code, output, errors) = await StartAsync(command);
        Assert.True(code == 0, output + errors);
        Assert.Contains("Incremental backup: natalia-paris", output, StringComparison.Ordinal);
        // The second point took the place of the first one, here and there.
        Assert.Equal((1, 1), (Points("nas"), Points("offsite")));
        string log = File.ReadAllText(Assert.Single(Directory.GetFiles(_fixture.Full("logs"))));
        Assert.Equal(2, log.Split("everything was done (0)").Length - 1);

        // Off site is away: the local backup is made all the same, and the run says that it was not whole.
        Directory.Move(_fixture.Full("offsite"), _fixture.Full("away"));
        _fixture.Change("natalia-paris", 70_100);
        string before = Newest();
        (code, output, _) = await StartAsync(command);
        Assert.True(code == 1, output);
        Assert.NotEqual(before, Newest());
        Assert.Contains("ERROR", output, StringComparison.Ordinal);
        // What has no copy yet stays, until it has one.
        Assert.Contains("WARNING Retention in 'nas' is left out", output, StringComparison.Ordinal);
        Assert.Equal(2, Points("nas"));
        Directory.Move(_fixture.Full("away"), _fixture.Full("offsite"));
        (code, output, errors) = await StartAsync(command);
        Assert.True(code == 0, output + errors);
        Assert.Equal((1, 1), (Points("nas"), Points("offsite")));

        File.Delete(Profile);
        (code, output, _) = await StartAsync(command);
        Assert.True(code == 2, output);
        Assert.Contains("ERROR ProfileNotFound: ", output, StringComparison.Ordinal);
    }

    /// <summary>As when one host of a cluster does not answer: what it has fails, and nothing else.</summary>
    [Fact]
    public async Task A_host_and_a_repository_that_are_away_keep_nothing_else_from_being_done()
    {
        if (!OperatingSystem.IsLinux()) return;
        _fixture.WithRepository("nas").WithRepository("offsite").Run("""
            $null = New-Item -ItemType Directory $args[0]
            $null = Connect-NataliaHypervisor -Folder $args[0] -Name host-2
            $null = Set-NataliaAppliance natalia-paris -Repository nas
            $null = Export-NataliaProfile $args[1]
            """, _fixture.Full("host-2"), Profile).ThrowIfFailed();
        _fixture.Run($"$null = Register-NataliaSchedule {Runs} -CopyTo offsite", Units, Profile, BuildLayout.Runner)
            .ThrowIfFailed();
        Directory.Delete(_fixture.Full("host-2"));
        Directory.Move(_fixture.Full("offsite"), _fixture.Full("away"));

        (int code, string output, _) = await StartAsync(Command());

        Assert.True(code == 1, output);
        Assert.Equal(1, Points("nas"));
        // To its end: space is given back after everything else.
        Assert.Contains("Z Optimize 'nas'", output, StringComparison.Ordinal);
        Assert.Contains("host-2", output, StringComparison.Ordinal);
    }

    /// <summary>A renamed appliance, and brackets, which stand in names.</summary>
    [Fact]
    public async Task A_name_that_fits_nothing_is_a_failure_and_a_name_with_brackets_is_itself()
    {
        if (!OperatingSystem.IsLinux()) return;
        _fixture.AddAppliance("web[01]", "11111111-0000-0000-0000-000000000003", seed: 3);
        _fixture.AddAppliance("web0", "11111111-0000-0000-0000-000000000004", seed: 4);
        _fixture.AddAppliance("vm[1", "11111111-0000-0000-0000-000000000005", seed: 5);
        _fixture.WithRepository("nas").Run("""
            foreach ($name in 'natalia-paris', 'web0', 'web[01]', 'vm[1') {
                $null = Set-NataliaAppliance $name -Repository nas
            }
            $null = Export-NataliaProfile $args[0]
            """, Profile).ThrowIfFailed();
        string[] Named(string names)
        {
            _fixture.Run($"$null = Register-NataliaSchedule {Runs} -Appliance {names}", Units, Profile,
                BuildLayout.Runner).ThrowIfFailed();
            return Command();
        }

        (int code, string output, _) = await StartAsync(Named("'vm[1', 'web[01]', 'x*'"));
        Assert.True(code == 0, output);
        Assert.Contains("Full backup: ", output, StringComparison.Ordinal);
        Assert.Equal(["vm[1", "web[01]"], BackedUp());

        string[] command = Named("natalia-paris, natlia-lyon");
        (code, output, _) = await StartAsync([.. command.Select(a => a == "Backup" ? "Probe" : a)]);
        Assert.True(code == 1, output);
        Assert.Contains("\"appliances\":1,\"missing\":[\"natlia-lyon\"]", output, StringComparison.Ordinal);
        (code, output, _) = await StartAsync(command);
        Assert.True(code == 1, output);
        Assert.Contains("ERROR ApplianceNotFound: No enrolled appliance is called 'natlia-lyon'", output,
            StringComparison.Ordinal);
        Assert.Equal(["natalia-paris", "vm[1", "web[01]"], BackedUp());

        IEnumerable<string> BackedUp() => _fixture.Run("(Get-NataliaRestorePoint -Repository nas).ApplianceName")
            .ThrowIfFailed().Text.Order(StringComparer.Ordinal);
    }

    /// <summary>As when the other task writes its line, or a scanner looks at the file.</summary>
    [Fact]
    public async Task A_log_that_is_held_for_a_while_is_whole_in_the_end()
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        string logs = _fixture.Full("logs");
        _fixture.Run($"$null = Register-NataliaSchedule {Runs} -Name n -LogFolder $args[3]", Units, Profile,
            BuildLayout.Runner, logs).ThrowIfFailed();
        Directory.CreateDirectory(logs);
        string log = Path.Combine(logs, $"natalia-backup-n-{DateTime.UtcNow:yyyy-MM}.log");
        using RunnerProcess run = RunnerProcess.Start(Command()[1..]);
        using (File.Open(log, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            while (await run.ReadLineAsync() is string line && !line.Contains("cannot be written now")) { }
        RunnerProcess.Result result = await run.FinishAsync();

        string[] lines = File.ReadAllLines(log);
        Assert.Contains(" begins, as ", lines[0], StringComparison.Ordinal);
        Assert.Contains("Ended: ", lines[^1], StringComparison.Ordinal);
        // The secret that nobody gives is among what was held back.
        Assert.Contains(lines, l => l.Contains("WARNING"));
        Assert.EndsWith(lines[^1], result.Lines[^1], StringComparison.Ordinal);
    }

    /// <summary>As <c>systemctl stop</c> does by the unit's KillSignal: the snapshot does not stay.</summary>
    [Fact]
    public async Task A_run_that_is_stopped_cleans_up_and_is_no_success()
    {
        if (!OperatingSystem.IsLinux()) return;
        await StopAsync(BuildLayout.Runner);
    }

    [RealPowerShellFact]
    public async Task The_same_stop_in_pwsh()
    {
        if (!OperatingSystem.IsLinux()) return;
        await StopAsync(RealPowerShell.Path!);
    }

    private async Task StopAsync(string shell)
    {
        Enrol();
        string logs = _fixture.Full("logs"), cleaned = _fixture.Full("cleaned"), secrets = _fixture.Full("secrets.ps1");
        File.WriteAllText(secrets, $"try {{ [Console]::Out.WriteLine('asked'); Start-Sleep -Seconds 600 }} finally "
            + $"{{ [IO.File]::WriteAllText('{cleaned}', '') }}");
        _fixture.Run($"$null = Register-NataliaSchedule {Runs} -SecretScript $args[3] -LogFolder $args[4]", Units,
            Profile, shell, secrets, logs).ThrowIfFailed();
        string[] command = Command();
        using RunnerProcess run = RunnerProcess.StartProgram(command[0], command[1..]);
        while (await run.ReadLineAsync() is string line && line != "asked") { }

        run.Interrupt();
        RunnerProcess.Result result = await run.FinishAsync();

        Assert.True(result.ExitCode == 130, $"{result.ExitCode}: {result.Output} {result.Error}");
        Assert.True(File.Exists(cleaned), result.Output);
        Assert.EndsWith("Z Ended: it was stopped before everything was done.",
            File.ReadAllLines(Assert.Single(Directory.GetFiles(logs)))[^1], StringComparison.Ordinal);
    }

    /// <summary>What is shown of a schedule is a line for cron.</summary>
    [Fact]
    public async Task Program_and_arguments_are_a_line_for_a_shell()
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        ScriptResult made = _fixture.Run($"Register-NataliaSchedule {Runs} -Appliance natalia-p*, \"it's;$\", b "
            + "-CopyTo offsite", Units, Profile, BuildLayout.Runner).ThrowIfFailed();

        RunnerProcess.Result taken = await RunnerProcess.RunProgramAsync("/bin/sh", "-c",
            $"printf '%s\\n' {made.Value("Program")} {made.Value("Arguments")}");

        Assert.Equal(Command(), taken.Lines);
    }

    [Fact]
    public async Task What_tries_an_account_reports_what_it_reaches()
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        _fixture.Run($"$null = Register-NataliaSchedule {Runs}", Units, Profile, BuildLayout.Runner).ThrowIfFailed();
        string[] command = [.. Command().Select(a => a == "Backup" ? "Probe" : a)];

        // Nobody gives the secret.
        (int code, string output, _) = await StartAsync(command);

        // The only enrolled appliance is enrolled in what is away.
        Assert.True(code == 2, output);
        string report = output.Split('\n').Single(l => l.StartsWith("natalia-probe {", StringComparison.Ordinal));
        Assert.Contains("\"notConnected\":[\"nas\"]", report, StringComparison.Ordinal);
        Assert.Contains("Get-Secret", report, StringComparison.Ordinal);
        Assert.Contains("\"vms\"", report, StringComparison.Ordinal);
    }

    [Fact]
    public void A_schedule_is_registered_listed_and_removed()
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        Assert.Empty(_fixture.Run($"Register-NataliaSchedule {Runs} -WhatIf", Units, Profile, BuildLayout.Runner)
            .ThrowIfFailed().Output);
        Assert.False(Directory.Exists(Units));
        string schedule = $"Get-NataliaAppliance natalia-p* | Register-NataliaSchedule {Runs} -Name nightly "
            + "-QuarterlyRestoreTest -At 4:30";
        ScriptResult made = _fixture.Run(schedule, Units, Profile, BuildLayout.Runner).ThrowIfFailed();
        Assert.Equal(("natalia-backup-nightly", true, "*-*-* 04:30:00", "Systemd"), (made.Value("ScheduleId"),
            made.Value("WasChanged"), made.Value("Expression"), made.Value("Scheduler")));
        Assert.Contains(made.Warnings, w => w.Contains("'natalia-nas'"));
        Assert.Equal(false, _fixture.Run(schedule, Units, Profile, BuildLayout.Runner).Value("WasChanged"));

        // A task that never ran: the point is missing, and then it is too old.
        ScriptResult listed = _fixture.Run("Get-NataliaSchedule -UnitFolder $args[0]", Units).ThrowIfFailed();
        Assert.Equal((true, null), (listed.Value("IsOverdue"), listed.Value("NewestPointUtc")));
        _fixture.BackUp(more: "-Repository nas");
        listed = _fixture.Run("Get-NataliaSchedule -UnitFolder $args[0]", Units).ThrowIfFailed();
        Assert.Equal(false, listed.Value("IsOverdue"));
        Assert.Contains("newest point 20", _fixture.Session.Render("Get-NataliaSchedule -UnitFolder $args[0]", Units),
            StringComparison.Ordinal);
        Assert.Single(_fixture.Run("Get-NataliaSchedule natalia-paris -UnitFolder $args[0]", Units).Output);
        Assert.Empty(_fixture.Run("Get-NataliaSchedule natalia-lyon -UnitFolder $args[0]", Units).ThrowIfFailed()
            .Output);

        _fixture.Run("Get-NataliaSchedule -UnitFolder $args[0] | Unregister-NataliaSchedule -WhatIf", Units)
            .ThrowIfFailed();
        Assert.Equal(4, Directory.GetFiles(Units).Length);
        _fixture.Run("Get-NataliaSchedule -UnitFolder $args[0] | Unregister-NataliaSchedule", Units).ThrowIfFailed();
        Assert.Empty(Directory.GetFiles(Units, "*", SearchOption.AllDirectories));
        Assert.StartsWith("ScheduleNotFound,", Assert.Single(
            _fixture.Run("Unregister-NataliaSchedule natalia-backup-nightly -UnitFolder $args[0]", Units).ErrorIds));
    }

    [Theory]
    [InlineData("-ProfilePath /absent.json", "ProfileNotFound")]
    [InlineData("-ProfilePath $args[1] -Name ../x", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -CopyTo absent", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -TestBench absent", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -Hypervisor vms", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -SecretScript /absent.ps1", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -Appliance 'a|b'", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -Account \"a`nb\"", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -Account a -Credential ([pscredential]::new('a', (ConvertTo-SecureString x "
        + "-AsPlainText -Force)))", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -Credential ([pscredential]::new('a', (ConvertTo-SecureString x -AsPlainText "
        + "-Force)))", "ScheduleInvalid")]
    [InlineData("-ProfilePath $args[1] -Strategy Replication", "StrategyNotScheduled")]
    public void What_cannot_be_registered_is_an_error_and_leaves_nothing(string arguments, string id)
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        ScriptResult refused = _fixture.Run(
            $"Register-NataliaSchedule -UnitFolder $args[0] -PowerShellPath $args[2] {arguments}", Units, Profile,
            BuildLayout.Runner);
        Assert.StartsWith(id + ",", Assert.Single(refused.ErrorIds));
        Assert.False(Directory.Exists(Units));
    }

    [Fact]
    public void A_filter_that_fits_nothing_does_not_become_a_schedule_of_everything()
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        Assert.StartsWith("NothingToDo,", Assert.Single(_fixture.Run(
            $"Get-NataliaAppliance | Where-Object Name -eq none | Register-NataliaSchedule {Runs}", Units, Profile,
            BuildLayout.Runner).ErrorIds));
        Assert.False(Directory.Exists(Units));
    }

    [Fact]
    public void An_account_that_cannot_be_tried_here_is_no_success()
    {
        if (!OperatingSystem.IsLinux()) return;
        Enrol();
        _fixture.Run($"$null = Register-NataliaSchedule {Runs} -Name n", Units, Profile, BuildLayout.Runner)
            .ThrowIfFailed();
        ScriptResult check = _fixture.Run("Test-NataliaPrerequisite -AsScheduled -UnitFolder $args[0]", Units)
            .ThrowIfFailed();
        Assert.Equal(("ScheduledAccount", "NotEvidenced"), (check.Value("Name"), $"{check.Value("Result")}"));
        Assert.Equal(["False"],
            _fixture.Run("Test-NataliaPrerequisite -AsScheduled -UnitFolder $args[0] -Quiet", Units).Text);
        Assert.StartsWith("ScheduleNotFound,", Assert.Single(_fixture.Run(
            "Test-NataliaPrerequisite -AsScheduled -ScheduleId natalia-backup-x -UnitFolder $args[0]", Units)
            .ErrorIds));
        foreach (string wrong in new[] { "-ScheduleId natalia-backup-n", "-AsScheduled -Appliance x" })
            Assert.StartsWith("ScheduleInvalid,",
                Assert.Single(_fixture.Run($"Test-NataliaPrerequisite {wrong}").ErrorIds));
    }

    [Theory]
    [InlineData("Get-NataliaAppliance natalia-paris | Test-NataliaPrerequisite -AsScheduled -Quiet")]
    [InlineData("'natalia-paris' | Test-NataliaPrerequisite -AsScheduled -Quiet")]
    [InlineData("Test-NataliaPrerequisite -AsScheduled -ApplianceId (Get-NataliaAppliance).ApplianceId -Quiet")]
    [InlineData("Test-NataliaPrerequisite -AsScheduled -Hypervisor vms -Quiet")]
    public void A_trial_of_schedules_is_none_of_appliances_however_they_are_named(string script)
    {
        Enrol();
        ScriptResult refused = _fixture.Run(script);
        Assert.StartsWith("ScheduleInvalid,", Assert.Single(refused.ErrorIds));
        Assert.DoesNotContain("True", refused.Text);
    }

    /// <summary>Windows PowerShell 5.1 runs on Windows alone; what it cannot even read is found here.</summary>
    [Fact]
    public void What_runs_is_written_in_the_words_of_windows_powershell()
    {
        foreach (string script in Directory.GetFiles(BuildLayout.ModuleRoot, "*.ps1", SearchOption.AllDirectories)
            .Where(s => s.Contains("ScheduledRun") || s.Contains("runbooks")))
        {
            ScriptBlockAst parsed = Parser.ParseFile(script, out Token[] tokens, out ParseError[] errors);
            Assert.Empty(errors);
            Assert.DoesNotContain(tokens, t => t.Kind is TokenKind.QuestionQuestion or TokenKind.QuestionQuestionEquals
                or TokenKind.QuestionDot or TokenKind.QuestionLBracket or TokenKind.AndAnd or TokenKind.OrOr);
            Assert.Empty(parsed.FindAll(a => a is TernaryExpressionAst, true));
            // Without a byte order mark, 5.1 takes a file for one of the system's code page.
            Assert.All(File.ReadAllBytes(script), b => Assert.InRange(b, 0, 127));
        }
    }

    /// <summary>A profile of the folder and two repositories, one of them with a password.</summary>
    private void Enrol() => _fixture.WithRepository("offsite").Run("""
        $null = New-NataliaRepository -Path $args[0] -Name nas -Password $args[1]
        $null = Set-NataliaAppliance natalia-paris -Repository nas
        $null = Export-NataliaProfile $args[2]
        """, _fixture.Full("nas"), FolderFixture.Password("correct natalia-nas"), Profile).ThrowIfFailed();

    private string[] Command() =>
        [.. SystemdLine.TakeApart(File.ReadAllLines(Directory.GetFiles(Units, "*.service").Single())
            .Single(l => l.StartsWith("ExecStart=", StringComparison.Ordinal))["ExecStart=".Length..])];

    /// <summary>As systemd starts a service of the system: with a path, and nothing of any user.</summary>
    private static async Task<(int Code, string Output, string Errors)> StartAsync(string[] command)
    {
        RunnerProcess.Result result = await RunnerProcess.RunProgramAsync("/usr/bin/env",
            ["-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", .. Needed(), .. command]);
        return (result.ExitCode, result.Output, result.Error);
    }

    /// <summary>What the unit files carry over for a .NET that is not where programs look for it.</summary>
    private static IEnumerable<string> Needed() =>
        Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root ? [$"DOTNET_ROOT={root}"] : [];

    private int Points(string repository) =>
        _fixture.Run("Get-NataliaRestorePoint -Repository $args[0]", repository).ThrowIfFailed().Output.Count;

    private string Newest() => _fixture.Run("(Get-NataliaRestorePoint -Repository nas -Latest).RestorePointId")
        .ThrowIfFailed().Text.Single();
}
