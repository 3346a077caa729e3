using System.Management.Automation;
using System.Security;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class AuditTests : IDisposable
{
    private readonly Scenario _scenario = new Scenario().WithRepository("local");

    public void Dispose() => _scenario.Dispose();

    [Fact]
    public void Records_come_newest_first_and_can_be_chosen()
    {
        string paris = _scenario.BackUp(), lyon = _scenario.BackUp("natalia-lyon");
        _scenario.BackUp();
        _scenario.Run("Remove-NataliaRestorePoint $args[0] -Reason 'ticket 4711' -Confirm:$false", paris)
            .ThrowIfFailed();

        Assert.Equal(["point-removed", "point-made", "point-made", "point-made", "repository-created"],
            Events("Get-NataliaAuditRecord"));
        Assert.Equal(["point-removed", "point-made", "point-made"], Events("Get-NataliaAuditRecord NATALIA-P*"));
        Assert.Equal(["point-made"], Events("Get-NataliaAppliance -Name natalia-lyon | Get-NataliaAuditRecord"));
        Assert.Equal(["point-made"],
            Events($"Get-NataliaRestorePoint -RestorePointId {lyon} | Get-NataliaAuditRecord -Repository local"));
        Assert.Equal(["point-removed", "point-made"], Events($"Get-NataliaAuditRecord -RestorePointId {paris}"));
        Assert.Empty(Events("Get-NataliaAuditRecord -After ([DateTime]::Now.AddMinutes(5))"));
        Assert.Equal(5,
            Events("Get-NataliaRepository | Get-NataliaAuditRecord -Before ([DateTime]::Now.AddMinutes(5))").Count);
        Assert.Equal("ticket 4711", _scenario.Run("(Get-NataliaAuditRecord)[0].Reason").Text[0]);
        Assert.StartsWith("ApplianceNotFound,", _scenario.Run("Get-NataliaAuditRecord natalia-metz").ErrorIds.Single(),
            StringComparison.Ordinal);
        Assert.Empty(Events("Get-NataliaAuditRecord natalia-metz*"));

        string text = Regex.Replace(_scenario.Session.Render("Get-NataliaAuditRecord"), "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d point-removed +natalia-paris +[0-9a-f]{8} .* ticket 4711",
            text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 120));
    }

    [Fact]
    public void A_log_is_verified_by_session_and_by_path_without_a_password()
    {
        SecureString password = Scenario.Password("correct horse");
        _scenario.Run("$null = New-NataliaRepository $args[0] -Password $args[1]; $null = Invoke-NataliaBackup "
            + "natalia-paris -Repository safe",
            _scenario.Full("safe"), password)
            .ThrowIfFailed();
        Assert.Equal(["Passed", "Passed", "Passed"], Results("Test-NataliaAudit safe"));
        string fingerprint = _scenario.Run("(Get-NataliaRepository safe).AuditKeyFingerprint").Text[0],
            head = _scenario.Run("(Get-NataliaAuditRecord -Repository safe)[0].RecordHash").Text[0];
        _scenario.Run("Disconnect-NataliaRepository *").ThrowIfFailed();

        Assert.Equal(["NotEvidenced", "Passed", "Passed"],
            Results("Test-NataliaAudit -Path $args[0]", _scenario.Full("safe")));
        Assert.Equal(["Passed", "Passed", "Passed", "NotEvidenced", "Passed"],
            Results("Test-NataliaAudit -Path $args[0] -ExpectedFingerprint $args[1] -ExpectedHead $args[2]",
                _scenario.Full("safe"), fingerprint, head));
        Assert.Equal("True",
            _scenario.Run("Test-NataliaAudit -Path $args[0] -Quiet", _scenario.Full("safe"))
                .ThrowIfFailed().Single.ToString());
        Assert.Equal("False",
            _scenario.Run("Test-NataliaAudit -Path $args[0] -ExpectedFingerprint $args[1] -Quiet",
                _scenario.Full("safe"), head)
                .ThrowIfFailed().Single.ToString());
        Assert.Equal(["NotEvidenced", "Passed", "Passed"],
            Results("Connect-NataliaRepository $args[0] -AuditOnly | Test-NataliaAudit", _scenario.Full("safe")));
        Assert.StartsWith("RepositoryNotFound,",
            _scenario.Run("Test-NataliaAudit -Path $args[0]", _scenario.Full("nowhere")).ErrorIds.Single(),
            StringComparison.Ordinal);
        Assert.Equal(2, _scenario.Run("Get-NataliaAuditRecord").ThrowIfFailed().Output.Count);
    }

    [Fact]
    public void The_heads_of_all_logs_are_noted_and_proved_with_one_command_each()
    {
        _scenario.BackUp();
        _scenario.BackUp("natalia-lyon");
        _scenario.WithRepository("second").BackUp(more: "-Repository second");
        _scenario.Run("$heads = Get-NataliaAuditRecord -Latest; $rows = $heads | ForEach-Object { [pscustomobject]@{ "
            + "RecordHash = $_.RecordHash; RepositoryId = $_.RepositoryId } }")
            .ThrowIfFailed();
        Assert.Equal(5, _scenario.Run("$heads").Output.Count);

        // A log that begins later has no noted head, and needs none.
        _scenario.AddAppliance("natalia-metz", "11111111-0000-0000-0000-000000000003", seed: 3);
        _scenario.BackUp("natalia-metz", "-Repository local");
        foreach (string noted in new[] { "$heads", "$rows" })
        {
            Assert.Equal("True",
                _scenario.Run($"Test-NataliaAudit -ExpectedHead {noted} -Quiet").ThrowIfFailed().Single.ToString());
            Assert.DoesNotContain(_scenario.Run($"Test-NataliaAudit -ExpectedHead {noted}").Output,
                r => r!.Properties["Name"].Value is "AuditHead" && r.Properties["Result"].Value.ToString() != "Passed");
        }

        string lyon = _scenario.Run("(Get-NataliaRestorePoint natalia-lyon).ApplianceId").Text[0];
        foreach (string record in Directory.EnumerateFiles(Path.Combine(_scenario.Full("local"), "appliances", lyon,
            "log")))
            File.Delete(record);
        Assert.Equal("False",
            _scenario.Run("Test-NataliaAudit -ExpectedHead $heads -Quiet").ThrowIfFailed().Single.ToString());
        Assert.Contains(_scenario.Run("Test-NataliaAudit -ExpectedHead $heads").Output,
            r => r!.Properties["Actual"].Value is "cut");
    }

    [Fact]
    public void A_head_of_one_log_proves_nothing_of_the_others_and_says_so()
    {
        _scenario.BackUp();
        _scenario.BackUp("natalia-lyon");

        ScriptResult result =
            _scenario.Run("Test-NataliaAudit -ExpectedHead (Get-NataliaAuditRecord natalia-lyon)[0].RecordHash");

        Assert.Equal(2,
            result.Output.Count(
                r => r!.Properties["Name"].Value is "AuditHead"
                    && r.Properties["Result"].Value.ToString() == "NotEvidenced"));
        Assert.Equal("False",
            _scenario.Run("Test-NataliaAudit -ExpectedHead (Get-NataliaAuditRecord natalia-lyon)[0].RecordHash -Quiet")
                .ThrowIfFailed().Single.ToString());
        Assert.StartsWith("ParameterArgumentTransformationError,",
            _scenario.Run("Test-NataliaAudit -ExpectedHead abc").ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-ErrorAction Stop")]
    public void A_broken_log_writes_its_results_and_then_one_security_error(string action)
    {
        _scenario.BackUp();
        _scenario.Run("$null = Get-NataliaRestorePoint | Protect-NataliaRestorePoint -Reason x; $null = "
            + "Get-NataliaRestorePoint | Unprotect-NataliaRestorePoint -Reason y")
            .ThrowIfFailed();
        File.Delete(Directory.EnumerateFiles(_scenario.Full("local"), "*.point-protected.*",
            SearchOption.AllDirectories)
            .Single());

        ScriptResult result = _scenario.Run($"Test-NataliaAudit {action}");
        Assert.Equal(["NotEvidenced", "Passed", "Failed"],
            result.Output.Select(o => o!.Properties["Result"].Value.ToString()));
        Assert.Equal("removed", result.Output[2]!.Properties["Actual"].Value);
        Assert.StartsWith("AuditChainBroken,", result.ErrorIds.Single(), StringComparison.Ordinal);
        ErrorRecord error = result.TerminatingError ?? result.Errors.Single();
        Assert.Equal(ErrorCategory.SecurityError, error.CategoryInfo.Category);
        Assert.Equal("False",
            _scenario.Run("Test-NataliaAudit -Quiet -ErrorAction Stop").ThrowIfFailed().Single.ToString());
        Assert.Equal("False",
            _scenario.Run("Test-NataliaAudit -Path $args[0] -Quiet", _scenario.Full("local"))
                .ThrowIfFailed().Single.ToString());
    }

    private IReadOnlyList<string> Events(string script) =>
        [.. _scenario.Run(script).ThrowIfFailed().Output.Select(o => (string)o!.Properties["Event"].Value)];

    private IReadOnlyList<string> Results(string script, params object?[] arguments) =>
        [.. _scenario.Run(script, arguments)
            .ThrowIfFailed().Output.Select(o => o!.Properties["Result"].Value.ToString()!)];
}
