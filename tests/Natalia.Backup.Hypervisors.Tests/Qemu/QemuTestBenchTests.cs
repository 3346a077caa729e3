using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>
/// The suite of test benches with real processes of QEMU. Their disks hold no system: what a guest's agent would say,
/// the test says.
/// </summary>
public sealed class QemuTestBenchTests : TestBenchConformance
{
    public static string? Obstacle => Counterpart.Qemu.Obstacle;

    protected override Task<ITestBenchFixture> OpenAsync() =>
        Task.FromResult<ITestBenchFixture>(new QemuFixture(skipsTime: true));

    [StoreFact]
    public async Task The_variables_of_a_point_become_the_vms_and_others_are_not_taken()
    {
        await using var fixture = new QemuFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        byte[] variables = File.ReadAllBytes(UefiFirmware.Require().Variables);
        variables[^1] ^= 1;
        var attachment = new ApplianceAttachment("nvram", AttachmentKind.UefiVariables, variables);
        IAttachmentBuilder taker = hypervisor.Find<IAttachmentBuilder>()!;
        Assert.True(taker.Takes(attachment, "Folder"));
        Assert.False(taker.Takes(attachment, "VMware"));
        Assert.False(taker.Takes(attachment with { Content = new byte[100] }, "Folder"));
        Assert.False(taker.Takes(attachment with { Kind = AttachmentKind.TpmState }, "Folder"));
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(
            PointImages.Create(), new BuildRequest
            {
                Name = "restored",
                Networks = new Dictionary<string, string> { ["lan"] = fixture.OtherNetwork },
                Attachments = [attachment],
            }, null, default);
        Machine machine = fixture.Folders.Find(made.NativeId!)!;
        Assert.Equal(Firmware.Uefi, machine.Firmware);
        Assert.Equal(variables, File.ReadAllBytes(machine.FullPath(machine.Nvram!)));
    }
}
