using System.Globalization;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// What a storage or a node prunes by itself, and files that people renamed, as a user sees them. The cluster is our
/// simulator.
/// </summary>
public sealed class StorageRetentionTests
{
    private const string Setting =
        "Get-NataliaRetention natalia-01 | ForEach-Object { \"$($_.Source): $($_.Policy)\" }";
    private const string Schedule =
        "Get-NataliaSchedule natalia-01 | ForEach-Object { \"$($_.RetentionSource): $($_.Retention)\" }";
    private const string Kept =
        "Get-NataliaRetentionPlan natalia-01 | Where-Object Action -eq Keep | ForEach-Object { $_.Rule }";
    private static readonly DateTimeOffset s_newest = new(2026, 3, 4, 6, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task What_a_storage_keeps_by_itself_is_shown_planned_with_and_applied()
    {
        await using ProxmoxFixture fixture = await StartAsync(c => c.Storage("pbs").PruneBackups = "keep-daily=2");
        Assert.Equal("Repository: daily 2 (Etc/UTC)", fixture.Do(Setting).Text.Single());
        Assert.Equal(["", "natalia-01"],
            fixture.Do("Get-NataliaRetention | ForEach-Object { [string] $_.ApplianceName }").Text);
        ScriptResult plan = fixture.Do(Kept);
        Assert.Equal(["Daily", "Daily"], plan.Text);
        // Neither "every point is kept", nor a disagreement with the storage's own dry run.
        Assert.Empty(plan.Warnings);

        ScriptResult registered = fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.Equal(("Storage", "daily 2"),
            (registered.Value("RetentionSource")!.ToString(), registered.Value("Retention")!.ToString()));
        Assert.DoesNotContain("prune-backups", fixture.Cluster.Jobs["natalia-100"].Keys);
        Assert.Equal("Storage: daily 2", fixture.Do(Schedule).Text.Single());
        Assert.Contains("daily 2 (by the storage)",
            fixture.Do("Get-NataliaSchedule | Out-String -Width 200").Text.Single());
        Assert.Equal("8", fixture.Do("@(Invoke-NataliaRetention natalia-01 -Repository pbs).Count").Text.Single());

        // Its own comes first, and "everything" is one, too.
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Daily 1 -Force");
        Assert.Equal(("Appliance: daily 1 (Etc/UTC)", "Schedule: daily 1"),
            (fixture.Do(Setting).Text.Single(), fixture.Do(Schedule).Text.Single()));
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs -Last 0");
        Assert.Equal("Schedule: everything", fixture.Do(Schedule).Text.Single());
        Assert.StartsWith("Appliance: ", fixture.Do(Setting).Text.Single());
        Assert.Equal(2, fixture.Do(Kept).Output.Count);
        Assert.Empty(fixture.Do("Invoke-NataliaRetention natalia-01 -Repository pbs").Output);
        // Also without its schedule, until somebody takes it away.
        fixture.Do("Get-NataliaSchedule natalia-01 | Unregister-NataliaSchedule");
        Assert.StartsWith("Appliance: ", fixture.Do(Setting).Text.Single());
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Inherit -Force");
        Assert.Equal("Repository: daily 2 (Etc/UTC)", fixture.Do(Setting).Text.Single());
    }

    [Fact]
    public async Task A_schedule_that_cannot_be_removed_leaves_nothing_in_the_notes()
    {
        await using ProxmoxFixture fixture = await StartAsync(_ => { });
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs -Last 5");
        fixture.Server.Intercept = r => r.Method == "DELETE"
            ? SimulatorReply.Fail(403, "Permission check failed (/, Sys.Modify)")
            : null;
        Assert.StartsWith("PermissionDenied,",
            Assert.Single(fixture.Try("Unregister-NataliaSchedule natalia-100").ErrorIds));
        Assert.DoesNotContain("retention=", fixture.Cluster.Guest(100).Config.GetValueOrDefault("description", ""));
        Assert.Equal("Schedule: last 5", fixture.Do(Schedule).Text.Single());
    }

    [Fact]
    public async Task A_policy_of_one_storage_leaves_the_job_to_another_alone()
    {
        await using ProxmoxFixture fixture = await StartAsync(_ => { });
        fixture.Do("""
            $null = Connect-NataliaRepository -ProxmoxStorage nas
            $null = Register-NataliaSchedule natalia-01 -Repository pbs -Daily 7 -Weekly 4
            Set-NataliaRetention natalia-01 -Repository nas -Last 1 -Force
            """);
        Assert.Equal("keep-daily=7,keep-weekly=4", fixture.Cluster.Jobs["natalia-100"]["prune-backups"]);
        Assert.Equal(["nas last 1 (Etc/UTC)", "pbs daily 7, weekly 4 (Etc/UTC)"],
            fixture.Do("Get-NataliaRetention natalia-01 | ForEach-Object { \"$($_.Repository) $($_.Policy)\" }").Text
                .Order());
        fixture.Do("Set-NataliaRetention natalia-01 -Repository nas -Inherit -Force");
        Assert.Equal("keep-daily=7,keep-weekly=4", fixture.Cluster.Jobs["natalia-100"]["prune-backups"]);
    }

    [Fact]
    public async Task What_a_run_is_still_writing_is_marked_never_counted_and_never_the_newest()
    {
        await using ProxmoxFixture fixture = await StartAsync(_ => { });
        fixture.AddPoint(s_newest.AddHours(6)).Size = 1;
        fixture.AddPoint(s_newest.AddHours(-3)).Size = null;
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Last 1 -Force");
        string table = fixture.Do("Get-NataliaRestorePoint natalia-01 | Out-String -Width 200").Text.Single();
        Assert.Equal(2, table.Split("UNFINISHED").Length - 1);
        Assert.Equal("2026-03-04 06:00 True",
            fixture.Do("Get-NataliaRestorePoint natalia-01 -Latest | ForEach-Object { "
                + "\"$($_.TimeUtc.ToString('yyyy-MM-dd HH:mm')) $($_.IsFinished)\" }").Text.Single());
        ScriptResult plan = fixture.Do("Get-NataliaRetentionPlan natalia-01 | ForEach-Object { \"$($_.Action) "
            + "$($_.Rule)\" }");
        Assert.Empty(plan.Warnings);
        Assert.Equal(["Keep Unfinished", "Keep Last", "Remove Unfinished"], plan.Text.Take(3));
        Assert.All(plan.Text.Skip(3), r => Assert.StartsWith("Remove ", r));

        Assert.Equal("10", fixture.Do("@(Invoke-NataliaRetention natalia-01 -Repository pbs).Count").Text.Single());
        Assert.Equal(["06:00", "12:00"],
            fixture.Cluster.Storage("pbs").Points.Select(p => $"{p.Time:HH:mm}").Order());
        Assert.StartsWith("RestorePointIsNewest,",
            Assert.Single(fixture.Try(
                "Get-NataliaRestorePoint natalia-01 -Latest | Remove-NataliaRestorePoint -Confirm:$false").ErrorIds));
    }

    [Fact]
    public async Task Where_the_storage_says_nothing_the_nodes_own_setting_counts()
    {
        await using ProxmoxFixture fixture =
            await StartAsync(c => (c.NodeRetention["pve1"], c.NodeRetention["pve2"]) = ("keep-last=3", "keep-last=9"));
        Assert.Equal("Host: last 3 (Etc/UTC)", fixture.Do(Setting).Text.Single());
        ScriptResult plan = fixture.Do(Kept);
        Assert.Equal(["Last", "Last", "Last"], plan.Text);
        Assert.Empty(plan.Warnings);
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.Equal("Host: last 3", fixture.Do(Schedule).Text.Single());
        Assert.Equal("Host: last 3", fixture.Do(Schedule.Replace(" natalia-01", "")).Text.Single());

        // What holds again without a policy of its own is told before, with what it would remove.
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Last 9 -Force");
        Assert.Equal("Appliance: last 9 (Etc/UTC)", fixture.Do(Setting).Text.Single());
        Assert.StartsWith("RetentionChangeNotConfirmed,",
            Assert.Single(fixture.Try("Set-NataliaRetention natalia-01 -Repository pbs -Inherit").ErrorIds));
        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Inherit -Force");
        Assert.Equal("Host: last 3 (Etc/UTC)", fixture.Do(Setting).Text.Single());
    }

    [Fact]
    public async Task A_nodes_setting_that_cannot_be_asked_is_never_taken_for_everything_and_nothing_is_removed()
    {
        await using ProxmoxFixture fixture = await StartAsync(c => c.NodeRetention["pve1"] = "keep-last=3");
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs");
        fixture.Server.Intercept = r => r.Path.EndsWith("/vzdump/defaults")
            ? SimulatorReply.Fail(595, "No route to host")
            : null;
        Assert.Equal("Unknown: ", fixture.Do(Schedule).Text.Single());
        Assert.Contains("not known", fixture.Do("Get-NataliaSchedule | Out-String -Width 200").Text.Single());
        ScriptResult setting = fixture.Do("Get-NataliaRetention natalia-01");
        Assert.Equal("Host", setting.Value("Source")!.ToString());
        Assert.Contains("node 'pve1'", (string)setting.Value("Damage")!);
        Assert.StartsWith("RetentionPolicyDamaged,",
            Assert.Single(fixture.Try("Invoke-NataliaRetention natalia-01 -Repository pbs").ErrorIds));
        Assert.Equal(10, fixture.Cluster.Storage("pbs").Points.Count);
    }

    [Fact]
    public async Task On_a_cluster_without_any_setting_nothing_is_invented()
    {
        await using ProxmoxFixture fixture = await StartAsync(_ => { });
        Assert.Equal("None: ", fixture.Do(Setting).Text.Single());
        Assert.Contains("every point is kept",
            Assert.Single(fixture.Do("Get-NataliaRetentionPlan natalia-01").Warnings));
        Assert.StartsWith("RetentionPolicyMissing,",
            Assert.Single(fixture.Try("Invoke-NataliaRetention natalia-01 -Repository pbs").ErrorIds));
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs");
        Assert.Equal("Host: everything", fixture.Do(Schedule).Text.Single());
    }

    [Fact]
    public async Task A_file_that_somebody_renamed_is_marked_never_counted_never_pruned_and_never_the_newest()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            for (int day = 1; day <= 4; day++)
                AddFile(c, $"100-2026_03_0{day}-06_00_00.vma.zst", new(2026, 3, day, 6, 0, 0, TimeSpan.Zero), false);
            // Two old states whose files somebody touched later, and one with a day that no calendar has.
            AddFile(c, "100-before-update.vma.zst", new(2026, 3, 4, 9, 0, 0, TimeSpan.Zero), true);
            AddFile(c, "100-2026_03_01-06_00_00.old.vma.zst", new(2026, 3, 3, 9, 0, 0, TimeSpan.Zero), true);
            AddFile(c, "100-2026_02_30-06_00_00.vma.zst", new(2026, 3, 2, 9, 0, 0, TimeSpan.Zero), true);
        });
        fixture.ConnectCluster();
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage nas");
        string table = fixture.Do("Get-NataliaRestorePoint natalia-01 | Out-String -Width 200").Text.Single();
        Assert.Equal(3, table.Split("renamed").Length - 1);
        Assert.Equal("2026-03-04 06:00 False",
            fixture.Do("Get-NataliaRestorePoint natalia-01 -Latest | ForEach-Object { "
                + "\"$($_.TimeUtc.ToString('yyyy-MM-dd HH:mm')) $($_.IsRenamed)\" }").Text.Single());
        Assert.Equal("2026-03-04 06:00",
            fixture.Do("(Get-NataliaRestorePoint natalia-01)[0].TimeUtc.ToString('yyyy-MM-dd HH:mm')").Text.Single());

        fixture.Do("Set-NataliaRetention natalia-01 -Repository nas -Daily 2 -Force");
        ScriptResult plan = fixture.Do("Get-NataliaRetentionPlan natalia-01 | ForEach-Object { \"$($_.Action) "
            + "$($_.Rule) $($_.Reason.Split(':')[0])\" }");
        Assert.Empty(plan.Warnings);
        Assert.Equal(2, plan.Text.Count(r => r.StartsWith("Keep Daily")));
        Assert.Equal(2, plan.Text.Count(r => r.StartsWith("Remove ")));
        Assert.Equal(3, plan.Text.Count(r => r == "Keep None Renamed"));
        // Through the pipeline, and through a job's copy of it, it is the same.
        string copied = "Get-NataliaRestorePoint natalia-01 | Select-Object * | Get-NataliaRetentionPlan -Daily 2 | "
            + "Where-Object Reason -like 'Renamed*'";
        Assert.Equal(3, fixture.Do(copied).Output.Count);

        Assert.Equal("2", fixture.Do("@(Invoke-NataliaRetention natalia-01 -Repository nas).Count").Text.Single());
        Assert.Equal(3, fixture.Cluster.Storage("nas").Points.Count(p => p.IsRenamed));
        // The newest good one stays, whatever somebody copied since; what was renamed goes by hand.
        Assert.StartsWith("RestorePointIsNewest,",
            Assert.Single(
                fixture.Try(
                    "Get-NataliaRestorePoint natalia-01 -Latest | Remove-NataliaRestorePoint -Confirm:$false").ErrorIds));
        fixture.Do(
            "Get-NataliaRestorePoint natalia-01 | Where-Object IsRenamed | Remove-NataliaRestorePoint -Confirm:$false");
        Assert.Equal(2, fixture.Cluster.Storage("nas").Points.Count);
    }

    [Fact]
    public async Task A_file_that_somebody_renamed_is_no_new_point_of_a_run_and_mixes_no_kinds()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.BackupDuration = TimeSpan.FromSeconds(5);
            AddFile(c, "100-old.vma.zst", c.Clock.GetUtcNow().AddDays(1), true);
        });
        fixture.ConnectCluster();
        fixture.Do("$null = Connect-NataliaRepository -ProxmoxStorage nas -WarningAction Ignore");
        Assert.False((bool)fixture.Do("Invoke-NataliaBackup natalia-01 -DataDiskOnly").Value("IsRenamed")!);
    }

    [Fact]
    public async Task A_file_that_somebody_renamed_does_not_hide_that_a_schedule_is_overdue()
    {
        if (!OperatingSystem.IsLinux()) return;
        DateTimeOffset good = DateTimeOffset.UtcNow.AddDays(-4);
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            AddFile(c, string.Create(CultureInfo.InvariantCulture, $"100-{good:yyyy_MM_dd-HH_mm_ss}.vma.zst"), good,
                false);
            AddFile(c, "100-before-update.vma.zst", DateTimeOffset.UtcNow.AddHours(-1), true);
        });
        fixture.ConnectCluster();
        string folder = fixture.Module.NewFolder();
        ScriptResult listed = fixture.Do("""
            $null = Connect-NataliaRepository -ProxmoxStorage nas
            $null = Set-NataliaAppliance natalia-01 -Repository nas
            $null = Export-NataliaProfile -Path "$($args[0])/profile.json" -SecretName @{ pve = 'token' }
            $null = Register-NataliaSchedule -ProfilePath "$($args[0])/profile.json" -UnitFolder "$($args[0])/units" `
                -PowerShellPath $args[1]
            Get-NataliaSchedule -UnitFolder "$($args[0])/units" | Where-Object Scheduler -eq Systemd
            """, folder, BuildLayout.Runner);
        Assert.Equal((true, good.UtcDateTime.Date),
            (listed.Value("IsOverdue"), ((DateTime?)listed.Value("NewestPointUtc"))?.Date));
    }

    private static void AddFile(SimulatedCluster cluster, string name, DateTimeOffset time, bool isRenamed) =>
        cluster.Storage("nas").Points.Add(new SimulatedPoint
        {
            Volid = $"nas:backup/vzdump-qemu-{name}",
            Vmid = 100,
            Time = time,
            Size = 1 << 30,
            IsRenamed = isRenamed,
        });

    private static async Task<ProxmoxFixture> StartAsync(Action<SimulatedCluster> arrange)
    {
        ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(arrange);
        for (int i = 0; i < 10; i++) fixture.AddPoint(s_newest.AddHours(-6 * i));
        fixture.Connect();
        return fixture;
    }
}
