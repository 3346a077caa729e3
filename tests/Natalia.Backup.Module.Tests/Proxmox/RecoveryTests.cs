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
}
