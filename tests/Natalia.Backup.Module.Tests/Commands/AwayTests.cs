using System.Management.Automation;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>A night in which a part of what the profile names cannot be reached.</summary>
public sealed class AwayTests : IDisposable
{
    private readonly FolderFixture _fixture = new FolderFixture().WithRepository("nas").WithRepository("offsite");
    private readonly ModuleSession _night = new();
    private readonly string _profile;

    public AwayTests()
    {
        _profile = _fixture.Full("profile.json");
        _fixture.Run("Get-NataliaAppliance -Name * | Set-NataliaAppliance -Repository nas; $null = "
            + "Export-NataliaProfile $args[0]; Disconnect-NataliaRepository *",
            _profile)
            .ThrowIfFailed();
        Directory.Move(_fixture.Full("offsite"), _fixture.Full("away"));
    }

    public void Dispose()
    {
        _night.Dispose();
        _fixture.Dispose();
    }

    [Theory]
    [InlineData("Get-NataliaAppliance | Invoke-NataliaBackup")]
    [InlineData("$fleet = Get-NataliaAppliance; $fleet | Invoke-NataliaBackup")]
    [InlineData("Get-NataliaAppliance -Name * | Invoke-NataliaBackup")]
    public void The_local_backup_is_made_and_the_night_fails_at_its_end(string run)
    {
        ScriptResult night =
            _night.Run($"$ErrorActionPreference = 'Stop'; $null = Import-NataliaProfile $args[0]; {run}; 'went on'",
            _profile);

        Assert.Equal(["natalia-lyon", "natalia-paris"],
            night.Output.Select(o => o!.Properties["ApplianceName"].Value.ToString()).Order());
        Assert.StartsWith("RepositoryNotFound,", night.TerminatingError!.FullyQualifiedErrorId,
            StringComparison.Ordinal);
        Assert.Equal("offsite", night.TerminatingError.TargetObject.ToString());
        Assert.Contains(night.Warnings, w => w.Contains("'offsite'", StringComparison.Ordinal));
    }

    /// <summary>A name that nobody bears is no night's trouble, but a mistake in the profile.</summary>
    [Fact]
    public void A_storage_of_a_hypervisor_that_nobody_names_makes_the_profile_invalid()
    {
        string profile = _fixture.Full("wrong.json");
        File.WriteAllText(profile, """
            { "format": "natalia-profile", "version": 1, "repositories": [
              { "name": "pbs", "kind": "Proxmox", "path": "pbs", "hypervisor": "pvee", "access": "Hypervisor" } ] }
            """);
        ScriptResult refused = _night.Run("Import-NataliaProfile $args[0]", profile);
        ErrorRecord error = refused.TerminatingError ?? Assert.Single(refused.Errors);
        Assert.StartsWith("ProfileInvalid,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("'pvee'", error.Exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_names_only_what_is_there_goes_well_and_what_names_the_other_says_why_it_is_away()
    {
        ScriptResult import = _night.Run("Import-NataliaProfile $args[0]", _profile).ThrowIfFailed();
        Assert.Equal(["offsite"], (IReadOnlyList<string>)import.Value("NotConnected")!);
        string shown = string.Join("\n", _night.Run("Import-NataliaProfile $args[0] | Out-String", _profile).Text);
        Assert.Matches(@"NotConnected\s*: offsite", shown);
        _night.Run(
            "$ErrorActionPreference = 'Stop'; $null = Get-NataliaAppliance | Invoke-NataliaBackup -Repository nas")
            .ThrowIfFailed();

        ErrorRecord error =
            _night.Run("Get-NataliaRestorePoint -Repository nas | Copy-NataliaRestorePoint offsite").TerminatingError!;
        Assert.StartsWith("RepositoryNotFound,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains(_fixture.Full("offsite"), error.Exception.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Exception.InnerException);
    }

    [Fact]
    public void A_profile_of_all_sessions_is_not_written_while_one_of_them_is_away()
    {
        string before = File.ReadAllText(_profile);
        ErrorRecord error = _night.Run(
            "$ErrorActionPreference = 'Stop'; $null = Import-NataliaProfile $args[0]; Export-NataliaProfile $args[0] "
            + "-Force",
            _profile)
            .TerminatingError!;

        Assert.StartsWith("RepositoryNotFound,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllText(_profile));
        _night.Run("Export-NataliaProfile $args[0] -Repository nas -Force", _profile).ThrowIfFailed();
        Assert.DoesNotContain("offsite", File.ReadAllText(_profile), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Get-NataliaRestorePoint -Latest", 2)]
    [InlineData("Get-NataliaRepository", 1)]
    [InlineData("Get-NataliaRetention -WarningAction Ignore", 3)]
    [InlineData("Get-NataliaRetentionPlan", 2)]
    [InlineData("Test-NataliaAudit", 4)]
    public void What_looks_at_everything_shows_what_is_there_and_says_what_is_missing(string script, int count)
    {
        _night.Run("$null = Import-NataliaProfile $args[0]; $null = Get-NataliaAppliance | Invoke-NataliaBackup "
            + "-Repository nas",
            _profile)
            .ThrowIfFailed();

        ScriptResult result = _night.Run(script);

        Assert.Equal(count, result.Output.Count);
        Assert.StartsWith("RepositoryNotFound,", result.ErrorIds.Single(), StringComparison.Ordinal);
        Assert.Equal(["False"], _night.Run("Test-NataliaRepository -Quiet").Text);
        Assert.Equal(["False"], _night.Run("Test-NataliaAudit -Quiet").Text);
    }

    [Fact]
    public void The_only_one_that_is_left_is_not_taken_for_the_only_one()
    {
        _fixture.AddAppliance("natalia-metz", "11111111-0000-0000-0000-000000000003", seed: 3);
        _night.Run("$null = Import-NataliaProfile $args[0]", _profile).ThrowIfFailed();

        Assert.Contains(_night.Run("Invoke-NataliaBackup natalia-metz").ErrorIds,
            id => id.StartsWith("RepositoryAmbiguous,", StringComparison.Ordinal));
        Assert.StartsWith("RepositoryAmbiguous,", _night.Run("Optimize-NataliaRepository").ErrorIds.Single(),
            StringComparison.Ordinal);
        _night.Run("Disconnect-NataliaRepository offsite; $null = Invoke-NataliaBackup natalia-metz; $null = "
            + "Get-NataliaRepository")
            .ThrowIfFailed();
    }

    [Fact]
    public void What_is_back_is_connected_by_the_next_import()
    {
        _night.Run("$null = Import-NataliaProfile $args[0]", _profile).ThrowIfFailed();
        Directory.Move(_fixture.Full("away"), _fixture.Full("offsite"));

        ScriptResult again = _night.Run("$null = Import-NataliaProfile $args[0]; (Get-NataliaRepository).Name",
            _profile)
            .ThrowIfFailed();

        Assert.Empty(again.Warnings);
        Assert.Equal(["nas", "offsite"], again.Text);
    }

    [Fact]
    public void When_nothing_can_be_connected_the_import_itself_fails()
    {
        foreach (string folder in new[] { "nas", "vms" }) Directory.Delete(_fixture.Full(folder), recursive: true);

        Assert.Equal(3, _night.Run("Import-NataliaProfile $args[0]", _profile).Errors.Count);
        Assert.NotNull(_night.Run("$ErrorActionPreference = 'Stop'; Import-NataliaProfile $args[0]",
            _profile).TerminatingError);
    }

    [Theory]
    [InlineData("Get-NataliaAppliance -Name *")]
    [InlineData("Get-NataliaAppliance")]
    [InlineData("Get-NataliaAppliance -Name natalia-paris, nowhere, natalia-lyon")]
    public void A_hypervisor_that_dies_after_it_was_connected_keeps_no_other_from_being_protected(string list)
    {
        Directory.Move(_fixture.Full("away"), _fixture.Full("offsite"));
        string second = Directory.CreateDirectory(_fixture.Full("second")).FullName;
        _night.Run("$null = Import-NataliaProfile $args[0]; $null = Connect-NataliaHypervisor $args[1]", _profile,
            second)
            .ThrowIfFailed();
        Directory.Delete(second);

        ScriptResult night = _night.Run($"$ErrorActionPreference = 'Stop'; {list} | Invoke-NataliaBackup; 'went on'");

        if (list != "Get-NataliaAppliance") Assert.NotNull(night.TerminatingError);
        Assert.Equal(["natalia-lyon", "natalia-paris"],
            night.Output.Select(o => o!.Properties["ApplianceName"]?.Value.ToString()).Where(n => n is not null)
                .Order());
    }

    [Fact]
    public void An_error_that_a_script_catches_around_a_list_stays_where_it_is()
    {
        _night.Run("$null = Import-NataliaProfile $args[0]", _profile).ThrowIfFailed();

        Assert.Equal(["caught", "natalia-paris"],
            _night.Run("try { Get-NataliaAppliance -Name nowhere -ErrorAction Stop } catch { 'caught' }; "
                + "(Get-NataliaAppliance natalia-paris).Name")
                .ThrowIfFailed().Text);
        Assert.Equal("caught",
            _night.Run("1 | ForEach-Object { try { Get-NataliaAppliance -Name nowhere -ErrorAction Stop } catch { "
                + "'caught' } } | ForEach-Object { $_ }").Text.Single());
    }
}
