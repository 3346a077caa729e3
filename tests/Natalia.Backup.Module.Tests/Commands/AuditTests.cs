using System.Management.Automation;
using System.Security;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class AuditTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("local");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Records_come_newest_first_and_can_be_chosen()
    {
        string paris = _fixture.BackUp(), lyon = _fixture.BackUp("natalia-lyon");
        _fixture.BackUp();
        _fixture.Run("Remove-NataliaRestorePoint $args[0] -Reason 'ticket 4711' -Confirm:$false", paris)
            .ThrowIfFailed();

        Assert.Equal(["point-removed", "point-made", "point-made", "point-made", "repository-created"],
            Events("Get-NataliaAuditRecord"));
        Assert.Equal(["point-removed", "point-made", "point-made"], Events("Get-NataliaAuditRecord NATALIA-P*"));
        Assert.Equal(["point-made"], Events("Get-NataliaAppliance -Name natalia-lyon | Get-NataliaAuditRecord"));
        Assert.Equal(["point-made"],
            Events($"Get-NataliaRestorePoint -RestorePointId {lyon} | Get-NataliaAuditRecord -Repository local"));
        Assert.Equal(["point-removed", "point-made"], Events($"Get-NataliaAuditRecord -RestorePointId {paris}"));
        Assert.Equal(["point-removed", "repository-created"],
            Events("Get-NataliaAuditRecord -Event Point-Removed, repository-created"));
        // The newest record of a log is what it is, whatever is asked for.
        Assert.Equal(["point-made"], Events("Get-NataliaAuditRecord -Latest -Event point-made"));
        // Of a point it is not the last one of that point, but the end of the log.
        Assert.Empty(Events($"Get-NataliaRestorePoint natalia-paris | Get-NataliaAuditRecord -Latest"));
        Assert.Equal(["point-removed"], Events($"Get-NataliaAuditRecord -RestorePointId {paris} -Latest"));
        Assert.StartsWith("ParameterArgumentValidationError,",
            _fixture.Run("Get-NataliaAuditRecord -Event point-maid").ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Empty(Events("Get-NataliaAuditRecord -After ([DateTime]::Now.AddMinutes(5))"));
        Assert.Equal(5,
            Events("Get-NataliaRepository | Get-NataliaAuditRecord -Before ([DateTime]::Now.AddMinutes(5))").Count);
        Assert.Equal("ticket 4711", _fixture.Run("(Get-NataliaAuditRecord)[0].Reason").Text[0]);
        Assert.StartsWith("ApplianceNotFound,", _fixture.Run("Get-NataliaAuditRecord natalia-metz").ErrorIds.Single(),
            StringComparison.Ordinal);
        Assert.Empty(Events("Get-NataliaAuditRecord natalia-metz*"));

        string text = Regex.Replace(_fixture.Session.Render("Get-NataliaAuditRecord"), "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d point-removed +local: +ticket 4711 \(point [0-9a-f]{8}, by ",
            text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 120));
    }

    [Fact]
    public void A_log_is_verified_by_session_and_by_path_without_a_password()
    {
        SecureString password = FolderFixture.Password("correct horse");
        _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1]; $null = Invoke-NataliaBackup "
            + "natalia-paris -Repository safe",
            _fixture.Full("safe"), password)
            .ThrowIfFailed();
        Assert.Equal(["Passed", "Passed", "Passed"], Results("Test-NataliaAudit safe"));
        string fingerprint = _fixture.Run("(Get-NataliaRepository safe).AuditKeyFingerprint").Text[0],
            head = _fixture.Run("(Get-NataliaAuditRecord -Repository safe)[0].RecordHash").Text[0];
        _fixture.Run("Disconnect-NataliaRepository *").ThrowIfFailed();

        Assert.Equal(["NotEvidenced", "Passed", "Passed"],
            Results("Test-NataliaAudit -Path $args[0]", _fixture.Full("safe")));
        Assert.Equal(["NotEvidenced", "Passed", "Passed", "Passed", "Passed"],
            Results("Test-NataliaAudit -Path $args[0] -ExpectedFingerprint $args[1] -ExpectedHead $args[2]",
                _fixture.Full("safe"), fingerprint, head));
        Assert.Equal("True",
            _fixture.Run("Test-NataliaAudit -Path $args[0] -Quiet", _fixture.Full("safe"))
                .ThrowIfFailed().Single.ToString());
        Assert.Equal("False",
            _fixture.Run("Test-NataliaAudit -Path $args[0] -ExpectedFingerprint $args[1] -Quiet",
                _fixture.Full("safe"), head)
                .ThrowIfFailed().Single.ToString());
        Assert.Equal(["NotEvidenced", "Passed", "Passed"],
            Results("Connect-NataliaRepository $args[0] -AuditOnly | Test-NataliaAudit", _fixture.Full("safe")));
        Assert.StartsWith("RepositoryNotFound,",
            _fixture.Run("Test-NataliaAudit -Path $args[0]", _fixture.Full("nowhere")).ErrorIds.Single(),
            StringComparison.Ordinal);
        Assert.Equal(2, _fixture.Run("Get-NataliaAuditRecord").ThrowIfFailed().Output.Count);
    }

    [Fact]
    public void The_heads_of_all_logs_are_noted_and_proved_with_one_command_each()
    {
        _fixture.BackUp();
        _fixture.BackUp("natalia-lyon");
        _fixture.WithRepository("second").BackUp(more: "-Repository second");
        _fixture.Run("$heads = Get-NataliaAuditRecord -Latest; $rows = $heads | ForEach-Object { [pscustomobject]@{ "
            + "RecordHash = $_.RecordHash; RepositoryId = $_.RepositoryId } }")
            .ThrowIfFailed();
        Assert.Equal(5, _fixture.Run("$heads").Output.Count);

        // A log that begins later has no noted head, and needs none.
        _fixture.AddAppliance("natalia-metz", "11111111-0000-0000-0000-000000000003", seed: 3);
        _fixture.BackUp("natalia-metz", "-Repository local");
        foreach (string noted in new[] { "$heads", "$rows" })
        {
            Assert.Equal("True",
                _fixture.Run($"Test-NataliaAudit -ExpectedHead {noted} -Quiet").ThrowIfFailed().Single.ToString());
            Assert.DoesNotContain(_fixture.Run($"Test-NataliaAudit -ExpectedHead {noted}").Output,
                r => r!.Properties["Name"].Value is "AuditHead" && r.Properties["Result"].Value.ToString() != "Passed");
        }

        string lyon = _fixture.Run("(Get-NataliaRestorePoint natalia-lyon).ApplianceId").Text[0];
        foreach (string record in Directory.EnumerateFiles(Path.Combine(_fixture.Full("local"), "appliances", lyon,
            "log")))
            File.Delete(record);
        Assert.Equal("False",
            _fixture.Run("Test-NataliaAudit -ExpectedHead $heads -Quiet").ThrowIfFailed().Single.ToString());
        Assert.Contains(_fixture.Run("Test-NataliaAudit -ExpectedHead $heads").Output,
            r => r!.Properties["Actual"].Value is "cut");
    }

    [Fact]
    public void A_head_of_one_log_proves_nothing_of_the_others_and_says_so()
    {
        _fixture.BackUp();
        _fixture.BackUp("natalia-lyon");

        ScriptResult result =
            _fixture.Run("Test-NataliaAudit -ExpectedHead (Get-NataliaAuditRecord natalia-lyon)[0].RecordHash");

        Assert.Equal(2,
            result.Output.Count(
                r => r!.Properties["Name"].Value is "AuditHead"
                    && r.Properties["Result"].Value.ToString() == "NotEvidenced"));
        Assert.Equal("False",
            _fixture.Run("Test-NataliaAudit -ExpectedHead (Get-NataliaAuditRecord natalia-lyon)[0].RecordHash -Quiet")
                .ThrowIfFailed().Single.ToString());
        Assert.StartsWith("ParameterArgumentTransformationError,",
            _fixture.Run("Test-NataliaAudit -ExpectedHead abc").ErrorIds.Single(), StringComparison.Ordinal);
        // Of a file that turned out to be empty.
        Assert.StartsWith("ParameterArgumentTransformationError,",
            _fixture.Run("Test-NataliaAudit -ExpectedHead @() -Quiet").ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-ErrorAction Stop")]
    public void A_broken_log_writes_its_results_and_then_one_security_error(string action)
    {
        _fixture.BackUp();
        _fixture.Run("$null = Get-NataliaRestorePoint | Protect-NataliaRestorePoint -Reason x; $null = "
            + "Get-NataliaRestorePoint | Unprotect-NataliaRestorePoint -Reason y")
            .ThrowIfFailed();
        File.Delete(Directory.EnumerateFiles(_fixture.Full("local"), "*.point-protected.*",
            SearchOption.AllDirectories)
            .Single());

        ScriptResult result = _fixture.Run($"Test-NataliaAudit {action}");
        Assert.Equal(["Failed", "NotEvidenced", "Passed"],
            result.Output.Select(o => o!.Properties["Result"].Value.ToString()));
        Assert.Equal("removed", result.Output[0]!.Properties["Actual"].Value);
        Assert.StartsWith("AuditChainBroken,", result.ErrorIds.Single(), StringComparison.Ordinal);
        ErrorRecord error = result.TerminatingError ?? result.Errors.Single();
        Assert.Equal(ErrorCategory.SecurityError, error.CategoryInfo.Category);
        Assert.Equal("False",
            _fixture.Run("Test-NataliaAudit -Quiet -ErrorAction Stop").ThrowIfFailed().Single.ToString());
        Assert.Equal("False",
            _fixture.Run("Test-NataliaAudit -Path $args[0] -Quiet", _fixture.Full("local"))
                .ThrowIfFailed().Single.ToString());
    }

    private IReadOnlyList<string> Events(string script) =>
        [.. _fixture.Run(script).ThrowIfFailed().Output.Select(o => (string)o!.Properties["Event"].Value)];

    private IReadOnlyList<string> Results(string script, params object?[] arguments) =>
        [.. _fixture.Run(script, arguments)
            .ThrowIfFailed().Output.Select(o => o!.Properties["Result"].Value.ToString()!)];
}
