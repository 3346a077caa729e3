using System.Runtime.CompilerServices;
using Natalia.Backup.Module.Tests.Commands;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>What the runner writes to a terminal, which util-linux's script is here.</summary>
public sealed class TerminalTests
{
    private const string Program = "/usr/bin/script";

    [TerminalFact]
    public async Task A_run_that_must_not_ask_does_not_write_the_question_for_a_password()
    {
        using var fixture = new FolderFixture();
        fixture.Run("$null = New-NataliaRepository -Path $args[0] -Password $args[1]", fixture.Full("closed"),
            FolderFixture.Password("x")).ThrowIfFailed();

        RunnerProcess.Result run = await RunnerProcess.RunProgramAsync(Program, "-qec",
            $"'{BuildLayout.Runner}' --non-interactive -c \"Connect-NataliaRepository '{fixture.Full("closed")}'\"",
            "/dev/null");

        Assert.Contains("nobody can be asked", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Password of", run.Output, StringComparison.Ordinal);
    }

    private sealed class TerminalFactAttribute : FactAttribute
    {
        public TerminalFactAttribute([CallerMemberName] string test = "") => (Skip, DisplayName) =
            SkippedTest.With(test, File.Exists(Program) ? null : $"{Program} is not installed.");
    }
}
