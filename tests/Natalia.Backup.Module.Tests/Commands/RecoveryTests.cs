using System.Management.Automation.Host;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>Measure-NataliaRecovery and strategies, as a person has them.</summary>
public sealed class RecoveryTests : IDisposable
{
    private static readonly string[] s_objectives = ["Rpo", "Rto", "RestoreTestAge", "Coverage", "OffHost",
        "Immutability", "VerificationAge", "Schedule"];

    private readonly FolderFixture _fixture = new();

    public RecoveryTests()
    {
        _fixture.WithRepository("nas");
        _fixture.Run("Get-NataliaAppliance -Name * | Set-NataliaAppliance -Repository nas -Strategy SixHourly")
            .ThrowIfFailed();
    }

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Each_enrolled_appliance_has_a_row_for_each_objective_and_without_evidence_none_is_met()
    {
        _fixture.BackUp();
        ScriptResult rows = _fixture.Run("Measure-NataliaRecovery").ThrowIfFailed();
        Assert.Equal(
            [.. s_objectives.Select(o => $"natalia-lyon {o}"), .. s_objectives.Select(o => $"natalia-paris {o}")],
            rows.Output.Select(r => $"{r!.Properties["ApplianceName"].Value} {r.Properties["Objective"].Value}"));
        Assert.DoesNotContain("Met", rows.Output.Select(r => r!.Properties["Verdict"].Value.ToString()));
        Assert.Equal(["Missed", "NotEvidenced"], _fixture.Run(
            "Measure-NataliaRecovery -Objective Rpo | ForEach-Object { \"$($_.Verdict)\" }").Text);
        Assert.Equal("SixHourly 06:00:00", _fixture.Run("Measure-NataliaRecovery natalia-lyon -Objective Rpo | "
            + "ForEach-Object { \"$($_.Strategy) $($_.TargetTime)\" }").Text.Single());
    }

    [Fact]
    public void Appliances_are_taken_from_the_pipeline_and_by_name_and_the_strategy_is_theirs()
    {
        Assert.Equal("SixHourly", _fixture.Run("(Get-NataliaAppliance natalia-paris).Strategy").Text.Single());
        _fixture.Run("Set-NataliaAppliance natalia-paris -Strategy Replication").ThrowIfFailed();
        Assert.Equal(["natalia-lyon 1.00:00:00", "natalia-paris 00:05:00"], _fixture.Run(
            "Set-NataliaAppliance natalia-lyon -Strategy $null; Get-NataliaAppliance | Measure-NataliaRecovery "
            + "-Objective Rpo | ForEach-Object { \"$($_.ApplianceName) $($_.TargetTime)\" }").ThrowIfFailed().Text);
        Assert.Equal("8", _fixture.Run("(Measure-NataliaRecovery '*-paris').Count").Text.Single());
        Assert.StartsWith("ApplianceNotFound,", _fixture.Run("Measure-NataliaRecovery natalia-oslo").ErrorIds.Single(),
            StringComparison.Ordinal);
        // A filter that fits nothing must not pass for success.
        ScriptResult none = _fixture.Run("Get-NataliaAppliance oslo-* | Measure-NataliaRecovery -Quiet");
        Assert.Equal("False", none.Text.Single());
        Assert.StartsWith("NothingToDo,", none.ErrorIds.Single(), StringComparison.Ordinal);
    }

    /// <summary>Of what is not named one is taken.</summary>
    [Fact]
    public void A_repository_and_a_copy_of_its_files_are_not_measured_as_two()
    {
        _fixture.BackUp();
        _fixture.Run("Copy-Item $args[0] $args[1] -Recurse; $null = Connect-NataliaRepository -Path $args[1] "
            + "-Name copy -Unencrypted -WarningAction Ignore", _fixture.Full("nas"), _fixture.Full("copy"))
            .ThrowIfFailed();
        Assert.Equal("1", _fixture.Run("(Measure-NataliaRecovery natalia-paris -Objective Rpo).Count").Text.Single());
        foreach (string command in new[] { "Measure-NataliaRecovery", "Export-NataliaReport $args[0]" })
        {
            ScriptResult both = _fixture.Run(command + " -Repository nas, copy", _fixture.Full("report.html"));
            Assert.Empty(both.Output);
            Assert.StartsWith("RepositoryAmbiguous,", both.ErrorIds.Single(), StringComparison.Ordinal);
        }
        Assert.Equal("1", _fixture.Run("(Measure-NataliaRecovery natalia-paris -Objective Rpo -Repository copy).Count")
            .Text.Single());
    }

    [Fact]
    public void Quiet_is_true_only_when_all_is_met_and_everything_could_be_read()
    {
        Assert.Equal("False", _fixture.Run("Measure-NataliaRecovery -Objective Schedule -Quiet").Text.Single());
        Assert.StartsWith("RepositoryNotConnected,", _fixture.Run("Disconnect-NataliaRepository nas; "
            + "Measure-NataliaRecovery -Quiet").ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" -ErrorAction SilentlyContinue")]
    public void Nothing_else_is_measured_for_an_appliance_that_is_gone(string silently)
    {
        _fixture.BackUp();
        _fixture.BackUp("natalia-lyon");
        _fixture.Run("$null = Get-NataliaRestorePoint | Test-NataliaRestorePoint").ThrowIfFailed();
        Assert.Equal("True", _fixture.Run("Measure-NataliaRecovery -Objective VerificationAge -Quiet").Text.Single());
        string gone = $"Get-NataliaAppliance natalia-oslo{silently} | "
            + "Measure-NataliaRecovery -Objective VerificationAge";

        Assert.Empty(_fixture.Run(gone).Output);
        Assert.Equal("False", _fixture.Run(gone + " -Quiet").Text.Single());
    }

    [Fact]
    public void Quiet_is_not_true_while_a_record_cannot_be_read()
    {
        _fixture.BackUp();
        _fixture.Run("$null = Get-NataliaRestorePoint | Test-NataliaRestorePoint").ThrowIfFailed();
        const string measure = "Measure-NataliaRecovery natalia-paris -Objective VerificationAge -Quiet";
        Assert.Equal("True", _fixture.Run(measure).Text.Single());
        string id = (string)_fixture.Run("(Get-NataliaAppliance natalia-paris).ApplianceId").Single.BaseObject;
        string log = Path.Combine(_fixture.Full("nas"), "appliances", id, "log");
        File.WriteAllText(Path.Combine(log,
            $"{Directory.GetFiles(log).Length + 1:D12}.restore-tested.{1:D12}.{1:x32}"), "no record");
        ScriptResult result = _fixture.Run(measure);
        Assert.Equal("False", result.Text.Single());
        Assert.Empty(result.ErrorIds);
    }

    /// <summary>As somebody follows the manual, in the runner.</summary>
    [Fact]
    public async Task Two_appliances_are_measured_and_reported_by_a_script()
    {
        string image = _fixture.Full("image.raw");
        File.Copy(_fixture.Disk("natalia-paris"), image);
        RunnerProcess.Result run = await RunnerProcess.RunAsync(Path.Combine(BuildLayout.RepositoryRoot, "tests",
            "Natalia.Backup.Module.Tests", "Commands", "evidence.ps1"), image, _fixture.Full("work"));
        Assert.True(run.ExitCode == 0, $"{run.Output}\n{run.Error}");
        Assert.Equal(7, run.Lines.Count(l => l.StartsWith("ok  ", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_period_is_given_in_days_or_by_its_beginning()
    {
        Assert.Equal("7", _fixture.Run("$r = Measure-NataliaRecovery natalia-paris -Objective Rpo -PeriodDays 7; "
            + "\"$(($r.MeasuredUtc - $r.SinceUtc).Days)\"").Text.Single());
        Assert.Equal("2026-01-02 00:00:00Z", _fixture.Run("(Measure-NataliaRecovery natalia-paris -Objective Rpo "
            + "-Since '2026-01-02T00:00:00Z').SinceUtc.ToString('u')").Text.Single());
        Assert.StartsWith("AmbiguousParameterSet,", _fixture.Run(
            "Measure-NataliaRecovery -PeriodDays 7 -After 2026-01-01").ErrorIds.Single(), StringComparison.Ordinal);
    }

    /// <summary>A day and a month taken for each other: the appliance is not told to have no point at all.</summary>
    [Theory]
    [InlineData("Measure-NataliaRecovery natalia-paris -After (Get-Date).AddDays(9)")]
    [InlineData("Export-NataliaReport report.html -After (Get-Date).AddDays(9)")]
    public void A_period_that_begins_in_the_future_is_refused(string script)
    {
        ScriptResult result = _fixture.Run(script);
        Assert.StartsWith("InputRefused,", result.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Theory]
    [InlineData(80)]
    [InlineData(120)]
    public void A_table_says_why_in_full_whatever_the_window(int width)
    {
        _fixture.BackUp();
        _fixture.Session.Host.UI.RawUI.BufferSize = new Size(width, 50);
        _fixture.Session.Host.UI.RawUI.WindowSize = new Size(width, 50);
        string text = System.Text.RegularExpressions.Regex.Replace(
            _fixture.Session.Render("Measure-NataliaRecovery natalia-paris"), "\x1b\\[[0-9;]*m", "");
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, width));
        string words = string.Join(' ', text.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("Appliance: nas: natalia-paris (SixHourly)", words, StringComparison.Ordinal);
        foreach (string reason in _fixture.Run("Measure-NataliaRecovery natalia-paris | ForEach-Object Reason").Text)
        {
            // The age of the point goes on between the two.
            string last = reason.Split('.', StringSplitOptions.RemoveEmptyEntries)[^1].Trim();
            Assert.All(last.Split(' '), word => Assert.Contains(word, words, StringComparison.Ordinal));
        }
        Assert.DoesNotContain("…", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_survive_a_job()
    {
        _fixture.BackUp();
        Assert.Equal("Deserialized.Natalia.Backup.Operations.Recovery.RecoveryMeasurement 06:00:00 32",
            _fixture.Run("$r = Measure-NataliaRecovery natalia-paris -Objective Rpo; "
                + "$r = [System.Management.Automation.PSSerializer]::Deserialize("
                + "[System.Management.Automation.PSSerializer]::Serialize($r, 3)); "
                + "\"$($r.PSTypeNames[0]) $($r.TargetTime) $($r.Records[0].Id.Length)\"").ThrowIfFailed().Text.Single());
    }

    [Fact]
    public void A_point_that_is_verified_and_copied_off_says_so()
    {
        _fixture.BackUp();
        _fixture.Run("$null = Get-NataliaRestorePoint | Test-NataliaRestorePoint").ThrowIfFailed();
        Assert.Equal("Met", _fixture.Run(
            "(Measure-NataliaRecovery natalia-paris -Objective VerificationAge).Verdict").Text.Single());
        Assert.Contains("this machine, as the appliance's hypervisor does", _fixture.Run(
            "(Measure-NataliaRecovery natalia-paris -Objective OffHost).Reason").Text.Single(),
            StringComparison.Ordinal);
    }
}
