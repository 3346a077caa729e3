using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class PrerequisiteTests
{
    private static readonly PrerequisiteRequest s_all = new()
    {
        Storages = ["pbs"],
        ReplicationTarget = "pve2",
        IsolatedNetwork = "vmbr9",
    };

    [Fact]
    public async Task With_everything_in_place_all_pass_and_nothing_is_changed()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance,
            new NativeScheduleRequest { Storage = "pbs" }, default);
        int before = fixture.Server.Requests.Count;
        IReadOnlyList<CheckResult> checks = await hypervisor.Find<IPrerequisites>()!.TestPrerequisitesAsync(appliance,
            s_all, default);
        Assert.Empty(checks.Where(c => c.Result != CheckOutcome.Passed).Select(c => $"{c.Name} {c.Target} {c.Detail}"));
        Assert.All(fixture.Server.Requests.Skip(before).Where(r => !r.Path.EndsWith("/ping")),
            r => Assert.Equal("GET", r.Method));
        // Without names, the storages of the schedules are looked at.
        Assert.Contains(await hypervisor.Find<IPrerequisites>()!.TestPrerequisitesAsync(appliance,
            new PrerequisiteRequest(), default),
            c => c is { Name: "Storage", Target: "pbs" });
    }

    [Fact]
    public async Task Every_missing_right_is_named_with_its_path()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Rights = new()
        {
            ["/"] = new() { ["VM.Audit"] = true, ["Datastore.Audit"] = true },
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        IReadOnlyList<CheckResult> checks = await hypervisor.Find<IPrerequisites>()!.TestPrerequisitesAsync(appliance,
            s_all, default);
        string missing = string.Join('\n',
            checks.Where(c => c.Name == "Right" && c.Result == CheckOutcome.Failed).Select(c => c.Target));
        foreach (string right in new[] { "Datastore.AllocateSpace or Datastore.Allocate on /storage/pbs",
            "Sys.Audit on /", "Sys.Modify on /", "VM.Backup on /vms/100", "VM.Snapshot on /vms/100",
            "VM.Config.Disk on /vms/100", "VM.Replicate on /vms/100",
            "VM.GuestAgent.Audit or VM.GuestAgent.Unrestricted on /vms/100", "VM.Allocate on /vms" })
            Assert.Contains(right, missing);
        Assert.Equal(CheckOutcome.NotEvidenced, checks.Single(c => c.Name == "Coverage").Result);
        Assert.Equal(CheckOutcome.NotEvidenced, checks.Single(c => c.Name == "GuestAgent").Result);
    }

    [Fact]
    public async Task What_would_bite_later_is_found()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedGuest guest = c.Guest(100);
            guest.AgentAnswers = false;
            guest.Config["scsi0"] += ",backup=0";
            guest.Config["description"] = $"[natalia-backup left-out=scsi0 run=dead1 "
                + $"since={c.Clock.GetUtcNow().AddDays(-2).ToUnixTimeSeconds()}]\n";
            guest.Snapshots.Add(new SimulatedSnapshot("natalia-20261101T000000000", c.Clock.GetUtcNow().AddDays(-22),
                false));
            c.Bridges["vmbr9"] = "eno2";
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        IReadOnlyList<CheckResult> checks = await hypervisor.Find<IPrerequisites>()!.TestPrerequisitesAsync(appliance,
            s_all with { Storages = ["local", "absent"] }, default);
        Assert.Equal(CheckOutcome.Warning, One("GuestAgent").Result);
        Assert.Equal(CheckOutcome.Warning, One("Coverage").Result);
        Assert.Equal(CheckOutcome.Warning, One("LeftoverSnapshot").Result);
        Assert.Equal(CheckOutcome.Warning, One("OffHost").Result);
        Assert.Equal(CheckOutcome.Warning, One("IsolatedNetwork").Result);
        Assert.Contains("dead1",
            checks.Single(c => c is { Name: "DiskIncluded", Target: "scsi0", Result: CheckOutcome.Failed }).Detail);
        Assert.Equal(CheckOutcome.Failed, checks.Single(c => c is { Name: "Storage", Target: "absent" }).Result);

        CheckResult One(string name) => checks.Single(c => c.Name == name);
    }
}
