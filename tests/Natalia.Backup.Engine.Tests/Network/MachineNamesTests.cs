using Natalia.Backup.Engine.Network;

namespace Natalia.Backup.Engine.Tests.Network;

public sealed class MachineNamesTests
{
    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7", true)]
    [InlineData("192.0.2.7", "192.0.2.8", false)]
    [InlineData("192.0.2.7", "::ffff:192.0.2.7", true)]
    [InlineData("[::ffff:192.0.2.7]", "192.0.2.8", false)]
    [InlineData("192.0.2.7", "2001:db8::7", null)]
    [InlineData("2001-db8--7.ipv6-literal.net", "192.0.2.7", null)]
    [InlineData("2001-db8--7.ipv6-literal.net", "[2001:db8::7]", true)]
    [InlineData("127.0.0.1", "::1", true)]
    [InlineData("::1", "192.0.2.7", false)]
    [InlineData("hv1", "192.0.2.7", null)]
    [InlineData("hv1", "HV1.example.com", true)]
    [InlineData("hv1", "hv2", false)]
    public void Two_names_or_addresses_are_one_machine_two_or_nobody_can_tell(string a, string b, bool? expected)
    {
        Assert.Equal(expected, MachineNames.AreSame(a, b));
        Assert.Equal(expected, MachineNames.AreSame(b, a));
    }
}
