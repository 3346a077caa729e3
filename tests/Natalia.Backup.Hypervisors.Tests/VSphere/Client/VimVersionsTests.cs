using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Client;

/// <summary>Which version of the interface is agreed on; what the simulated server says it speaks is our
/// handler's.</summary>
public sealed class VimVersionsTests
{
    [VSphereTheory]
    [InlineData("9.0.0.0", "8.0.3.0,6.5", "9.0.0.0")]
    [InlineData("6.5", "6.0,5.5", "6.5")]
    [InlineData("8.0.9.0", "8.0.10.0,6.5", "8.0.10.0")]
    public async Task The_newest_that_the_server_speaks_is_taken(string version, string prior, string spoken)
    {
        using SimulatedVSphere server = SimulatedVSphere.Start("-esx", "-version", version, "-prior", prior);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        Assert.NotEmpty(await vim.FindAsync(null, "VirtualMachine", ["name"], default));
        Assert.Equal("urn:vim25/" + spoken, server.Spoken);
    }

    [VSphereFact]
    public async Task A_server_that_does_not_say_what_it_speaks_is_spoken_to_by_the_oldest()
    {
        using SimulatedVSphere server = SimulatedVSphere.Start("-esx");
        server.Fail("GET /sdk/vimServiceVersions.xml", "before", "status", ("status", 404));
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        Assert.Equal("urn:vim25/6.5", server.Spoken);
    }

    [VSphereFact]
    public async Task A_server_that_is_too_old_is_refused_before_the_password_is_sent()
    {
        using SimulatedVSphere server = SimulatedVSphere.Start("-esx", "-version", "6.0", "-prior", "5.5");
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            VimService.ConnectAsync(VSphereServers.Options(server), default));
        Assert.Equal((ErrorIds.HypervisorNotFound, NataliaErrorKind.NotSupported), (e.ErrorId, e.Kind));
        Assert.Contains("6.5 or newer is needed", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Login", server.Calls());
    }
}
