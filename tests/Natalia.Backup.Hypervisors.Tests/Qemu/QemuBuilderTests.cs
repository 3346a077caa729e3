using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Qemu;

/// <summary>The suite of builders on a folder of QEMU's VMs. Nothing is started by it.</summary>
public sealed class QemuBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new QemuFixture());

    /// <summary>As in a full folder. Half a description in it, and nothing would sweep it.</summary>
    [QemuFact]
    public async Task A_vm_whose_description_cannot_be_written_leaves_no_folder()
    {
        await using var fixture = new QemuFixture();
        string[] before = Directory.GetFileSystemEntries(fixture.Root);
        using IHypervisor hypervisor = QemuHypervisor.Open(fixture.Root, null, new FullCalls());
        await Assert.ThrowsAsync<IOException>(
            () => hypervisor.Require<IApplianceBuilder>("building").BuildAsync(
                (RestoreSource.PointImage)fixture.Source,
                new BuildRequest { Name = "restored" }, null, default));
        Assert.Equal(before, Directory.GetFileSystemEntries(fixture.Root));
    }

    private sealed class FullCalls : HostCalls
    {
        internal override void Before(string call)
        {
            if (call == "write description") throw new IOException("No space left on device.");
        }
    }
}
