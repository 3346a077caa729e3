namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>What a user sees of reports: files, records, errors.</summary>
public sealed class ReportTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private const string Certificate = """
        $key = [Security.Cryptography.ECDsa]::Create()
        $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=Audit', $key, 'SHA256')
        $certificate = $request.CreateSelfSigned([DateTimeOffset]::UtcNow.AddDays(-1), [DateTimeOffset]::UtcNow.AddDays(9))

        """;

    private const string Repository = """
        $ErrorActionPreference = 'Continue'
        Set-Location $args[0]
        Get-NataliaRepository | Disconnect-NataliaRepository
        $null = New-NataliaRepository -Name r -Path ./repository -Unencrypted

        """;

    [Fact]
    public void A_report_of_nothing_proves_nothing_and_says_so()
    {
        ScriptResult result = module.Run(Repository + """
            foreach ($f in 'Html', 'Json', 'Csv', 'OpenMetrics') { Export-NataliaReport "./x.$f" -Format $f }
            """, module.NewFolder());

        Assert.Empty(result.ErrorIds);
        Assert.Equal(4, result.Output.Count);
        Assert.All(result.Output, file =>
        {
            Assert.Equal("NotEvidenced", $"{file!.Properties["Verdict"].Value}");
            Assert.True(File.Exists($"{file!.Properties["Path"].Value}"));
            Assert.Equal(new FileInfo($"{file!.Properties["Path"].Value}").Length, file!.Properties["SizeBytes"].Value);
        });
    }

    [Fact]
    public void Without_a_format_the_end_of_the_name_tells_what_is_written()
    {
        ScriptResult result = module.Run(Repository + """
            foreach ($file in './x.csv', './x.prom', './x.JSON', './x.html', './x') {
                $null = Export-NataliaReport $file
                (Get-Content $file -Raw)[0]
            }
            $null = Export-NataliaReport ./x.csv -Format Html
            (Get-Content ./x.csv -Raw)[0]
            """, module.NewFolder()).ThrowIfFailed();

        Assert.Equal(["\"", "#", "{", "<", "<", "<"], result.Text);
    }

    [Fact]
    public void A_signed_report_is_verified_by_any_of_its_files_and_an_altered_one_is_an_error()
    {
        ScriptResult result = module.Run(Repository + Certificate + """
            $null = Export-NataliaReport ./x.html -Certificate $certificate
            Get-ChildItem x.* | Sort-Object Name | ForEach-Object Name
            Get-ChildItem x.* | Test-NataliaReport -TrustedCertificate $certificate -ExpectedThumbprint $certificate.Thumbprint -Quiet
            Add-Content ./x.json ' '
            Test-NataliaReport ./x.html -TrustedCertificate $certificate -Quiet
            Test-NataliaReport ./x.html -TrustedCertificate $certificate | Where-Object Result -eq Failed | ForEach-Object Actual
            """, module.NewFolder());

        Assert.Equal(["x.html", "x.json", "x.json.p7s", "True", "False", "altered"], result.Output.Select(o => $"{o}"));
        Assert.Equal("ReportNotProved", result.ErrorIds.Single().Split(',')[0]);
    }

    [Fact]
    public void What_is_not_there_or_is_no_report_is_not_called_a_report_that_is_not_proved()
    {
        ScriptResult missing = module.Run("Set-Location $args[0]; Test-NataliaReport ./none.html; "
            + "Test-NataliaReport ./none.html -Quiet", module.NewFolder());
        Assert.Equal("False", $"{Assert.Single(missing.Output)}");
        Assert.Equal("ReportNotFound", missing.ErrorIds.Single().Split(',')[0]);
        Assert.StartsWith("There is no file '", missing.Errors[0].Exception.Message, StringComparison.Ordinal);

        ScriptResult other = module.Run("Set-Location $args[0]; Set-Content ./profile.json '{ \"version\": 1 }'; "
            + "$null = Test-NataliaReport ./profile.json", module.NewFolder());
        Assert.Contains("no report", other.Errors.Single().Exception.Message, StringComparison.Ordinal);
        Assert.StartsWith("Name a report", other.Errors[0].ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void The_files_of_a_signed_report_that_was_cut_short_are_to_be_had_of_its_signer()
    {
        ScriptResult cut = module.Run(Repository + Certificate + """
            $null = Export-NataliaReport ./x.json -Format Json -Certificate $certificate
            Set-Content ./x.json '{ "version'
            $null = Test-NataliaReport ./x.json
            """, module.NewFolder());

        Assert.Contains("no report", cut.Errors.Single().Exception.Message, StringComparison.Ordinal);
        Assert.StartsWith("Ask its signer", cut.Errors[0].ErrorDetails.RecommendedAction, StringComparison.Ordinal);
    }

    [Fact]
    public void A_repository_that_is_piped_in_or_named_by_its_id_is_reported_alone()
    {
        ScriptResult result = module.Run(Repository + """
            $null = New-NataliaRepository -Name other -Path ./other -Unencrypted
            $null = New-Item -ItemType Directory ./vms/a, ./vms/b
            [IO.File]::WriteAllBytes("$PWD/vms/a/data.raw", [byte[]]::new(65536))
            [IO.File]::WriteAllBytes("$PWD/vms/b/data.raw", [byte[]]::new(65536))
            $null = Connect-NataliaHypervisor -Folder ./vms -Name vms
            $null = Invoke-NataliaBackup a -Repository r
            $null = Invoke-NataliaBackup b -Repository other
            (Export-NataliaReport ./all.html).ApplianceCount
            (Get-NataliaRepository other | Export-NataliaReport ./piped.html).ApplianceCount
            (Export-NataliaReport ./named.html -RepositoryId (Get-NataliaRepository r).RepositoryId).ApplianceCount
            Disconnect-NataliaHypervisor vms
            """, module.NewFolder());

        Assert.Empty(result.ErrorIds);
        Assert.Equal(["2", "1", "1"], result.Output.Select(o => $"{o}"));
    }

    [Fact]
    public void Nothing_is_written_when_asked_what_if_or_refused()
    {
        string folder = module.NewFolder();
        ScriptResult result = module.Run(Repository + Certificate + """
            Export-NataliaReport ./x.html -WhatIf
            try { Export-NataliaReport ./absent/x.html } catch { $_.FullyQualifiedErrorId }
            try { Export-NataliaReport ./x.html -RestoreTestId 0123 } catch { $_.FullyQualifiedErrorId }
            $public = [Security.Cryptography.X509Certificates.X509Certificate2]::new($certificate.RawData)
            try { Export-NataliaReport ./x.html -Certificate $public } catch { $_.FullyQualifiedErrorId }
            """, folder);

        Assert.Equal(["DestinationWriteFailed", "RestoreTestNotFound", "CertificateUnusable"],
            result.Output.Select(o => $"{o}".Split(',')[0]));
        Assert.DoesNotContain(Directory.EnumerateFiles(folder), f => Path.GetFileName(f).StartsWith('x'));
    }
}
