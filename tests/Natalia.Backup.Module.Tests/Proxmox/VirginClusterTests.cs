namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// A cluster on which nobody ever made a backup job. It says so with 400 and the words in <c>errors</c>, and gives the
/// keys of each answer in another order.
/// </summary>
public sealed class VirginClusterTests
{
    private const string Show = "Get-NataliaRetention natalia-01 | ForEach-Object { \"$($_.Source): $($_.Policy)\" }";

    [Fact]
    public async Task A_first_retention_and_a_first_schedule_are_set_seen_changed_and_taken_away()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        Assert.Empty(fixture.Cluster.Jobs);
        fixture.Connect();
        Assert.Equal("None: ",
            fixture.Do("Get-NataliaRetention | ForEach-Object { \"$($_.Source): $($_.Policy)\" }").Text.First());
        Assert.Empty(fixture.Do("Get-NataliaSchedule").Output);
        Assert.Empty(fixture.Do("Get-NataliaSchedule natalia-01").Output);

        fixture.Do("Set-NataliaRetention natalia-01 -Repository pbs -Last 4 -Daily 7 -Weekly 4 -Monthly 3");
        Assert.Equal("Appliance: last 4, daily 7, weekly 4, monthly 3 (Etc/UTC)", fixture.Do(Show).Text.Single());
        Assert.Empty(fixture.Cluster.Jobs);

        ScriptResult first =
            fixture.Do("Register-NataliaSchedule natalia-01 -Repository pbs -Strategy SixHourly -At 01:30");
        Assert.Equal((true, "natalia-100", "last 4, daily 7, weekly 4, monthly 3"),
            (first.Value("WasChanged"), first.Value("ScheduleId"), first.Value("Retention")!.ToString()));
        Assert.Empty(first.Warnings);
        Assert.Equal("False",
            fixture.Do(
                "(Register-NataliaSchedule natalia-01 -Repository pbs -Strategy SixHourly -At 01:30).WasChanged").Text.Single());
        // What waited in the notes is in the job now, and only there.
        Assert.DoesNotContain("retention=", fixture.Cluster.Guest(100).Config.GetValueOrDefault("description", ""));
        Assert.Equal("Appliance: last 4, daily 7, weekly 4, monthly 3 (Etc/UTC)", fixture.Do(Show).Text.Single());
        Assert.Equal("natalia-100 True SixHourly Schedule",
            fixture.Do("Get-NataliaSchedule natalia-01 | ForEach-Object { \"$($_.ScheduleId) $($_.IsOwn) $($_.Kind) "
                + "$($_.RetentionSource)\" }").Text.Single());

        fixture.Do("Get-NataliaSchedule natalia-01 | Unregister-NataliaSchedule");
        Assert.Empty(fixture.Cluster.Jobs);
        Assert.Empty(fixture.Do("Get-NataliaSchedule natalia-01").Output);
        // The policy is the appliance's, with a schedule or without.
        Assert.Equal("Appliance: last 4, daily 7, weekly 4, monthly 3 (Etc/UTC)", fixture.Do(Show).Text.Single());
        Assert.StartsWith("ScheduleNotFound,",
            Assert.Single(fixture.Try("Unregister-NataliaSchedule natalia-100").ErrorIds));
        Assert.Contains(fixture.Server.Requests, r => r.Method == "GET" && r.Path == "/cluster/backup/natalia-100");
    }
}
