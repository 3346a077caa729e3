using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>What <see cref="IApplianceBuilder"/> means, whoever implements it.</summary>
public abstract class BuilderConformance
{
    private static readonly RestoreSource.PointImage s_image = PointImages.Create();

    protected abstract Task<IBuilderFixture> OpenAsync();

    private static BuildRequest How(string name = "restored") => new() { Name = name };

    [StoreFact]
    public async Task A_completed_vm_is_there_as_it_was_written()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        BuildRequest how = How() with { Networks = new Dictionary<string, string> { ["lan"] = fixture.OtherNetwork } };
        IApplianceBuilder builder = await BuilderAsync(fixture);
        ApplianceDescription made = await builder.BuildAsync(s_image, how, null, default);
        Assert.Equal("restored", made.Name);
        Assert.Contains(made.NativeId, fixture.VMs);
        Assert.Equal([fixture.OtherNetwork, fixture.OtherNetwork], fixture.NetworksOf(made.NativeId!));
        Assert.All(PointImages.Disks, d => Assert.Equal(d.Value, fixture.Read(made.NativeId!, d.Key)));
        Assert.Empty(await builder.FindUnfinishedAsync(default));
    }

    [StoreFact]
    public async Task Disposing_without_completing_removes_what_was_made()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        IApplianceBuilder builder = await BuilderAsync(fixture);
        await using (IApplianceUnderConstruction vm = await builder.BeginAsync(s_image.Appliance, How(), default))
        {
            using IDiskTarget disk = vm.GetDisk("data", PointImages.Disks["data"].Length);
            await s_image.Write("data", disk, null, default);
            Assert.Contains(vm.NativeId, fixture.VMs);
            Assert.Equal(vm.NativeId, Assert.Single(await builder.FindUnfinishedAsync(default)).NativeId);
        }
        Assert.Equal(before, fixture.VMs);
    }

    [StoreFact]
    public async Task A_build_that_is_stopped_leaves_nothing()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        using var stop = new CancellationTokenSource();
        RestoreSource.PointImage image = PointImages.Create(disk => { if (disk == "data") stop.Cancel(); });
        IApplianceBuilder builder = await BuilderAsync(fixture);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => builder.BuildAsync(image, How(), null, stop.Token));
        Assert.Equal(before, fixture.VMs);
    }

    [StoreFact]
    public async Task Whenever_the_builder_dies_what_it_leaves_is_found_by_its_record()
    {
        for (int lifetime = 0; ; lifetime++)
        {
            await using IBuilderFixture fixture = await OpenAsync();
            IReadOnlyCollection<string> before = [.. fixture.VMs];
            IHypervisor mortal = await fixture.ConnectAsync(lifetime);
            try
            {
                await mortal.Require<IApplianceBuilder>("building")
                    .BuildAsync(s_image, How() with { BuildId = "mine" }, null, default);
                Assert.True(lifetime > 4, "The whole building was over before anything could be made.");
                return;
            }
            catch (Exception e) when (e is IOException or NataliaException { InnerException: AggregateException })
            {
                // It died, and could not clear up either.
            }
            IApplianceBuilder later = await BuilderAsync(fixture);
            IReadOnlyList<UnfinishedAppliance> left = await later.FindUnfinishedAsync(default);
            Assert.All(left, u => Assert.Equal("mine", u.BuildId));
            foreach (UnfinishedAppliance one in left) await later.RemoveUnfinishedAsync(one, default);
            Assert.Equal(before, fixture.VMs);
        }
    }

    [StoreFact]
    public async Task Two_are_built_at_once_and_the_end_of_one_is_not_the_others()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        IApplianceBuilder builder = await BuilderAsync(fixture);
        IApplianceUnderConstruction one = await builder.BeginAsync(s_image.Appliance, How("one"), default);
        await using IApplianceUnderConstruction two = await builder.BeginAsync(s_image.Appliance, How("two"), default);
        Assert.Equal(2, (await builder.FindUnfinishedAsync(default)).Count);
        await one.DisposeAsync();
        using (IDiskTarget disk = two.GetDisk("system", PointImages.Disks["system"].Length))
            await s_image.Write("system", disk, null, default);
        ApplianceDescription made = await two.CompleteAsync(default);
        Assert.DoesNotContain(one.NativeId, fixture.VMs);
        Assert.Equal(PointImages.Disks["system"], fixture.Read(made.NativeId!, "system"));
    }

    [StoreFact]
    public async Task What_is_not_that_building_is_not_removed()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        IApplianceBuilder builder = await BuilderAsync(fixture);
        IApplianceUnderConstruction vm = await builder.BeginAsync(s_image.Appliance, How(), default);
        UnfinishedAppliance found = Assert.Single(await builder.FindUnfinishedAsync(default));
        fixture.Replace(found.NativeId);
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => builder.RemoveUnfinishedAsync(found, default));
        Assert.Equal(ErrorIds.NotAnUnfinishedAppliance, error.ErrorId);
        await Assert.ThrowsAsync<NataliaException>(() => vm.DisposeAsync().AsTask());
        Assert.Contains(found.NativeId, fixture.VMs);
        await builder.RemoveUnfinishedAsync(found with { NativeId = "99999" }, default);
    }

    [StoreFact]
    public async Task What_somebody_started_is_not_removed_although_its_building_never_ended()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        IApplianceBuilder builder = await BuilderAsync(fixture);
        IApplianceUnderConstruction vm = await builder.BeginAsync(s_image.Appliance, How(), default);
        UnfinishedAppliance found = Assert.Single(await builder.FindUnfinishedAsync(default));
        if (!await fixture.StartAsync(found.NativeId))
        {
            await vm.DisposeAsync();
            return;
        }
        NataliaException error =
            await Assert.ThrowsAsync<NataliaException>(() => builder.RemoveUnfinishedAsync(found, default));
        Assert.Equal(ErrorIds.NotAnUnfinishedAppliance, error.ErrorId);
        Assert.Contains("it was started", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NataliaException>(() => vm.DisposeAsync().AsTask());
        Assert.Contains(found.NativeId, fixture.VMs);
    }

    [StoreFact]
    public async Task A_name_that_is_taken_and_a_network_that_is_not_there_are_refused_before_anything_is_made()
    {
        await using IBuilderFixture fixture = await OpenAsync();
        IApplianceBuilder builder = await BuilderAsync(fixture);
        await builder.BuildAsync(s_image, How(), null, default);
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        NataliaException name =
            await Assert.ThrowsAsync<NataliaException>(() => builder.BeginAsync(s_image.Appliance, How(), default));
        Assert.Equal(ErrorIds.ApplianceNameInUse, name.ErrorId);
        Assert.Equal(before, fixture.VMs);
        if (fixture.UnknownNetwork is not string unknown) return;
        BuildRequest elsewhere = How("other") with
        {
            Networks = new Dictionary<string, string> { ["lan"] = unknown },
        };
        NataliaException network =
            await Assert.ThrowsAsync<NataliaException>(() => builder.BeginAsync(s_image.Appliance, elsewhere, default));
        Assert.Equal(ErrorIds.NetworkNotFound, network.ErrorId);
        Assert.Equal(before, fixture.VMs);
    }

    private static async Task<IApplianceBuilder> BuilderAsync(IBuilderFixture fixture) =>
        (await fixture.ConnectAsync()).Require<IApplianceBuilder>("building");
}
