using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// Proxmox VE's VMs are enrolled like any other appliance, so that a mixed fleet needs no branches. The cluster is our
/// simulator.
/// </summary>
public sealed class EnrolmentTests
{
    [Fact]
    public async Task An_enrolled_vm_goes_where_it_belongs_through_the_whole_procedure()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guests.Add(SampleCluster.Appliance(101, "other", "pve2")));
        fixture.Cluster.Guest(100).Config["description"] = "Owner: telephony\n";
        fixture.Connect();
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage nas");
        Assert.StartsWith("NothingEnrolled,", fixture.Try("Get-NataliaAppliance").ErrorIds.Single());

        ScriptResult set =
            fixture.Do("Get-NataliaAppliance -Name natalia-01 | Set-NataliaAppliance -Repository pbs -PassThru");
        Assert.Equal(("pbs", true, true, "scsi1"),
            (set.Value("Repository"), set.Value("IsEnrolled"), set.Value("IncludeSystemDisk"), set.Value("DataDisk")));
        Assert.Equal("Owner: telephony\n[natalia-backup enrolled=100 storage=pbs system-disk=1]",
            fixture.Cluster.Guest(100).Config["description"].TrimEnd('\n'));
        Assert.Equal("natalia-01 pbs",
            fixture.Do("Get-NataliaAppliance | ForEach-Object { \"$($_.Name) $($_.Repository)\" }").Text.Single());

        // Two storages are connected, and nothing needs to be named any more.
        Assert.Equal("pbs", fixture.Do("(Get-NataliaAppliance | Invoke-NataliaBackup).Repository").Text.Single());
        Assert.Equal("pbs", fixture.Do("(Invoke-NataliaBackup natalia-01).Repository").Text.Single());
        Assert.Equal("7 4 3",
            fixture.Do("Get-NataliaAppliance | Set-NataliaRetention -Daily 7 -Weekly 4 -Monthly 3 -Force -PassThru | "
                + "ForEach-Object { \"$($_.Daily) $($_.Weekly) $($_.Monthly)\" }").Text.Single());
        Assert.Equal("True daily 7, weekly 4, monthly 3",
            fixture.Do("Get-NataliaAppliance | Register-NataliaSchedule | ForEach-Object { \"$($_.WasChanged) "
                + "$($_.Retention)\" }").Text.Single());
        Assert.Equal("2", fixture.Do("@(Get-NataliaAppliance | Get-NataliaRetentionPlan).Count").Text.Single());
        Assert.StartsWith("RepositoryAmbiguous,", Assert.Single(fixture.Try("Invoke-NataliaBackup other").ErrorIds));
        Assert.Contains("Set-NataliaAppliance",
            fixture.Try("Invoke-NataliaBackup other").Errors[0].ErrorDetails.RecommendedAction);
    }

    /// <summary>What cannot be copied fails no night, and its old points go as their policy says.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_night_with_copies_leaves_out_what_a_storage_has_and_applies_its_retention(bool isRunbook)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        string folder = fixture.Module.NewFolder(), file = Path.Combine(folder, "profile.json");
        SimulatedPoint old = fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-3));
        fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-2));
        fixture.Do("""
            $null = New-NataliaRepository -Path $args[0] -Unencrypted -Name offsite
            $null = Set-NataliaAppliance natalia-01 -Repository pbs
            Set-NataliaRetention natalia-01 -Repository pbs -Last 1 -Force
            Export-NataliaProfile -Path $args[1] -SecretName @{ pve = 'token' }
            """, Path.Combine(folder, "offsite"), file);

        string said = isRunbook ? RunNightly(fixture, file) : await RunScheduleAsync(folder, file);

        Assert.Contains("are not copied", said, StringComparison.Ordinal);
        Assert.DoesNotContain("left out", said, StringComparison.Ordinal);
        Assert.DoesNotContain(old, fixture.Cluster.Storage("pbs").Points);
        Assert.NotEmpty(fixture.Cluster.Storage("pbs").Points);
    }

    private static string RunNightly(ProxmoxFixture fixture, string profile)
    {
        using ModuleSession session = fixture.Module.NewSession();
        ScriptResult result = session.Run("""
            $global:token = $args[2]
            function global:Get-AutomationPSCredential { $global:token }
            & $args[0] -ProfilePath $args[1] -CopyTo offsite -Full
            """, Path.Combine(BuildLayout.ModuleRoot, "examples", "runbooks", "NightlyBackup.ps1"), profile,
            ProxmoxFixture.Credential());
        string said = string.Join("\n", result.Text);
        Assert.True(result.TerminatingError is null, said);
        return said;
    }

    private static async Task<string> RunScheduleAsync(string folder, string profile)
    {
        string secrets = Path.Combine(folder, "secrets.ps1");
        File.WriteAllText(secrets, "[pscredential]::new('backup@pve!natalia', [Net.NetworkCredential]::new('', "
            + "'11111111-2222-3333-4444-555555555555').SecurePassword)");
        RunnerProcess.Result result = await RunnerProcess.RunAsync("-NonInteractive", "-File",
            Path.Combine(BuildLayout.ModuleRoot, "Natalia.Backup.ScheduledRun.ps1"), "-ProfilePath", profile,
            "-CopyTo", "offsite", "-SecretScript", secrets);
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        return result.Output;
    }

    [Fact]
    public async Task The_storages_of_a_cluster_share_what_is_asked_of_its_vms()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("$null = Set-NataliaAppliance natalia-01 -Repository pbs");
        int one = Reads();
        fixture.Do("'pbs-data', 'nas', 'local' | ForEach-Object { $null = Connect-NataliaRepository -ProxmoxStorage "
            + "$_ }");

        Assert.Equal((1, 1), (one, Reads()));

        int Reads()
        {
            int before = Count();
            fixture.Do("$null = Get-NataliaAppliance");
            return Count() - before;
        }

        int Count() => fixture.Server.Requests.Count(r => r.Path == "/nodes/pve1/qemu/100/config");
    }

    [Fact]
    public async Task Each_of_two_sessions_to_a_cluster_finds_its_own_storage()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("$null = Connect-NataliaHypervisor -Proxmox $args[0] -Credential $args[1] "
            + "-ServerCertificateThumbprint $args[2] -Name pve2; "
            + "$null = Connect-NataliaRepository -ProxmoxStorage pbs -Hypervisor pve2 -Name pbs2",
            fixture.Hosts, ProxmoxFixture.Credential(), fixture.Pins);
        Assert.Equal(["pbs", "pbs2"], fixture.Do("foreach ($h in 'pve', 'pve2') { (Set-NataliaAppliance natalia-01 "
            + "-Hypervisor $h -PassThru).Repository }").Text);
    }

    [Fact]
    public async Task A_scheduled_vm_is_enrolled_by_its_schedule()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.Equal("pbs", fixture.Do("(Get-NataliaAppliance).Repository").Text.Single());
        Assert.Equal("None", fixture.Do("(Get-NataliaRetention natalia-01).Source").Text.Single());
        fixture.Do("Get-NataliaSchedule natalia-01 | Unregister-NataliaSchedule");
        Assert.StartsWith("NothingEnrolled,", fixture.Try("Get-NataliaAppliance").ErrorIds.Single());
    }

    [Fact]
    public async Task An_enrolment_ends_with_its_line_in_the_notes()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Cluster.Guest(100).Config["description"] = "Owner: telephony\n";
        fixture.Connect();
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage nas; Set-NataliaAppliance natalia-01 "
            + "-Repository nas; Set-NataliaAppliance natalia-01 -Repository pbs -Tolerance 1; "
            + "$null = Invoke-NataliaBackup natalia-01 -Repository pbs; "
            + "$null = Register-NataliaSchedule natalia-01 -Repository pbs");
        string end = "Unregister-NataliaAppliance natalia-01 -Repository pbs -Confirm:$false";
        Assert.StartsWith("ApplianceScheduled,", fixture.Try(end).ErrorIds.Single());
        fixture.Do("Get-NataliaSchedule natalia-01 | Unregister-NataliaSchedule");
        Assert.Equal(["nas", "pbs"], fixture.Do("(Get-NataliaAppliance).Repository").Text.Order());
        fixture.Do(end);
        Assert.Equal("nas", fixture.Do("(Get-NataliaAppliance).Repository").Text.Single());
        Assert.Equal("Owner: telephony\n[natalia-backup enrolled=100 storage=nas system-disk=1]",
            fixture.Cluster.Guest(100).Config["description"].TrimEnd('\n'));
        Assert.NotEmpty(fixture.Do("Get-NataliaRestorePoint natalia-01 -Repository pbs").Output);
        // Points there are kept by the VM's number.
        string id = fixture.Do("(Get-NataliaAppliance).ApplianceId").Text.Single();
        Assert.StartsWith("CapabilityMissing,",
            fixture.Try($"Set-NataliaAppliance natalia-01 -ApplianceId {id} -Repository pbs").ErrorIds.Single());
    }

    [Fact]
    public async Task A_copy_with_the_same_notes_is_not_enrolled_with_them()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs; $null = Get-NataliaAppliance | "
            + "Invoke-NataliaBackup; $null = Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -NewName copy "
            + "-Network @{ vmbr0 = 'vmbr9' } -Storage thin");
        Assert.Contains("enrolled=100", fixture.Cluster.Guest(101).Config["description"]);
        Assert.Equal("natalia-01", fixture.Do("(Get-NataliaAppliance).Name").Text.Single());
    }

    [Fact]
    public async Task What_an_enrolment_says_of_disks_counts_for_backups_and_schedules()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi2"] = "tank:vm-100-disk-2,size=1G,backup=0");
        fixture.ConnectCluster();
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage pbs; $null = Connect-NataliaRepository "
            + "-ProxmoxStorage pbs-data");
        Assert.StartsWith("DiskAmbiguous,",
            Assert.Single(fixture.Try("Set-NataliaAppliance natalia-01 -Repository pbs").ErrorIds));
        Assert.StartsWith("DiskNotFound,",
            Assert.Single(fixture.Try("Set-NataliaAppliance natalia-01 -Repository pbs -DataDisk scsi9").ErrorIds));
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs -DataDisk SCSI1; Set-NataliaAppliance natalia-01 "
            + "-Repository pbs-data -DataDisk scsi1 -IncludeSystemDisk:$false");
        Assert.Equal(["scsi1 pbs True", "scsi1 pbs-data False"],
            fixture.Do("Get-NataliaAppliance | ForEach-Object { \"$($_.DataDisk) $($_.Repository) "
                + "$($_.IncludeSystemDisk)\" }").Text.Order());
        // A run for each enrolment: the whole VM to the one, the data disk alone to the other.
        Assert.Equal(["pbs False", "pbs-data True"],
            fixture.Do(
                "Invoke-NataliaBackup natalia-01 | ForEach-Object { \"$($_.Repository) $($_.IsDataDiskOnly)\" }").Text.Order());
        Assert.Equal("Passed",
            fixture.Do(
                "(Test-NataliaPrerequisite natalia-01 -Repository pbs -Detailed | Where-Object Name -eq DataDisk).Result")
                .Text.Single());
        // The stated data disk is what a schedule must take; another disk that is left out is not its business.
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs");
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs -DataDisk scsi2");
        Assert.StartsWith("ScheduleOmitsDisk,",
            Assert.Single(fixture.Try("Register-NataliaSchedule natalia-01 -Repository pbs").ErrorIds));
    }

    [Fact]
    public async Task Each_kind_of_vm_takes_its_own_kind_of_repository()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        string folder = fixture.ConnectWithEvidence();
        string export = fixture.Module.NewFolder();
        File.WriteAllBytes(Path.Combine(Directory.CreateDirectory(Path.Combine(export, "exported")).FullName,
            "data.raw"),
            new byte[1 << 20]);
        fixture.Do("$null = Connect-NataliaHypervisor -Folder $args[0] -Name exports", export);
        ScriptResult refused = fixture.Try("Set-NataliaAppliance natalia-01 -Repository evidence");
        Assert.StartsWith("CapabilityMissing,", Assert.Single(refused.ErrorIds));
        Assert.Contains("-ProxmoxStorage", refused.Errors[0].ErrorDetails.RecommendedAction);
        Assert.StartsWith("CapabilityMissing,",
            Assert.Single(fixture.Try("Set-NataliaAppliance exported -Repository pbs").ErrorIds));
        Assert.StartsWith("CapabilityMissing,",
            Assert.Single(fixture.Try("Invoke-NataliaBackup exported -Repository pbs").ErrorIds));
        // Nothing is ambiguous: one of the two takes the one, the other the other.
        fixture.Do("Set-NataliaAppliance natalia-01; Set-NataliaAppliance exported");
        Assert.Equal(["exported evidence", "natalia-01 pbs"],
            fixture.Do("Get-NataliaAppliance | ForEach-Object { \"$($_.Name) $($_.Repository)\" }").Text);
        Assert.Equal(["evidence", "pbs"],
            fixture.Do("Get-NataliaAppliance | Invoke-NataliaBackup | ForEach-Object Repository").Text.Order());
        Assert.NotEmpty(folder);
    }

    [Fact]
    public async Task A_held_vm_is_waited_for_and_a_missing_right_is_named()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        int tries = 0;
        fixture.Server.Intercept = r => r is { Method: "PUT" } && r.Path.EndsWith("/config") && ++tries == 1
            ? SimulatorReply.Fail(500, "detected modified configuration - file changed by other user? Try again.")
            : null;
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs");
        Assert.Equal(2, tries);
        fixture.Server.Intercept = null;
        fixture.Cluster.Rights = new()
        {
            ["/"] = new() { ["VM.Audit"] = true, ["Datastore.Audit"] = true, ["Datastore.Allocate"] = true },
        };
        ScriptResult refused =
            fixture.Try("Set-NataliaAppliance natalia-01 -Repository pbs -IncludeSystemDisk:$false");
        Assert.Contains("VM.Config.Options", refused.Errors.Single().Exception.Message);
    }
}
