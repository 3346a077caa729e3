using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>The cmdlets against a simulated Proxmox VE cluster, as a user types them.</summary>
public sealed class ProxmoxTests : IAsyncLifetime
{
    private ProxmoxFixture _fixture = null!;

    public async Task InitializeAsync() => _fixture = await ProxmoxFixture.StartAsync();

    public async Task DisposeAsync() => await _fixture.DisposeAsync();

    private ModuleFixture Module => _fixture.Module;

    private SimulatedCluster Cluster => _fixture.Cluster;

    private SimulatorServer Server => _fixture.Server;

    private ScriptResult Connect() => _fixture.Connect();

    [Fact]
    public void A_vm_is_backed_up_listed_tested_protected_restored_and_its_points_removed()
    {
        ScriptResult session = Connect();
        Assert.Equal(("pbs", "Proxmox", "pbs"),
            (session.Value("Name"), session.Value("RepositoryKind"), session.Value("StoreKind")));
        ScriptResult appliance = Module.Run("Get-NataliaAppliance -Name natalia-01").ThrowIfFailed();
        Assert.Equal(("pve1", "running", "scsi1"),
            (appliance.Value("VMHost"), appliance.Value("State"), appliance.Value("DataDisk")));

        ScriptResult made = Module.Run("Get-NataliaAppliance -Name natalia-01 | Invoke-NataliaBackup -Repository pbs")
            .ThrowIfFailed();
        Assert.Equal(("Full", "FileSystem", "Proxmox"),
            (made.Value("Type")!.ToString(), made.Value("Consistency")!.ToString(), made.Value("RepositoryKind")));
        Assert.Contains(made.Progress, p => p.PercentComplete > 0);
        Module.Run("Invoke-NataliaBackup -Appliance natalia-01 -Type Incremental").ThrowIfFailed();

        Assert.Equal("2", Module.Run("@(Get-NataliaRestorePoint -Repository pbs).Count").ThrowIfFailed().Text.Single());
        Assert.Equal(["Passed", "NotEvidenced", "Passed"],
            Module.Run(
                "Get-NataliaRestorePoint -Latest | Test-NataliaRestorePoint | ForEach-Object { [string] $_.Result }")
                .ThrowIfFailed().Text);
        Assert.Equal("False",
            Module.Run("Get-NataliaRestorePoint -Latest | Test-NataliaRestorePoint -Quiet")
                .ThrowIfFailed().Text.Single());
        Assert.Equal("True",
            Module.Run(
                "(Get-NataliaRestorePoint -Latest | Protect-NataliaRestorePoint -Reason x -PassThru).IsProtected")
                .ThrowIfFailed().Text.Single());
        Assert.Equal(["RestorePointProtected,Natalia.Backup.Commands.RemoveNataliaRestorePointCommand"],
            Module.Run("Get-NataliaRestorePoint -Latest | Remove-NataliaRestorePoint -Confirm:$false").ErrorIds);
        Assert.Equal(["RestorePointProtected,Natalia.Backup.Commands.RemoveNataliaRestorePointCommand"],
            Module.Run("Get-NataliaRestorePoint -Latest | Remove-NataliaRestorePoint -WhatIf").ErrorIds);

        ScriptResult refused = Module.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -WhatIf");
        Assert.Equal(["ApplianceNameInUse,Natalia.Backup.Commands.RestoreNataliaApplianceCommand"], refused.ErrorIds);
        ScriptResult restored = Module.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -NewName "
            + "natalia-copy -Network @{ vmbr0 = 'vmbr9' } -Storage thin")
            .ThrowIfFailed();
        Assert.Equal(("natalia-copy", "101", "stopped"),
            (restored.Value("Name"), restored.Value("NativeId"), restored.Value("State")));
        Assert.Contains("bridge=vmbr9", Cluster.Guest(101).Config["net0"]);

        Module.Run("Get-NataliaRestorePoint -Latest | Unprotect-NataliaRestorePoint -Reason x; "
            + "@(Get-NataliaRestorePoint)[-1] | Remove-NataliaRestorePoint -Confirm:$false")
            .ThrowIfFailed();
        Assert.Single(Cluster.Storage("pbs").Points);
    }

    [Fact]
    public void A_storage_is_connected_once_and_completion_knows_what_was_seen()
    {
        Connect();
        Assert.Equal(["RepositoryConnected,Natalia.Backup.Commands.ConnectNataliaRepositoryCommand"],
            Module.Run("Connect-NataliaRepository -ProxmoxStorage pbs").ErrorIds);
        Assert.Equal(_fixture.Hosts, Module.Run("(Get-NataliaHypervisor pve).Location").Text.Single().Split(','));
        Assert.Equal(["pbs", "pbs-data"], Complete("Connect-NataliaRepository -ProxmoxStorage p"));
        Assert.Equal(["tank", "thin"], Complete("Restore-NataliaAppliance -Storage t"));
        Assert.Equal(Cluster.Nodes, Complete("Set-NataliaReplication natalia-01 -TargetVMHost "));
        // A cluster's storage keeps no evidence.
        Assert.Equal([" "], Complete("Connect-NataliaRepository -ProxmoxStorage pbs -EvidenceRepository "));

        IReadOnlyList<string> Complete(string line) =>
            Module.Run("$line = $args[0]; [System.Management.Automation.CommandCompletion]::CompleteInput($line, "
                + "$line.Length, $null).CompletionMatches | ForEach-Object CompletionText",
                line).Text;
    }

    [Fact]
    public void What_is_asked_and_shown_of_retention_is_in_the_clusters_zone()
    {
        Cluster.TimeZone = "Europe/Paris";
        _fixture.AddPoint(new DateTimeOffset(2026, 3, 4, 22, 30, 5, TimeSpan.Zero));
        _fixture.AddPoint(new DateTimeOffset(2026, 3, 4, 23, 30, 5, TimeSpan.Zero));
        _fixture.AddPoint(new DateTimeOffset(2026, 3, 5, 0, 30, 5, TimeSpan.Zero));
        Connect();
        Assert.Contains("daily 2 (Europe/Paris)",
            Module.Session.Render("Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -WhatIf"));
        Module.Run("Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -Force").ThrowIfFailed();
        string shown = Module.Session.Render("Invoke-NataliaRetention natalia-01 -Repository pbs -WhatIf");
        Assert.Contains("natalia-01 2026-03-05 00:30:05 Europe/Paris", shown);
        Assert.Contains("Older than the point of 2026-03-05 01:30:05", shown);
        Assert.Contains("Times are those of Europe/Paris", shown);
        Assert.DoesNotContain("Z (", shown);
    }

    [Theory]
    [InlineData("Europe/Paris", "UTC", false)]
    [InlineData("Europe/Paris", "Asia/Tokyo", false)]
    [InlineData("Europe/Paris", "Romance Standard Time", true)]
    [InlineData("Europe/Paris", "europe/paris", true)]
    [InlineData("Etc/UTC", "UTC", true)]
    public void A_time_zone_that_the_cluster_would_not_keep_to_is_refused(string clusters, string asked,
        bool isAccepted)
    {
        Cluster.TimeZone = clusters;
        _fixture.AddPoint(new DateTimeOffset(2026, 3, 4, 22, 30, 5, TimeSpan.Zero));
        Connect();
        foreach (string command in new[] {
            "Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -TimeZone $args[0] -WhatIf",
            "Set-NataliaRetention natalia-01 -Repository pbs -Daily 2 -TimeZone $args[0] -Force",
            "$null = Get-NataliaRetentionPlan natalia-01 -Daily 2 -TimeZone $args[0]" })
        {
            ScriptResult result = Module.Run(command, asked);
            Assert.Equal(isAccepted ? [] : ["CapabilityMissing"], result.ErrorIds.Select(i => i.Split(',')[0]));
            if (!isAccepted)
                Assert.Contains($"'{clusters}'",
                    result.Errors.FirstOrDefault()?.Exception.Message ?? result.TerminatingError!.Exception.Message);
        }
        Assert.Equal(isAccepted ? 1 : 0,
            Module.Run("Get-NataliaRetention natalia-01 | Where-Object Daily -eq 2").ThrowIfFailed().Output.Count);
    }

    [Fact]
    public void A_cluster_that_was_just_connected_completes_its_names_and_is_asked_once()
    {
        _fixture.ConnectCluster();
        Assert.Equal(["pbs", "pbs-data"], Complete());
        Assert.Equal(0, _fixture.CountRequests(() => Complete()));

        IReadOnlyList<string> Complete() =>
            Module.Run("$line = 'Connect-NataliaRepository -ProxmoxStorage p'; "
                + "[System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, "
                + "$null).CompletionMatches | ForEach-Object CompletionText").Text;
    }

    [Fact]
    public void WhatIf_changes_nothing()
    {
        Connect();
        Cluster.Guest(100).Snapshots.Add(new SimulatedSnapshot("natalia-x", DateTimeOffset.UtcNow, false));
        int before = Server.Requests.Count;
        Module.Run("""
            Set-NataliaAppliance natalia-01 -Repository pbs -WhatIf
            Set-NataliaRetention natalia-01 -Repository pbs -Daily 1 -WhatIf
            Invoke-NataliaBackup natalia-01 -WhatIf
            Invoke-NataliaSnapshot natalia-01 -WhatIf
            Remove-NataliaSnapshot natalia-01 natalia-x -WhatIf
            Register-NataliaSchedule natalia-01 -Repository pbs -WhatIf
            Set-NataliaReplication natalia-01 -TargetVMHost pve2 -WhatIf
            """).ThrowIfFailed();
        Assert.All(Server.Requests.Skip(before), r => Assert.Equal("GET", r.Method));
    }

    [Fact]
    public void Snapshots_schedules_and_replications_are_made_listed_and_removed()
    {
        Connect();
        ScriptResult snapshot = Module.Run("Invoke-NataliaSnapshot natalia-01 -Note before").ThrowIfFailed();
        Assert.Equal("FileSystem", snapshot.Value("Consistency")!.ToString());
        Module.Run("Get-NataliaSnapshot natalia-01 | Remove-NataliaSnapshot -Confirm:$false").ThrowIfFailed();
        Assert.Empty(Cluster.Guest(100).Snapshots);

        Assert.Equal("True 01,07,13,19:00 7",
            Module.Run("Register-NataliaSchedule natalia-01 -Repository pbs -Strategy SixHourly -Daily 7 -Weekly 4 "
                + "-Monthly 3 | ForEach-Object { \"$($_.WasChanged) $($_.Expression) $($_.Retention.Daily)\" }")
                .ThrowIfFailed().Text.Single());
        Assert.Equal("False",
            Module.Run("(Register-NataliaSchedule natalia-01 -Repository pbs -Strategy SixHourly).WasChanged")
                .ThrowIfFailed().Text.Single());
        Module.Run("Get-NataliaSchedule natalia-01 | Unregister-NataliaSchedule").ThrowIfFailed();
        Assert.Empty(Cluster.Jobs);

        Assert.Equal("100-0",
            Module.Run("(Set-NataliaReplication natalia-01 -TargetVMHost pve2).ReplicationId")
                .ThrowIfFailed().Text.Single());
        Assert.Equal(["ReplicationPreconditionFailed,Natalia.Backup.Commands.SetNataliaReplicationCommand"],
            Module.Run("Set-NataliaReplication natalia-01 -TargetVMHost pve3").ErrorIds);
        Module.Run("Get-NataliaReplication | Remove-NataliaReplication -Confirm:$false").ThrowIfFailed();
        Assert.Equal("Skipped", Module.Run("(Get-NataliaReplication natalia-01).Health").ThrowIfFailed().Text.Single());
        Assert.Contains("100-0", Module.Session.Render("Get-NataliaReplication"));
    }

    [Fact]
    public void Prerequisites_are_checked()
    {
        Connect();
        ScriptResult checks =
            Module.Run(
                "Test-NataliaPrerequisite natalia-01 -Repository pbs -ReplicationTarget pve2 -IsolatedNetwork vmbr9 "
                + "-Detailed")
            .ThrowIfFailed();
        Assert.True(checks.Output.Count > 20);
        Assert.Equal("True",
            Module.Run("Test-NataliaPrerequisite natalia-01 -Repository pbs -Quiet").ThrowIfFailed().Text.Single());
        Cluster.Rights = new() { ["/"] = new() { ["VM.Audit"] = true, ["Datastore.Audit"] = true } };
        Assert.Equal("False",
            Module.Run("Test-NataliaPrerequisite natalia-01 -Repository pbs -Quiet").ThrowIfFailed().Text.Single());
    }

    [Fact]
    public void A_repository_of_this_product_cannot_take_such_a_vm_and_the_error_says_what_can()
    {
        Module.Run("$null = Connect-NataliaHypervisor -Proxmox $args[0] -Credential $args[1] "
            + "-ServerCertificateThumbprint $args[2]; $null = New-NataliaRepository -Path $args[3] -Unencrypted -Name "
            + "nas",
            _fixture.Hosts, ProxmoxFixture.Credential(), _fixture.Pins, Module.NewFolder())
            .ThrowIfFailed();
        ScriptResult refused = Module.Run("Invoke-NataliaBackup natalia-01 -Repository nas");
        Assert.Equal(["CapabilityMissing,Natalia.Backup.Commands.InvokeNataliaBackupCommand"], refused.ErrorIds);
        Assert.Contains("-ProxmoxStorage", refused.Errors[0].ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void A_profile_connects_again_and_holds_no_secret()
    {
        Connect();
        string file = Path.Combine(Module.NewFolder(), "profile.json");
        Module.Run("Export-NataliaProfile -Path $args[0] -SecretName @{ pve = 'proxmox-token' }", file).ThrowIfFailed();
        string text = File.ReadAllText(file);
        Assert.Contains("proxmox-token", text);
        Assert.DoesNotContain("11111111-2222", text);
        using ModuleSession other = Module.NewSession();
        ScriptResult imported = other.Run("$credential = $args[1]; $null = Import-NataliaProfile -Path $args[0] "
            + "-SecretResolver { $credential }; Get-NataliaRepository",
            file, ProxmoxFixture.Credential())
            .ThrowIfFailed();
        Assert.Equal("pbs", imported.Value("Name"));
    }

    [Theory]
    [InlineData("Connect-NataliaHypervisor -Proxmox $args[0] -Credential $args[1]", "ServerNotTrusted")]
    [InlineData(
        "Connect-NataliaHypervisor -Proxmox $args[0] -Credential $args[3] -ServerCertificateThumbprint $args[2]",
        "AuthenticationFailed")]
    [InlineData("Connect-NataliaHypervisor -Proxmox 127.0.0.1:1 -Credential $args[1]", "ServerUnreachable")]
    public void What_stands_in_the_way_of_a_connection_is_named(string script, string error)
    {
        ScriptResult result = Module.Run(script, _fixture.Hosts, ProxmoxFixture.Credential(), _fixture.Pins,
            ProxmoxFixture.Credential(secret: "wrong-secret"));
        Assert.StartsWith(error + ",", Assert.Single(result.ErrorIds));
        Assert.DoesNotContain("wrong-secret", (result.TerminatingError ?? result.Errors[0]).Exception.ToString());
    }

    [Fact]
    public void Retention_goes_to_the_job_or_waits_for_it_and_the_plan_is_compared_with_the_servers()
    {
        DateTimeOffset newest = new(2026, 3, 4, 6, 0, 0, TimeSpan.Zero);
        for (int i = 0; i < 10; i++)
        {
            DateTimeOffset time = newest.AddHours(-6 * i);
            Cluster.Storage("pbs").Points.Add(new SimulatedPoint
            {
                Volid = $"pbs:backup/vm/100/{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}",
                Vmid = 100,
                Time = time,
                Size = 1 << 30,
            });
        }
        Connect();
        Module.Run("Set-NataliaRetention -Appliance natalia-01 -Repository pbs -Daily 2 -Confirm:$false -Force")
            .ThrowIfFailed();
        Assert.Contains("retention=100 storage=pbs keeps=keep-daily=2]", Cluster.Guest(100).Config["description"]);
        Assert.Equal("2 Etc/UTC",
            Module.Run("Get-NataliaRetention natalia-01 | ForEach-Object { \"$($_.Daily) $($_.TimeZone)\" }")
                .ThrowIfFailed().Text.Single());
        Module.Run("Register-NataliaSchedule natalia-01 -Repository pbs").ThrowIfFailed();
        Assert.Equal("keep-daily=2", Cluster.Jobs["natalia-100"]["prune-backups"]);

        ScriptResult plan = Module.Run("Get-NataliaRetentionPlan -Appliance natalia-01 -Repository pbs")
            .ThrowIfFailed();
        Assert.Equal((10, 2),
            (plan.Output.Count, plan.Output.Count(r => r!.Properties["Action"].Value.ToString() == "Keep")));
        Assert.Empty(plan.Warnings);
        // What failed its verification is no newest good point: there the two see it differently, and that is said.
        foreach (SimulatedPoint point in Cluster.Storage("pbs").Points.Where(p => p.Time > newest.AddHours(-20)))
            point.VerifyState = "failed";
        Assert.Contains(Module.Run("Get-NataliaRetentionPlan -Appliance natalia-01 -Repository pbs")
            .ThrowIfFailed().Warnings,
            w => w.Contains("disagree"));
        foreach (SimulatedPoint point in Cluster.Storage("pbs").Points) point.VerifyState = null;

        Assert.Equal("8",
            Module.Run("@(Invoke-NataliaRetention -Appliance natalia-01 -Repository pbs).Count")
                .ThrowIfFailed().Text.Single());
        Assert.Equal(2, Cluster.Storage("pbs").Points.Count);
    }

    [Fact]
    public void A_cluster_that_is_disconnected_takes_its_storages_with_it_and_nothing_else()
    {
        _fixture.ConnectWithEvidence();
        Module.Run("$null = Connect-NataliaRepository -ProxmoxStorage nas; $null = Set-NataliaAppliance natalia-01 "
            + "-Repository pbs")
            .ThrowIfFailed();
        Module.Run("Disconnect-NataliaHypervisor pve -WhatIf").ThrowIfFailed();
        Assert.Equal(["evidence", "nas", "pbs"],
            Module.Run("(Get-NataliaRepository).Name | Sort-Object").ThrowIfFailed().Text);

        Module.Run("Disconnect-NataliaHypervisor pve").ThrowIfFailed();
        Assert.Equal(["evidence"], Module.Run("(Get-NataliaRepository).Name").ThrowIfFailed().Text);
        // What looks at every repository has what is left, and no error of a connection that is closed.
        Assert.Empty(Module.Run("Get-NataliaRestorePoint; Get-NataliaRetentionPlan").ThrowIfFailed().Output);
        Assert.StartsWith("RepositoryNotConnected,",
            Assert.Single(Module.Run("Get-NataliaRestorePoint -Repository pbs").ErrorIds));
        Assert.DoesNotContain(Module.Run("Get-NataliaAppliance").ErrorIds,
            e => e.StartsWith("Unexpected", StringComparison.Ordinal));

        // Both names are free again.
        Connect();
        Assert.Equal("natalia-01", Module.Run("(Get-NataliaAppliance).Name").ThrowIfFailed().Text.Single());
    }

    [Fact]
    public async Task The_backup_server_behind_a_storage_is_asked()
    {
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        bool hasVerifyJob = true;
        await using SimulatorServer pbs = await SimulatorServer.StartAsync(["pbs"],
            OperationTable.BackupServer, request => request.Path switch
        {
            "/version" => SimulatorReply.Ok(new { version = "4.0.1" }),
            "/admin/datastore" => SimulatorReply.Ok(new[] { new { store = "tank" } }),
            "/admin/verify" when !hasVerifyJob => SimulatorReply.Ok(Array.Empty<object>()),
            "/admin/prune" or "/admin/verify" => SimulatorReply.Ok(new[] { new Dictionary<string, object>
            {
                ["id"] = "j",
                ["store"] = "tank",
                ["last-run-state"] = "OK",
                ["last-run-endtime"] = now - 60,
            } }),
            "/admin/datastore/tank/gc" => SimulatorReply.Ok(new Dictionary<string, object>
            {
                ["last-run-state"] = "OK",
                ["last-run-endtime"] = now - 60,
            }),
            "/admin/datastore/tank/snapshots" => SimulatorReply.Ok(new[] { new Dictionary<string, object>
            {
                ["backup-type"] = "vm",
                ["backup-id"] = "100",
                ["backup-time"] = now - 600,
                ["size"] = 1L << 30,
                ["verification"] = new
                {
                    state = "ok",
                    upid = $"UPID:pbs:00000001:00000001:00000001:{now - 60:X8}:verificationjob:tank:root@pam:",
                },
            } }),
            _ => SimulatorReply.Fail(404, "not served"),
        });
        Connect();
        string script = "Test-NataliaRepository -Repository pbs -BackupServer $args[0] -Credential $args[1] "
            + "-ServerCertificateThumbprint $args[2] -Datastore tank -Detailed";
        object?[] arguments = [$"127.0.0.1:{pbs.Ports["pbs"]}", ProxmoxFixture.Credential("audit@pbs!x", "12345678"),
            pbs.Thumbprint("pbs")];
        Assert.Contains("GarbageCollection Passed",
            Module.Run(script + " | ForEach-Object { \"$($_.Name) $($_.Result)\" }", arguments).ThrowIfFailed().Text);
        Assert.Equal("True", Module.Run(script + " -Quiet", arguments).ThrowIfFailed().Text.Single());
        // What the server does not know is no success.
        hasVerifyJob = false;
        Assert.Equal("False", Module.Run(script + " -Quiet", arguments).ThrowIfFailed().Text.Single());
        Assert.Equal(["CapabilityMissing,Natalia.Backup.Commands.TestNataliaRepositoryCommand"],
            Module.Run("Test-NataliaRepository pbs").ErrorIds);
        Assert.Empty(pbs.Violations);
    }
}
