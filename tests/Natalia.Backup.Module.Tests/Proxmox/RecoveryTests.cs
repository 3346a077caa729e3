using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// Proxmox's points, schedules and replications as evidence; the cluster is our simulator.
/// </summary>
public sealed class RecoveryTests
{
    [Fact]
    public async Task Points_of_a_storage_count_like_others_and_the_strategy_stands_in_the_vms_notes()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectWithEvidence();
        DateTimeOffset now = DateTimeOffset.UtcNow;
        for (int i = 0; i < 8; i++) fixture.AddPoint(now.AddHours(-1 - 6 * i)).VerifyState = "ok";
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs -Strategy SixHourly");
        Assert.Contains("strategy=SixHourly", fixture.Cluster.Guests.Single().Config["description"],
            StringComparison.Ordinal);
        Assert.Equal("SixHourly", fixture.Do("(Get-NataliaAppliance natalia-01).Strategy").Text.Single());
        ScriptResult rows = fixture.Do("Measure-NataliaRecovery -Repository pbs -Objective Rpo, OffHost, Immutability, "
            + "VerificationAge, Schedule | ForEach-Object { \"$($_.Objective) $($_.Verdict) $($_.Attained)\" }");
        Assert.Equal("Rpo Met 6 h", rows.Text[0]);
        Assert.Equal(["OffHost Met", "Immutability NotEvidenced", "VerificationAge Met", "Schedule Met"],
            rows.Text.Skip(1).Select(r => string.Join(' ', r.Split(' ').Take(2))));
    }

    [Fact]
    public async Task A_vm_that_a_schedule_enrols_and_that_has_no_point_is_missed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs -Daily 7 -Weekly 4 -Monthly 3");
        Assert.Equal(["Rpo Missed", "Schedule Missed"], fixture.Do("Measure-NataliaRecovery -Objective Rpo, Schedule | "
            + "ForEach-Object { \"$($_.Objective) $($_.Verdict)\" }").Text);
        fixture.AddPoint(DateTimeOffset.UtcNow.AddHours(-1));
        fixture.AddPoint(DateTimeOffset.UtcNow.AddHours(-25));
        Assert.Equal(["Rpo Met", "Schedule Met"], fixture.Do("Measure-NataliaRecovery -Objective Rpo, Schedule | "
            + "ForEach-Object { \"$($_.Objective) $($_.Verdict)\" }").Text);
    }

    [Fact]
    public async Task What_the_storages_retention_took_is_no_gap()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Connect();
        fixture.Do("$null = Register-NataliaSchedule natalia-01 -Repository pbs -Daily 7 -Weekly 4");
        DateTimeOffset midnight = new(DateTimeOffset.UtcNow.Date, TimeSpan.Zero);
        for (int i = 0; i < 7; i++) fixture.AddPoint(midnight.AddDays(-i));
        for (int i = 0; i < 4; i++)
            fixture.AddPoint(midnight.AddDays(-7 - ((int)midnight.AddDays(-7).DayOfWeek) - 7 * i));
        ScriptResult row =
            fixture.Do("$r = Measure-NataliaRecovery -Objective Rpo; \"$($r.Verdict)\"; $r.Attained; $r.Reason");
        Assert.Equal("Met", row.Text[0]);
        Assert.Equal("24 h", row.Text[1]);
        Assert.Contains("retention took the points", row.Text[2], StringComparison.Ordinal);
    }

    /// <summary>Whoever removes the bad point does not make the gap good that it left.</summary>
    [Fact]
    public async Task A_point_that_was_found_damaged_is_none_that_was_good_when_it_is_gone()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(
            new JumpingClock(speed: 100, now.AddHours(-25)), null);
        fixture.ConnectWithEvidence();
        fixture.AddPoint(now.AddHours(-49));
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs; "
            + "$null = Invoke-NataliaBackup natalia-01 -Repository pbs");
        SimulatedPoint point = fixture.Cluster.Storage("pbs").Points.MaxBy(p => p.Time)!;
        fixture.AddPoint(now.AddHours(-1));
        Assert.StartsWith("Met ", Verdict(), StringComparison.Ordinal);
        point.VerifyState = "failed";
        Assert.StartsWith("RestorePointDamaged,", fixture.Try("Get-NataliaRestorePoint -Repository pbs | "
            + "Test-NataliaRestorePoint").ErrorIds.Single(), StringComparison.Ordinal);
        Assert.StartsWith("Missed ", Verdict(), StringComparison.Ordinal);

        Assert.True(fixture.Cluster.Storage("pbs").Points.Remove(point));
        Assert.StartsWith("Missed ", Verdict(), StringComparison.Ordinal);

        string Verdict() =>
            fixture.Do("$r = Measure-NataliaRecovery natalia-01 -Objective Rpo; \"$($r.Verdict) $($r.Reason)\"").Text
                .Single();
    }

    /// <summary>The simulator replicates nothing by itself: the test says when it did.</summary>
    [Fact]
    public async Task With_the_strategy_replication_the_age_of_the_copy_is_the_rpo()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.ConnectWithEvidence();
        fixture.AddPoint(DateTimeOffset.UtcNow.AddHours(-1)).VerifyState = "ok";
        fixture.AddPoint(DateTimeOffset.UtcNow.AddHours(-25)).VerifyState = "ok";
        fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs -Strategy Replication");
        (string verdict, string reason) = Measure();
        Assert.Equal("Replication Missed 5 min", verdict);
        Assert.Contains("has no replication of the appliance", reason, StringComparison.Ordinal);

        Assert.Equal("100-0", fixture.Do("(Set-NataliaReplication natalia-01 -TargetVMHost pve2).ReplicationId").Text
            .Single());
        Assert.Equal("Replication NotEvidenced 5 min", Measure().Verdict);
        Dictionary<string, object> state = fixture.Cluster.ReplicationStates["100-0"];
        state["last_sync"] = state["last_try"] = DateTimeOffset.UtcNow.AddMinutes(-2).ToUnixTimeSeconds();
        (verdict, reason) = Measure();
        Assert.Equal("Replication Met 5 min", verdict);
        Assert.Contains("The copy on 'pve2' is 2 min behind", reason, StringComparison.Ordinal);
        Assert.Equal("Replication 100-0", fixture.Do("(Measure-NataliaRecovery natalia-01 -Objective Rpo).Records | "
            + "ForEach-Object { \"$($_.Kind) $($_.Id)\" }").Text.Single());
        Assert.Equal("Passed", fixture.Do("(Get-NataliaReplication natalia-01).Health").Text.Single());
        // The points beside it are held against the daily schedule.
        Assert.Equal("Met", fixture.Do("(Measure-NataliaRecovery natalia-01 -Objective Schedule).Verdict").Text
            .Single());

        state["last_sync"] = DateTimeOffset.UtcNow.AddHours(-3).ToUnixTimeSeconds();
        (state["fail_count"], state["error"]) = (4, "command 'zfs send' failed");
        (verdict, reason) = Measure();
        Assert.Equal("Replication Missed 5 min", verdict);
        Assert.Contains("zfs send", reason, StringComparison.Ordinal);

        // Only a mark in the cluster; the copy that still lies there proves nothing any more.
        fixture.Do("Get-NataliaReplication natalia-01 | Remove-NataliaReplication -Confirm:$false");
        Assert.Equal("Replication NotEvidenced 5 min", Measure().Verdict);
        fixture.Cluster.ReplicationJobs.Clear();
        fixture.Cluster.ReplicationStates.Clear();
        Assert.Equal("Replication Missed 5 min", Measure().Verdict);

        (string Verdict, string Reason) Measure()
        {
            ScriptResult row = fixture.Do("$r = Measure-NataliaRecovery natalia-01 -Objective Rpo; "
                + "\"$($r.Strategy) $($r.Verdict) $($r.Target)\"; $r.Reason");
            return (row.Text[0], row.Text[1]);
        }
    }
}
