using System.Management.Automation;
using System.Text.Json;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

/// <summary>
/// Backup, restore and all six steps of the restore test on a simulated vCenter, and the whole way once on an ESXi
/// host, as a user types them. Sessions, VMs, uploads and ranges are govmomi's; change tracking and the guest's
/// commands are our handler's model.
/// </summary>
public sealed class VSphereRestoreTestTests : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly TemporaryFolder _root = new();
    private readonly List<SimulatedVSphere> _servers = [];

    public void Dispose()
    {
        _session.Dispose();
        foreach (SimulatedVSphere server in _servers) server.Dispose();
        _root.Dispose();
    }

    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_last_full_and_incremental_are_restored_booted_checked_counted_and_destroyed(bool isCenter)
    {
        SimulatedVSphere server = Start("""{"": {"output": "20000\n"}}""", isCenter);
        server.Write(server.Appliance, 1, 70_000, RepositoryFixture.Disk(300_000, 2));
        Run("Invoke-NataliaBackup natalia-nice");
        server.Write(server.Appliance, 1, 4096, [1, 2, 3, 4]);
        int before = server.Bench().Count;

        var test = (RestoreTest)Run("Invoke-NataliaBackup natalia-nice -CdrBaseline 20000 | Test-NataliaRestore "
            + "-GuestCredential $guest").Output.Single().BaseObject;

        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.Equal(["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount", "Destroyed"],
            test.Checks.Select(c => c.Name));
        Assert.Equal("VMware", test.TestBenchKind);
        Assert.Equal(before, server.Bench().Count);
        Assert.Contains("PowerOnVM_Task", server.Calls());
        Assert.Empty(server.Snapshots(server.Appliance));
    }

    [VSphereFact]
    public void A_failed_check_fails_the_test_and_the_vm_goes_all_the_same()
    {
        SimulatedVSphere server = Start(
            """{"": {"output": "20000\n"}, "*audit verify": {"output": "record 17 is not that of its hash", "exit": 1}}""");
        Run("Invoke-NataliaBackup natalia-nice -CdrBaseline 20000");
        int before = server.Bench().Count;

        EngineSession.Result failed = _session.Run("Test-NataliaRestore natalia-nice -GuestCredential $guest");

        Assert.Equal(["RestoreTestFailed"], failed.ErrorIds);
        Assert.Contains("record 17 is not that of its hash", failed.Errors[0].Exception.Message,
            StringComparison.Ordinal);
        Assert.Equal(before, server.Bench().Count);
    }

    [VSphereFact]
    public void A_point_becomes_a_vm_again_and_its_data_disk_goes_into_a_fresh_appliance()
    {
        SimulatedVSphere server = Start("");
        byte[] data = RepositoryFixture.Disk(2 << 20, 5);
        server.Write(server.Appliance, 1, 0, data);
        PSObject point = Run("Invoke-NataliaBackup natalia-nice").Output.Single();
        Assert.Equal("RangedHttp", point.Properties["ReadMethod"].Value?.ToString());

        Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -NewName natalia-restored "
            + "-Network @{ 'DC0_DVPG0' = 'nowhere' } -Confirm:$false");
        JsonElement restored = server.Bench().Single(m => m.GetProperty("name").GetString() == "natalia-restored");
        Assert.Equal(["nowhere"], restored.GetProperty("networks").EnumerateArray().Select(n => n.GetString()));
        Assert.Contains(restored.GetProperty("disks").EnumerateArray(), d =>
            File.ReadAllBytes(d.GetProperty("file").GetString()!).AsSpan().SequenceEqual(data));

        server.Write(server.Appliance, 1, 0, new byte[2 << 20]);
        Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -TargetAppliance natalia-restored "
            + "-Confirm:$false");
        restored = server.Bench().Single(m => m.GetProperty("name").GetString() == "natalia-restored");
        Assert.Contains(restored.GetProperty("disks").EnumerateArray(), d =>
            File.ReadAllBytes(d.GetProperty("file").GetString()!).AsSpan().SequenceEqual(data));
    }

    [VSphereFact]
    public void A_data_disk_gets_the_system_disk_of_an_ova_in_a_restore_and_in_a_test()
    {
        SimulatedVSphere server = Start("""{"": {"output": "20000\n"}}""");
        byte[] system = RepositoryFixture.Disk(1 << 20, 6);
        File.WriteAllBytes(Path.Combine(_root.Path, "system.img"), system);
        Run("$null = Set-NataliaAppliance natalia-nice -IncludeSystemDisk:$false -SystemImage $args[0]",
            OvaPackage.Make(Path.Combine(_root.Path, "natalia.ova"), Path.Combine(_root.Path, "system.img")));
        Run("Invoke-NataliaBackup natalia-nice -CdrBaseline 20000");

        Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -NewName natalia-restored "
            + "-Network @{ 'DC0_DVPG0' = 'nowhere' } -Confirm:$false");
        JsonElement restored = server.Bench().Single(m => m.GetProperty("name").GetString() == "natalia-restored");
        Assert.Contains(restored.GetProperty("disks").EnumerateArray(), d =>
            File.ReadAllBytes(d.GetProperty("file").GetString()!).AsSpan().SequenceEqual(system));
        var test = (RestoreTest)Run("Test-NataliaRestore natalia-nice -GuestCredential $guest").Output.Single()
            .BaseObject;
        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.EndsWith("natalia.ova", test.SystemImage, StringComparison.Ordinal);
    }

    private SimulatedVSphere Start(string guest, bool isCenter = true)
    {
        SimulatedVSphere server = SimulatedVSphere.Start([.. isCenter ? Array.Empty<string>() : ["-esx"],
            "-networks", "nowhere", "-disk-mib", "1", "-second-disk-mib", "2", "-guest", guest]);
        _servers.Add(server);
        Run("""
            param($server, $user, $secret, $thumbprint, $path, $guestSecret)
            $script:guest = [pscredential]::new('root', $guestSecret)
            $null = Connect-NataliaHypervisor -VMware $server.Host -Port $server.Port -Name vc `
                -Credential ([pscredential]::new($user, $secret)) -ServerCertificateThumbprint $thumbprint
            $null = New-NataliaRepository -Name nas -Path $path -Unencrypted
            $null = Set-NataliaAppliance natalia-nice -Repository nas -DataDisk scsi0:1 -IncludeSystemDisk `
                -IsolatedNetwork nowhere -EnableChangeTracking
            """, server, server.User, SimulatedVSphere.Secret, server.Thumbprint,
            Path.Combine(_root.Path, "repository"), GuestSecret);
        return server;
    }

    private static System.Security.SecureString GuestSecret
    {
        get
        {
            var secret = new System.Security.SecureString();
            foreach (char c in "guest-s3cret") secret.AppendChar(c);
            return secret;
        }
    }

    private EngineSession.Result Run(string script, params object[] arguments)
    {
        EngineSession.Result result = _session.Run(script, arguments);
        Assert.True(result.Errors.Count == 0, string.Join("\n", result.Errors));
        return result;
    }
}
