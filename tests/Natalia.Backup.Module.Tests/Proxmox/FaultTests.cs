using System.Text.RegularExpressions;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>What goes wrong on Proxmox VE, as a user meets it. The cluster is our simulator.</summary>
public sealed class FaultTests
{
    [Fact]
    public async Task A_killed_run_of_the_data_disk_alone_leaves_a_mark_that_is_seen_respected_and_undone()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(2));
        SimulatedGuest guest = fixture.Cluster.Guest(100);
        guest.Config["description"] = "Owner: telephony\n";
        var before = new Dictionary<string, string>(guest.Config);
        string script = Path.Combine(fixture.Module.NewFolder(), "run.ps1");
        File.WriteAllText(script, $$"""
            $secret = [securestring]::new(); '11111111-2222-3333-4444-555555555555'.ToCharArray() | ForEach-Object { $secret.AppendChar($_) }
            $credential = [pscredential]::new('backup@pve!natalia', $secret)
            $null = Connect-NataliaHypervisor -Proxmox {{string.Join(',', fixture.Hosts.Select(h => $"'{h}'"))}} -Credential $credential -ServerCertificateThumbprint {{string.Join(',', fixture.Pins.Select(p => $"'{p}'"))}}
            $null = Connect-NataliaRepository -ProxmoxStorage pbs-data -WarningAction Ignore
            Invoke-NataliaBackup natalia-01 -DataDiskOnly
            """);
        using (RunnerProcess runner = RunnerProcess.Start(script))
        {
            await Eventually(() => fixture.Cluster.Tasks.Any(t => t.Type == "vzdump"));
            await runner.KillAsync();
        }
        Assert.Contains("backup=0", guest.Config["scsi0"]);
        fixture.Connect();

        // The mark is seen; while the run may still be alive, nobody touches the disks.
        ScriptResult seen = fixture.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs -Detailed | "
            + "Where-Object { $_.Name "
            + "-eq 'DiskIncluded' -and $_.Result -eq 'Failed' }");
        Assert.Equal("scsi0", seen.Value("Target"));
        Assert.Contains("Invoke-NataliaBackup repairs", (string)seen.Value("Detail")!);
        Assert.StartsWith("ApplianceLocked,",
            Assert.Single(fixture.Try("Invoke-NataliaBackup natalia-01 -Repository pbs").ErrorIds));
        Assert.StartsWith("ApplianceLocked,",
            Assert.Single(fixture.Try("Register-NataliaSchedule natalia-01 -Repository pbs").ErrorIds));

        // An hour later the task has ended as well.
        SimulatedTask task = fixture.Cluster.Tasks.Single(t => t.Type == "vzdump");
        task.End = fixture.Cluster.Clock.GetUtcNow();
        task.ExitStatus = "OK";
        task.OnStop!();
        fixture.Cluster.BackupDuration = TimeSpan.FromMinutes(1);
        guest.Config["description"] = Regex.Replace(guest.Config["description"], "since=\\d+",
            $"since={DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeSeconds()}");
        ScriptResult repaired = fixture.Do("Invoke-NataliaBackup natalia-01 -Repository pbs");
        Assert.Contains(repaired.Warnings, w => w.Contains("had died and left scsi0 of VM 100 out"));
        Assert.Equal(["scsi0", "scsi1"], fixture.Cluster.Storage("pbs").Points.Single().IncludedDisks);
        Assert.Equal(before.Select(c => $"{c.Key}={c.Value.TrimEnd('\n')}").Order(),
            guest.Config.Select(c => $"{c.Key}={c.Value.TrimEnd('\n')}").Order());
        Assert.Equal("True", fixture.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs -Quiet").Text.Single());
    }

    [Fact]
    public async Task Disks_that_a_dead_run_left_out_are_put_back_by_a_schedule_too_and_that_is_told()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        SimulatedGuest guest = fixture.Cluster.Guest(100);
        guest.Config["scsi0"] += ",backup=0";
        guest.Config["description"] = $"Owner: telephony\n[natalia-backup left-out=scsi0 run=abc "
            + $"since={DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeSeconds()}]\n";
        fixture.Connect();
        ScriptResult registered = fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.Contains("had died and left scsi0 of VM 100 out", Assert.Single(registered.Warnings));
        Assert.DoesNotContain("backup=0", guest.Config["scsi0"]);
        Assert.Empty(fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs").Warnings);
    }

    [Fact]
    public async Task Without_a_boot_order_the_data_disk_is_the_same_one_in_each_run()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromSeconds(5));
        SimulatedGuest guest = fixture.Cluster.Guest(100);
        guest.Config.Remove("boot");
        guest.Config["net1"] = "virtio=BC:24:11:12:34:57,bridge=vmbr9";
        fixture.ConnectCluster();
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage pbs-data");
        for (int run = 0; run < 5; run++)
        {
            ScriptResult shown = fixture.Do("Get-NataliaAppliance -Name natalia-01 | ForEach-Object { "
                + "\"$($_.DataDisk) $($_.Disks.DiskId) $($_.Networks.Name)\" }");
            Assert.Equal("scsi1 scsi0 scsi1 vmbr0 vmbr9", shown.Text.Single());
            fixture.Do("$null = Invoke-NataliaBackup natalia-01 -DataDiskOnly");
        }
        Assert.All(fixture.Cluster.Storage("pbs-data").Points, p => Assert.Equal(["scsi1"], p.IncludedDisks));
        Assert.Equal(5, fixture.Cluster.Storage("pbs-data").Points.Count);
    }

    [Fact]
    public async Task A_schedule_of_which_the_cluster_says_that_it_leaves_the_data_disk_out_is_an_error()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Server.Intercept = r => r.Path.EndsWith("/included_volumes")
            ? SimulatorReply.Ok(
                new
                {
                    children = new[] { new { id = 100, type = "qemu",
                    children = new[] { new { id = "100:scsi1", included = "0", reason = "backup=no" } } } }
                })
            : null;
        ScriptResult refused = fixture.Try("Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.StartsWith("ScheduleOmitsDisk,", Assert.Single(refused.ErrorIds));
        Assert.Contains("scsi1", refused.Errors[0].Exception.Message);
        fixture.Server.Intercept = null;
        Assert.Equal(["100:scsi0", "100:scsi1"],
            ((System.Collections.IEnumerable)fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs")
                .Value("IncludedDisks")!).Cast<object>()
                .Select(d => d.ToString()));
    }

    [Fact]
    public async Task One_vms_trouble_stops_no_other_and_comes_last()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guests.Add(SampleCluster.Appliance(101, "broken", "pve2")));
        fixture.Cluster.Guest(101).Config["scsi1"] += ",backup=0";
        fixture.Connect();
        ScriptResult result =
            fixture.Try(
                "$ErrorActionPreference = 'Stop'; 'broken', 'natalia-01' | Invoke-NataliaBackup -Repository pbs");
        Assert.Equal("natalia-01", Assert.Single(result.Output)!.Properties["ApplianceName"].Value);
        Assert.StartsWith("DiskExcluded,", Assert.Single(result.ErrorIds));
    }

    [Fact]
    public async Task What_rights_hide_is_an_error_with_the_right_and_its_path()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Cluster.Rights = new() { ["/"] = new() { ["VM.Audit"] = true, ["Datastore.Audit"] = true } };
        ScriptResult hidden = fixture.Try("Get-NataliaRestorePoint");
        Assert.StartsWith("PermissionDenied,", Assert.Single(hidden.ErrorIds));
        Assert.Contains("/storage/pbs", (hidden.TerminatingError ?? hidden.Errors[0]).Exception.Message);
    }

    [Fact]
    public async Task A_cluster_that_goes_away_while_points_are_removed_is_told_once_and_what_went_is_recorded()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        for (int i = 0; i < 6; i++) fixture.AddPoint(DateTimeOffset.UtcNow.AddDays(-i));
        fixture.ConnectWithEvidence();
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Daily 1 -Force");
        int removals = 0;
        fixture.Server.Intercept = r =>
        {
            if (r.Method == "DELETE" && ++removals == 3)
                foreach (string node in fixture.Cluster.Nodes) fixture.Server.SetDown(node, true);
            return removals >= 3 ? throw new IOException() : null;
        };
        ScriptResult result = fixture.Try("Invoke-NataliaRetention natalia-01 -Repository pbs");
        Assert.Equal(2, result.Output.Count);
        Assert.InRange(result.ErrorIds.Count, 1, 2);
        Assert.Equal("2",
            fixture.Do(
                "@(Get-NataliaAuditRecord -Repository pbs | Where-Object Event -eq native-point-removed).Count").Text.Single());
    }

    private static async Task Eventually(Func<bool> condition)
    {
        for (int i = 0; i < 600; i++)
        {
            if (condition()) return;
            await Task.Delay(100);
        }
        Assert.Fail("It did not happen within a minute.");
    }
}
