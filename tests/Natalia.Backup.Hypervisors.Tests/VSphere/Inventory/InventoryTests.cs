using System.Xml.Linq;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Inventory;

public sealed class InventoryTests(VSphereServers servers) : IClassFixture<VSphereServers>
{
    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task VMs_are_described_with_disks_networks_and_state(bool isCenter)
    {
        SimulatedVSphere server = servers.Get(isCenter);
        using VSphereHypervisor hypervisor = await VSphereHypervisor.ConnectAsync(VSphereServers.Options(server),
            default);
        ApplianceInventory all = await hypervisor.GetAppliancesAsync(default);
        Assert.Empty(all.Problems);
        Assert.Equal(server.Machines.Select(m => m.Name).Order(), all.Select(a => a.Name).Order());
        ApplianceDescription vm = all.Single(a => a.Name == "natalia-nice");
        Assert.Equal(server.Appliance.Uuid, vm.NativeId);
        Assert.Equal(MachineFinder.ApplianceIdOf(server.Appliance.Uuid), vm.ApplianceId);
        Assert.Equal(["scsi0:0", "scsi0:1"], vm.Disks.Select(d => d.DiskId));
        Assert.Equal(server.Appliance.Disks.Select(d => (long?)d.Size), vm.Disks.Select(d => d.SizeBytes));
        Assert.Equal(isCenter ? "DC0_DVPG0" : "VM Network", Assert.Single(vm.Networks).Name);
        Assert.Equal(("running", GuestAgentState.Running), (vm.State!.Power, vm.State.GuestAgent));
        Assert.Equal("VirtualMachineConfigInfo", XElement.Parse(vm.NativeConfiguration!).Attributes()
            .Single(a => a.Name.LocalName == "type").Value);

        ApplianceInventory one = await hypervisor.FindAppliancesAsync(l => l.Name == "natalia-nice", default);
        Assert.Equal(vm.ApplianceId, Assert.Single(one).ApplianceId);
    }

    [Fact]
    public void Secrets_of_a_configuration_are_not_kept()
    {
        XElement config = XElement.Parse("""
            <val xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
              <name>vm</name>
              <extraConfig xsi:type="OptionValue"><key>guestinfo.userdata</key><value>hush-1</value></extraConfig>
              <extraConfig xsi:type="OptionValue">
                <key>RemoteDisplay.vnc.password</key><value>hush-2</value></extraConfig>
              <extraConfig xsi:type="OptionValue"><key>disk.EnableUUID</key><value>TRUE</value></extraConfig>
              <vAppConfig><property><id>admin</id><type>password</type><value>hush-3</value></property></vAppConfig>
            </val>
            """);
        string kept = ConfigurationText.Of(config);
        Assert.DoesNotContain("hush", kept, StringComparison.Ordinal);
        Assert.Contains("disk.EnableUUID", kept, StringComparison.Ordinal);
        Assert.Contains("TRUE", kept, StringComparison.Ordinal);
    }
}
