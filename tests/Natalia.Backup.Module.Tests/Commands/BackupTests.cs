namespace Natalia.Backup.Module.Tests.Commands;

public sealed class BackupTests : IDisposable
{
    private const string Copy =
        "[System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize(";

    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void A_point_goes_through_the_pipeline_live_and_from_a_job()
    {
        _fixture.WithRepository("local").BackUp();

        foreach (string point in new[] { "(Get-NataliaRestorePoint)", $"({Copy}(Get-NataliaRestorePoint))))" })
        {
            ScriptResult result = _fixture.Run($$"""
                $point = {{point}}
                ($point | Get-NataliaRestorePoint).RestorePointId -eq $point.RestorePointId
                [string] ($point | Test-NataliaRestorePoint).Result
                ($point | Export-NataliaDisk $args[0] -Force).SizeBytes
                ($point | Export-NataliaApplianceConfiguration $args[1] -Force).ApplianceName
                ($point | Get-NataliaAppliance).Name
                """, _fixture.Full("out.raw"), _fixture.Full("out.json")).ThrowIfFailed();

            Assert.Equal(["True", "Passed", "300032", "natalia-paris", "natalia-paris"], result.Text);
            Assert.Equal(File.ReadAllBytes(_fixture.Disk("natalia-paris")),
                File.ReadAllBytes(_fixture.Full("out.raw")));
            Assert.Contains("voice", File.ReadAllText(_fixture.Full("out.json")), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_appliance_goes_through_the_pipeline_live_and_from_a_job_and_as_text()
    {
        _fixture.WithRepository("local");

        foreach (string appliance in new[] { "Get-NataliaAppliance -Name natalia-paris",
            $"{Copy}(Get-NataliaAppliance -Name natalia-paris)))", "'natalia-paris'",
            "[pscustomobject]@{ VMName = 'natalia-paris' }" })
            Assert.Equal("natalia-paris",
                _fixture.Run($"{appliance} | Invoke-NataliaBackup").ThrowIfFailed().Value("ApplianceName"));
        Assert.Equal("natalia-paris",
            _fixture.Run("Invoke-NataliaBackup -Appliance (Get-NataliaAppliance -Name natalia-paris)").ThrowIfFailed()
                .Value("ApplianceName"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-ErrorAction Stop")]
    public void The_failure_of_one_appliance_comes_after_the_others_are_protected(string action)
    {
        _fixture.WithRepository("local");
        _fixture.AddAppliance("natalia-brest", "11111111-0000-0000-0000-000000000003", 3,
            """{ "id": "a", "path": "data.raw" }, { "id": "b", "path": "more.raw" }""");
        File.Copy(_fixture.Disk("natalia-brest"), Path.Combine(_fixture.Appliances, "natalia-brest", "more.raw"));
        ScriptResult result = _fixture.Run($"'nix', 'natalia-*' | Invoke-NataliaBackup -ThrottleLimit 1 {action}");

        Assert.Equal(["natalia-lyon", "natalia-paris"],
            result.Output.Select(o => (string)o!.Properties["ApplianceName"].Value).Order());
        Assert.Contains("ApplianceNotFound,Natalia.Backup.Commands.InvokeNataliaBackupCommand", result.ErrorIds);
        if (action.Length == 0)
        {
            Assert.Equal(["ApplianceNotFound", "DiskAmbiguous"], result.ErrorIds.Select(i => i.Split(',')[0]).Order());
            Assert.Equal("natalia-brest",
                result.Errors.Single(
                    e => e.FullyQualifiedErrorId.StartsWith("DiskAmbiguous",
                        StringComparison.Ordinal)).TargetObject.ToString());
        }
        else
        {
            Assert.Contains(result.Warnings, w => w.Contains("natalia-brest", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void An_incremental_that_is_not_possible_becomes_a_full_with_a_warning_and_the_reason()
    {
        _fixture.WithRepository("local").BackUp();
        ScriptResult result = _fixture.Run("Invoke-NataliaBackup natalia-paris -Type Incremental").ThrowIfFailed();

        Assert.Single(result.Warnings);
        Assert.Equal("Full", result.Value("Type")!.ToString());
        Assert.Equal("Incremental", result.Value("RequestedType")!.ToString());
        Assert.NotNull(result.Value("Reason"));
    }

    [Fact]
    public void An_enrolled_appliance_knows_where_it_goes()
    {
        _fixture.WithRepository("one").WithRepository("two");
        Assert.Equal(["RepositoryAmbiguous"], Ids(_fixture.Run("Invoke-NataliaBackup natalia-paris")));
        ScriptResult ambiguous = _fixture.Run("Set-NataliaAppliance natalia-paris");
        Assert.Equal(["RepositoryAmbiguous"], Ids(ambiguous));
        // No cure is the command that has just failed.
        Assert.StartsWith("Name one with -Repository. ",
            ambiguous.Errors.Single().ErrorDetails.RecommendedAction, StringComparison.Ordinal);
        Assert.Contains("leave it out", _fixture.Run("Test-NataliaPrerequisite natalia-paris -Repository one")
            .Errors.Single().ErrorDetails.RecommendedAction, StringComparison.Ordinal);

        Assert.Empty(_fixture.Run("Set-NataliaAppliance natalia-paris -Repository two").ThrowIfFailed().Output);
        ScriptResult enrolled = _fixture.Run("Get-NataliaAppliance").ThrowIfFailed();
        Assert.Equal("two", enrolled.Value("Repository"));
        Assert.Equal("vms", enrolled.Value("Hypervisor"));
        Assert.Equal("two", _fixture.Run("Invoke-NataliaBackup natalia-paris").ThrowIfFailed().Value("Repository"));
        Assert.Equal("two",
            _fixture.Run("Get-NataliaAppliance | Invoke-NataliaBackup").ThrowIfFailed().Value("Repository"));
        Assert.Equal("one",
            _fixture.Run("Get-NataliaAppliance | Invoke-NataliaBackup -Repository one").ThrowIfFailed()
                .Value("Repository"));
    }

    [Fact]
    public void An_appliance_in_two_repositories_goes_to_both()
    {
        _fixture.WithRepository("one").WithRepository("two");
        _fixture.Run("'one', 'two' | ForEach-Object { Set-NataliaAppliance natalia-paris -Repository $_ }")
            .ThrowIfFailed();

        ScriptResult result = _fixture.Run("Get-NataliaAppliance | Invoke-NataliaBackup").ThrowIfFailed();
        Assert.Equal(["one", "two"], result.Output.Select(o => (string)o!.Properties["Repository"].Value).Order());
    }

    [Fact]
    public void Settings_stay_until_they_are_changed()
    {
        _fixture.WithRepository("local");
        _fixture.AddAppliance("natalia-brest", "11111111-0000-0000-0000-000000000003", 3,
            """{ "id": "a", "path": "data.raw" }, { "id": "b", "path": "more.raw" }""");
        File.Copy(_fixture.Disk("natalia-brest"), Path.Combine(_fixture.Appliances, "natalia-brest", "more.raw"));

        Assert.Equal(["DiskAmbiguous"], Ids(_fixture.Run("Set-NataliaAppliance natalia-brest")));
        Assert.Equal(["DiskNotFound"], Ids(_fixture.Run("Set-NataliaAppliance natalia-brest -DataDisk c")));
        Assert.Equal("b",
            _fixture.Run("Set-NataliaAppliance natalia-brest -DataDisk B -PassThru").ThrowIfFailed()
                .Value("DataDisk"));
        Assert.Equal("b",
            _fixture.Run("Set-NataliaAppliance natalia-brest -IncludeSystemDisk -PassThru").ThrowIfFailed()
                .Value("DataDisk"));

        ScriptResult point =
            _fixture.Run("(Get-NataliaAppliance | Invoke-NataliaBackup).Disks | ForEach-Object DiskId")
            .ThrowIfFailed();
        Assert.Equal(["b", "a"], point.Text);
        Assert.Equal(["b"],
            _fixture.Run(
                "(Invoke-NataliaBackup natalia-brest -IncludeSystemDisk:$false).Disks | ForEach-Object DiskId")
                .ThrowIfFailed().Text);
    }

    /// <summary>Images in a folder have no guest that could be asked.</summary>
    [Fact]
    public void Who_wants_no_point_without_the_guest_gets_none()
    {
        _fixture.WithRepository("local");
        _fixture.AddAppliance("natalia-brest", "11111111-0000-0000-0000-000000000004", 3);
        Assert.Equal("Fail", _fixture.Run("Set-NataliaAppliance natalia-brest -OnQuiesceFailure Fail -PassThru")
            .ThrowIfFailed().Value("OnQuiesceFailure")?.ToString());
        Assert.Equal(["QuiesceFailed"], Ids(_fixture.Run("Invoke-NataliaBackup natalia-brest")));
        _fixture.Run("Set-NataliaAppliance natalia-brest -IncludeSystemDisk:$false").ThrowIfFailed();
        Assert.Equal(["QuiesceFailed"], Ids(_fixture.Run("Invoke-NataliaBackup natalia-brest")));
        Assert.Equal("Crash", _fixture.Run("Set-NataliaAppliance natalia-brest -OnQuiesceFailure Crash -PassThru")
            .ThrowIfFailed().Value("OnQuiesceFailure")?.ToString());
        _fixture.Run("Invoke-NataliaBackup natalia-brest").ThrowIfFailed();
    }

    [Fact]
    public void An_appliance_that_no_hypervisor_shows_is_listed_and_its_backup_fails_loudly()
    {
        _fixture.WithRepository("local");
        _fixture.Run("Set-NataliaAppliance natalia-*").ThrowIfFailed();
        Directory.Delete(Path.Combine(_fixture.Appliances, "natalia-paris"), recursive: true);

        Assert.Equal(["natalia-lyon", "natalia-paris"], _fixture.Run("Get-NataliaAppliance").ThrowIfFailed().Text);
        Assert.Equal(["natalia-lyon", "natalia-paris"],
            _fixture.Run("Get-NataliaAppliance | Get-NataliaAppliance").ThrowIfFailed().Text);
        ScriptResult result = _fixture.Run("Get-NataliaAppliance | Invoke-NataliaBackup");
        Assert.Equal("natalia-lyon", result.Value("ApplianceName"));
        Assert.Equal(["ApplianceNotFound"], Ids(result));
        Assert.Contains("'natalia-paris' (", result.Errors[0].Exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_restored_VM_goes_on_with_the_history_of_the_old_one()
    {
        _fixture.WithRepository("local").BackUp();
        string id = (string)_fixture.Run("(Get-NataliaAppliance -Name natalia-paris).ApplianceId").Single.BaseObject;
        Assert.Equal(["ApplianceStillExists"],
            Ids(_fixture.Run("Invoke-NataliaBackup natalia-lyon -ApplianceId $args[0]", id)));
        Assert.Equal(["ApplianceAmbiguous"],
            Ids(_fixture.Run("Invoke-NataliaBackup natalia-* -ApplianceId $args[0]", id)));
        Directory.Delete(Path.GetDirectoryName(_fixture.Disk("natalia-paris"))!, true);

        Assert.Equal(id,
            _fixture.Run("Invoke-NataliaBackup natalia-lyon -ApplianceId $args[0]", id).ThrowIfFailed()
                .Value("ApplianceId"));
    }

    [Fact]
    public void WhatIf_writes_nothing_at_all()
    {
        _fixture.WithRepository("local");
        string point = _fixture.BackUp();
        _fixture.BackUp();
        IReadOnlyList<string> before = _fixture.Everything();

        ScriptResult result = _fixture.Run("""
            $WhatIfPreference = $true
            New-NataliaRepository -Path "$($args[0])/new" -Unencrypted
            Set-NataliaAppliance natalia-paris -IncludeSystemDisk
            Invoke-NataliaBackup natalia-paris
            Remove-NataliaRestorePoint $args[1]
            Export-NataliaDisk -RestorePointId $args[1] -Destination "$($args[0])/x.raw"
            Export-NataliaApplianceConfiguration -RestorePointId $args[1] -Destination "$($args[0])/x.json"
            Export-NataliaProfile "$($args[0])/profile.json"
            Disconnect-NataliaRepository local
            Disconnect-NataliaHypervisor vms
            """, _fixture.Root, point).ThrowIfFailed();

        Assert.Empty(result.Output);
        Assert.Equal(before, _fixture.Everything());
        Assert.Equal(9, _fixture.Session.Host.Text.Split("What if:").Length - 1);
        Assert.Equal("local", _fixture.Run("Get-NataliaRepository").Text[0]);
    }

    private static IReadOnlyList<string> Ids(ScriptResult result) => [.. result.ErrorIds.Select(i => i.Split(',')[0])];
}
