using System.Globalization;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// A real appliance whose disks lie on a simulated vCenter: backed up from there, restored into a VM of QEMU, booted
/// and checked. The vCenter is a simulator; the disks, the restored VM and its programs are real.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class VMwarePointOnQemuTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    [ApplianceFact]
    public void A_point_of_a_vmware_appliance_boots_and_passes_on_a_bench_of_qemu()
    {
        string bench = module.NewFolder(), store = module.NewFolder();
        TestAppliance appliance = TestAppliance.Make(Path.Combine(module.NewFolder(), "natalia-nice"));
        string system = appliance.SystemImage, data = appliance.DataImage;
        using SimulatedVSphere server = SimulatedVSphere.Start("-memory-mib", "512",
            "-disk-mib", Mib(system), "-second-disk-mib", Mib(data));
        File.Copy(system, server.Appliance.Disks[0].File, overwrite: true);
        File.Copy(data, server.Appliance.Disks[1].File, overwrite: true);
        byte[] first = new byte[4096];
        using (FileStream disk = File.OpenRead(data)) disk.ReadExactly(first);

        ScriptResult result = module.Run("""
            param($server, $secret, $bench, $store)
            $credential = [pscredential]::new($server.User, $secret)
            $null = Connect-NataliaHypervisor -VMware $server.Host -Port $server.Port -Name vc -Credential $credential `
                -ServerCertificateThumbprint $server.Thumbprint
            $null = Connect-NataliaHypervisor -Qemu $bench -Name bench
            $null = New-NataliaRepository -Name local -Path (Join-Path $store repository) -Unencrypted
            $null = Set-NataliaAppliance natalia-nice -Hypervisor vc -Repository local -TestBench bench `
                -DataDisk scsi0:1 -IncludeSystemDisk -EnableChangeTracking
            $null = Invoke-NataliaBackup natalia-nice -Hypervisor vc
            """, server, SimulatedVSphere.Secret, bench, store).ThrowIfFailed();
        // What was there before, written once more: changed for the server, and the same for the guest.
        server.Write(server.Appliance, 1, 0, first);
        ScriptResult test = module.Run(
            "Invoke-NataliaBackup natalia-nice -Hypervisor vc -CdrBaseline $args[0] | Test-NataliaRestore",
            appliance.CdrCount);

        Assert.Empty(test.ErrorIds);
        Assert.Equal("Passed", test.Value("Result")!.ToString());
        Assert.Equal(["Incremental"], module.Run("(Get-NataliaRestorePoint -Latest).Type.ToString()").Text);
    }

    private static string Mib(string file) =>
        ((new FileInfo(file).Length + (1 << 20) - 1) >> 20).ToString(CultureInfo.InvariantCulture);
}
