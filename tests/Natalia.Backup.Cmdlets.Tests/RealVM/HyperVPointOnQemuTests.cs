using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.RealVM;

/// <summary>
/// An appliance that is a VM of a simulated Hyper-V host, with its real data disk in VHDX: what is restored of its full
/// and incremental boots as a real VM of QEMU.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class HyperVPointOnQemuTests
{
    [ApplianceFact]
    public void An_appliance_of_a_hyper_v_host_boots_on_qemu_and_passes_every_check()
    {
        using var folder = new TemporaryFolder();
        TestAppliance appliance = TestAppliance.Make(folder["appliance"]);
        byte[] data = File.ReadAllBytes(appliance.DataImage);
        using var room = new HyperVRoom(TimeProvider.System, new byte[1 << 20], data);
        (room.Machine.MemoryMiB, room.Machine.Processors) = (1024, 2);
        room.Run("$null = Connect-NataliaHypervisor -Qemu $args[0] -Name bench; Set-NataliaAppliance natalia-01 "
            + "-Repository nas -DataDisk scsi0:1 -TestBench bench -SystemImage $args[1]",
            Directory.CreateDirectory(folder["bench"]).FullName, appliance.SystemImage);
        room.Run("Invoke-NataliaBackup natalia-01");
        // The guest writes what is there already, so that the incremental has something of the disk to carry.
        room.Host.Write(room.Machine, 1, 64 << 20, data[(64 << 20)..(66 << 20)]);
        EngineSession.Result result = room.Run("$point = Invoke-NataliaBackup natalia-01 -CdrBaseline $args[0]; "
            + "$point; $point | Test-NataliaRestore", appliance.CdrCount);
        var test = (RestoreTest)result.Output[1].BaseObject;

        Assert.Equal("Incremental", result.Output[0].Properties["Type"].Value.ToString());
        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.Equal("Qemu", test.TestBenchKind);
        Assert.All(test.Checks, c => Assert.Equal(CheckOutcome.Passed, c.Result));
    }
}
