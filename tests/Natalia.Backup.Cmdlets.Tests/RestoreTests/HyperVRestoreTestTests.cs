using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

/// <summary>
/// All six steps of the restore test on a simulated Hyper-V host, as a user types them: a VM of the host, its full and
/// its incremental, and a test VM on the same host. The host is our model of Microsoft's documentation; what answers in
/// the guest is the test's.
/// </summary>
public sealed class HyperVRestoreTestTests : IDisposable
{
    private readonly HyperVRoom _room = new(RepositoryFixture.Disk(300 * 512, 1), RepositoryFixture.Disk(500 * 512, 2));
    private string _audit = "812 records";
    private int _auditCode;
    private SimMachine? _made;

    public HyperVRestoreTestTests()
    {
        _room.Host.OnMade = machine =>
        {
            _made = machine;
            machine.Programs = line =>
                line.EndsWith("audit verify", StringComparison.Ordinal) ? (_auditCode, _audit)
                : line.Contains("cdr count", StringComparison.Ordinal) ? (0, "20000\n")
                : (0, "fine");
        };
        _room.Machine.Programs = line => throw new InvalidOperationException($"In the original: {line}");
        _room.Run("Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1 -IncludeSystemDisk "
            + "-IsolatedNetwork Nowhere -SshHostKey SHA256:uNiVztksCsDhcc0u9e8BrrM1gHKyhsJ4mzGTbHs3WeY");
        _room.Run("$login = [pscredential]::new('natalia', (ConvertTo-SecureString 'correct horse' -AsPlainText "
            + "-Force))");
    }

    public void Dispose() => _room.Dispose();

    [Fact]
    public void The_last_full_and_incremental_are_restored_booted_checked_counted_and_destroyed()
    {
        _room.Run("Invoke-NataliaBackup natalia-01");
        _room.Host.Write(_room.Machine, 1, 4096, [1, 2, 3, 4]);
        byte[] data = _room.Host.Content(_room.Machine, 1);
        byte[]? restored = null;
        _room.Host.OnCall = _ =>
        {
            if (_room.Host.Machines.Find(m => m.Name.StartsWith("natalia-test-", StringComparison.Ordinal)
                && m.State == 2) is SimMachine test)
                restored ??= test.Disks[1].Content();
        };
        EngineSession.Result result = _room.Run("Invoke-NataliaBackup natalia-01 -CdrBaseline 20000 | "
            + "Test-NataliaRestore -GuestCredential $login");
        var test = (RestoreTest)result.Output.Single().BaseObject;

        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.Equal(["Restore", "Isolation", "Boot", "Integrity", "AuditLog", "CdrCount", "Destroyed"],
            test.Checks.Select(c => c.Name));
        Assert.Equal("HyperV", test.TestBenchKind);
        Assert.Equal(data, restored);
        Assert.Equal(["natalia-01"], _room.Host.Machines.Select(m => m.Name));
        Assert.Equal(["natalia-01"], _room.Run("Get-NataliaAppliance -Name *").Output
            .Select(o => o.Properties["Name"].Value));
    }

    [Fact]
    public void A_failed_check_fails_the_test_and_the_vm_is_kept_when_asked_for_and_destroyed_by_the_next()
    {
        (_audit, _auditCode) = ("record 17 is not that of its hash", 1);
        _room.Run("Invoke-NataliaBackup natalia-01 -CdrBaseline 20000");
        EngineSession.Result failed = _room.Session.Run("Test-NataliaRestore natalia-01 -KeepOnFailure "
            + "-GuestCredential $login");
        Assert.Equal(["RestoreTestFailed"], failed.ErrorIds);
        Assert.Contains("record 17 is not that of its hash", failed.Errors[0].Exception.Message,
            StringComparison.Ordinal);
        SimMachine kept = Assert.Single(_room.Host.Machines, m => m != _room.Machine);
        Assert.Equal("Nowhere", _room.Host.Switches[Assert.Single(kept.Adapters).SwitchId!]);
        Assert.NotEqual(_room.Machine.Adapters[0].Mac, kept.Adapters[0].Mac);

        _auditCode = 0;
        _room.Run("Test-NataliaRestore natalia-01 -GuestCredential $login");
        Assert.Same(_room.Machine, Assert.Single(_room.Host.Machines));
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 1000)]
    public void A_point_of_the_data_disk_alone_starts_from_the_system_disk_of_an_ova(bool isGen2, int place)
    {
        using var folder = new TemporaryFolder();
        byte[] system = RepositoryFixture.Disk(200 * 512, 7);
        File.WriteAllBytes(folder["system.raw"], system);
        if (!isGen2)
        {
            _room.Machine.IsGen2 = false;
            _room.Machine.Disks[SimMachine.Ide(0, 0)] = _room.Machine.Disks[0];
            _room.Machine.Disks.Remove(0);
        }
        _room.Run("Set-NataliaAppliance natalia-01 -IncludeSystemDisk:$false -SystemImage $args[0]",
            OvaPackage.Make(folder["natalia.ova"], folder["system.raw"]));
        _room.Run("$null = Invoke-NataliaBackup natalia-01 -CdrBaseline 20000; "
            + "Test-NataliaRestore natalia-01 -GuestCredential $login");
        Assert.Equal([1, place], _made!.Disks.Keys.OrderBy(p => p != 1));
        Assert.Equal(system, _made.Disks[place].Content());
        Assert.Equal(_room.Host.Content(_room.Machine, 1), _made.Disks[1].Content());
    }

    [Fact]
    public void Vss_is_switched_on_when_it_is_asked_for_and_told_when_the_guest_stays_silent()
    {
        _room.Machine.IsVssOn = false;
        EngineSession.Result before = _room.Run("Test-NataliaPrerequisite natalia-01");
        Assert.Contains(before.Output, o => (string)o.Properties["Name"].Value == "GuestVss"
            && ((string)o.Properties["Detail"].Value).Contains("-EnableVss"));
        _room.Run("Set-NataliaAppliance natalia-01 -EnableVss -WhatIf");
        Assert.False(_room.Machine.IsVssOn);
        Assert.Empty(_room.Run("Set-NataliaAppliance natalia-01 -EnableVss").Warnings);
        Assert.True(_room.Machine.IsVssOn);
        _room.Machine.VssStatus = 12;
        string warning = Assert.Single(_room.Run("Set-NataliaAppliance natalia-01 -EnableVss").Warnings);
        Assert.Contains("hv_vss_daemon", warning, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "GuestCredentialRequired")]
    [InlineData("-GuestCredential $login", "SshHostKeyRequired")]
    public void Without_a_login_and_a_host_key_nothing_is_even_restored(string parameters, string id)
    {
        _room.Run("Set-NataliaAppliance natalia-01 -SshHostKey ''; Invoke-NataliaBackup natalia-01 -CdrBaseline 1");
        Assert.Equal([id], _room.Session.Run($"Test-NataliaRestore natalia-01 {parameters}").ErrorIds);
        Assert.DoesNotContain(_room.Host.Log, c => c == "DefineSystem");
    }

    [Fact]
    public void An_external_switch_makes_no_vm_and_fails_the_test()
    {
        _room.Host.ExternalSwitches.Add(_room.Host.Switches.First(s => s.Value == "Nowhere").Key);
        _room.Run("Invoke-NataliaBackup natalia-01 -CdrBaseline 20000");
        EngineSession.Result result = _room.Session.Run("Test-NataliaRestore natalia-01 -GuestCredential $login");
        Assert.NotEqual(RestoreTestResult.Passed, result.Output.Single().Properties["Result"].Value);
        Assert.DoesNotContain(_room.Host.Log, c => c == "DefineSystem");
    }
}
