using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

public sealed class RunnerTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-runner-");

    [Fact]
    public async Task The_module_is_imported()
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync("-c",
            "Get-Command -Module Natalia.Backup | ForEach-Object Name");

        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Contains("Invoke-NataliaBackup", run.Lines);
    }

    [Fact]
    public async Task Arguments_bind_by_name_as_switches_and_by_position()
    {
        var script = Script("param([string] $Name, [int] $Count = 1, [switch] $Force, [switch] $Not) \"$Name|$($Count "
            + "+ 1)|$Force|$Not|$($args -join ',')|$PSScriptRoot\"");

        Assert.Equal($"a b|8|True|False|x,y|{_folder.FullName}",
            (await RunnerProcess.RunAsync(script, "-Name", "a b", "-Force", "7", "-Not:$false", "x",
                "y")).Output.TrimEnd());
        Assert.Equal($"first|3|False|False||{_folder.FullName}",
            (await RunnerProcess.RunAsync(script, "first", "2")).Output.TrimEnd());
    }

    [Theory]
    [InlineData("'fine'", 0)]
    [InlineData("Write-Error 'not so bad'; 'goes on'", 0)]
    [InlineData("throw 'bad'", 1)]
    [InlineData("$ErrorActionPreference = 'Stop'; Write-Error 'bad'", 1)]
    [InlineData("exit 7", 7)]
    [InlineData("function leave { exit 8 }; leave", 8)]
    [InlineData("if (", 1)]
    public async Task A_script_ends_with_its_exit_code(string text, int expected)
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync(Script(text));

        Assert.Equal(expected, run.ExitCode);
    }

    [Theory]
    [InlineData("1", 0)]
    [InlineData("Write-Error 'bad'", 1)]
    [InlineData("throw 'bad'", 1)]
    [InlineData("exit 3", 3)]
    public async Task Commands_end_with_an_exit_code(string text, int expected) =>
        Assert.Equal(expected, (await RunnerProcess.RunAsync("-c", text)).ExitCode);

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("absent.ps1")]
    [InlineData("-c")]
    public async Task A_wrong_command_line_is_told_from_a_failed_script(params string[] arguments)
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync(arguments);

        Assert.Equal(64, run.ExitCode);
        Assert.NotEmpty(run.Error);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task Errors_go_to_stderr_and_all_else_to_stdout_as_in_pwsh()
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync(Script(
            """
            'data'
            Write-Warning 'careful'
            Write-Verbose 'in detail' -Verbose
            Write-Error 'went wrong' -ErrorId SomeId
            Write-Progress -Activity 'Copying' -PercentComplete 50
            """));

        Assert.Equal(["data", "WARNING: careful", "VERBOSE: in detail"], run.Lines);
        Assert.Contains("went wrong", run.Error);
        Assert.DoesNotContain("Copying", run.Error + run.Output);
    }

    [Fact]
    public async Task An_error_shows_its_id_in_the_normal_view()
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync("-c",
            "$ErrorView = 'NormalView'; Get-NataliaRestorePoint -Repository nowhere");

        Assert.Contains("FullyQualifiedErrorId : RepositoryNotConnected", run.Error);
    }

    [Fact]
    public async Task Redirected_output_is_plain_and_formatted()
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync("-c",
            "Get-Command -Module Natalia.Backup; [pscustomobject]@{ Name = 'a'; Size = 1 } | Format-List; Write-Error "
            + "'x'");

        Assert.DoesNotContain('\e', run.Output);
        Assert.DoesNotContain('\e', run.Error);
        Assert.Contains(run.Lines, l => l.StartsWith("CommandType", StringComparison.Ordinal));
        Assert.Contains("Name : a", run.Lines);
    }

    [Fact]
    public async Task Input_from_a_pipe_is_run()
    {
        RunnerProcess.Result run = await RunnerProcess.RunWithInputAsync("1 + 1\n'two'\n");

        Assert.Equal(["2", "two"], run.Lines);
        Assert.Equal(0, run.ExitCode);
    }

    [Fact]
    public async Task A_question_without_somebody_to_answer_is_an_error_that_says_so()
    {
        using var folder = new TemporaryFolder();
        RunnerProcess.Result run = await RunnerProcess.RunAsync("-c",
            $"New-NataliaRepository -Path '{folder["new"]}'");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Password", run.Error);
        // Nor is the question put into the output of a job.
        if (!OperatingSystem.IsWindows()) Assert.DoesNotContain("password", run.Output);

        RunnerProcess.Result confirmation = await RunnerProcess.RunAsync("-c",
            "function f { [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')] param() if "
            + "($PSCmdlet.ShouldProcess('it')) { 'done' } }; f");
        Assert.DoesNotContain("done", confirmation.Output);
        Assert.Contains("NonInteractive", confirmation.Error);
    }

    [Theory]
    [InlineData("Interrupt", 130)]
    [InlineData("Terminate", 143)]
    [InlineData("HangUp", 143)]
    public async Task A_signal_stops_the_script_and_waits_for_its_clean_up(string signal, int expected)
    {
        if (OperatingSystem.IsWindows())
            return;
        using var runner = RunnerProcess.Start(Script(
            """
            try { 'started'; Start-Sleep -Seconds 100 }
            finally { [Threading.Thread]::Sleep(500); [Console]::Out.WriteLine('cleaned up') }
            'not reached'
            """));
        Assert.Equal("started", await runner.ReadLineAsync());

        // The second one must not tear down what the first one has begun.
        for (var i = 0; i < 3; i++)
        {
            switch (signal)
            {
                case "Interrupt":
                    runner.Interrupt();
                    break;
                case "Terminate":
                    runner.Terminate();
                    break;
                default:
                    runner.HangUp();
                    break;
            }
        }

        RunnerProcess.Result run = await runner.FinishAsync();
        Assert.Equal(expected, run.ExitCode);
        Assert.Equal(["cleaned up"], run.Lines);
    }

    [Fact]
    public async Task Help_is_readable()
    {
        RunnerProcess.Result run = await RunnerProcess.RunAsync("-c", "Get-Help Invoke-NataliaBackup -Full");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("SYNOPSIS", run.Lines);
        Assert.Contains("DESCRIPTION", run.Lines);
        Assert.Contains(run.Lines, l => l.Contains("-ThrottleLimit <", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Scripts_as_people_write_them_run_unchanged()
    {
        (string Text, string Expected)[] cases =
        [
            ("Import-Module Natalia.Backup; (Get-Module Natalia.Backup).Version.ToString()", "0.1.0"),
            ("3, 10, 2 | Sort-Object | Select-Object -First 2", "2,3"),
            ("'{ \"a\": [1, 2] }' | ConvertFrom-Json | ForEach-Object a", "1,2"),
            ("(Get-Item $PSCommandPath | Get-FileHash).Algorithm", "SHA256"),
            ("Add-Type 'public static class Four { public static int Get() => 4; }'; [Four]::Get()", "4"),
            ("1, 2 | ForEach-Object -Parallel { (Get-Command Get-NataliaAppliance).Source }",
                "Natalia.Backup,Natalia.Backup"),
            ("Start-ThreadJob { (Get-Command Get-NataliaAppliance).Source } | Receive-Job -Wait", "Natalia.Backup"),
            ("try { Start-Job { 1 } } catch { \"$_\" -like '*ThreadJob*' }", "True"),
        ];
        RunnerProcess.Result run =
            await RunnerProcess.RunAsync(Script(string.Join('\n', cases.Select(c => $"(& {{ {c.Text} }}) -join ','"))));

        Assert.Empty(run.Error);
        Assert.Equal(cases.Select(c => c.Expected), run.Lines);
    }

    [Fact]
    public async Task Too_few_files_or_too_little_memory_are_told_in_a_sentence()
    {
        if (!OperatingSystem.IsLinux())
            return;
        RunnerProcess.Result files = await RunnerProcess.RunProgramAsync("bash", "-c", "ulimit -n 80; exec \"$0\" -c 1",
            BuildLayout.Runner);
        Assert.Equal(70, files.ExitCode);
        Assert.Equal("natalia: This process may open 80 files, and PowerShell needs 256: raise it, for instance with "
            + "'ulimit -n 1024'.",
            files.Error.TrimEnd());

        RunnerProcess.Result memory = await RunnerProcess.RunProgramAsync("env", "DOTNET_GCHeapHardLimit=0x800000",
            BuildLayout.Runner,
            "-c", "1");
        Assert.Equal(70, memory.ExitCode);
        Assert.StartsWith("natalia: This process may have 8 MiB of memory", memory.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/proc")]
    [InlineData("/sys")]
    [InlineData("")]
    public async Task A_home_folder_that_cannot_be_written_is_no_obstacle(string home)
    {
        if (!OperatingSystem.IsLinux())
            return;
        RunnerProcess.Result run = await RunnerProcess.RunProgramAsync(
            "env", $"HOME={home}", BuildLayout.Runner, "-c", "@(Get-Command -Module Natalia.Backup).Count -gt 10");

        Assert.Empty(run.Error);
        Assert.Equal(["True"], run.Lines);
        Assert.Equal(0, run.ExitCode);
    }

    [Fact]
    public async Task Help_and_version_start_no_engine()
    {
        Assert.Contains("natalia SCRIPT.ps1", (await RunnerProcess.RunAsync("--help")).Output);
        Assert.StartsWith("natalia ", (await RunnerProcess.RunAsync("--version")).Output, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private string Script(string text)
    {
        var path = Path.Combine(_folder.FullName, "script.ps1");
        File.WriteAllText(path, text);
        return path;
    }
}
