using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using static Natalia.Backup.Hypervisors.Tests.Proxmox.TransportTests;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class JobTests
{
    private static readonly NativeScheduleRequest s_daily = new()
    {
        Storage = "pbs",
        Retention = new RetentionLimits(Daily: 7, Weekly: 4, Monthly: 3),
    };

    [Fact]
    public async Task A_schedule_is_made_once_and_changed_only_where_it_differs()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        NativeSchedule made = await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default);
        Assert.Equal(("natalia-100", true, ScheduleKind.Daily, "01:00", true),
            (made.ScheduleId, made.IsOwn, made.Kind, made.Expression, made.WasChanged));
        Assert.Equal(s_daily.Retention, made.Retention);
        Assert.Equal(["100:scsi0", "100:scsi1"], made.IncludedDisks!);
        Assert.Equal(["100:ide2 (enabled)"], made.OmittedDisks!);
        Assert.Equal(4, made.NextRunsUtc.Length);

        Assert.False(
            (await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default)).WasChanged);
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Method == "PUT");

        NativeSchedule six = await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance,
            s_daily with { Kind = ScheduleKind.SixHourly }, default);
        Assert.Equal((ScheduleKind.SixHourly, "01,07,13,19:00", true),
            (six.Kind, six.Expression, six.WasChanged));
        SimulatorRequest change = fixture.Server.Requests.Single(r => r.Method == "PUT");
        Assert.Equal(["comment", "schedule"], change.Arguments.Keys.Order());
        Assert.Single(fixture.Cluster.Jobs);
    }

    [Fact]
    public async Task A_schedule_that_would_omit_the_data_disk_is_refused_before_it_is_made()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["scsi1"] += ",backup=0");
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await ThrowsAsync(ErrorIds.ScheduleOmitsDisk,
            () => hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default));
        Assert.Empty(fixture.Cluster.Jobs);
    }

    [Fact]
    public async Task What_the_server_says_it_takes_is_what_counts()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        fixture.Server.Intercept = r => r.Path.EndsWith("/included_volumes")
            ? SimulatorReply.Ok(
                new
                {
                    children = new[] { new { id = 100, type = "qemu",
                    children = new[] { new { id = "100:scsi1", included = "0", reason = "disabled" } } } }
                })
            : null;
        NataliaException error = await ThrowsAsync(ErrorIds.ScheduleOmitsDisk,
            () => hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default));
        Assert.Contains("disabled", error.Message);
    }

    [Fact]
    public async Task Schedules_of_others_are_listed_and_left_alone()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Jobs["backup-old"] = new()
            {
                ["id"] = "backup-old",
                ["all"] = "1",
                ["exclude"] = "101",
                ["storage"] = "nas",
                ["schedule"] = "sat 02:00",
                ["enabled"] = "0",
            };
            c.Jobs["natalia-by-hand"] = new()
            {
                ["id"] = "natalia-by-hand",
                ["vmid"] = "101",
                ["storage"] = "nas",
                ["schedule"] = "*-*-* 00/6:00",
            };
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        NativeSchedule foreign = Assert.Single(await hypervisor.Find<INativeSchedules>()!.GetSchedulesAsync(appliance,
            default));
        Assert.Equal((false, false, ScheduleKind.Other), (foreign.IsOwn, foreign.IsEnabled, foreign.Kind));
        IReadOnlyList<NativeSchedule> all = await hypervisor.Find<INativeSchedules>()!.GetSchedulesAsync(null, default);
        Assert.Equal(ScheduleKind.SixHourly, all.Single(s => s.ScheduleId == "natalia-by-hand").Kind);
        await ThrowsAsync(ErrorIds.ScheduleNotOwn,
            () => hypervisor.Find<INativeSchedules>()!.RemoveScheduleAsync("backup-old", default));
        await ThrowsAsync(ErrorIds.ScheduleNotOwn,
            () => hypervisor.Find<INativeSchedules>()!.RemoveScheduleAsync("natalia-by-hand", default));
        await ThrowsAsync(ErrorIds.ScheduleNotFound,
            () => hypervisor.Find<INativeSchedules>()!.RemoveScheduleAsync("natalia-100", default));
        await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default);
        await hypervisor.Find<INativeSchedules>()!.RemoveScheduleAsync("natalia-100", default);
        Assert.Equal(2, fixture.Cluster.Jobs.Count);
    }

    [Fact]
    public async Task A_job_that_is_bound_to_another_node_is_not_this_vms_schedule()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            foreach (string node in new[] { "pve1", "pve2" }) c.Jobs[node] = new()
            {
                ["id"] = node,
                ["all"] = "1",
                ["node"] = node,
                ["storage"] = "nas",
                ["schedule"] = "02:00",
            };
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        Assert.Equal("pve1",
            Assert.Single(await hypervisor.Find<INativeSchedules>()!.GetSchedulesAsync(appliance, default)).ScheduleId);
        Assert.Equal(2, (await hypervisor.Find<INativeSchedules>()!.GetSchedulesAsync(null, default)).Count);
    }

    [Fact]
    public async Task An_own_job_that_somebody_bound_to_a_node_follows_its_vm_again()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default);
        fixture.Cluster.Jobs["natalia-100"]["node"] = "pve3";
        Assert.True(
            (await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default)).WasChanged);
        Assert.False(fixture.Cluster.Jobs["natalia-100"].ContainsKey("node"));
    }

    [Fact]
    public async Task A_retention_waits_for_its_schedule()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.Guest(100).Config["description"] = "Owner: ops\n");
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync();
        var policy = new RetentionPolicy
        {
            Last = 4,
            Daily = 7,
            Weekly = 4,
            Monthly = 3,
            TimeZoneId = (await repository.GetFixedTimeZoneAsync(default))!,
        };
        var limits = new RetentionLimits(Last: 4, Daily: 7, Weekly: 4, Monthly: 3);
        Assert.Empty(await repository.GetRetentionPoliciesAsync(default));
        await repository.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, policy, default);
        Assert.Empty(fixture.Cluster.Jobs);
        NativeSchedule made = await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance,
            s_daily with { Retention = null }, default);
        Assert.Equal(limits, made.Retention);
        Assert.Equal("Owner: ops\n", fixture.Cluster.Guest(100).Config["description"]);
        await repository.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, policy with { Daily = 14 },
            default);
        Assert.Contains("keep-daily=14", $"{fixture.Cluster.Jobs["natalia-100"]["prune-backups"]}",
            StringComparison.Ordinal);
        Assert.Equal(14, (await repository.GetRetentionPoliciesAsync(default)).Single().Policy!.Daily);
    }

    [Fact]
    public async Task What_is_kept_in_one_storage_is_no_matter_of_a_job_that_writes_to_another()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository pbs) = await fixture.OpenAsync();
        INativeRepository nas = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("nas", "nas", default);
        await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default);
        string before = $"{fixture.Cluster.Jobs["natalia-100"]["prune-backups"]}";

        await nas.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(nas, 1), default);
        Assert.Equal(before, fixture.Cluster.Jobs["natalia-100"]["prune-backups"]);
        Assert.Equal((1, null), Kept(await nas.GetRetentionPoliciesAsync(default)));
        Assert.Equal((null, 7), Kept(await pbs.GetRetentionPoliciesAsync(default)));

        await nas.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, null, default);
        Assert.Equal(before, fixture.Cluster.Jobs["natalia-100"]["prune-backups"]);
        Assert.Empty(await nas.GetRetentionPoliciesAsync(default));
        Assert.Equal((null, 7), Kept(await pbs.GetRetentionPoliciesAsync(default)));
    }

    [Fact]
    public async Task A_retention_waits_for_a_schedule_of_its_own_storage()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository pbs) = await fixture.OpenAsync();
        INativeRepository nas = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("nas", "nas", default);
        INativeSchedules schedules = hypervisor.Find<INativeSchedules>()!;
        await nas.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(nas, 1), default);
        Assert.Empty(await pbs.GetRetentionPoliciesAsync(default));
        await schedules.SetScheduleAsync(appliance, s_daily with { Retention = null }, default);
        Assert.DoesNotContain("prune-backups", fixture.Cluster.Jobs["natalia-100"].Keys);
        Assert.Equal((1, null), Kept(await nas.GetRetentionPoliciesAsync(default)));

        // The job goes to the other storage: each keeps its own.
        await pbs.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(pbs, 9), default);
        NativeSchedule moved = await schedules.SetScheduleAsync(appliance,
            s_daily with { Retention = null, Storage = "nas" }, default);
        Assert.Equal(new RetentionLimits(Last: 1), moved.Retention);
        Assert.Equal((9, null), Kept(await pbs.GetRetentionPoliciesAsync(default)));
        await nas.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, null, default);
        moved = await schedules.SetScheduleAsync(appliance, s_daily with { Retention = null }, default);
        Assert.Equal(new RetentionLimits(Last: 9), moved.Retention);
        Assert.Empty(await nas.GetRetentionPoliciesAsync(default));
        // Nothing waits for a storage any more; what is not said there is left to it.
        moved = await schedules.SetScheduleAsync(appliance, s_daily with { Retention = null, Storage = "nas" },
            default);
        Assert.DoesNotContain("prune-backups", fixture.Cluster.Jobs["natalia-100"].Keys);
        Assert.NotEqual(NativeRetentionSource.Schedule, moved.RetentionSource);
        Assert.Equal((9, null), Kept(await pbs.GetRetentionPoliciesAsync(default)));
    }

    [Fact]
    public async Task A_retention_that_cannot_be_read_is_told_until_somebody_sets_it_again()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guest(100).Config["description"] = "[natalia-backup retention=keep-last=1]\n";
            c.Storage("pbs").Points.Add(ProxmoxFixture.Point("pbs", 100, c.Clock.GetUtcNow()));
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository pbs) = await fixture.OpenAsync();
        Assert.Contains("cannot be read", (await pbs.GetRetentionPoliciesAsync(default)).Single().Damage);
        await ThrowsAsync(ErrorIds.RetentionPolicyDamaged,
            () => hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily with { Retention = null },
                default));
        Assert.Empty(fixture.Cluster.Jobs);
        await pbs.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(pbs, 9), default);
        Assert.Equal((9, null), Kept(await pbs.GetRetentionPoliciesAsync(default)));
        Assert.DoesNotContain("retention=keep", fixture.Cluster.Guest(100).Config["description"]);
    }

    [Fact]
    public async Task A_policy_outlives_its_schedule_also_when_nobody_hears_that_it_is_gone()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository pbs) = await fixture.OpenAsync();
        INativeSchedules schedules = hypervisor.Find<INativeSchedules>()!;
        await schedules.SetScheduleAsync(appliance, s_daily, default);
        bool isDone = false;
        fixture.Server.Intercept = r =>
        {
            if (r.Method != "DELETE") return null;
            if (isDone) fixture.Cluster.Jobs.Clear();
            return SimulatorReply.Fail(596, "Connection timed out");
        };
        // While the job stands, what it says counts.
        await Assert.ThrowsAnyAsync<NataliaException>(() => schedules.RemoveScheduleAsync("natalia-100", default));
        await pbs.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(pbs, 9), default);
        Assert.Equal((9, null), Kept(await pbs.GetRetentionPoliciesAsync(default)));
        Assert.Equal(new RetentionLimits(Last: 9),
            (await schedules.SetScheduleAsync(appliance, s_daily with { Retention = null }, default)).Retention);
        Assert.DoesNotContain("retention=", fixture.Cluster.Guest(100).Config.GetValueOrDefault("description", ""));

        isDone = true;
        await Assert.ThrowsAnyAsync<NataliaException>(() => schedules.RemoveScheduleAsync("natalia-100", default));
        Assert.Empty(fixture.Cluster.Jobs);
        Assert.Equal((9, null), Kept(await pbs.GetRetentionPoliciesAsync(default)));
    }

    [Fact]
    public async Task A_policy_that_was_taken_away_does_not_come_back_when_its_schedule_goes()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository pbs) = await fixture.OpenAsync();
        INativeSchedules schedules = hypervisor.Find<INativeSchedules>()!;
        await schedules.SetScheduleAsync(appliance, s_daily, default);
        fixture.Server.Intercept = r => r.Method == "DELETE" ? SimulatorReply.Fail(596, "Connection timed out") : null;
        await Assert.ThrowsAnyAsync<NataliaException>(() => schedules.RemoveScheduleAsync("natalia-100", default));
        fixture.Server.Intercept = null;
        Assert.Contains("retention=100 storage=pbs", fixture.Cluster.Guest(100).Config["description"]);

        await pbs.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, null, default);
        Assert.DoesNotContain("prune-backups", fixture.Cluster.Jobs["natalia-100"].Keys);
        await schedules.RemoveScheduleAsync("natalia-100", default);
        Assert.Empty(fixture.Cluster.Jobs);
        Assert.Empty(await pbs.GetRetentionPoliciesAsync(default));
    }

    [Fact]
    public async Task A_job_that_may_not_go_to_another_storage_leaves_nothing_behind()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        INativeSchedules schedules = hypervisor.Find<INativeSchedules>()!;
        await schedules.SetScheduleAsync(appliance, s_daily, default);
        string? written = null;
        fixture.Server.Intercept = r =>
        {
            if (r.Method != "PUT" || !r.Path.EndsWith("/natalia-100")) return null;
            written = fixture.Cluster.Guest(100).Config.GetValueOrDefault("description");
            return SimulatorReply.Fail(403, "Permission check failed (/, Sys.Modify)");
        };
        await ThrowsAsync(ErrorIds.PermissionDenied, () => schedules.SetScheduleAsync(appliance,
            s_daily with { Retention = null, Storage = "nas" }, default));
        Assert.Contains("retention=100 storage=pbs", written);
        Assert.Equal("pbs", fixture.Cluster.Jobs["natalia-100"]["storage"]);
        Assert.DoesNotContain("retention=", fixture.Cluster.Guest(100).Config.GetValueOrDefault("description", ""));
    }

    [Fact]
    public async Task Setting_what_one_storage_keeps_does_not_answer_for_the_damaged_line_of_another()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guest(100).Config["description"] = "[natalia-backup retention=keep-last=1]\n"
                + "[natalia-backup retention=100 storage=pbs-data keeps=keep-dayly=7]\n";
            foreach (string storage in new[] { "pbs", "pbs-data" })
                c.Storage(storage).Points.Add(ProxmoxFixture.Point(storage, 100, c.Clock.GetUtcNow()));
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository pbs) = await fixture.OpenAsync();
        INativeRepository data = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs-data",
            "pbs-data", default);
        Assert.Contains("cannot be read", (await pbs.GetRetentionPoliciesAsync(default)).Single().Damage);
        await pbs.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(pbs, 9), default);
        Assert.Equal((9, null), Kept(await pbs.GetRetentionPoliciesAsync(default)));
        Assert.DoesNotContain("retention=keep", fixture.Cluster.Guest(100).Config["description"]);
        Assert.Contains("cannot be read", (await data.GetRetentionPoliciesAsync(default)).Single().Damage);

        await pbs.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, null, default);
        Assert.Empty(await pbs.GetRetentionPoliciesAsync(default));
        Assert.Contains("cannot be read", (await data.GetRetentionPoliciesAsync(default)).Single().Damage);
        await data.SetRetentionPolicyAsync(appliance.ApplianceId, appliance.Name, await LastAsync(data, 3), default);
        Assert.Equal((3, null), Kept(await data.GetRetentionPoliciesAsync(default)));
    }

    private static async Task<RetentionPolicy> LastAsync(INativeRepository repository, int last) =>
        new() { Last = last, TimeZoneId = (await repository.GetFixedTimeZoneAsync(default))! };

    private static (int? Last, int? Daily) Kept(IReadOnlyList<StoredRetentionPolicy> policies) =>
        policies.Single() is { Damage: null, Policy: RetentionPolicy policy }
            ? (policy.Last is 0 ? null : policy.Last, policy.Daily is 0 ? null : policy.Daily)
            : default;

    [Fact]
    public async Task Without_the_right_the_missing_one_is_named()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Rights = new()
        {
            ["/"] = new()
            {
                ["VM.Audit"] = true,
                ["Sys.Audit"] = true,
                ["Datastore.Audit"] = true,
                ["Datastore.AllocateSpace"] = true,
            },
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        Assert.Contains("Sys.Modify on /",
            (await ThrowsAsync(ErrorIds.PermissionDenied,
                () => hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, s_daily, default))).Message);
    }
}
