using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Builds;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>VMs of the simulated host built again of their own descriptions.</summary>
public sealed class RestoredMachineTests
{
    [Fact]
    public async Task A_vm_of_generation_1_has_its_ide_disk_where_it_starts_from_and_its_vlan()
    {
        await using var fixture = new SimBuilderFixture();
        SimMachine original = fixture.Host.Machines[0];
        original.IsGen2 = false;
        original.Notes = "Calls of Nice\r\n<before> a restart, ask the exchange's people";
        original.Adapters[0].Vlan = 12;
        byte[] system = HyperVFixture.Bytes(64 << 10, 1), data = HyperVFixture.Bytes(128 << 10, 2);
        fixture.Host.NewDisk(original, SimMachine.Ide(0, 0), system);
        fixture.Host.NewDisk(original, 1, data);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription was = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        Assert.Equal([("scsi0:1", DiskRole.Unknown), ("ide0:0", DiskRole.System)],
            was.Disks.Select(d => (d.DiskId, d.Role)));
        RestoreSource.PointImage image = PointImages.Create();
        image = new RestoreSource.PointImage(image.Point, was, async (diskId, target, _, cancellationToken) =>
        {
            byte[] bytes = diskId == "ide0:0" ? system : data;
            await target.BeginAsync(bytes.Length, cancellationToken);
            await target.WriteAsync(0, bytes, cancellationToken);
            await target.CompleteAsync(cancellationToken);
        });
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(image,
            new BuildRequest { Name = "restored" }, null, default);

        SimMachine restored = fixture.Find(made.NativeId!);
        Assert.Equal(system, restored.Disks[SimMachine.Ide(0, 0)].Content());
        Assert.Equal(data, restored.Disks[1].Content());
        Assert.Equal(("lan", 12), (made.Networks[0].Name, made.Networks[0].Vlan));
        Assert.NotEqual(was.Networks[0].MacAddress, made.Networks[0].MacAddress);
        await hypervisor.Require<IPowerControl>("power").StartAsync(made, default);
        Assert.True(fixture.IsRunning(made.NativeId!));
    }

    /// <summary>Nor has the new one before it runs: both show noughts, which are nobody's address.</summary>
    [Fact]
    public async Task A_vm_that_never_ran_has_no_address_yet_and_is_built_again()
    {
        await using var fixture = new SimBuilderFixture();
        SimMachine original = fixture.Host.Machines[0];
        original.Adapters[0].Mac = "000000000000";
        byte[] disk = HyperVFixture.Bytes(64 << 10, 1);
        fixture.Host.NewDisk(original, 1, disk);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription was = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        Assert.Null(Assert.Single(was.Networks).MacAddress);
        // As points hold it that were made before.
        was = was with { Networks = [was.Networks[0] with { MacAddress = "000000000000" }] };
        var image = new RestoreSource.PointImage(PointImages.Create().Point, was,
            async (_, target, _, cancellationToken) =>
            {
                await target.BeginAsync(disk.Length, cancellationToken);
                await target.WriteAsync(0, disk, cancellationToken);
                await target.CompleteAsync(cancellationToken);
            });
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(image,
            new BuildRequest { Name = "restored" }, null, default);
        Assert.Null(Assert.Single(made.Networks).MacAddress);
        Assert.Equal(disk, fixture.Find(made.NativeId!).Disks[1].Content());
    }

    /// <summary>Adapters are there before the disks, so that a host puts them first.</summary>
    [Fact]
    public async Task A_vm_of_generation_2_starts_from_its_disks_before_the_network()
    {
        await using var fixture = new SimBuilderFixture();
        SimMachine original = fixture.Host.Machines[0];
        fixture.Host.NewDisk(original, 1, HyperVFixture.Bytes(64 << 10, 1));
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription was = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        var image = new RestoreSource.PointImage(PointImages.Create().Point, was,
            async (diskId, target, _, cancellationToken) =>
            {
                await target.BeginAsync(64 << 10, cancellationToken);
                await target.CompleteAsync(cancellationToken);
            });
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(image,
            new BuildRequest { Name = "restored" }, null, default);
        List<string> order = fixture.Find(made.NativeId!).BootSources;
        Assert.NotEmpty(original.Adapters);
        Assert.Equal([.. was.Disks.Select(_ => 'D'), .. original.Adapters.Select(_ => 'N')], order.Select(s => s[0]));
    }

    [Fact]
    public async Task Secure_boot_stays_as_it_was_and_a_virtual_tpm_is_refused_by_name()
    {
        await using var fixture = new SimBuilderFixture();
        SimMachine original = fixture.Host.Machines[0];
        original.IsSecureBootOn = true;
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IApplianceBuilder builder = hypervisor.Require<IApplianceBuilder>("building");
        ApplianceDescription was = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        var how = new BuildRequest { Name = "restored" };
        await using (IApplianceUnderConstruction vm = await builder.BeginAsync(was, how, default))
            Assert.True(fixture.Find(vm.NativeId).IsSecureBootOn);
        original.HasTpm = true;
        was = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        NataliaException error = await Assert.ThrowsAsync<NataliaException>(
            () => builder.BeginAsync(was, how, default));
        Assert.Equal(ErrorIds.ApplianceNotSuitable, error.ErrorId);
        Assert.Contains("virtual TPM", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, fixture.VMs);
    }

    [Fact]
    public async Task What_a_failed_building_cannot_remove_is_told_beside_why_it_failed()
    {
        await using var fixture = new SimBuilderFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription was = Assert.Single(await hypervisor.GetAppliancesAsync(default));
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        fixture.Host.Faults["AddResourceSettings"] = new SimFault { Code = 32775 };
        NataliaException why = await FailAsync();
        Assert.Equal(before, fixture.VMs);

        fixture.Host.Faults["AddResourceSettings"] = new SimFault { Code = 32775 };
        fixture.Host.Faults["DestroySystem"] = new SimFault { Code = 32775 };
        NataliaException left = await FailAsync();
        Assert.Equal(why.ErrorId, left.ErrorId);
        Assert.StartsWith($"{why.Message} What was made of the VM 'restored' may still be there", left.Message,
            StringComparison.Ordinal);
        Assert.Equal(before.Count + 1, fixture.VMs.Count);

        Task<NataliaException> FailAsync() => Assert.ThrowsAsync<NataliaException>(() => hypervisor
            .Require<IApplianceBuilder>("building").BeginAsync(was, new BuildRequest { Name = "restored" }, default));
    }

    [Theory]
    [InlineData(true, "scsi0:1,scsi0:0", "scsi0:1,scsi0:0")]
    [InlineData(true, "ide0:0,scsi0:0", "scsi0:1,scsi0:0")]
    [InlineData(false, "ide0:0,ide1:1,scsi0:3", "ide0:0,ide1:1,scsi0:3")]
    [InlineData(false, "ide2:0,scsi1:0,system,data", "scsi0:0,scsi0:1,ide0:0,scsi0:2")]
    [InlineData(false, "ide0:0,system", "ide0:0,scsi0:0")]
    [InlineData(true, "scsi0:1,system", "scsi0:1,scsi0:0")]
    public void Disks_go_where_they_were_or_where_there_is_room(bool isSecond, string were, string become)
    {
        string[] ids = were.Split(',');
        IReadOnlyDictionary<string, DiskPlace> places = DiskPlace.Choose([.. ids.Select(i =>
            new ApplianceDisk(i, i == "system" ? DiskRole.System : DiskRole.Unknown, 512))], isSecond);
        Assert.Equal(become, string.Join(',', ids.Select(i => places[i])));
    }
}
