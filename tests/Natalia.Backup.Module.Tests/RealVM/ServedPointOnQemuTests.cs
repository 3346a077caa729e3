using System.Management.Automation;
using System.Net.Sockets;
using System.Text;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.RealVM;

/// <summary>
/// A Debian appliance with PostgreSQL that runs from a restore point, nothing being copied: as a restore test, and as
/// an appliance whose disks are moved while it runs.
/// </summary>
[Trait("Category", "RealVM")]
public sealed class ServedPointOnQemuTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    [ApplianceFact]
    public void An_appliance_is_tested_from_the_repository_and_runs_before_its_disks_are_copied()
    {
        string vms = module.NewFolder(), bench = module.NewFolder(), store = module.NewFolder();
        TestAppliance nice = TestAppliance.Make(Path.Combine(vms, "natalia-nice"));
        string again = Path.Combine(bench, "natalia-again");
        module.Run("""
            $vms, $bench, $store, $image, $count = $args
            $null = Connect-NataliaHypervisor -Folder $vms -Name exports
            $null = Connect-NataliaHypervisor -Qemu $bench -Name bench
            $null = New-NataliaRepository -Name local -Path (Join-Path $store repository) -Unencrypted
            $null = Invoke-NataliaBackup natalia-nice -Hypervisor exports -CdrBaseline $count
            """, vms, bench, store, nice.SystemImage, nice.CdrCount).ThrowIfFailed();

        // A data disk from the repository, beside a system disk that an image gives.
        PassesFromRepository(module.Run(
            "Test-NataliaRestore natalia-nice -TestBench bench -SystemImage $image -FromRepository"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(bench));
        AssertNoMarks(store);
        try
        {
            ScriptResult made = module.Run("""
                Get-NataliaRestorePoint -Appliance natalia-nice -Latest |
                    Restore-NataliaAppliance -Hypervisor bench -NewName natalia-again -SystemImage $image -Network @{ voice = 'none' } -Immediate
                """).ThrowIfFailed();
            Assert.Equal("natalia-again", made.Value("Name"));
            AssertNoMarks(store);
            Assert.DoesNotContain("building", File.ReadAllText(Path.Combine(again, "vm.json")),
                StringComparison.Ordinal);
            WaitForAgent(Path.Combine(again, "agent.sock"));
            // The database of the VM that was moved while it started, as it runs now.
            Assert.Equal("FileSystem", $"{module.Run("""
                Invoke-NataliaBackup natalia-again -Hypervisor bench -IncludeSystemDisk -CdrBaseline $count
                """).ThrowIfFailed().Value("Consistency")}");
        }
        finally
        {
            QemuProcesses.EndOf(bench);
        }
        PassesFromRepository(module.Run("Test-NataliaRestore natalia-again -TestBench bench -FromRepository"));
        Assert.Equal([again], Directory.EnumerateFileSystemEntries(bench));
        AssertNoMarks(store);
    }

    private static void PassesFromRepository(ScriptResult tested)
    {
        PSObject test = Assert.Single(tested.Output)!;
        Assert.Equal("Passed ", $"{test.Properties["Result"].Value} {test.Properties["Reason"].Value}");
        Assert.True((bool)test.Properties["IsFromRepository"].Value);
        Assert.Null(test.Properties["RestoreDuration"].Value);
        Assert.Empty(tested.ErrorIds);
    }

    private static void AssertNoMarks(string store) => Assert.DoesNotContain(
        Directory.EnumerateFiles(store, "*", SearchOption.AllDirectories),
        f => Path.GetDirectoryName(f)!.EndsWith("readers", StringComparison.Ordinal));

    /// <summary>Until the guest agent says a number again: the guest has started.</summary>
    private static void WaitForAgent(string socket)
    {
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        client.Connect(new UnixDomainSocketEndPoint(socket));
        client.ReceiveTimeout = 2000;
        var buffer = new byte[4096];
        for (int number = 1; number < 150; number++)
        {
            client.Send(Encoding.ASCII.GetBytes(
                "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":" + $"{number}}}}}\n"));
            try
            {
                if (client.Receive(buffer) > 0) return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                // Nobody has taken it yet.
            }
        }
        Assert.Fail("The guest did not start.");
    }
}
