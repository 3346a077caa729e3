using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// From the cmdlet into the guest: a point in the cluster's own storage is restored, isolated, booted, asked, and
/// destroyed. The cluster and its guest are our simulator.
/// </summary>
public sealed class RestoreTestTests
{
    [Fact]
    public async Task A_point_of_the_cluster_is_tested_in_the_cluster_and_the_test_is_kept_as_evidence()
    {
        await using ProxmoxFixture scenario = await ProxmoxFixture.StartAsync();
        List<string> ran = [];
        scenario.Cluster.ProgramsOfAll = line =>
        {
            lock (ran) ran.Add(line);
            return new SimulatedProcess(0, line.Contains("cdr count", StringComparison.Ordinal) ? "20000" : "fine");
        };
        scenario.ConnectWithEvidence();
        scenario.Do("Set-NataliaAppliance natalia-01 -Repository pbs -IsolatedNetwork vmbr9 -Tolerance 0.4");
        Assert.Equal("vmbr9 0.4", scenario.Do("Get-NataliaAppliance natalia-01 | ForEach-Object { "
            + "\"$($_.RestoreTest.IsolatedNetwork) $($_.RestoreTest.Tolerance)\" }").Text.Single());

        Assert.Equal("Passed", scenario.Do("$test = Invoke-NataliaBackup natalia-01 -CdrBaseline 20000 | "
            + "Test-NataliaRestore; $test.Result").Text.Single());
        Assert.Equal(["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount", "Destroyed"],
            scenario.Do("$test.Checks.Name").Text);
        Assert.Equal([100], scenario.Cluster.Guests.Select(g => g.Vmid));
        string day = scenario.Do("(Get-NataliaRestorePoint -Repository pbs).CdrBaseline.BusinessDay").Text.Single();
        Assert.Contains($"/usr/bin/env natalia-cli cdr count --day {day} --zone UTC", ran);

        Assert.Equal("True Passed 7 pbs", scenario.Do("Get-NataliaRestoreTest natalia-01 | ForEach-Object { "
            + "\"$($_.RestoreTestId -eq $test.RestoreTestId) $($_.Result) $($_.Checks.Count) $($_.Repository)\" }")
            .Text.Single());
        scenario.Cluster.ProgramsOfAll = line => new SimulatedProcess(
            line.Contains("audit verify", StringComparison.Ordinal) ? 1 : 0, "20000");
        ScriptResult failed = scenario.Try("Test-NataliaRestore natalia-01 -RestorePointId $test.RestorePointId");
        Assert.Equal("Failed", failed.Value("Result")!.ToString());
        Assert.StartsWith("RestoreTestFailed,", Assert.Single(failed.ErrorIds), StringComparison.Ordinal);
        Assert.Equal([100], scenario.Cluster.Guests.Select(g => g.Vmid));
    }

    [Fact]
    public async Task A_restore_test_is_reported_alone_and_its_signature_is_verified_by_any_of_the_files()
    {
        await using ProxmoxFixture scenario = await ProxmoxFixture.StartAsync();
        scenario.Cluster.ProgramsOfAll = _ => new SimulatedProcess(0, "20000");
        scenario.ConnectWithEvidence();
        string folder = scenario.Module.NewFolder();
        scenario.Do("""
            Set-Location $args[0]
            Set-NataliaAppliance natalia-01 -Repository pbs -IsolatedNetwork vmbr9
            $test = Invoke-NataliaBackup natalia-01 -CdrBaseline 20000 | Test-NataliaRestore
            $key = [Security.Cryptography.RSA]::Create(2048)
            $request = [Security.Cryptography.X509Certificates.CertificateRequest]::new('CN=Audit', $key, [Security.Cryptography.HashAlgorithmName]::SHA256, [Security.Cryptography.RSASignaturePadding]::Pkcs1)
            $certificate = $request.CreateSelfSigned([DateTimeOffset]::UtcNow.AddDays(-1), [DateTimeOffset]::UtcNow.AddDays(9))
            $how = @{ TrustedCertificate = $certificate; ExpectedThumbprint = $certificate.Thumbprint }
            """, folder);
        Assert.Equal("Met test.json.p7s", scenario.Do("Export-NataliaReport ./test.html -RestoreTestId "
            + "$test.RestoreTestId -Certificate $certificate | ForEach-Object { \"$($_.Verdict) "
            + "$(Split-Path -Leaf $_.SignaturePath)\" }").Text.Single());
        // Each of the three, and by the pipeline.
        Assert.Equal(["True", "True", "True", "True"], scenario.Do("""
            'test.html', 'test.json', 'test.json.p7s' | ForEach-Object { Test-NataliaReport $_ @how -Quiet }
            Get-NataliaRestoreTest natalia-01 | Export-NataliaReport ./piped.csv -Format Csv -Certificate $certificate | Test-NataliaReport @how -Quiet
            """).Text);
        Assert.Equal("True CN=Audit Passed 7", scenario.Do("""
            $json = Get-Content -Raw ./test.json | ConvertFrom-Json
            "$($json.restoreTest.restoreTestId -eq $test.RestoreTestId) $($json.signer) $($json.restoreTest.result) $($json.restoreTest.checks.Count)"
            """).Text.Single());
        // A test that failed may not become one that passed, and no page may tell another story.
        string html = Path.Combine(folder, "test.html");
        File.WriteAllText(html, File.ReadAllText(html).Replace("natalia-01", "natalia-02", StringComparison.Ordinal));
        Assert.Equal(["Presentation altered"], scenario.Try("Test-NataliaReport ./test.html @how | Where-Object Result "
            + "-eq Failed | ForEach-Object { \"$($_.Name) $($_.Actual)\" }").Text);
        scenario.Do("(Get-Content -Raw ./piped.json).Replace('\"20000\"', '\"20001\"') | Set-Content -NoNewline "
            + "./piped.json");
        Assert.Equal(["Content altered"], scenario.Try("Test-NataliaReport ./piped.json @how | Where-Object Result -eq "
            + "Failed | ForEach-Object { \"$($_.Name) $($_.Actual)\" }").Text);
    }
}
