using System.Text.RegularExpressions;
using Natalia.Backup.Hypervisors.Tests.Proxmox.Simulator;
using Natalia.Backup.Module.Tests.Runner;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>What goes wrong on Proxmox VE, as a user meets it. The cluster is our simulator.</summary>
public sealed class FaultTests
{
    [Fact]
    public async Task A_killed_run_of_the_data_disk_alone_leaves_a_mark_that_is_seen_respected_and_undone()
    {
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(2));
        SimulatedGuest guest = scenario.Cluster.Guest(100);
        guest.Config["description"] = "Owner: telephony\n";
        var before = new Dictionary<string, string>(guest.Config);
        string script = Path.Combine(scenario.Module.NewFolder(), "run.ps1");
        File.WriteAllText(script, $$"""
            $secret = [securestring]::new(); '11111111-2222-3333-4444-555555555555'.ToCharArray() | ForEach-Object { $secret.AppendChar($_) }
            $credential = [pscredential]::new('backup@pve!natalia', $secret)
            $null = Connect-NataliaHypervisor -Proxmox {{string.Join(',', scenario.Hosts.Select(h => $"'{h}'"))}} -Credential $credential -ServerCertificateThumbprint {{string.Join(',', scenario.Pins.Select(p => $"'{p}'"))}}
            $null = Connect-NataliaRepository -ProxmoxStorage pbs-data -WarningAction Ignore
            Invoke-NataliaBackup natalia-01 -DataDiskOnly
            """);
        using (RunnerProcess runner = RunnerProcess.Start(script))
        {
            await Eventually(() => scenario.Cluster.Tasks.Any(t => t.Type == "vzdump"));
            await runner.KillAsync();
        }
        Assert.Contains("backup=0", guest.Config["scsi0"]);
        scenario.Connect();

        // The mark is seen; while the run may still be alive, nobody touches the disks.
        ScriptResult seen = scenario.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs | Where-Object { $_.Name -eq 'DiskIncluded' -and $_.Result -eq 'Failed' }");
        Assert.Equal("scsi0", seen.Value("Target"));
        Assert.Contains("Invoke-NataliaBackup repairs", (string)seen.Value("Detail")!);
        Assert.StartsWith("ApplianceLocked,", Assert.Single(scenario.Try("Invoke-NataliaBackup natalia-01 -Repository pbs").ErrorIds));
        Assert.StartsWith("ApplianceLocked,", Assert.Single(scenario.Try("Register-NataliaSchedule natalia-01 -Repository pbs").ErrorIds));

        // An hour later the task has ended as well.
        SimulatedTask task = scenario.Cluster.Tasks.Single(t => t.Type == "vzdump");
        task.End = scenario.Cluster.Clock.GetUtcNow();
        task.ExitStatus = "OK";
        task.OnStop!();
        scenario.Cluster.BackupDuration = TimeSpan.FromMinutes(1);
        guest.Config["description"] = Regex.Replace(guest.Config["description"], "since=\\d+", $"since={DateTimeOffset.UtcNow.AddHours(-1).ToUnixTimeSeconds()}");
        ScriptResult repaired = scenario.Do("Invoke-NataliaBackup natalia-01 -Repository pbs");
        Assert.Contains(repaired.Warnings, w => w.Contains("had died and left scsi0 of VM 100 out"));
        Assert.Equal(["scsi0", "scsi1"], scenario.Cluster.Storage("pbs").Points.Single().IncludedDisks);
        Assert.Equal(before.Select(c => $"{c.Key}={c.Value.TrimEnd('\n')}").Order(), guest.Config.Select(c => $"{c.Key}={c.Value.TrimEnd('\n')}").Order());
        Assert.Equal("True", scenario.Do("Test-NataliaPrerequisite natalia-01 -Repository pbs -Quiet").Text.Single());
    }

    [Fact]
    public async Task A_schedule_of_which_the_cluster_says_that_it_leaves_the_data_disk_out_is_an_error()
    {
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync();
        scenario.Connect();
        scenario.Server.Intercept = r => r.Path.EndsWith("/included_volumes") ? SimulatorReply.Ok(new { children = new[] { new { id = 100, type = "qemu", children = new[] { new { id = "100:scsi1", included = "0", reason = "backup=no" } } } } }) : null;
        ScriptResult refused = scenario.Try("Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.StartsWith("ScheduleOmitsDisk,", Assert.Single(refused.ErrorIds));
        Assert.Contains("scsi1", refused.Errors[0].Exception.Message);
        scenario.Server.Intercept = null;
        Assert.Equal(["100:scsi0", "100:scsi1"], ((System.Collections.IEnumerable)scenario.Do("Register-NataliaSchedule natalia-01 -Repository pbs").Value("IncludedDisks")!).Cast<object>().Select(d => d.ToString()));
    }

    [Fact]
    public async Task One_vms_trouble_stops_no_other_and_comes_last()
    {
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync(c => c.Guests.Add(SampleCluster.Appliance(101, "broken", "pve2")));
        scenario.Cluster.Guest(101).Config["scsi1"] += ",backup=0";
        scenario.Connect();
        ScriptResult result = scenario.Try("$ErrorActionPreference = 'Stop'; 'broken', 'natalia-01' | Invoke-NataliaBackup -Repository pbs");
        Assert.Equal("natalia-01", Assert.Single(result.Output)!.Properties["ApplianceName"].Value);
        Assert.StartsWith("DiskExcluded,", Assert.Single(result.ErrorIds));
    }

    [Fact]
    public async Task What_rights_hide_is_an_error_with_the_right_and_its_path()
    {
        await using ProxmoxScenario scenario = await ProxmoxScenario.StartAsync();
        scenario.Connect();
        scenario.Cluster.Rights = new() { ["/"] = new() { ["VM.Audit"] = true, ["Datastore.Audit"] = true } };
        ScriptResult hidden = scenario.Try("Get-NataliaRestorePoint");
        Assert.StartsWith("PermissionDenied,", Assert.Single(hidden.ErrorIds));
        Assert.Contains("/storage/pbs", (hidden.TerminatingError ?? hidden.Errors[0]).Exception.Message);
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
