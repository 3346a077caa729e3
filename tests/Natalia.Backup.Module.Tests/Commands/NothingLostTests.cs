using System.Management.Automation;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>What does nothing, or would do something else than it says, must not look like success.</summary>
public sealed class NothingLostTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("local");

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void The_list_of_enrolled_appliances_is_an_error_when_nothing_is_enrolled()
    {
        ScriptResult list = _fixture.Run("Get-NataliaAppliance");
        Assert.StartsWith("NothingEnrolled,", list.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal(ErrorCategory.ObjectNotFound, list.Errors.Single().CategoryInfo.Category);

        ScriptResult night =
            _fixture.Run("$ErrorActionPreference = 'Stop'; Get-NataliaAppliance | Invoke-NataliaBackup; 'went on'");
        Assert.Empty(night.Output);
        Assert.StartsWith("NothingEnrolled,", night.TerminatingError!.FullyQualifiedErrorId, StringComparison.Ordinal);

        _fixture.Run("Set-NataliaAppliance natalia-paris -Repository local").ThrowIfFailed();
        Assert.Single(_fixture.Run("Get-NataliaAppliance").ThrowIfFailed().Output);
        Directory.CreateDirectory(_fixture.Full("others"));
        _fixture.Run("$null = Connect-NataliaHypervisor $args[0] -Name others", _fixture.Full("others"))
            .ThrowIfFailed();
        Assert.StartsWith("NothingEnrolled,",
            _fixture.Run("Get-NataliaAppliance -Hypervisor others").ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Get-NataliaAppliance -Name typo* | Invoke-NataliaBackup")]
    [InlineData("Get-NataliaRestorePoint | Test-NataliaRestorePoint")]
    [InlineData("Get-NataliaRestorePoint | Copy-NataliaRestorePoint -Destination local")]
    [InlineData("Get-NataliaRestorePoint | Export-NataliaDisk -Destination .")]
    [InlineData("Get-NataliaRepository typo* | Test-NataliaRepository")]
    [InlineData("Get-NataliaRepository typo* | Test-NataliaAudit")]
    [InlineData("Get-NataliaAppliance -Name typo* | Invoke-NataliaRetention")]
    [InlineData("Get-NataliaAppliance -Name typo* | Export-NataliaApplianceConfiguration -Destination .")]
    [InlineData("Get-NataliaRestorePoint | Protect-NataliaRestorePoint -Reason x")]
    [InlineData("Get-NataliaAppliance -Name typo* | Set-NataliaAppliance -Repository local")]
    [InlineData("Get-NataliaAppliance -Name typo* | Set-NataliaRetention -Last 1 -Force")]
    [InlineData("Get-NataliaAppliance -Name typo* | Set-NataliaReplication -TargetVMHost pve2")]
    [InlineData("Get-NataliaAppliance -Name typo* | Register-NataliaSchedule")]
    public void A_pipeline_that_brings_nothing_to_what_protects_or_proves_is_an_error(string script) =>
        Assert.StartsWith("NothingToDo,", _fixture.Run(script).ErrorIds.Single(), StringComparison.Ordinal);

    /// <summary>Whatever was told of the front: who asked the last command alone must not miss it.</summary>
    [Theory]
    [InlineData("Get-NataliaAppliance | Invoke-NataliaBackup", "NothingEnrolled NothingToDo")]
    [InlineData("Get-NataliaAppliance -ErrorAction SilentlyContinue | Invoke-NataliaBackup", "NothingToDo")]
    [InlineData("Get-NataliaRestorePoint typo | Test-NataliaRestorePoint", "RestorePointNotFound NothingToDo")]
    public void A_pipeline_whose_beginning_failed_says_why_and_what_was_not_done(string script, string errorIds)
    {
        _fixture.Run("Disconnect-NataliaHypervisor *").ThrowIfFailed();
        Assert.Equal(errorIds.Split(' '), _fixture.Run(script).ErrorIds.Select(id => id.Split(',')[0]));
    }

    [Theory]
    [InlineData("Get-NataliaAppliance | Invoke-NataliaBackup")]
    [InlineData("Get-NataliaRestorePoint typo | Test-NataliaRestorePoint")]
    [InlineData("Get-NataliaAppliance | Export-NataliaReport $args[0]")]
    public void A_last_command_that_is_to_stop_does_so_where_only_the_front_failed(string pipeline)
    {
        _fixture.Run("Disconnect-NataliaHypervisor *").ThrowIfFailed();
        string page = _fixture.Full("x.html");

        ScriptResult night = _fixture.Run(pipeline + " -ErrorAction Stop; 'went on'", page);
        Assert.Empty(night.Output);
        Assert.StartsWith("NothingToDo,", night.TerminatingError!.FullyQualifiedErrorId, StringComparison.Ordinal);

        Assert.Equal("1", _fixture.Run($"$null = {pipeline} -ErrorVariable failed; $failed.Count", page).Text.Single());
        Assert.False(File.Exists(page));
    }

    [Theory]
    [InlineData("Invoke-NataliaBackup -Appliance typo*")]
    [InlineData("Set-NataliaAppliance -Appliance typo* -Repository local")]
    [InlineData("Invoke-NataliaRetention -Appliance typo*")]
    [InlineData("Optimize-NataliaRepository -Appliance typo*")]
    [InlineData("Repair-NataliaRepository -Appliance typo*")]
    [InlineData("Set-NataliaRetention -Appliance typo* -Daily 3 -Force")]
    public void A_wildcard_that_fits_nothing_is_an_error_where_something_was_to_be_done(string script) =>
        Assert.StartsWith("ApplianceNotFound,", _fixture.Run(script).ErrorIds.Single(), StringComparison.Ordinal);

    [Theory]
    [InlineData("Invoke-NataliaSnapshot -Appliance ''")]
    [InlineData("Set-NataliaReplication -Appliance '' -TargetVMHost pve2")]
    [InlineData("Register-NataliaSchedule -Appliance ''")]
    [InlineData("Register-NataliaSchedule -Appliance '' -ProfilePath ./natalia.json")]
    [InlineData("'' | Register-NataliaSchedule -ProfilePath ./natalia.json")]
    [InlineData("Unregister-NataliaAppliance -Appliance ''")]
    [InlineData("Test-NataliaPrerequisite -Appliance ''")]
    [InlineData("Test-NataliaPrerequisite -Appliance $null")]
    [InlineData("Get-NataliaReplication -Appliance $null")]
    [InlineData("Get-NataliaReplication -ApplianceId ''")]
    [InlineData("Get-NataliaRestorePoint -Appliance ''")]
    [InlineData("Get-NataliaRestorePoint -Appliance $null")]
    [InlineData("Get-NataliaRestorePoint -Appliance @()")]
    [InlineData("Get-NataliaRestorePoint -Appliance '', '' -Latest")]
    [InlineData("Get-NataliaRestorePoint -ApplianceId ''")]
    [InlineData("Get-NataliaRestorePoint -ApplianceId $null")]
    [InlineData("Get-NataliaRestoreTest -Appliance ''")]
    [InlineData("Get-NataliaRestoreTest -ApplianceId $null")]
    [InlineData("Get-NataliaRetention -Appliance ''")]
    [InlineData("Get-NataliaRetention -Appliance $null")]
    [InlineData("Get-NataliaRetentionPlan -Appliance $null -Last 1")]
    [InlineData("Measure-NataliaRecovery -Appliance ''")]
    [InlineData("Measure-NataliaRecovery -Appliance $null -Quiet")]
    [InlineData("Measure-NataliaRecovery -ApplianceId ''")]
    [InlineData("Get-NataliaRepository | Measure-NataliaRecovery -Appliance ''")]
    [InlineData("[pscustomobject]@{ ApplianceId = $null } | Measure-NataliaRecovery")]
    [InlineData("Export-NataliaReport $args[0] -Appliance ''")]
    [InlineData("Export-NataliaReport $args[0] -ApplianceId $null")]
    [InlineData("[pscustomobject]@{ ApplianceId = '' } | Export-NataliaReport $args[0]")]
    [InlineData("Test-NataliaRestore -Rotate -Appliance ''")]
    [InlineData("Test-NataliaRestore -Rotate -ApplianceId $null")]
    public void An_empty_name_is_an_error_and_means_neither_nothing_nor_everything(string script)
    {
        _fixture.BackUp();
        ScriptResult result = _fixture.Run(script, _fixture.Full("x.html"));
        Assert.StartsWith("ApplianceNotFound,", result.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Empty(result.Output);
        Assert.False(File.Exists(_fixture.Full("x.html")));
    }

    /// <summary>What lists everything may go on into a removal.</summary>
    [Theory]
    [InlineData("Get-NataliaRestorePoint -RestorePointId ''")]
    [InlineData("Get-NataliaRestorePoint -RestorePointId $null")]
    [InlineData("Get-NataliaRestorePoint -Appliance natalia-paris -RestorePointId $null")]
    [InlineData("Test-NataliaRepository | Get-NataliaRestorePoint")]
    [InlineData("Get-NataliaRestorePoint -Latest | Select-Object ApplianceId, @{ n = 'RestorePointId'; e = { $null } } "
        + "| Get-NataliaRestorePoint")]
    public void An_empty_id_of_a_point_means_no_point(string script)
    {
        _fixture.BackUp();
        _fixture.BackUp();

        ScriptResult result = _fixture.Run($"{script} | Remove-NataliaRestorePoint -Confirm:$false");

        Assert.NotEmpty(result.ErrorIds);
        Assert.All(result.ErrorIds, id => Assert.StartsWith("InputRefused,", id, StringComparison.Ordinal));
        Assert.Equal(2, _fixture.Run("Get-NataliaRestorePoint").Output.Count);
    }

    /// <summary>A removal would take what was not meant.</summary>
    [Theory]
    [InlineData("Get-NataliaRestorePoint -Repository $null", "InputRefused")]
    [InlineData("Get-NataliaRestorePoint -Repository ''", "InputRefused")]
    [InlineData("Get-NataliaRetention -Repository @()", "InputRefused")]
    [InlineData("Get-NataliaRetentionPlan -Repository $null -Last 1", "InputRefused")]
    [InlineData("Get-NataliaRestorePoint -Before $null", "ParameterArgumentValidationError")]
    [InlineData("Get-NataliaRestorePoint -After $null", "ParameterArgumentValidationError")]
    public void An_empty_repository_or_time_means_not_every_one(string script, string error)
    {
        _fixture.BackUp();
        ScriptResult result = _fixture.Run(script);
        Assert.StartsWith(error + ",", result.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Theory]
    [InlineData("Get-NataliaRestoreTest -RestorePointId ''")]
    [InlineData("Get-NataliaRestoreTest -RestorePointId ' '")]
    [InlineData("Test-NataliaRestore -Appliance natalia-paris -RestorePointId $null")]
    [InlineData("Test-NataliaRepository | Get-NataliaRestoreTest")]
    public void An_empty_id_of_a_point_means_no_test(string script)
    {
        ScriptResult result = _fixture.Run(script);
        Assert.NotEmpty(result.ErrorIds);
        Assert.All(result.ErrorIds, id => Assert.StartsWith("InputRefused,", id, StringComparison.Ordinal));
    }

    [Fact]
    public void What_names_a_point_is_listed_beside_what_names_none()
    {
        string[] points = [_fixture.BackUp(), _fixture.BackUp()];

        ScriptResult mixed = _fixture.Run("@([pscustomobject]@{ RestorePointId = $null }; "
            + "(Get-NataliaRestorePoint)[0]; [pscustomobject]@{ RestorePointId = '' }; Get-NataliaRepository local) "
            + "| Get-NataliaRestorePoint");
        Assert.All(mixed.ErrorIds, id => Assert.StartsWith("InputRefused,", id, StringComparison.Ordinal));
        Assert.Equal(2, mixed.Errors.Count);
        // The session stands for the whole repository: nothing of the input before it is left.
        Assert.Equal(points.Order(), mixed.Output.Select(o => o?.Properties["RestorePointId"].Value as string).Order());
    }

    [Fact]
    public void A_default_policy_that_is_piped_means_its_repository()
    {
        _fixture.Run("Set-NataliaRetention -Repository local -Last 3 -Force").ThrowIfFailed();
        Assert.Equal(["default of local"],
            _fixture.Run("Get-NataliaRetention | Get-NataliaRetention").ThrowIfFailed().Text);
    }

    [Fact]
    public void An_id_counts_where_the_name_beside_it_is_empty()
    {
        _fixture.BackUp();
        // A folder makes no snapshots: the VM was found.
        Assert.StartsWith("CapabilityMissing,", _fixture.Run("Invoke-NataliaSnapshot -Appliance '' -ApplianceId "
            + "(Get-NataliaRestorePoint).ApplianceId").ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_removal_without_input_is_done() =>
        _fixture.Run("Get-NataliaRestorePoint | Where-Object IsProtected | Remove-NataliaRestorePoint -Confirm:$false")
            .ThrowIfFailed();

    [Fact]
    public void Quiet_is_one_Boolean_for_the_whole_pipeline()
    {
        _fixture.BackUp();
        _fixture.BackUp("natalia-lyon");
        Assert.Equal(["True"],
            _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint -Quiet").ThrowIfFailed().Text);
        _fixture.WithRepository("second");
        Assert.Equal(["True"], _fixture.Run("Test-NataliaRepository -Full -Quiet").ThrowIfFailed().Text);
        Assert.Equal(["True"], _fixture.Run("Get-NataliaRepository | Test-NataliaAudit -Quiet").ThrowIfFailed().Text);

        _fixture.Damage("local", "natalia-lyon");

        Assert.Equal(["False"],
            _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint -Quiet").ThrowIfFailed().Text);
        Assert.Equal(["False"],
            _fixture.Run("Get-NataliaRepository | Test-NataliaRepository -Full -Quiet").ThrowIfFailed().Text);
        Assert.Equal("damaged",
            _fixture.Run("if (-not (Get-NataliaRestorePoint | Test-NataliaRestorePoint -Quiet)) { 'damaged' }")
                .ThrowIfFailed().Text.Single());
    }

    [Fact]
    public void Quiet_is_false_when_nothing_was_tested_or_something_could_not_be()
    {
        Assert.Equal(["False"], _fixture.Run("Get-NataliaRestorePoint | Test-NataliaRestorePoint -Quiet").Text);
        string point = _fixture.BackUp();

        Assert.Equal(["False"], _fixture.Run("Test-NataliaRestorePoint $args[0], ffffffff -Quiet", point).Text);
        Assert.Equal(["False"], _fixture.Run("Test-NataliaRepository local, nowhere -Quiet").Text);
    }

    [Fact]
    public void A_plan_removes_its_rows_to_remove_and_refuses_the_others()
    {
        string[] points = [_fixture.BackUp(), _fixture.BackUp(), _fixture.BackUp()];

        ScriptResult all =
            _fixture.Run("Get-NataliaRetentionPlan -Last 2 | Remove-NataliaRestorePoint -Confirm:$false");
        Assert.Equal(2, all.Errors.Count);
        Assert.All(all.ErrorIds, id => Assert.StartsWith("InputRefused,", id, StringComparison.Ordinal));
        Assert.Equal(points[1..].Order(), _fixture.Run("(Get-NataliaRestorePoint).RestorePointId").Text.Order());

        // As a row comes back from a file or a job.
        foreach (string row in new[] {
            "[pscustomobject]@{ RestorePointId = $_.RestorePointId; Action = \"$($_.Action)\" }",
            "[System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($_))" })
        {
            ScriptResult refused = _fixture.Run($"Get-NataliaRetentionPlan -Last 9 | ForEach-Object {{ {row} }} | "
                + "Remove-NataliaRestorePoint -Confirm:$false");
            Assert.Equal(2, refused.Errors.Count);
            Assert.All(refused.ErrorIds, id => Assert.StartsWith("InputRefused,", id, StringComparison.Ordinal));
        }
        Assert.Equal(2, _fixture.Run("Get-NataliaRestorePoint").Output.Count);
    }

    [Theory]
    [InlineData("Get-NataliaRestorePoint | Test-NataliaRestorePoint | Remove-NataliaRestorePoint -Confirm:$false")]
    [InlineData("Get-NataliaAuditRecord natalia-paris | Remove-NataliaRestorePoint -Confirm:$false")]
    [InlineData("Get-NataliaAuditRecord natalia-paris | Unprotect-NataliaRestorePoint -Reason x")]
    [InlineData("Get-NataliaAuditRecord natalia-paris | ForEach-Object { [pscustomobject]@{ RestorePointId = "
        + "$_.RestorePointId; RecordHash = $_.RecordHash } } | Remove-NataliaRestorePoint -Confirm:$false")]
    [InlineData("Get-NataliaRetentionPlan -Last 1 | Invoke-NataliaRetention")]
    [InlineData("Get-NataliaAuditRecord natalia-paris | Set-NataliaRetention -Last 1 -Force")]
    [InlineData("Get-NataliaRestorePoint -Latest | Export-NataliaDisk -Destination $args[0] | "
        + "Remove-NataliaRestorePoint -Confirm:$false")]
    public void What_only_tells_of_points_and_appliances_is_refused_by_what_changes_them(string script)
    {
        _fixture.BackUp();
        _fixture.BackUp();

        ScriptResult result = _fixture.Run(script, _fixture.Full("disk.raw"));

        Assert.NotEmpty(result.ErrorIds);
        Assert.All(result.ErrorIds, id => Assert.StartsWith("InputRefused,", id, StringComparison.Ordinal));
        Assert.Equal(2, _fixture.Run("Get-NataliaRestorePoint").Output.Count);
    }

    [Fact]
    public void Points_live_and_from_files_are_removed_still()
    {
        _fixture.BackUp();
        _fixture.BackUp();
        _fixture.BackUp();

        _fixture.Run("[pscustomobject]@{ RestorePointId = (Get-NataliaRestorePoint)[-1].RestorePointId } | "
            + "Remove-NataliaRestorePoint -Confirm:$false")
            .ThrowIfFailed();
        _fixture.Run("(Get-NataliaRestorePoint)[-1] | Remove-NataliaRestorePoint -Confirm:$false").ThrowIfFailed();

        Assert.Single(_fixture.Run("Get-NataliaRestorePoint").Output);
    }

    [Fact]
    public void The_latest_points_are_those_of_each_repository()
    {
        _fixture.WithRepository("offsite");
        _fixture.BackUp(more: "-Repository local");
        _fixture.Run("$null = Get-NataliaRestorePoint | Copy-NataliaRestorePoint offsite").ThrowIfFailed();
        _fixture.BackUp(more: "-Repository local");

        Assert.Equal(["local", "offsite"],
            _fixture.Run("(Get-NataliaRestorePoint -Latest).Repository").ThrowIfFailed().Text.Order());
        Assert.Single(_fixture.Run("Get-NataliaRestorePoint -Latest -Repository offsite").ThrowIfFailed().Output);
    }

    [Fact]
    public void A_name_that_exists_word_for_word_means_that_VM_alone()
    {
        _fixture.AddAppliance("web[01]", "11111111-0000-0000-0000-000000000011", seed: 11);
        _fixture.AddAppliance("web0", "11111111-0000-0000-0000-000000000012", seed: 12);
        _fixture.AddAppliance("x[unclosed", "11111111-0000-0000-0000-000000000013", seed: 13);
        _fixture.AddAppliance("IP [a-Z=2017-07]", "11111111-0000-0000-0000-000000000014", seed: 14);

        foreach (string name in new[] { "web[01]", "WEB[01]", "web0", "x[unclosed", "IP [a-Z=2017-07]" })
        {
            Assert.Equal(name,
                _fixture.Run("Get-NataliaAppliance -Name $args[0]", name).ThrowIfFailed().Value("Name")?.ToString(),
                ignoreCase: true);
            Assert.Equal(name,
                _fixture.Run("Invoke-NataliaBackup -Appliance $args[0]", name).ThrowIfFailed()
                    .Value("ApplianceName")?.ToString(),
                ignoreCase: true);
        }
        Assert.Equal(2, _fixture.Run("Get-NataliaRestorePoint -Appliance 'web[01]'").ThrowIfFailed().Output.Count);
        Assert.Single(_fixture.Run("Get-NataliaRestorePoint -Appliance web0").ThrowIfFailed().Output);
        Assert.Equal(["web[01]"],
            _fixture.Run("(Get-NataliaRetention -Appliance 'web[01]').ApplianceName").ThrowIfFailed().Text);
        Assert.Equal(["web[01]"],
            _fixture.Run("(Get-NataliaRetentionPlan -Appliance 'web[01]').ApplianceName")
                .ThrowIfFailed().Text.Distinct());
        Assert.Equal(["web[01]"],
            _fixture.Run("(Get-NataliaAuditRecord 'web[01]').ApplianceName").ThrowIfFailed().Text.Distinct());
        Assert.Equal(["web[01]"],
            _fixture.Run("(Optimize-NataliaRepository -Appliance 'web[01]').ApplianceName").ThrowIfFailed().Text);
        // A row of a list names word for word, too.
        Assert.Equal(["web[01]"],
            _fixture.Run(
                "[pscustomobject]@{ VMName = 'web[01]' } | Invoke-NataliaBackup | ForEach-Object ApplianceName")
                .ThrowIfFailed().Text);
        Assert.Equal(["web0", "web[01]"], _fixture.Run("(Get-NataliaAppliance -Name web*).Name").ThrowIfFailed().Text);
    }

    [Theory]
    [InlineData("x[unclosed")]
    [InlineData("IP [a-Z=2017-07]")]
    public void A_pattern_that_cannot_be_is_an_error_of_that_argument_alone(string name)
    {
        _fixture.BackUp();
        foreach (string command in new[] { "Get-NataliaAppliance -Name", "Get-NataliaRestorePoint -Appliance",
            "Get-NataliaRetention -Appliance", "Get-NataliaAuditRecord -Appliance", "Invoke-NataliaBackup -Appliance" })
        {
            ScriptResult result = _fixture.Run($"{command} $args[0], natalia-paris", name);
            Assert.StartsWith("NamePatternInvalid,", result.ErrorIds.Single(), StringComparison.Ordinal);
            Assert.Equal(ErrorCategory.InvalidArgument, result.Errors.Single().CategoryInfo.Category);
            Assert.NotEmpty(result.Output);
        }
        ScriptResult sessions = _fixture.Run("Get-NataliaRepository $args[0], local", name);
        Assert.StartsWith("NamePatternInvalid,", sessions.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Single(sessions.Output);
    }

    [Theory]
    [InlineData("Get-NataliaAppliance -Name 'web[99]'", "ApplianceNotFound,")]
    [InlineData("Get-NataliaRestorePoint -Appliance 'web[99]'", "RestorePointNotFound,")]
    [InlineData("Get-NataliaRetention -Appliance 'web[99]'", "ApplianceNotFound,")]
    [InlineData("Get-NataliaAuditRecord 'web[99]'", "ApplianceNotFound,")]
    [InlineData("Get-NataliaRepository 'web[99]'", "RepositoryNotConnected,")]
    [InlineData("Get-NataliaHypervisor 'web[99]'", "HypervisorNotConnected,")]
    public void A_name_with_brackets_that_fits_nothing_is_told(string script, string error) =>
        Assert.StartsWith(error, _fixture.Run(script).ErrorIds.Single(), StringComparison.Ordinal);
}
