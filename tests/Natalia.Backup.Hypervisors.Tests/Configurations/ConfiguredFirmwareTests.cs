using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Configurations;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Tests.HyperV;
using Natalia.Backup.HyperVSimulator;

namespace Natalia.Backup.Hypervisors.Tests.Configurations;

public sealed class ConfiguredFirmwareTests
{
    [Theory]
    [InlineData("vm.json", """{ "Firmware": "UEFI", /* a comment */ }""", true)]
    [InlineData("vm.json", """{ "firmware": "bios" }""", false)]
    [InlineData("vm.json", "{ }", null)]
    [InlineData("vm.json", """{ "firmware": 7 }""", null)]
    [InlineData("vm.json", "{", null)]
    [InlineData("qemu-server", "name: natalia\nbios: ovmf\n", true)]
    [InlineData("qemu-server", "name: natalia\n", false)]
    [InlineData("qemu-server", "name: natalia\n\n[before]\nbios: ovmf\n", false)]
    [InlineData("vim25-config", """<config xmlns="urn:vim25"><firmware>efi</firmware></config>""", true)]
    [InlineData("vim25-config", """<config xmlns="urn:vim25"><firmware>bios</firmware></config>""", false)]
    [InlineData("vim25-config", """<config xmlns="urn:vim25"><a><firmware>efi</firmware></a></config>""", null)]
    [InlineData("vim25-config", """<!DOCTYPE c [<!ENTITY f "efi">]><c><firmware>&f;</firmware></c>""", null)]
    [InlineData("vim25-config", "<config", null)]
    [InlineData("hyperv-cim", "<CIM>", null)]
    [InlineData("hyperv-cim", "<CIM></CIM>", null)]
    [InlineData("another", "firmware: efi", null)]
    [InlineData(null, null, null)]
    public void Only_what_a_configuration_says_is_taken(string? format, string? text, bool? isUefi) =>
        Assert.Equal(isUefi, ConfiguredFirmware.IsUefi(new ApplianceDescription
        {
            ApplianceId = "",
            Name = "natalia-nice",
            HypervisorKind = "",
            NativeFormat = format,
            NativeConfiguration = text,
        }));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_generation_of_a_vm_of_hyper_v_tells_it(bool isGen2)
    {
        await using var fixture = new SimBuilderFixture();
        SimMachine machine = fixture.Host.Machines[0];
        (machine.IsGen2, machine.Notes) = (isGen2, "Calls of Nice\r\n<before> a restart, ask");
        IHypervisor hypervisor = await fixture.ConnectAsync();

        Assert.Equal(isGen2, ConfiguredFirmware.IsUefi(Assert.Single(await hypervisor.GetAppliancesAsync(default))));
    }
}
