using System.Diagnostics;
using Natalia.Backup.ProxmoxSimulator;
using Xunit.Abstractions;

namespace Natalia.Backup.Module.Tests.Proxmox;

/// <summary>
/// What a fleet costs in requests and time, through the cmdlets. The cluster is our simulator on the same machine: the
/// numbers of requests are real, the times are without a network.
/// </summary>
public sealed class FleetTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_vm_that_is_named_costs_one_description_whatever_else_there_is()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(
                c => c.Guests.AddRange(Enumerable.Range(101, 60)
                    .Select(i => SampleCluster.Appliance(i, $"vm-{i}", c.Nodes[i % 3]))));
        fixture.Connect();
        // The overview, the VM, and the jobs that may enrol it.
        Assert.Equal(3, fixture.CountRequests(() => fixture.Do("Get-NataliaAppliance -Name natalia-01")));
        Assert.Equal(1, Configurations(() => fixture.Do("Invoke-NataliaBackup natalia-01 -WhatIf")));
        Assert.Equal(2, Configurations(() => fixture.Do("Invoke-NataliaBackup natalia-01, vm-101 -WhatIf")));
        Assert.Equal(4,
            Configurations(
                () => fixture.Do("'vm-101', 'vm-102', 'vm-11?', 'vm-101' | Where-Object { $_ -ne 'vm-11?' } | "
                    + "Invoke-NataliaBackup -WhatIf; Invoke-NataliaBackup 'vm-15[12]' -WhatIf")));
        Assert.Equal(2,
            Configurations(() => fixture.Do("Get-NataliaAppliance -Name natalia-01 | Invoke-NataliaBackup -WhatIf")));
        Assert.Equal(1, Configurations(() => fixture.Do("Set-NataliaAppliance natalia-01 -Repository pbs -WhatIf")));
        Assert.Equal(61, Configurations(() => fixture.Do("Get-NataliaAppliance -Name *")));
        fixture.Do("Invoke-NataliaBackup natalia-01, vm-101");
        // Restore points that are piped in name their appliances, and are looked up together.
        Assert.Equal(2,
            Configurations(
                () => Assert.Equal(2, fixture.Do("Get-NataliaRestorePoint | Get-NataliaAppliance").Output.Count)));

        int Configurations(Action action)
        {
            int before = fixture.Server.Requests.Count;
            action();
            return fixture.Server.Requests.Skip(before).Count(r => r.Method == "GET" && r.Path.EndsWith("/config"));
        }
    }

    [Fact]
    public async Task A_thousand_vms_and_twenty_thousand_points_are_listed_in_bounded_requests_and_time()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c =>
        {
            c.Guests.AddRange(Enumerable.Range(101, 999)
                .Select(i => SampleCluster.Appliance(i, $"vm-{i}", c.Nodes[i % 3])));
            DateTimeOffset now = DateTimeOffset.UtcNow;
            for (int vmid = 100; vmid < 1100; vmid++)
                for (int n = 0; n < 20; n++)
                    c.Storage("pbs").Points.Add(new SimulatedPoint
                    {
                        Volid = $"pbs:backup/vm/{vmid}/{now.AddHours(-6 * n).UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}",
                        Vmid = vmid,
                        Time = now.AddHours(-6 * n),
                        Size = 232L << 30,
                    });
        });
        fixture.Connect();
        fixture.Do(
            "$null = Get-NataliaAppliance -Name natalia-01; $null = Get-NataliaRestorePoint -Appliance natalia-01");

        (int appliances, int applianceRequests,
            TimeSpan applianceTime) = Measure("(Get-NataliaAppliance -Name *).Count");
        (int points, int pointRequests, TimeSpan pointTime) = Measure("(Get-NataliaRestorePoint).Count");
        output.WriteLine($"1,000 VMs: {applianceRequests} requests, {applianceTime.TotalSeconds:0.00} s; 20,000 "
            + $"points: {pointRequests} requests, {pointTime.TotalSeconds:0.00} s");
        Assert.Equal((1000, 20000), (appliances, points));
        // The overview, one configuration each, and the jobs; storages, VMs, rights and one list.
        Assert.Equal((1002, 4), (applianceRequests, pointRequests));
        Assert.InRange(applianceTime, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.InRange(pointTime, TimeSpan.Zero, TimeSpan.FromSeconds(10));

        // The best of three: a machine that does other things as well is slow at times, and that says nothing of the
        // product.
        (int, int, TimeSpan) Measure(string script)
        {
            (int Count, int Requests, TimeSpan Time) best = (0, 0, TimeSpan.MaxValue);
            for (int i = 0; i < 3 && best.Time > TimeSpan.FromSeconds(10); i++)
            {
                var watch = Stopwatch.StartNew();
                int before = fixture.Server.Requests.Count;
                int count = int.Parse(fixture.Do(script).Text.Single());
                if (watch.Elapsed < best.Time) best = (count, fixture.Server.Requests.Count - before, watch.Elapsed);
            }
            return best;
        }
    }
}
