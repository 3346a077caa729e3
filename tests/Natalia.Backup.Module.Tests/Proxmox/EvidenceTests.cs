using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// A storage of Proxmox VE keeps no audit log: a repository of this product keeps its evidence. The cluster is our
/// simulator.
/// </summary>
public sealed class EvidenceTests
{
    [Fact]
    public async Task Beside_a_copy_of_the_evidence_repository_the_named_one_keeps_it_and_none_is_guessed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-3));
        string folder = fixture.ConnectWithEvidence();
        string copy = Path.Combine(fixture.Module.NewFolder(), "copy");
        fixture.Do("Copy-Item $args[0] $args[1] -Recurse; Disconnect-NataliaRepository evidence; "
            + "$null = Connect-NataliaRepository -Path $args[1] -Name copy -Unencrypted -WarningAction Ignore; "
            + "$null = Connect-NataliaRepository -Path $args[0] -Name evidence -Unencrypted -WarningAction Ignore",
            folder, copy);
        fixture.Do("Get-NataliaRestorePoint -Repository pbs | Protect-NataliaRestorePoint -Reason one");
        Assert.Equal((1, 0), (Records(folder), Records(copy)));

        fixture.Do("Disconnect-NataliaRepository evidence; $null = Connect-NataliaRepository -Path $args[0] -Name "
            + "other -Unencrypted -WarningAction Ignore", folder);
        Assert.StartsWith("RepositoryAmbiguous,", fixture.Try("Get-NataliaRestorePoint -Repository pbs | "
            + "Unprotect-NataliaRestorePoint -Reason two").ErrorIds.Single());
        Assert.Equal((1, 0), (Records(folder), Records(copy)));

        static int Records(string of) =>
            Directory.GetFiles(of, "*native-point-protected*", SearchOption.AllDirectories).Length
            + Directory.GetFiles(of, "*native-point-unprotected*", SearchOption.AllDirectories).Length;
    }

    [Fact]
    public async Task What_is_done_in_the_storage_is_recorded_with_its_reason_shown_and_verified()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-3));
        string folder = fixture.ConnectWithEvidence();
        Assert.Equal("evidence", fixture.Do("Get-NataliaRepository pbs").Value("EvidenceRepository"));

        fixture.Do("""
            Set-NataliaAppliance natalia-01 -Repository pbs
            Invoke-NataliaBackup natalia-01 -Repository pbs
            $old = @(Get-NataliaRestorePoint -Repository pbs)[-1]
            $old | Protect-NataliaRestorePoint -Reason 'Evidence for case 17'
            $old | Unprotect-NataliaRestorePoint -Reason 'Case 17 is closed'
            $old | Remove-NataliaRestorePoint -Reason 'Ticket 4711' -Confirm:$false
            $null = Get-NataliaRestorePoint -Latest -Repository pbs | Test-NataliaRestorePoint
            $null = Register-NataliaSchedule natalia-01 -Repository pbs
            $null = Register-NataliaSchedule natalia-01 -Repository pbs
            Set-NataliaRetention natalia-01 -Repository pbs -Daily 7 -Weekly 4 -Monthly 3 -Force
            $null = Get-NataliaRestorePoint -Latest -Repository pbs | Restore-NataliaAppliance -NewName copy -Network @{ vmbr0 = 'vmbr9' } -Storage thin
            Get-NataliaSchedule natalia-01 | Unregister-NataliaSchedule
            """);
        Assert.Equal(
            [
                "native-appliance-set ", "native-point-made ", "native-point-protected Evidence for case 17",
                "native-point-unprotected Case 17 is closed", "native-point-removed Ticket 4711",
                "native-point-verified ", "native-schedule-set ", "native-retention-set ", "native-point-restored ",
                "native-schedule-removed ",
            ],
            fixture.Do("$r = @(Get-NataliaAuditRecord -Repository pbs); [array]::Reverse($r); $r | ForEach-Object { "
                + "\"$($_.Event) $($_.Reason)\" }").Text);
        Assert.Equal("natalia-01",
            fixture.Do(
                "@(Get-NataliaAuditRecord -Appliance natalia-01 -Repository evidence)[0].ApplianceName").Text.Single());
        string made = fixture.Do("(Get-NataliaRestorePoint -Latest -Repository pbs | Get-NataliaAuditRecord | "
            + "Where-Object Event -eq native-point-made).Data").Text.Single();
        Assert.Contains("\"volume\":\"pbs:backup/vm/100/", made);
        Assert.Contains("\"consistency\":\"FileSystem\"", made);
        Assert.DoesNotContain("11111111-2222", made);

        // Where the log ends does not depend on what is about which storage.
        Assert.Equal(fixture.Do("(Get-NataliaAuditRecord -Repository evidence -Latest).RecordHash").Text,
            fixture.Do("(Get-NataliaAuditRecord -Repository pbs -Latest).RecordHash").Text);

        // All of it is in one signed chain, that needs neither the cluster nor a password.
        Assert.Equal("True", fixture.Do("Get-NataliaRepository pbs | Test-NataliaAudit -Quiet").Text.Single());
        Assert.Equal("True", fixture.Do("Test-NataliaAudit -Path $args[0] -Quiet", folder).Text.Single());
        string record = Directory.GetFiles(folder, "*native-point-protected*", SearchOption.AllDirectories).Single();
        byte[] bytes = File.ReadAllBytes(record);
        bytes[bytes.Length / 2] ^= 1;
        File.SetAttributes(record, FileAttributes.Normal);
        File.WriteAllBytes(record, bytes);
        Assert.Equal("False", fixture.Do("Test-NataliaAudit -Repository pbs -Quiet").Text.Single());
    }

    [Fact]
    public async Task Retention_records_every_removal_with_the_rule_that_decided()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        for (int i = 0; i < 5; i++) fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-i));
        fixture.ConnectWithEvidence();
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -Force; Invoke-NataliaRetention "
            + "natalia-01 -Repository pbs");
        IReadOnlyList<string> reasons = fixture.Do("Get-NataliaAuditRecord -Repository pbs | Where-Object Event -eq "
            + "native-point-removed | ForEach-Object Reason").Text;
        Assert.Equal(3, reasons.Count);
        Assert.All(reasons, r => Assert.StartsWith("Retention policy ", r));
    }

    [Fact]
    public async Task Without_an_evidence_repository_that_is_said_when_connecting_and_when_a_reason_is_given()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-3));
        fixture.AddPoint(DateTimeOffset.UtcNow);
        Assert.Contains("-EvidenceRepository", Assert.Single(fixture.Connect().Warnings));
        // One warning for a command, not one for each point.
        Assert.Contains("recorded nowhere",
            Assert.Single(fixture.Do("Get-NataliaRestorePoint | Protect-NataliaRestorePoint -Reason x").Warnings));
        Assert.All(fixture.Cluster.Storage("pbs").Points, p => Assert.True(p.Protected));

        foreach (string command in new[] { "Get-NataliaAuditRecord -Repository pbs", "Test-NataliaAudit pbs",
            "Get-NataliaRestorePoint -Latest | Get-NataliaAuditRecord" })
        {
            ScriptResult refused = fixture.Try(command);
            Assert.StartsWith("CapabilityMissing,", Assert.Single(refused.ErrorIds));
            Assert.Contains("-EvidenceRepository",
                (refused.TerminatingError ?? refused.Errors[0]).ErrorDetails.RecommendedAction);
        }
    }

    [Fact]
    public async Task What_takes_protection_away_is_not_begun_when_it_cannot_be_recorded_but_a_backup_is_made()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        for (int i = 0; i < 4; i++) fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-i));
        string folder = fixture.ConnectWithEvidence();
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -Force");
        Directory.Move(folder, folder + "-away");

        foreach (string command in new[] { "$p | Remove-NataliaRestorePoint -Reason x -Confirm:$false",
            "$p | Unprotect-NataliaRestorePoint -Reason x", "Invoke-NataliaRetention natalia-01 -Repository pbs" })
        {
            ScriptResult refused = fixture.Try(command.Replace("$p |",
                "@(Get-NataliaRestorePoint -Repository pbs)[-1] |"));
            Assert.StartsWith("EvidenceUnavailable,", Assert.Single(refused.ErrorIds));
        }
        Assert.Equal(4, fixture.Cluster.Storage("pbs").Points.Count);

        // Protecting loses nothing, and waits for no share: it is done, and that its record is missing is an error.
        Assert.StartsWith("EvidenceNotRecorded,",
            Assert.Single(
                fixture.Try(
                    "Get-NataliaRestorePoint -Latest -Repository pbs | Protect-NataliaRestorePoint -Reason x").ErrorIds));
        Assert.Single(fixture.Cluster.Storage("pbs").Points, p => p.Protected);

        ScriptResult made = fixture.Try("Invoke-NataliaBackup natalia-01 -Repository pbs");
        Assert.Single(made.Output);
        Assert.StartsWith("EvidenceNotRecorded,", Assert.Single(made.ErrorIds));
        Assert.Equal(5, fixture.Cluster.Storage("pbs").Points.Count);

        // It is there again: the same session goes on.
        Directory.Move(folder + "-away", folder);
        fixture.Do(
            "@(Get-NataliaRestorePoint -Repository pbs)[-1] | Remove-NataliaRestorePoint -Reason x -Confirm:$false");
        Assert.Equal(4, fixture.Cluster.Storage("pbs").Points.Count);
    }

    [Theory]
    [InlineData("DELETE", "Remove-NataliaRestorePoint -Reason 'Ticket 4711' -Confirm:$false", "point removed")]
    [InlineData("PUT", "Unprotect-NataliaRestorePoint -Reason 'Ticket 4711'", "point unprotected")]
    public async Task What_was_accepted_and_could_not_be_followed_is_recorded_as_asked_for(string method,
        string command, string asked)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        for (int i = 0; i < 2; i++) fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-i));
        fixture.ConnectWithEvidence();
        if (method == "PUT") fixture.Do("Get-NataliaRestorePoint -Repository pbs | Protect-NataliaRestorePoint "
            + "-Reason x");
        bool isAccepted = false;
        fixture.Server.Intercept = r =>
        {
            if (r.Method == method) isAccepted = true;
            else if (isAccepted && r.Path.EndsWith("/content"))
                return SimulatorReply.Fail(403, "Permission check failed");
            return null;
        };
        ScriptResult result = fixture.Try("@(Get-NataliaRestorePoint -Repository pbs)[-1] | " + command);
        Assert.True(isAccepted);
        Assert.StartsWith("RequestOutcomeUnknown,", Assert.Single(result.ErrorIds));
        Assert.Contains("Whether it was done is not known", result.Errors[0].Exception.Message);
        fixture.Server.Intercept = null;
        Assert.Equal($"{asked} Ticket 4711", fixture.Do("Get-NataliaAuditRecord -Repository pbs | Where-Object Event "
            + "-eq native-point-outcome-unknown | ForEach-Object { \"$(($_.Data | ConvertFrom-Json).details.asked) "
            + "$($_.Reason)\" }").Text.Single());
    }

    [Fact]
    public async Task A_vm_that_was_restored_and_could_not_be_started_is_recorded_and_shown_beside_the_error()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectWithEvidence();
        fixture.Do("$null = Invoke-NataliaBackup natalia-01 -Repository pbs");
        fixture.Server.Intercept = r => r.Path.EndsWith("/status/start") ? throw new IOException("broken") : null;
        ScriptResult result = fixture.Try("Get-NataliaRestorePoint -Latest -Repository pbs | Restore-NataliaAppliance "
            + "-NewName copy -Network @{ vmbr0 = 'vmbr9' } -Storage thin -Start");
        Assert.Equal("copy", result.Single.Properties["Name"].Value);
        Assert.Contains("VM 101 was restored on node 'pve1', but it could not be started",
            Assert.Single(result.Errors).Exception.Message);
        fixture.Server.Intercept = null;
        Assert.Equal("101", Details(fixture, "native-point-restored", "vm"));
    }

    [Fact]
    public async Task A_restore_over_a_vm_of_which_nothing_more_is_known_is_recorded_as_asked_for()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectWithEvidence();
        fixture.Do("$null = Invoke-NataliaBackup natalia-01 -Repository pbs");
        fixture.Cluster.Guest(100).Running = false;
        fixture.Server.Intercept = r => r.Method == "POST" && r.Path.EndsWith("/qemu")
            ? throw new IOException("broken")
            : null;
        ScriptResult result = fixture.Try("Get-NataliaRestorePoint -Latest -Repository pbs | Restore-NataliaAppliance "
            + "-OverExisting -Confirm:$false");
        Assert.Empty(result.Output);
        Assert.StartsWith("RequestOutcomeUnknown,", Assert.Single(result.ErrorIds));
        fixture.Server.Intercept = null;
        Assert.Equal("point restored", Details(fixture, "native-point-outcome-unknown", "asked"));
    }

    private static string Details(ProxmoxFixture fixture, string what, string member) =>
        fixture.Do("Get-NataliaAuditRecord -Repository pbs | Where-Object Event -eq $args[0] | "
            + $"ForEach-Object {{ ($_.Data | ConvertFrom-Json).details.{member} }}", what).Text.Single();

    [Fact]
    public async Task An_evidence_repository_that_was_disconnected_is_missed_and_found_again_under_another_name()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.AddPoint(DateTimeOffset.UtcNow);
        string folder = fixture.ConnectWithEvidence();
        fixture.Do("Disconnect-NataliaRepository evidence");
        Assert.StartsWith("EvidenceUnavailable,",
            Assert.Single(fixture.Try("Get-NataliaRestorePoint | Unprotect-NataliaRestorePoint -Reason x").ErrorIds));
        Assert.StartsWith("EvidenceUnavailable,",
            Assert.Single(fixture.Try("Get-NataliaAuditRecord -Repository pbs").ErrorIds));
        fixture.Do("$null = Connect-NataliaRepository -Path $args[0] -Unencrypted -Name other", folder);
        fixture.Do("Get-NataliaRestorePoint -Repository pbs | Protect-NataliaRestorePoint -Reason x");
        Assert.Equal("native-point-protected",
            fixture.Do("(Get-NataliaAuditRecord -Repository pbs).Event").Text.Single());
    }

    [Fact]
    public async Task Evidence_goes_only_where_it_can_be_signed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        string folder = Path.Combine(fixture.Module.NewFolder(), "locked");
        fixture.Do("$null = New-NataliaRepository -Path $args[0] -Password $args[1] -Name made; "
            + "Disconnect-NataliaRepository made; $null = Connect-NataliaRepository -Path $args[0] -AuditOnly -Name "
            + "locked",
            folder, ProxmoxFixture.Credential());
        Assert.StartsWith("PasswordRequired,",
            Assert.Single(
                fixture.Try("Connect-NataliaRepository -ProxmoxStorage nas -EvidenceRepository locked").ErrorIds));
        Assert.StartsWith("CapabilityMissing,",
            Assert.Single(
                fixture.Try("Connect-NataliaRepository -ProxmoxStorage nas -EvidenceRepository pbs").ErrorIds));
        Assert.StartsWith("RepositoryNotConnected,",
            Assert.Single(
                fixture.Try("Connect-NataliaRepository -ProxmoxStorage nas -EvidenceRepository nowhere").ErrorIds));
        Assert.Equal("pbs",
            fixture.Do("(Get-NataliaRepository | Where-Object RepositoryKind -eq Proxmox).Name").Text.Single());
    }

    [Fact]
    public async Task A_profile_keeps_where_the_evidence_goes_and_connects_it_first()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        string folder = fixture.ConnectWithEvidence();
        string file = Path.Combine(fixture.Module.NewFolder(), "profile.json");
        fixture.Do("Export-NataliaProfile -Path $args[0] -SecretName @{ pve = 'token' }", file);
        using ModuleSession other = fixture.Module.NewSession();
        ScriptResult imported = other.Run("$credential = $args[1]; $null = Import-NataliaProfile -Path $args[0] "
            + "-SecretResolver { $credential }; Get-NataliaRepository pbs",
            file, ProxmoxFixture.Credential())
            .ThrowIfFailed();
        Assert.Equal("evidence", imported.Value("EvidenceRepository"));
        other.Run("$null = Import-NataliaProfile -Path $args[0] -SecretResolver { throw }", file).ThrowIfFailed();

        // The share with the evidence is away in the night: the backup is made all the same, and nothing is removed.
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-1));
        Directory.Move(folder, folder + "-away");
        using ModuleSession night = fixture.Module.NewSession();
        ScriptResult partly =
            night.Run(
                "$credential = $args[1]; $null = Import-NataliaProfile -Path $args[0] -SecretResolver { $credential }",
            file, ProxmoxFixture.Credential());
        Assert.Empty(partly.ErrorIds);
        Assert.Contains(partly.Warnings, w => w.Contains("Backups are made all the same"));
        ScriptResult made = night.Run("Invoke-NataliaBackup natalia-01");
        Assert.Single(made.Output);
        Assert.Equal(["EvidenceNotRecorded", "RepositoryNotFound"], made.ErrorIds.Select(e => e.Split(',')[0]).Order());
        Assert.StartsWith("EvidenceUnavailable,",
            Assert.Single(
                night.Run(
                    "@(Get-NataliaRestorePoint -Repository pbs)[-1] | Remove-NataliaRestorePoint "
                    + "-Confirm:$false").ErrorIds));
    }
}
