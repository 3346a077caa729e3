using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Retention;

/// <summary>Policies that are kept with a repository, and what applying them does.</summary>
public sealed class StoredRetentionTests : IDisposable
{
    private readonly ModuleFixture _module = new();
    private readonly string _vms, _repository, _disk;

    public StoredRetentionTests()
    {
        _vms = _module.NewFolder();
        _repository = _module.NewFolder();
        string vm = Path.Combine(_vms, "natalia-paris");
        Directory.CreateDirectory(vm);
        _disk = Path.Combine(vm, "data.raw");
        File.WriteAllBytes(_disk, new byte[1 << 20]);
        Run("$null = Connect-NataliaHypervisor -Folder $args[0]; $null = New-NataliaRepository -Name local -Path "
            + "$args[1] -Unencrypted",
            _vms, _repository)
            .ThrowIfFailed();
    }

    [Fact]
    public void A_policy_may_be_set_before_the_first_backup()
    {
        Run("Set-NataliaRetention -Appliance natalia-paris -Strategy SixHourly -TimeZone Europe/Paris").ThrowIfFailed();
        Assert.Equal(["default: None  ", "natalia-paris: Appliance 4 7 4 3 Europe/Paris"],
            Run("Get-NataliaRetention | ForEach-Object { if ($_.ApplianceName) { \"$($_.ApplianceName): $($_.Source) "
                + "$($_.Last) $($_.Daily) $($_.Weekly) $($_.Monthly) $($_.TimeZone)\" } else { \"default: "
                + "$($_.Source) $($_.Daily) $($_.TimeZone)\" } }")
                .ThrowIfFailed().Text);
    }

    [Fact]
    public void The_default_is_seven_four_three_and_holds_for_whoever_has_no_policy()
    {
        Backup(1);
        ScriptResult set = Run("Set-NataliaRetention -PassThru").ThrowIfFailed();
        Assert.Equal(7, set.Value("Daily"));
        Assert.Null(set.Value("Last"));
        Assert.Equal("Repository",
            Run("Get-NataliaRetention -Appliance natalia-paris").ThrowIfFailed().Value("Source")!.ToString());

        Run("Get-NataliaAppliance -Name natalia-paris | Set-NataliaRetention -Last 3").ThrowIfFailed();
        Assert.Equal("Appliance 3  UTC",
            Run("Get-NataliaRetention natalia-* | ForEach-Object { \"$($_.Source) $($_.Last) $($_.Daily) "
                + "$($_.TimeZone)\" }")
                .ThrowIfFailed().Text[0]);
        Run("Set-NataliaRetention natalia-paris -TimeZone Asia/Kolkata").ThrowIfFailed();
        Assert.Equal("3 Asia/Kolkata",
            Run("Get-NataliaRetention natalia-paris | ForEach-Object { \"$($_.Last) $($_.TimeZone)\" }")
                .ThrowIfFailed().Text[0]);
        Run("Set-NataliaRetention natalia-paris -Inherit").ThrowIfFailed();
        Assert.Equal("Repository",
            Run("Get-NataliaRetention natalia-paris").ThrowIfFailed().Value("Source")!.ToString());
    }

    [Fact]
    public void A_policy_that_is_replaced_without_a_rule_is_told()
    {
        Assert.Empty(Run("Set-NataliaRetention").ThrowIfFailed().Warnings);
        Assert.Empty(Run("Set-NataliaRetention").ThrowIfFailed().Warnings);
        Assert.Empty(Run("Set-NataliaRetention -Last 1 -Daily 7").ThrowIfFailed().Warnings);
        Assert.Empty(Run("Set-NataliaRetention -TimeZone Europe/Paris").ThrowIfFailed().Warnings);
        Assert.Empty(Run("Set-NataliaRetention -WhatIf").ThrowIfFailed().Warnings);
        Assert.Contains("it was last 1, daily 7 (Europe/Paris), and is daily 7, weekly 4, monthly 3 (Europe/Paris) now",
            Assert.Single(Run("Set-NataliaRetention").ThrowIfFailed().Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Set-NataliaRetention -Daily 0 -Weekly 0", "RetentionPolicyKeepsNothing")]
    [InlineData("Set-NataliaRetention -Appliance natalia-rome -Daily 7", "ApplianceNotFound")]
    [InlineData("Set-NataliaRetention -Daily 7 -TimeZone Mars/Olympus", "TimeZoneNotFound")]
    [InlineData("Set-NataliaRetention -Inherit", "RetentionPolicyInvalid")]
    [InlineData("Set-NataliaRetention -Daily -1", "ParameterArgumentValidationError")]
    [InlineData("Get-NataliaRetention -Appliance natalia-rome", "ApplianceNotFound")]
    [InlineData("Get-NataliaRetentionPlan -Appliance natalia-rome", "ApplianceNotFound")]
    [InlineData("Invoke-NataliaRetention -Appliance natalia-rome", "ApplianceNotFound")]
    public void What_cannot_be_meant_is_refused(string command, string errorId)
    {
        Assert.StartsWith(errorId + ",", Assert.Single(Run(command).ErrorIds), StringComparison.Ordinal);
        Assert.All(Run("Get-NataliaRetention").ThrowIfFailed().Output,
            s => Assert.Equal("None", s!.Properties["Source"].Value.ToString()));
    }

    [Fact]
    public void Without_a_policy_nothing_is_removed_and_that_is_an_error()
    {
        Backup(2);
        ScriptResult result = Run("Invoke-NataliaRetention");
        Assert.Empty(result.Output);
        Assert.StartsWith("RetentionPolicyMissing,", Assert.Single(result.ErrorIds), StringComparison.Ordinal);
        Assert.Equal(2, Count());
    }

    [Fact]
    public void A_policy_that_would_remove_points_says_how_many_and_needs_a_yes()
    {
        Backup(4);
        // Nobody is there to ask.
        ScriptResult refused = Run("Set-NataliaRetention natalia-paris -Last 1");
        Assert.StartsWith("RetentionChangeNotConfirmed,", Assert.Single(refused.ErrorIds), StringComparison.Ordinal);
        Assert.Contains("3 restore points that are kept now would be removed", refused.Errors[0].ToString(),
            StringComparison.Ordinal);
        Assert.Equal("None", Source());

        using (ModuleSession asked = Session("No"))
        {
            asked.Run("Set-NataliaRetention natalia-paris -Last 1").ThrowIfFailed();
            Assert.Contains("3 restore points", Assert.Single(asked.Host.Questions), StringComparison.Ordinal);
            Assert.Equal("None", Source());
        }
        using (ModuleSession asked = Session("Yes"))
        {
            asked.Run("Set-NataliaRetention natalia-paris -Last 3").ThrowIfFailed();
            Assert.Contains("1 restore point that is kept now", Assert.Single(asked.Host.Questions),
                StringComparison.Ordinal);
            Assert.Equal("Appliance", Source());
        }
        Run("Set-NataliaRetention natalia-paris -Last 2 -Force; Set-NataliaRetention natalia-paris -Last 1 "
            + "-Confirm:$false")
            .ThrowIfFailed();
        // Keeping more takes nobody's yes.
        Run("Set-NataliaRetention natalia-paris -Last 9").ThrowIfFailed();
        // Setting a policy removes nothing.
        Assert.Equal(4, Count());
    }

    [Fact]
    public void Applying_removes_what_the_plan_says_and_never_asks()
    {
        Backup(4);
        Run("Set-NataliaRetention -Last 2 -Force").ThrowIfFailed();
        string[] planned =
            [.. Run("Get-NataliaRetentionPlan | Where-Object Action -eq Remove | ForEach-Object RestorePointId")
            .ThrowIfFailed().Text];
        Assert.Equal(2, planned.Length);

        string[] before = Files();
        ScriptResult whatIf = Run("Invoke-NataliaRetention -WhatIf").ThrowIfFailed();
        Assert.Empty(whatIf.Output);
        Assert.Equal(before, Files());
        Assert.Equal(4, Count());

        ScriptResult done = Run("Invoke-NataliaRetention -Verbose").ThrowIfFailed();
        Assert.Equal(planned.Order(), done.Output.Select(r => (string)r!.Properties["RestorePointId"].Value).Order());
        Assert.All(done.Output, r => Assert.Equal("Remove", r!.Properties["Action"].Value.ToString()));
        Assert.All(done.Output,
            r => Assert.Equal(32,
                ((string)r!.Properties["ApplianceId"].Value).Length
                + 0 * ((string)r.Properties["RepositoryId"].Value).Length));
        Assert.Contains(done.Verbose,
            v => v.Contains("2 removed, 2 kept, 0 protected, 0 locked", StringComparison.Ordinal));
        Assert.Equal(2, Count());
        Assert.Empty(Run("Invoke-NataliaRetention").ThrowIfFailed().Output);
        Assert.Contains(Directory.EnumerateFiles(_repository, "*point-removed*", SearchOption.AllDirectories),
            f => System.Text.Encoding.UTF8.GetString(File.ReadAllBytes(f))
                .Contains("Retention policy last 2 (UTC): No rule keeps it: the rule last 2 keeps newer points.",
                    StringComparison.Ordinal));
    }

    [Fact]
    public void Protection_keeps_a_point_out_of_it()
    {
        Backup(3);
        Run("Set-NataliaRetention -Last 1 -Force").ThrowIfFailed();
        Run("Get-NataliaRestorePoint | ForEach-Object { $script:last = $_ }; $script:last | "
            + "Protect-NataliaRestorePoint -Reason 'Before the upgrade' -WhatIf")
            .ThrowIfFailed();
        Assert.DoesNotContain("Protected",
            Run("Get-NataliaRetentionPlan | ForEach-Object { [string] $_.Action }").ThrowIfFailed().Text);

        Assert.Equal(true,
            Run("$script:last | Protect-NataliaRestorePoint -Reason 'Before the upgrade' -PassThru").ThrowIfFailed()
                .Value("IsProtected"));
        Assert.Equal(["Keep", "Remove", "Protected"],
            Run("Get-NataliaRetentionPlan | ForEach-Object { [string] $_.Action }").ThrowIfFailed().Text);
        Assert.Single(Run("Get-NataliaAppliance -Name natalia-paris | Invoke-NataliaRetention").ThrowIfFailed().Output);
        Assert.Equal(2, Count());

        Run("Get-NataliaRestorePoint | Where-Object IsProtected | Unprotect-NataliaRestorePoint -Reason 'Accepted'")
            .ThrowIfFailed();
        Assert.Single(Run("Invoke-NataliaRetention").ThrowIfFailed().Output);
        Assert.Equal(1, Count());
    }

    [Fact]
    public void A_point_that_is_piped_in_stands_for_its_appliance_and_WhatIf_says_so()
    {
        Backup(3);
        Run("Set-NataliaRetention -Last 1 -Force").ThrowIfFailed();
        using ModuleSession session = Session();
        string shown = session.Render("Get-NataliaRestorePoint -Latest | Invoke-NataliaRetention -WhatIf");
        Assert.Equal(2, shown.Split("by the policy for all points of natalia-paris").Length - 1);
        Assert.Equal(3, Count());
        Assert.Equal(2, Run("Get-NataliaRestorePoint | Invoke-NataliaRetention").ThrowIfFailed().Output.Count);
    }

    /// <summary>Of two appliances, so that one that is meant is not all.</summary>
    [Theory]
    [InlineData("'natalia-paris'")]
    [InlineData("'natalia-p*'")]
    [InlineData("[pscustomobject]@{ VMName = 'natalia-paris' }")]
    [InlineData("'Name', 'natalia-paris' | ConvertFrom-Csv")]
    [InlineData("Get-NataliaAppliance -Name natalia-paris | Select-Object Name")]
    [InlineData("Get-NataliaRetention natalia-paris | Select-Object ApplianceName")]
    public void A_name_that_is_piped_in_means_that_appliance_alone(string piped)
    {
        BackupTwo();
        Run($"{piped} | Set-NataliaRetention -Last 1 -Force").ThrowIfFailed();
        Assert.Equal(["default None", "natalia-paris Appliance"], Run("Get-NataliaRetention | ForEach-Object { "
            + "\"$(if ($_.ApplianceName) { $_.ApplianceName } else { 'default' }) $($_.Source)\" }")
            .ThrowIfFailed().Text.Where(t => !t.StartsWith("natalia-rome", StringComparison.Ordinal)));
        Run("Set-NataliaRetention -Last 1 -Force").ThrowIfFailed();
        Assert.Equal(["natalia-paris"], Run($"{piped} | Invoke-NataliaRetention | ForEach-Object ApplianceName")
            .ThrowIfFailed().Text);
        Assert.Equal(3, Count());
    }

    [Theory]
    [InlineData("[datetime]::UtcNow")]
    [InlineData("Get-Item /")]
    [InlineData("[pscustomobject]@{ Host = 'natalia-paris' }")]
    [InlineData("Get-NataliaAppliance -Name natalia-paris | Select-Object Hypervisor")]
    [InlineData("Get-NataliaRestorePoint | Select-Object -First 1 TimeUtc")]
    public void What_names_no_appliance_does_not_mean_all_of_them(string piped)
    {
        BackupTwo();
        ScriptResult set = Run($"{piped} | Set-NataliaRetention -Last 1 -Force");
        Assert.StartsWith("InputRefused,", Assert.Single(set.ErrorIds), StringComparison.Ordinal);
        Assert.Equal("None", Source());
        Run("Set-NataliaRetention -Last 1 -Force").ThrowIfFailed();
        ScriptResult done = Run($"{piped} | Invoke-NataliaRetention");
        Assert.StartsWith("InputRefused,", Assert.Single(done.ErrorIds), StringComparison.Ordinal);
        Assert.Equal(4, Count());
    }

    [Fact]
    public void A_session_means_its_repository()
    {
        BackupTwo();
        Run("Get-NataliaRepository | Set-NataliaRetention -Last 1 -Force").ThrowIfFailed();
        Assert.Equal("Repository", Source());
        Assert.Equal(2, Run("Get-NataliaRepository | Invoke-NataliaRetention").ThrowIfFailed().Output.Count);
    }

    [Fact]
    public void Another_policy_is_tried_without_setting_it()
    {
        Backup(3);
        Run("Set-NataliaRetention -Last 9 -TimeZone Asia/Tokyo").ThrowIfFailed();
        Assert.Equal(["Keep Asia/Tokyo", "Remove Asia/Tokyo", "Remove Asia/Tokyo"],
            Run("Get-NataliaRetentionPlan natalia-paris -Last 1 | ForEach-Object { \"$($_.Action) $($_.TimeZoneId)\" }")
                .ThrowIfFailed().Text);
        Assert.Equal(["Keep", "Keep", "Keep"],
            Run("Get-NataliaAppliance -Name natalia-paris | Get-NataliaRetentionPlan | ForEach-Object { [string] "
                + "$_.Action }")
                .ThrowIfFailed().Text);
        Assert.Equal(3,
            Run("Get-NataliaRestorePoint | Get-NataliaRetentionPlan -Last 1 | Where-Object { $_.RestorePointId -and "
                + "$_.ApplianceId -and $_.RepositoryId }")
                .ThrowIfFailed().Output.Count);
    }

    public void Dispose() => _module.Dispose();

    private ScriptResult Run(string script, params object?[] arguments) => _module.Run(script, arguments);

    private void Backup(int times)
    {
        for (int i = 0; i < times; i++)
        {
            File.WriteAllBytes(_disk, Enumerable.Repeat((byte)(i + 1), 1 << 16).ToArray());
            Run("$null = Get-NataliaAppliance -Name natalia-paris | Invoke-NataliaBackup -Repository local")
                .ThrowIfFailed();
        }
    }

    /// <summary>What about_Natalia.Backup says of files, whatever the culture of the session.</summary>
    [Theory]
    [InlineData("en-GB")]
    [InlineData("en-US")]
    [InlineData("fr-FR")]
    public void A_file_is_planned_when_its_times_begin_with_the_year(string culture)
    {
        Backup(2);
        string file = Path.Combine(_module.NewFolder(), "points.csv");
        ScriptResult plain = Run("[cultureinfo]::CurrentCulture = $args[0]; Get-NataliaRestorePoint | Export-Csv "
            + "$args[1]; Import-Csv $args[1] | Get-NataliaRetentionPlan -Last 1", culture, file);
        Assert.Empty(plain.Output);
        Assert.All(plain.ErrorIds, id => Assert.StartsWith("RetentionInputInvalid,", id, StringComparison.Ordinal));
        Assert.Equal(2, plain.ErrorIds.Count());

        Assert.Equal(["Keep", "Remove"], Run("""
            [cultureinfo]::CurrentCulture = $args[0]
            Get-NataliaRestorePoint |
                Select-Object -ExcludeProperty TimeUtc, ImmutableUntilUtc *,
                    @{ n = 'TimeUtc'; e = { $_.TimeUtc.ToString('o') } },
                    @{ n = 'ImmutableUntilUtc'; e = {
                        $_.ImmutableUntilUtc.ToString('o') } } |
                Export-Csv $args[1] -NoTypeInformation
            Import-Csv $args[1] | Get-NataliaRetentionPlan -Last 1 | ForEach-Object { "$($_.Action)" }
            """, culture, file).ThrowIfFailed().Text);
    }

    /// <summary>Two points of natalia-paris, and two of natalia-rome.</summary>
    private void BackupTwo()
    {
        string rome = Directory.CreateDirectory(Path.Combine(_vms, "natalia-rome")).FullName;
        for (int i = 0; i < 2; i++)
        {
            Backup(1);
            File.WriteAllBytes(Path.Combine(rome, "data.raw"), Enumerable.Repeat((byte)(i + 7), 1 << 16).ToArray());
            Run("$null = Get-NataliaAppliance -Name natalia-rome | Invoke-NataliaBackup -Repository local")
                .ThrowIfFailed();
        }
    }

    private int Count() => Run("Get-NataliaRestorePoint").ThrowIfFailed().Output.Count;

    private string Source() => Run("Get-NataliaRetention natalia-paris").ThrowIfFailed().Value("Source")!.ToString()!;

    private ModuleSession Session(params string[] answers)
    {
        ModuleSession session = _module.NewSession(new RecordingHost(answers));
        session.Run("$null = Connect-NataliaRepository -Name local -Path $args[0] -Unencrypted", _repository)
            .ThrowIfFailed();
        return session;
    }

    private string[] Files() =>
        [.. Directory.EnumerateFiles(_repository, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];
}
