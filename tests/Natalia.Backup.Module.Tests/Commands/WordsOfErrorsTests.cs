using System.Management.Automation;
using System.Text.Json;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>What is said when something is not there, or is not what somebody takes it for.</summary>
public sealed class WordsOfErrorsTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData("$a | Invoke-NataliaBackup")]
    [InlineData("$a | Set-NataliaAppliance -DataDisk scsi1")]
    [InlineData("$a | Export-NataliaApplianceConfiguration -Destination $args[0]")]
    [InlineData("$a | Test-NataliaPrerequisite")]
    [InlineData("Get-NataliaSnapshot -ApplianceId $a.ApplianceId")]
    public void A_VM_that_is_gone_is_called_by_its_name(string script)
    {
        _fixture.WithRepository("nas");
        _fixture.Run("$a = Get-NataliaAppliance -Name natalia-lyon").ThrowIfFailed();
        Directory.Delete(Path.Combine(_fixture.Appliances, "natalia-lyon"), recursive: true);
        ErrorRecord error = _fixture.Run(script, _fixture.Root).Errors.Single();
        Assert.StartsWith("ApplianceNotFound,", error.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("'natalia-lyon'", error.Exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_of_one_of_several_appliances_names_it()
    {
        // A disk that cannot be read says nothing of whose it is; so does a store that is full.
        _fixture.WithRepository("nas");
        string lease = Path.Combine(_fixture.Full("nas"), "appliances");
        if (Directory.Exists(lease)) Directory.Delete(lease, recursive: true);
        File.WriteAllText(lease, "in the way");
        ScriptResult result = _fixture.Run("Get-NataliaAppliance -Name * | Invoke-NataliaBackup");
        Assert.Equal(2, result.Errors.Count);
        foreach (string name in new[] { "natalia-paris", "natalia-lyon" })
            Assert.Contains(result.Errors, e => e.Exception.Message.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public void Nobody_is_asked_for_a_password_in_vain()
    {
        _fixture.WithRepository("nas");
        _fixture.Run("$null = New-NataliaRepository -Path $args[0] -Name safe -Password $args[1]",
            _fixture.Full("safe"), FolderFixture.Password("one")).ThrowIfFailed();
        foreach ((string script, string? error) in new (string, string?)[]
        {
            ($"Connect-NataliaRepository '{_fixture.Full("nowhere")}'", "RepositoryNotFound"),
            ($"Connect-NataliaRepository '{_fixture.Appliances}'", "NotARepository"),
            ($"Connect-NataliaRepository '{_fixture.Full("nas")}' -Name again", "PasswordNotExpected"),
            ($"New-NataliaRepository '{_fixture.Full("nas")}'", "RepositoryExists"),
            ($"New-NataliaRepository '{_fixture.Full("new")}' -WhatIf", null),
            ("Add-NataliaRepositoryKey -Repository safe -WhatIf", null),
        })
        {
            _fixture.Session.Host.Clear();
            ScriptResult result = _fixture.Run(script);
            Assert.DoesNotContain("assword of", _fixture.Session.Host.Text, StringComparison.Ordinal);
            if (error is null) Assert.Empty(result.Errors);
            else Assert.StartsWith(error + ",", result.ErrorIds.Single(), StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(_fixture.Full("new")));
        string file = _fixture.Full("profile.json");
        _fixture.Run("Export-NataliaProfile -Path $args[0] -SecretName @{ safe = 'secret' }", file).ThrowIfFailed();
        _fixture.Run("Disconnect-NataliaRepository *").ThrowIfFailed();
        Directory.Move(_fixture.Full("safe"), _fixture.Full("moved"));
        ScriptResult away = _fixture.Run(
            "$asked = 0; $null = Import-NataliaProfile $args[0] -SecretResolver { $script:asked++; throw 'asked' }; $asked",
            file);
        Assert.Equal("0", away.Text.Last());
        Assert.Contains(away.Warnings.Concat(away.Errors.Select(e => e.Exception.Message)),
            text => text.Contains("There is no folder", StringComparison.Ordinal));
    }

    [Fact]
    public void With_only_the_copies_connected_it_is_said_where_the_points_are()
    {
        _fixture.WithRepository("nas").WithRepository("offsite");
        _fixture.BackUp("natalia-paris", "-Repository nas");
        _fixture.Run("$p = Get-NataliaRestorePoint -Repository nas; $null = $p | Copy-NataliaRestorePoint offsite; "
            + "$c = Get-NataliaRestorePoint -Repository offsite; Disconnect-NataliaRepository nas").ThrowIfFailed();
        ErrorRecord piped = _fixture.Run("$p | Test-NataliaRestorePoint").Errors.Single();
        Assert.StartsWith("RepositoryNotConnected,", piped.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains("'nas'", piped.Exception.Message, StringComparison.Ordinal);
        Assert.Contains("Copies of its points lie in 'offsite'", piped.Exception.Message, StringComparison.Ordinal);
        ErrorRecord named = _fixture.Run("Test-NataliaRestorePoint $p.RestorePointId").Errors.Single();
        Assert.StartsWith("RestorePointNotFound,", named.FullyQualifiedErrorId, StringComparison.Ordinal);
        Assert.Contains(_fixture.Run("$c.RestorePointId").Text[0] + " in 'offsite'",
            named.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
        Assert.Contains("'nas', which is not connected", named.ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void Completion_keeps_to_what_the_line_names_and_opens_nothing()
    {
        _fixture.AddAppliance("natalia-nice", "11111111-0000-0000-0000-000000000003", 3,
            """{ "id": "sata7", "path": "data.raw", "role": "Data" }""");
        _fixture.WithRepository("nas");
        string paris = _fixture.BackUp(), nice = _fixture.BackUp("natalia-nice");
        _fixture.Run("$null = New-NataliaRepository -Path $args[0] -Name safe -Password $args[1]; "
            + "$null = Get-NataliaRepositoryKey", _fixture.Full("safe"), FolderFixture.Password("one")).ThrowIfFailed();
        Directory.Move(_fixture.Full("nas"), _fixture.Full("gone"));
        Directory.Move(_fixture.Full("safe"), _fixture.Full("gone too"));
        Directory.Move(_fixture.Appliances, _fixture.Full("gone three"));

        Assert.Equal(["sata7"], Complete("Invoke-NataliaBackup natalia-nice -DataDisk "));
        Assert.Equal(["scsi1"], Complete("Set-NataliaAppliance -Appliance natalia-paris -DataDisk "));
        Assert.Equal(["sata7", "scsi1"], Complete("Invoke-NataliaBackup -DataDisk "));
        Assert.Equal(["sata7"], Complete("Get-NataliaRestorePoint -Appliance natalia-nice | Export-NataliaDisk -DiskId "));
        Assert.Equal([paris],
            Complete("Get-NataliaRestorePoint -Appliance natalia-p* | Test-NataliaRestorePoint -RestorePointId "));
        Assert.Equal(new[] { nice, paris }.Order(StringComparer.Ordinal),
            Complete("Test-NataliaRestorePoint -RestorePointId ").Order(StringComparer.Ordinal));
        Assert.Equal([nice], Complete("Get-NataliaAuditRecord natalia-nice -RestorePointId "));
        Assert.Single(Complete("Remove-NataliaRepositoryKey -KeyId "), k => k.Length == 32);
        Assert.DoesNotContain(Complete("Remove-NataliaRepositoryKey -Repository nas -KeyId "), k => k.Length == 32);
    }

    [Fact]
    public void An_exported_configuration_is_a_description_of_a_VM_in_a_folder()
    {
        _fixture.WithRepository("nas").BackUp();
        DirectoryInfo folder = Directory.CreateDirectory(_fixture.Full("restored/any-name"));
        _fixture.Run("$p = Get-NataliaRestorePoint; $c = $p | Export-NataliaApplianceConfiguration -Destination $args[0]; "
            + "$null = $p | Export-NataliaDisk -Destination $args[0]; Rename-Item $c.Path vm.json; "
            + "$null = Connect-NataliaHypervisor -Folder (Split-Path $args[0]) -Name restored", folder.FullName)
            .ThrowIfFailed();
        Same("Get-NataliaAppliance -Name * -Hypervisor restored");
        Assert.Equal(File.ReadAllBytes(_fixture.Disk("natalia-paris")),
            File.ReadAllBytes(Directory.EnumerateFiles(folder.FullName, "*.raw").Single()));
        // It is the same appliance, whose history goes on.
        _fixture.Run("Disconnect-NataliaHypervisor vms").ThrowIfFailed();
        Assert.Equal(2, _fixture.Run("$null = Invoke-NataliaBackup natalia-paris; Get-NataliaRestorePoint -Appliance natalia-paris")
            .ThrowIfFailed().Output.Count);

        // So is that of a live VM, beside its images.
        string live = Path.Combine(_fixture.Appliances, "natalia-lyon");
        _fixture.Run("Disconnect-NataliaHypervisor *; $null = Connect-NataliaHypervisor -Folder $args[0] -Name vms; "
            + "$before = Get-NataliaAppliance -Name natalia-lyon; $null = Export-NataliaApplianceConfiguration "
            + "-Appliance natalia-lyon -Destination $args[1] -Force", _fixture.Appliances, Path.Combine(live, "vm.json"))
            .ThrowIfFailed();
        Assert.Equal(_fixture.Run("$before | ConvertTo-Json -Depth 5").Text,
            _fixture.Run("Get-NataliaAppliance -Name natalia-lyon | ConvertTo-Json -Depth 5").ThrowIfFailed().Text);

        void Same(string script)
        {
            PSObject restored = _fixture.Run(script).ThrowIfFailed().Single;
            PSObject original = _fixture.Run("Get-NataliaAppliance -Name natalia-paris -Hypervisor vms")
                .ThrowIfFailed().Single;
            foreach (string property in new[] { "Name", "ApplianceId", "ProcessorCount", "MemoryBytes", "DataDisk" })
                Assert.Equal(original.Properties[property].Value, restored.Properties[property].Value);
            Assert.Equal(JsonSerializer.Serialize(original.Properties["Networks"].Value),
                JsonSerializer.Serialize(restored.Properties["Networks"].Value));
        }
    }

    private IReadOnlyList<string> Complete(string line) =>
        _fixture.Run("(TabExpansion2 -inputScript $args[0] -cursorColumn $args[0].Length).CompletionMatches "
            + "| ForEach-Object ListItemText | Where-Object { $_.Trim() }", line).ThrowIfFailed().Text;
}
