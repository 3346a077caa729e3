namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>Get-NataliaDiagnostic, as somebody on a bad day has it.</summary>
public sealed class DiagnosticTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Versions_connections_and_the_last_errors_are_told()
    {
        _fixture.WithRepository("nas");
        _fixture.Run("Get-NataliaAppliance -Name natalia-oslo -ErrorAction SilentlyContinue");
        _fixture.Run("try { Connect-NataliaRepository -Path /nowhere/at/all -Name gone -Unencrypted } catch { }");
        _fixture.Run("Get-Item /no/such/item -ErrorAction SilentlyContinue");
        ScriptResult result = _fixture.Run("""
            $d = Get-NataliaDiagnostic
            $d.ModuleVersion; $d.PowerShell
            $d.Connections | ForEach-Object { "$_ $($_.Kind)" }
            $d.Errors | ForEach-Object { "$($_.ErrorId) $($_.Category) $($_.Command)" }
            """).ThrowIfFailed();
        Assert.StartsWith("Natalia.Backup 0.", result.Text[0], StringComparison.Ordinal);
        Assert.StartsWith("PowerShell 7.", result.Text[1], StringComparison.Ordinal);
        Assert.Equal(
        [
            "Hypervisor 'vms' Folder", "Repository 'nas' Folder",
            "RepositoryNotFound ObjectNotFound Connect-NataliaRepository",
            "ApplianceNotFound ObjectNotFound Get-NataliaAppliance",
        ], result.Text.Skip(2));
        Assert.Equal("1 ApplianceNotFound", _fixture.Run("$d = Get-NataliaDiagnostic -ErrorCount 1; "
            + "Get-NataliaAppliance -Name natalia-oslo -ErrorAction SilentlyContinue; "
            + "\"$($d.Errors.Count) $((Get-NataliaDiagnostic -ErrorCount 1).Errors.ErrorId)\"").Text.Last());
        string text = _fixture.Run("(Get-NataliaDiagnostic).Text").Text.Single();
        foreach (string wanted in (string[])["Time zone: ", "Language mode: FullLanguage", "Natalia.Backup.Engine: ",
            "natalia-oslo", "Recommended: ", "Room for temporary files: "])
            Assert.Contains(wanted, text, StringComparison.Ordinal);
        Assert.DoesNotContain("/no/such/item", text, StringComparison.Ordinal);
    }

    [Fact]
    public void No_secret_and_no_user_is_in_it_whatever_the_errors_say()
    {
        // Words of a proxy or a server come into errors; here an error of ours has them in its name of a thing.
        string text = _fixture.Run("""
            $env:NATALIA_TEST_SECRET = 'hunter2'
            $env:HTTPS_PROXY = 'http://jean:hunter2@proxy.example:3128'
            try {
                Get-NataliaAppliance -Name 'x?sig=hunter2', 'password=hunter2', 'backup@pve!hunter2' -ErrorAction SilentlyContinue
                "$((Get-NataliaDiagnostic).Text)"
            }
            finally { $env:NATALIA_TEST_SECRET = $env:HTTPS_PROXY = $null }
            """).Text.Single();
        Assert.DoesNotContain("hunter2", text, StringComparison.Ordinal);
        Assert.DoesNotContain("jean", text, StringComparison.Ordinal);
        Assert.Contains("NATALIA_TEST_SECRET: set", text, StringComparison.Ordinal);
        Assert.Contains("HTTPS_PROXY: http://<account>@proxy.example:3128", text, StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_written_to_a_file_that_is_not_replaced_unless_that_was_said()
    {
        string file = _fixture.Full("natalia.txt");
        Assert.Empty(_fixture.Run("Get-NataliaDiagnostic $args[0] -WhatIf", file).ThrowIfFailed().Output);
        Assert.False(File.Exists(file));
        Assert.Equal("True", _fixture.Run("$d = Get-NataliaDiagnostic -Path $args[0]; "
            + "$d.Path -eq $args[0] -and (Get-Content -Raw $args[0]) -eq $d.Text", file).ThrowIfFailed().Text.Single());
        Assert.StartsWith("DestinationExists,", _fixture.Run("Get-NataliaDiagnostic $args[0]", file).ErrorIds.Single(),
            StringComparison.Ordinal);
        _fixture.Run("$null = Get-NataliaDiagnostic $args[0] -Force", file).ThrowIfFailed();
        Assert.StartsWith("DestinationWriteFailed,", _fixture.Run("Get-NataliaDiagnostic $args[0]",
            _fixture.Full("absent/x.txt")).ErrorIds.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_profile_could_not_connect_is_told_with_the_reason()
    {
        _fixture.WithRepository("nas");
        string profile = _fixture.Full("p.json");
        _fixture.Run("$null = Export-NataliaProfile $args[0]; Disconnect-NataliaRepository nas", profile)
            .ThrowIfFailed();
        Directory.Move(_fixture.Full("nas"), _fixture.Full("away"));
        _fixture.Run("$null = Import-NataliaProfile $args[0] -WarningAction SilentlyContinue", profile);
        string detail = _fixture.Run("((Get-NataliaDiagnostic).Connections | Where-Object Name -eq nas).Detail").Text
            .Single();
        Assert.StartsWith("not connected (RepositoryNotFound): ", detail, StringComparison.Ordinal);
    }
}
