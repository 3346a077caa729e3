using System.Diagnostics;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.ProxmoxSimulator;
using Xunit.Abstractions;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class InventoryTests(ITestOutputHelper output)
{
    [Fact]
    public async Task An_appliance_is_described_with_disks_roles_and_state()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            SimulatedGuest guest = c.Guest(100);
            (guest.HaState, guest.Pool, guest.Config["tags"]) = ("started", "prod", "cdr;natalia");
            guest.Config["efidisk0"] = "tank:vm-100-disk-9,efitype=4m,size=4M";
            guest.Config["cipassword"] = "**********";
        });
        ApplianceDescription appliance = (await (await fixture.ConnectAsync()).GetAppliancesAsync(default)).Single();
        Assert.Equal(("natalia-01", "Proxmox", "100", 4, 8L << 30),
            (appliance.Name, appliance.HypervisorKind, appliance.NativeId, appliance.ProcessorCount!.Value,
                appliance.MemoryBytes!.Value));
        Assert.Equal([("efidisk0", DiskRole.System, 4L << 20), ("scsi0", DiskRole.System, 32L << 30),
            ("scsi1", DiskRole.Data, 200L << 30)],
            appliance.Disks.OrderBy(d => d.DiskId).Select(d => (d.DiskId, d.Role, d.SizeBytes!.Value)));
        Assert.Equal(new ApplianceNetwork("vmbr0", 20, "BC:24:11:12:34:56"), Assert.Single(appliance.Networks));
        ApplianceState state = appliance.State!;
        Assert.Equal(("pve1", "running", GuestAgentState.Enabled, "started", "prod"),
            (state.VMHost, state.Power, state.GuestAgent, state.HighAvailability, state.Pool));
        Assert.Equal(["cdr", "natalia"], state.Tags);
        Assert.Contains("scsi1: tank:vm-100-disk-1,discard=on,iothread=1,serial=DATA100,size=200G",
            appliance.NativeConfiguration);
        Assert.DoesNotContain("cipassword", appliance.NativeConfiguration);
        Assert.True(ApplianceIdentity.IsValid(appliance.ApplianceId));
    }

    [Fact]
    public async Task The_id_is_the_clusters_and_not_the_addresss()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        await using ProxmoxFixture other = await ProxmoxFixture.StartAsync();
        string first = (await (await fixture.ConnectAsync()).GetAppliancesAsync(default)).Single().ApplianceId;
        Assert.Equal(first,
            (await (await fixture.ConnectAsync(fixture.Options(hosts: [fixture.Host("pve3")]))).GetAppliancesAsync(
                default)).Single().ApplianceId);
        Assert.NotEqual(first, (await (await other.ConnectAsync()).GetAppliancesAsync(default)).Single().ApplianceId);
    }

    [Fact]
    public async Task One_vm_in_trouble_hides_none_of_the_others()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guests.Add(ProxmoxFixture.Appliance(101, "natalia-02", "pve2"));
            c.Guests.Add(ProxmoxFixture.Appliance(102, "natalia-03", "pve3"));
        });
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Cluster.OfflineNodes.Add("pve2");
        ApplianceInventory inventory = await hypervisor.GetAppliancesAsync(default);
        Assert.Equal(["natalia-01", "natalia-02", "natalia-03"], inventory.Select(a => a.Name));
        // What cannot be read is there all the same, and nothing is made up about it.
        ApplianceDescription silent = inventory.Single(a => a.Name == "natalia-02");
        Assert.Equal(("unknown", "pve2", null, 0),
            (silent.State!.Power, silent.State.VMHost, silent.ProcessorCount, silent.Disks.Count));
        Assert.Equal(ErrorIds.ServerUnreachable, Assert.Single(inventory.Problems).ErrorId);
        Assert.Contains("natalia-02", inventory.Problems[0].Message);
    }

    [Fact]
    public async Task A_dead_nodes_vms_cost_one_wait_and_not_one_each()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guests.AddRange(
                    Enumerable.Range(101, 200).Select(i => ProxmoxFixture.Appliance(i, $"vm-{i}", "pve2"))));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Cluster.OfflineNodes.Add("pve2");
        fixture.Clock.Advance(TimeSpan.FromMinutes(6));
        TimeSpan before = fixture.Clock.Waited;
        ApplianceInventory inventory = await hypervisor.GetAppliancesAsync(default);
        Assert.Equal(201, inventory.Count);
        Assert.Single(inventory.Problems);
        // As many as are asked at once, each three times at first.
        Assert.InRange(fixture.Clock.Waited - before, TimeSpan.Zero, TimeSpan.FromSeconds(12 * 6));
    }

    [Fact]
    public async Task A_vm_has_the_processors_that_it_was_given_and_not_those_of_its_host()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.HostProcessors = 4;
            (c.Guest(100).Config["cores"], c.Guest(100).Config["sockets"]) = ("8", "2");
        });
        Assert.Equal(16, (await (await fixture.ConnectAsync()).GetAppliancesAsync(default)).Single().ProcessorCount);
    }

    [Fact]
    public async Task One_wanted_vm_costs_one_request_more_than_the_overview()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guests.AddRange(
                    Enumerable.Range(101, 50).Select(i => ProxmoxFixture.Appliance(i, $"vm-{i}", "pve2"))));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        long before = hypervisor.RequestCount;
        Assert.Single(await hypervisor.FindAppliancesAsync(l => l.Name == "vm-120", default));
        Assert.Equal(2, hypervisor.RequestCount - before);
    }

    [Fact]
    public async Task A_thousand_vms_and_twenty_thousand_points_take_bounded_requests()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guests.AddRange(
                Enumerable.Range(101, 999).Select(i => ProxmoxFixture.Appliance(i, $"vm-{i}", c.Nodes[i % 3])));
            DateTimeOffset now = c.Clock.GetUtcNow();
            for (int vmid = 100; vmid < 1100; vmid++)
                for (int n = 0; n < 20; n++)
                    c.Storage("pbs").Points.Add(new SimulatedPoint
                    {
                        Volid = $"pbs:backup/vm/{vmid}/{now.AddHours(-6 * n).UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}",
                        Vmid = vmid,
                        Time = now.AddHours(-6 * n),
                        Size = 232L << 30,
                        Notes = $"vm-{vmid} [natalia-backup run=natalia-{vmid} disks=all]",
                        VerifyState = "ok",
                        VerifyUpid = "UPID:pbs:000003E9:00001B5F:0000ABCD:6743C1C0:verify:store:root@pam:",
                    });
        });
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        INativeRepository repository = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs", "pbs",
            default);
        await hypervisor.FindAppliancesAsync(l => l.NativeId == "100", default);

        long before = hypervisor.RequestCount;
        var watch = Stopwatch.StartNew();
        ApplianceInventory appliances = await hypervisor.GetAppliancesAsync(default);
        TimeSpan listing = watch.Elapsed;
        long listed = hypervisor.RequestCount - before;
        watch.Restart();
        IReadOnlyList<RestorePoint> points = await repository.GetRestorePointsAsync(new RestorePointFilter(), default);
        output.WriteLine($"1,000 VMs: {listed} requests, {listing.TotalSeconds:0.00} s; 20,000 points: "
            + $"{hypervisor.RequestCount - before - listed} requests, {watch.Elapsed.TotalSeconds:0.00} s");
        Assert.Equal((1000, 20000), (appliances.Count, points.Count));
        // The overview and one configuration each; storages, VMs, rights and one list.
        Assert.Equal((1001, 4), (listed, hypervisor.RequestCount - before - listed));
        Assert.True(points.Zip(points.Skip(1)).All(p => p.First.TimeUtc >= p.Second.TimeUtc));
    }
}
