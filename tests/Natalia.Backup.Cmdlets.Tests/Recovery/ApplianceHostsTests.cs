using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Recovery;

namespace Natalia.Backup.Cmdlets.Tests.Recovery;

/// <summary>Whether a repository lies off the host, by names and addresses alone.</summary>
public sealed class ApplianceHostsTests
{
    [Theory]
    [InlineData("hv1", "hv1", null, false)]
    [InlineData("HV1.example.com", "hv1", null, false)]
    [InlineData("nas", "hv1", null, true)]
    [InlineData("10.0.0.5", "10.0.0.5", null, false)]
    [InlineData("10.0.0.5", "10.0.0.6", null, true)]
    // An address and a name: it may be one machine.
    [InlineData("10.0.0.5", "hv1", null, null)]
    [InlineData("hv1", "10.0.0.5", null, null)]
    [InlineData("[fd00::5]", "hv1", null, null)]
    [InlineData("fd00--5.ipv6-literal.net", "fd00::5", null, false)]
    // The VM's own host counts with the machine that was connected, such as a vCenter.
    [InlineData("esx2", "vcenter", "esx2.example.com", false)]
    [InlineData("nas", "10.0.0.5", "HV1", true)]
    [InlineData("10.0.0.7", "10.0.0.5", "esx2", null)]
    // Of this machine both are known.
    [InlineData("10.255.255.77", "localhost", null, true)]
    [InlineData("127.0.0.1", "localhost", null, false)]
    public void A_name_and_an_address_are_never_taken_for_two_machines(string store, string hypervisor, string? vmHost,
        bool? isOffHost)
    {
        (bool? found, string detail) = ApplianceHosts.Compare(new StorePlacement { HostName = store }, "it lies there",
            [hypervisor], vmHost);

        Assert.Equal(isOffHost, found);
        if (found is null) Assert.Contains("cannot be told", detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_of_this_machine_lies_off_another_one()
    {
        var here = new StorePlacement { IsThisMachine = true };
        string me = Environment.MachineName;
        Assert.True(ApplianceHosts.Compare(here, "it lies on this machine", ["hv1"], null).IsOffHost);
        Assert.False(ApplianceHosts.Compare(here, "it lies on this machine", [me], null).IsOffHost);
        Assert.False(ApplianceHosts.Compare(here, "it lies on this machine", ["hv1"], me).IsOffHost);
    }
}
