using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>On the simulated host: our model of the documented behaviour, with real VHDX files.</summary>
public sealed class HyperVBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new SimBuilderFixture());

    [Theory]
    [InlineData("saved", "it was started")]
    [InlineData("checkpoint", "it has checkpoints")]
    [InlineData("disk", "it has a disk that the building did not make ('")]
    public async Task A_vm_whose_record_stayed_and_that_somebody_uses_is_not_removed(string use, string reason)
    {
        await using var fixture = new SimBuilderFixture();
        IApplianceBuilder builder = (await fixture.ConnectAsync()).Require<IApplianceBuilder>("building");
        await builder.BeginAsync(PointImages.Create().Appliance, new BuildRequest { Name = "restored" }, default);
        UnfinishedAppliance found = Assert.Single(await builder.FindUnfinishedAsync(default));
        SimMachine machine = fixture.Find(found.NativeId);
        switch (use)
        {
            case "saved": machine.State = 6; break;
            case "disk": fixture.Host.NewDisk(machine, 5, new byte[1 << 20]); break;
            default:
                fixture.Host.Freeze(machine, "before update", "Microsoft:Hyper-V:Snapshot:Realized", 1);
                break;
        }

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            builder.RemoveUnfinishedAsync(found, default));

        Assert.Equal(ErrorIds.NotAnUnfinishedAppliance, e.ErrorId);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Contains("natalia-building:", e.Message, StringComparison.Ordinal);
        Assert.Contains(found.NativeId, fixture.VMs);
    }
}
