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
            QemuProcesses.EndOf(vms);
        }

        File.WriteAllBytes(Path.Combine(vms, "lyon-1", "data.raw"), new byte[data.Length]);
        ScriptResult replaced = module.Run("$folder | Restore-NataliaAppliance -TargetAppliance lyon-1 "
            + "-Confirm:$false").ThrowIfFailed();
        Assert.Equal("lyon-1", replaced.Value("Name"));
        Assert.Equal(data, File.ReadAllBytes(Path.Combine(vms, "lyon-1", "data.raw")));
        ScriptResult off = module.Run("Invoke-NataliaBackup lyon-1 -Hypervisor qemu -Repository nas -IncludeSystemDisk");
        Assert.Contains("switched off", (string)off.Value("Reason")!, StringComparison.Ordinal);
    }

    [QemuFact]
    public void A_vm_runs_from_the_repository_at_once_and_is_an_appliance_when_it_has_its_disks()
    {
        string exports = module.NewFolder(), vms = module.NewFolder(), store = module.NewFolder();
        string original = Directory.CreateDirectory(Path.Combine(exports, "natalia-brest")).FullName;
        byte[] data = RepositoryFixture.Disk(3 << 20, 1), system = RepositoryFixture.Disk(1 << 20, 2);
        File.WriteAllBytes(Path.Combine(original, "data.raw"), data);
        File.WriteAllBytes(Path.Combine(original, "system.raw"), system);
        File.WriteAllText(Path.Combine(original, "vm.json"), """
            { "id": "7", "name": "natalia-brest", "memoryBytes": 268435456, "networks": [ { "name": "voice" } ],
              "disks": [ { "id": "system", "path": "system.raw", "role": "System" }, { "id": "data", "path": "data.raw", "role": "Data" } ] }
            """);
        module.Run("""
            $null = Connect-NataliaHypervisor -Folder $args[0] -Name brest-exports
            $null = Connect-NataliaHypervisor -Qemu $args[1] -Name brest
            $null = New-NataliaRepository -Name brest -Path (Join-Path $args[2] repository) -Unencrypted
            $served = Invoke-NataliaBackup natalia-brest -Hypervisor brest-exports -Repository brest -IncludeSystemDisk
            """, exports, vms, store).ThrowIfFailed();
        ScriptResult wrong = module.Run(
            "$served | Restore-NataliaAppliance -Hypervisor brest-exports -NewName copy -Immediate");
        Assert.StartsWith("CapabilityMissing,", Assert.Single(wrong.ErrorIds), StringComparison.Ordinal);
        try
        {
            ScriptResult made = module.Run("""
                $served | Restore-NataliaAppliance -Hypervisor brest -NewName brest-1 -Network @{ voice = 'none' } -Immediate -WarningVariable told
                $told | ForEach-Object { "$_" }
                """).ThrowIfFailed();
            Assert.Contains("runs from the restore point", made.Text[1], StringComparison.Ordinal);
            using Process running = Running(vms, "brest-1");
            Assert.StartsWith("qemu-system", running.ProcessName, StringComparison.Ordinal);
            Assert.Equal(data, File.ReadAllBytes(Path.Combine(vms, "brest-1", "data.raw")));
            Assert.Equal(system, File.ReadAllBytes(Path.Combine(vms, "brest-1", "system.raw")));
            Assert.Equal("point-restored", module.Run(
                "(Get-NataliaAuditRecord -Repository brest | Select-Object -First 1).Event")
                .ThrowIfFailed().Text.Single());
            Assert.DoesNotContain(Directory.EnumerateFiles(store, "*", SearchOption.AllDirectories),
                f => Path.GetDirectoryName(f)!.EndsWith("readers", StringComparison.Ordinal));
            module.Run(
                "$null = Invoke-NataliaBackup brest-1 -Hypervisor brest -Repository brest -IncludeSystemDisk")
                .ThrowIfFailed();
        }
        finally
        {
            QemuProcesses.EndOf(vms);
        }
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
            Assert.Matches(@"an image of 24\.0 MiB: \S+ \S+ of it were written, and \S+ \S+ are free there\.",
                $"{restore.Errors.Single()}");
            Assert.Empty(Directory.EnumerateFileSystemEntries(vms));
        }
        finally
        {
            SmallDiskFactAttribute.Unmount(vms);
        }
    }

    [SmallDiskFact]
    public void A_vm_whose_disks_find_no_room_runs_on_until_there_is()
    {
        string exports = module.NewFolder(), vms = module.NewFolder(), store = module.NewFolder();
        string original = Directory.CreateDirectory(Path.Combine(exports, "natalia-tight")).FullName;
        byte[] data = RepositoryFixture.Disk(8 << 20, 1);
        new Random(1).NextBytes(data);
        File.WriteAllBytes(Path.Combine(original, "data.raw"), data);
        File.WriteAllBytes(Path.Combine(original, "system.raw"), RepositoryFixture.Disk(1 << 20, 2));
        File.WriteAllText(Path.Combine(original, "vm.json"), """
            { "name": "natalia-tight", "memoryBytes": 268435456, "disks": [ { "id": "system", "path": "system.raw", "role": "System" },
              { "id": "data", "path": "data.raw", "role": "Data" } ] }
            """);
        SmallDiskFactAttribute.Mount(vms);
        try
        {
            string filler = Path.Combine(vms, "filler");
            File.WriteAllBytes(filler, new byte[10 << 20]);
            ScriptResult made = module.Run("""
                $filler = $args[3]
                $null = Connect-NataliaHypervisor -Folder $args[0] -Name tight-exports
                $null = Connect-NataliaHypervisor -Qemu $args[1] -Name tight
                $null = New-NataliaRepository -Name tight -Path (Join-Path $args[2] repository) -Unencrypted
                Invoke-NataliaBackup natalia-tight -Hypervisor tight-exports -Repository tight -IncludeSystemDisk |
                    Restore-NataliaAppliance -Hypervisor tight -Immediate 3>&1 | ForEach-Object {
                        if ("$_" -like '*There is no room*') { Remove-Item $filler }
                        "$_"
                    }
                """, exports, vms, store, filler).ThrowIfFailed();
            Assert.Contains(made.Text, t => t.Contains("There is no room", StringComparison.Ordinal));
            Assert.Equal("natalia-tight", made.Text[^1]);
            Assert.Equal(data, File.ReadAllBytes(Path.Combine(vms, "natalia-tight", "data.raw")));
        }
        finally
        {
            QemuProcesses.EndOf(vms);
            SmallDiskFactAttribute.Unmount(vms);
        }
    }

    private static Process Running(string vms, string name) => Process.GetProcessById(int.Parse(
        File.ReadAllText(Path.Combine(vms, name, "vm.pid")), CultureInfo.InvariantCulture));
}
