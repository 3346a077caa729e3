using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// A host that died: the case that a backup is for. The cluster is our simulator, which forgets what it knew of such a
/// host's VMs after five minutes, their names first.
/// </summary>
public sealed class DeadNodeTests
{
    [Fact]
    public async Task A_vm_of_a_dead_node_is_found_by_its_name_and_restored_on_another_node()
    {
        await using ProxmoxFixture fixture = await StartAsync();
        fixture.Cluster.Guest(100).Config["onboot"] = "1";
        fixture.Do(
            "Set-NataliaAppliance natalia-01 -Repository pbs; $null = Get-NataliaAppliance | Invoke-NataliaBackup");
        Kill(fixture, TimeSpan.FromMinutes(6));
        // A new session remembers nothing.
        fixture.Do("Get-NataliaRepository | Disconnect-NataliaRepository; Get-NataliaHypervisor | "
            + "Disconnect-NataliaHypervisor");
        fixture.Connect();

        ScriptResult found = fixture.Do("Get-NataliaAppliance -Name natalia-01");
        Assert.Equal(("natalia-01", "pve1", "unknown", "scsi1", "pbs"),
            (found.Value("Name"), found.Value("VMHost"), found.Value("State"), found.Value("DataDisk"),
                found.Value("Repository")));
        Assert.Contains("'pve1' does not answer", Assert.Single(found.Warnings));
        Assert.Contains("'natalia-01' (100) as its restore point of", found.Warnings[0]);
        Assert.Equal("natalia-01", fixture.Do("(Get-NataliaAppliance).Name").Text.Single());

        ScriptResult open =
            fixture.Try("Get-NataliaRestorePoint natalia-01 -Latest | Restore-NataliaAppliance -NewName natalia-new");
        Assert.StartsWith("NetworkChoiceRequired,", Assert.Single(open.ErrorIds));
        Assert.Contains("cannot be read", open.Errors[0].Exception.Message);
        Assert.Contains("'vmbr0' = 'vmbr0'", open.Errors[0].ErrorDetails.RecommendedAction);
        Assert.StartsWith("ApplianceNameInUse,",
            Assert.Single(
                fixture.Try("Get-NataliaRestorePoint natalia-01 -Latest | Restore-NataliaAppliance -Network @{ vmbr0 "
                    + "= 'vmbr0' }").ErrorIds));
        Assert.StartsWith("ServerUnreachable,",
            Assert.Single(
                fixture.Try(
                    "Get-NataliaRestorePoint natalia-01 -Latest | Restore-NataliaAppliance -OverExisting").ErrorIds));
        Assert.StartsWith("StorageNotSuitable,",
            Assert.Single(fixture.Try("Get-NataliaRestorePoint natalia-01 -Latest | Restore-NataliaAppliance "
                + "-NewName natalia-new -Network @{ vmbr0 = 'vmbr0' } -VMHost pve1").ErrorIds));
        Assert.Equal(2, fixture.Cluster.Guests.Count);

        ScriptResult restored = fixture.Do("Get-NataliaAppliance -Name natalia-01 | Get-NataliaRestorePoint -Latest "
            + "| Restore-NataliaAppliance -NewName natalia-new -Network @{ vmbr0 = 'vmbr0' }");
        Assert.Equal(("natalia-new", "pve2", "stopped"),
            (restored.Value("Name"), restored.Value("VMHost"), restored.Value("State")));
        Assert.Contains(restored.Warnings, w => w.Contains("When it comes back, it runs beside the restored VM"));
        Assert.Contains(restored.Warnings, w => w.Contains("Start at boot"));
        Assert.Equal("0", fixture.Cluster.Guest(102).Config["onboot"]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task A_dead_node_stops_neither_backups_nor_retention_of_the_other_vms(int minutes)
    {
        await using ProxmoxFixture fixture = await StartAsync();
        for (int day = 1; day < 5; day++)
            foreach (int vmid in new[] { 100, 101 })
                fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-day),
                    vmid).ConfigText = SimulatedCluster.ConfigTextOf(fixture.Cluster.Guest(vmid));
        fixture.Do("Set-NataliaRetention natalia-01, other -Repository pbs -Daily 2 -Force");
        Kill(fixture, TimeSpan.FromMinutes(minutes));

        ScriptResult backup = fixture.Try("Invoke-NataliaBackup natalia-01, other -Repository pbs");
        Assert.Equal("other", Assert.Single(backup.Output)!.Properties["ApplianceName"].Value);
        Assert.StartsWith("ServerUnreachable,", Assert.Single(backup.ErrorIds));

        ScriptResult retention = fixture.Try("Invoke-NataliaRetention -Repository pbs");
        Assert.Equal(3, retention.Output.Count);
        Assert.StartsWith("RetentionPolicyDamaged,", Assert.Single(retention.ErrorIds));
        Assert.Contains("'natalia-01'", retention.Errors[0].Exception.Message);
        Assert.Contains("cannot be read", retention.Errors[0].Exception.Message);
        Assert.Equal(4, fixture.Cluster.Storage("pbs").Points.Count(p => p.Vmid == 100));
        Assert.Equal(["natalia-01", "other"],
            fixture.Do("Get-NataliaRestorePoint | ForEach-Object ApplianceName").Text.Distinct().Order());
        Assert.Equal("NotEvidenced",
            fixture.Do("(Get-NataliaRestorePoint natalia-01 -Latest | Test-NataliaRestorePoint | Where-Object Name "
                + "-eq SameAppliance).Result").Text.Single());
        ScriptResult checks =
            fixture.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs -Detailed | Where-Object { "
                + "$_.Name -in 'Node', "
                + "'VmReadable' }");
        Assert.Equal(["pve1 Warning", "natalia-01 Failed"],
            checks.Output.Select(c => $"{c!.Properties["Target"].Value} {c.Properties["Result"].Value}"));
    }

    [Fact]
    public async Task What_a_dead_node_kept_on_itself_is_told_to_be_missing_from_the_list()
    {
        await using ProxmoxFixture fixture = await StartAsync();
        foreach (string node in fixture.Cluster.Nodes)
            fixture.Cluster.Storage("local").Points.Add(new SimulatedPoint
            {
                Volid = $"local:backup/vzdump-qemu-101-2026_11_0{node[^1]}-00_00_00.vma.zst",
                Vmid = 101,
                Time = DateTimeOffset.UtcNow.AddDays(-1),
                Node = node,
                Size = 5 << 20,
            });
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage local");
        Kill(fixture, TimeSpan.FromMinutes(1));
        ScriptResult listed = fixture.Do("Get-NataliaRestorePoint -Repository local");
        Assert.Equal(2, listed.Output.Count);
        Assert.Contains("node 'pve1'", Assert.Single(listed.Warnings));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public async Task An_enrolment_that_ended_does_not_come_back_with_the_point_that_was_made_before(int minutes)
    {
        await using ProxmoxFixture fixture = await StartAsync(f => f.ConnectWithEvidence());
        fixture.Do("Set-NataliaAppliance natalia-01, other -Repository pbs; "
            + "$null = Get-NataliaAppliance | Invoke-NataliaBackup; "
            + "Unregister-NataliaAppliance natalia-01 -Repository pbs -Confirm:$false");
        Assert.Equal(["other"], fixture.Do("(Get-NataliaAppliance).Name").Text);
        Kill(fixture, TimeSpan.FromMinutes(minutes));
        Assert.Equal(["other"], fixture.Do("(Get-NataliaAppliance).Name").Text);
        Assert.Equal(["False"], fixture.Do("(Get-NataliaAppliance -Name natalia-01).IsEnrolled").Text);
        Assert.Empty(fixture.Try("Get-NataliaAppliance | Invoke-NataliaBackup").ErrorIds);

        // Enrolled again before the node went down: it is, whatever was said in between.
        fixture.Cluster.OfflineNodes.Remove("pve1");
        fixture.Server.SetDown("pve1", false);
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs");
        Kill(fixture, TimeSpan.FromMinutes(minutes));
        Assert.Equal(["natalia-01", "other"], fixture.Do("(Get-NataliaAppliance).Name").Text.Order());
    }

    private static Task<ProxmoxFixture> StartAsync() => StartAsync(f => f.Connect());

    private static async Task<ProxmoxFixture> StartAsync(Action<ProxmoxFixture> connect)
    {
        ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.BackupDuration = TimeSpan.FromSeconds(20);
            c.Guests.Add(SampleCluster.Appliance(101, "other", "pve2"));
        });
        connect(fixture);
        return fixture;
    }

    private static void Kill(ProxmoxFixture fixture, TimeSpan ago)
    {
        fixture.Cluster.OfflineNodes.Add("pve1");
        fixture.Server.SetDown("pve1", true);
        fixture.Cluster.Clock.Advance(ago);
    }
}
