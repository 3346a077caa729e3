namespace Natalia.Backup.Module.Tests.Runner;

public sealed class RunnerTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-runner-");

    [Fact]
    public async Task The_module_is_imported()
    {
        var run = await RunnerProcess.RunAsync("-c", "Get-Command -Module Natalia.Backup | ForEach-Object Name");

        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Contains("Invoke-NataliaBackup", run.Lines);
    }

    [Fact]
    public async Task Arguments_bind_by_name_as_switches_and_by_position()
    {
        var script = Script("param([string] $Name, [int] $Count = 1, [switch] $Force, [switch] $Not) \"$Name|$($Count + 1)|$Force|$Not|$($args -join ',')|$PSScriptRoot\"");

        Assert.Equal($"a b|8|True|False|x,y|{_folder.FullName}", (await RunnerProcess.RunAsync(script, "-Name", "a b", "-Force", "7", "-Not:$false", "x", "y")).Output.TrimEnd());
        Assert.Equal($"first|3|False|False||{_folder.FullName}", (await RunnerProcess.RunAsync(script, "first", "2")).Output.TrimEnd());
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
        var run = await RunnerProcess.RunAsync(Script(text));

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
        var run = await RunnerProcess.RunAsync(arguments);

        Assert.Equal(64, run.ExitCode);
        Assert.StartsWith("natalia: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task Data_goes_to_stdout_and_all_else_to_stderr()
    {
        var run = await RunnerProcess.RunAsync(Script(
            """
            'data'
            Write-Warning 'careful'
            Write-Verbose 'in detail' -Verbose
            Write-Error 'went wrong' -ErrorId SomeId
            Write-Progress -Activity 'Copying' -PercentComplete 50
            """));

        Assert.Equal("data", run.Output.TrimEnd());
        Assert.Contains("WARNING: careful", run.Error);
        Assert.Contains("VERBOSE: in detail", run.Error);
        Assert.Contains("went wrong", run.Error);
        Assert.Contains("script.ps1:4", run.Error);
        Assert.DoesNotContain("Copying", run.Error);
    }

    [Fact]
    public async Task An_error_shows_its_id_in_the_normal_view()
    {
        var run = await RunnerProcess.RunAsync("-c", "$ErrorView = 'NormalView'; Get-NataliaRestorePoint -Repository nowhere");

        Assert.Contains("FullyQualifiedErrorId : RepositoryNotConnected", run.Error);
    }

    [Fact]
    public async Task Redirected_output_is_plain_and_formatted()
    {
        var run = await RunnerProcess.RunAsync("-c", "Get-Command -Module Natalia.Backup; [pscustomobject]@{ Name = 'a'; Size = 1 } | Format-List; Write-Error 'x'");

        Assert.DoesNotContain('\e', run.Output);
        Assert.DoesNotContain('\e', run.Error);
        Assert.Contains(run.Lines, l => l.StartsWith("CommandType", StringComparison.Ordinal));
        Assert.Contains("Name : a", run.Lines);
    }

    [Fact]
    public async Task Input_from_a_pipe_is_run()
    {
        var run = await RunnerProcess.RunWithInputAsync("1 + 1\n'two'\n");

        Assert.Equal(["2", "two"], run.Lines);
        Assert.Equal(0, run.ExitCode);
    }

    [Fact]
    public async Task A_question_without_somebody_to_answer_is_an_error_that_says_so()
    {
        var run = await RunnerProcess.RunAsync("-c", "Connect-NataliaRepository -Path ./nowhere");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Password", run.Error);

        var confirmation = await RunnerProcess.RunAsync("-c", "function f { [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')] param() if ($PSCmdlet.ShouldProcess('it')) { 'done' } }; f");
        Assert.DoesNotContain("done", confirmation.Output);
        Assert.Contains("-Confirm:$false", confirmation.Error);
    }

    [Theory]
    [InlineData("Interrupt", 130)]
    [InlineData("Terminate", 143)]
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
            if (signal == "Interrupt")
                runner.Interrupt();
            else
                runner.Terminate();
        }

        var run = await runner.FinishAsync();
        Assert.Equal(expected, run.ExitCode);
        Assert.Equal(["cleaned up"], run.Lines);
    }

    [Fact]
    public async Task Help_is_readable()
    {
        var run = await RunnerProcess.RunAsync("-c", "Get-Help Invoke-NataliaBackup -Full");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("SYNOPSIS", run.Lines);
        Assert.Contains("DESCRIPTION", run.Lines);
        Assert.Contains(run.Lines, l => l.Contains("-ThrottleLimit <", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_command_that_the_runner_has_not_is_explained()
    {
        var run = await RunnerProcess.RunAsync("-c", "ConvertTo-Json 1");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("natalia: 'ConvertTo-Json' belongs to PowerShell's utility modules", run.Error);
    }

    [Fact]
    public async Task Stand_ins_do_what_their_namesakes_do()
    {
        (string Text, string Expected)[] cases =
        [
            ("1..5 | Select-Object -First 2 -Skip 1", "2,3"),
            ("1..5 | Select-Object -Last 2", "4,5"),
            ("[pscustomobject]@{ A = 1; B = 2; C = 3 } | Select-Object A, @{ Name = 'D'; Expression = { $_.B + $_.C } } | ForEach-Object { \"$($_.A)$($_.D)\" }", "15"),
            ("[pscustomobject]@{ A = 1, 2 } | Select-Object -ExpandProperty A", "1,2"),
            ("'b', 'A', 'c' | Sort-Object -Descending", "c,b,A"),
            ("3, 10, 2 | Sort-Object", "2,3,10"),
            ("(1, 2, 6 | Measure-Object -Sum -Average -Maximum) | ForEach-Object { \"$($_.Count) $($_.Sum) $($_.Average) $($_.Maximum)\" }", "3 9 3 6"),
            ("(Join-Path a b c).Replace('\\', '/')", "a/b/c"),
            ("Test-Path ., ./not/there", "True,False"),
            ("@(Write-Output 1, 2).Count; @(Write-Output 1, 2 -NoEnumerate).Count", "2,1"),
            ("(Write-Host 'a' 'b') 6>&1", "a b"),
            ("Get-Date ([datetime]::new(2026, 1, 2)) -Format yyyyMMdd", "20260102"),
        ];
        var run = await RunnerProcess.RunAsync(Script(string.Join('\n', cases.Select(c => $"(& {{ {c.Text} }}) -join ','"))));

        Assert.Empty(run.Error);
        Assert.Equal(cases.Select(c => c.Expected), run.Lines);
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
