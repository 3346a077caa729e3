using System.Diagnostics;
using System.Globalization;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests;

/// <summary>
/// Points that are restored to QEMU by the cmdlet, started, backed up live, and put into another VM: real QEMU, without
/// a system on the disks.
/// </summary>
public sealed class RestoreToQemuTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    [QemuFact]
    public void A_point_of_a_folder_and_one_of_qemu_become_vms_and_a_disk_of_one_that_is_switched_off()
    {
        string exports = module.NewFolder(), vms = module.NewFolder(), store = module.NewFolder();
        string original = Directory.CreateDirectory(Path.Combine(exports, "natalia-lyon")).FullName;
        byte[] data = RepositoryFixture.Disk(1 << 20, 1);
        File.WriteAllBytes(Path.Combine(original, "data.raw"), data);
        File.WriteAllBytes(Path.Combine(original, "system.raw"), RepositoryFixture.Disk(1 << 20, 2));
        File.WriteAllText(Path.Combine(original, "vm.json"), """
            { "id": "1", "name": "natalia-lyon", "memoryBytes": 268435456, "networks": [ { "name": "voice", "macAddress": "52:54:00:6e:61:74" } ],
              "disks": [ { "id": "system", "path": "system.raw", "role": "System" }, { "id": "data", "path": "data.raw", "role": "Data" } ] }
            """);
        module.Run("""
            $null = Connect-NataliaHypervisor -Folder $args[0] -Name exports
            $null = Connect-NataliaHypervisor -Qemu $args[1] -Name qemu
            $null = New-NataliaRepository -Name nas -Path (Join-Path $args[2] repository) -Unencrypted
            $folder = Invoke-NataliaBackup natalia-lyon -Hypervisor exports -Repository nas -IncludeSystemDisk
            """, exports, vms, store).ThrowIfFailed();
        ScriptResult refused = module.Run("$folder | Restore-NataliaAppliance -Hypervisor qemu -NewName lyon-1 -Start");
        Assert.StartsWith("NetworkNotFound,", Assert.Single(refused.ErrorIds), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(vms));
        try
        {
            module.Run("""
                $one = $folder | Restore-NataliaAppliance -Hypervisor qemu -NewName lyon-1 -Start -Network @{ voice = 'restricted' }
                $live = Invoke-NataliaBackup lyon-1 -Hypervisor qemu -Repository nas -IncludeSystemDisk
                $two = $live | Restore-NataliaAppliance -Hypervisor qemu -NewName lyon-2 -Network @{ restricted = 'none' }
                """).ThrowIfFailed();
            using Process running = Running(vms, "lyon-1");
            Assert.StartsWith("qemu-system", running.ProcessName, StringComparison.Ordinal);
            Assert.Equal(data, File.ReadAllBytes(Path.Combine(vms, "lyon-2", "data.raw")));
            Assert.DoesNotContain("52:54:00:6e:61:74", File.ReadAllText(Path.Combine(vms, "lyon-1", "vm.json")),
                StringComparison.Ordinal);
            Assert.Equal(["lyon-1", "lyon-2"], module.Run("(Get-NataliaAppliance -Name * -Hypervisor qemu).Name")
                .ThrowIfFailed().Text);
            ScriptResult inUse = module.Run("$folder | Restore-NataliaAppliance -TargetAppliance lyon-1");
            Assert.StartsWith("ApplianceRunning,", Assert.Single(inUse.ErrorIds), StringComparison.Ordinal);
        }
        finally
        {
            Stop(vms, "lyon-1");
        }

        File.WriteAllBytes(Path.Combine(vms, "lyon-1", "data.raw"), new byte[data.Length]);
        ScriptResult replaced = module.Run("$folder | Restore-NataliaAppliance -TargetAppliance lyon-1").ThrowIfFailed();
        Assert.Equal("lyon-1", replaced.Value("Name"));
        Assert.Equal(data, File.ReadAllBytes(Path.Combine(vms, "lyon-1", "data.raw")));
        ScriptResult off = module.Run("Invoke-NataliaBackup lyon-1 -Hypervisor qemu -Repository nas -IncludeSystemDisk");
        Assert.Contains("switched off", (string)off.Value("Reason")!, StringComparison.Ordinal);
    }

    [SmallDiskFact]
    public void A_bench_without_room_fails_the_restore_and_nothing_is_left()
    {
        string exports = module.NewFolder(), vms = module.NewFolder(), store = module.NewFolder();
        string original = Directory.CreateDirectory(Path.Combine(exports, "natalia-full")).FullName;
        File.WriteAllBytes(Path.Combine(original, "data.raw"), RepositoryFixture.Disk(24 << 20, 1));
        File.WriteAllBytes(Path.Combine(original, "system.raw"), RepositoryFixture.Disk(1 << 20, 2));
        File.WriteAllText(Path.Combine(original, "vm.json"), """
            { "name": "natalia-full", "disks": [ { "id": "system", "path": "system.raw", "role": "System" },
              { "id": "data", "path": "data.raw", "role": "Data" } ] }
            """);
        SmallDiskFactAttribute.Mount(vms);
        try
        {
            module.Run("""
                $null = Connect-NataliaHypervisor -Folder $args[0] -Name full-exports
                $null = Connect-NataliaHypervisor -Qemu $args[1] -Name full-bench
                $null = New-NataliaRepository -Name full -Path (Join-Path $args[2] repository) -Unencrypted
                $point = Invoke-NataliaBackup natalia-full -Hypervisor full-exports -Repository full -IncludeSystemDisk
                """, exports, vms, store).ThrowIfFailed();
            ScriptResult test = module.Run("$point | Test-NataliaRestore -TestBench full-bench");
            Assert.Equal("Failed", $"{test.Value("Result")}");
            Assert.StartsWith("RestoreTestFailed,", Assert.Single(test.ErrorIds), StringComparison.Ordinal);
            Assert.Equal(["DestinationFull", "Passed"], module.Run(
                "$t = Get-NataliaRestoreTest -Repository full; $t.Checks[0].ErrorId; \"$($t.Checks[-1].Result)\"").Text);
            ScriptResult restore = module.Run("$point | Restore-NataliaAppliance -Hypervisor full-bench");
            Assert.StartsWith("DestinationFull,", Assert.Single(restore.ErrorIds), StringComparison.Ordinal);
            Assert.Empty(Directory.EnumerateFileSystemEntries(vms));
        }
        finally
        {
            SmallDiskFactAttribute.Unmount(vms);
        }
    }

    private static Process Running(string vms, string name) => Process.GetProcessById(int.Parse(
        File.ReadAllText(Path.Combine(vms, name, "vm.pid")), CultureInfo.InvariantCulture));

    private static void Stop(string vms, string name)
    {
        if (!File.Exists(Path.Combine(vms, name, "vm.pid"))) return;
        using Process running = Running(vms, name);
        running.Kill();
        running.WaitForExit();
    }
}
