using System.Management.Automation;
using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

/// <summary>
/// Restore tests as a user types them: a VM that is backed up, a repository, and a test bench in memory.
/// </summary>
public sealed class TestNataliaRestoreTests : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly RepositoryFixture _bench = new();
    private readonly TemporaryFolder _folder = new();
    private readonly MemoryInventory _site = new();
    private readonly List<string> _ran = [];
    private readonly FakeHypervisor _hypervisor = new()
    {
        TimeUtc = new DateTime(2024, 6, 10, 1, 0, 0, DateTimeKind.Utc),
    };

    private long _count = 20_000;

    public TestNataliaRestoreTests()
    {
        using (Repository made = _bench.CreateAsync(_bench.Store).GetAwaiter().GetResult()) { }
        _site.OnRun = (command, _) =>
        {
            string line = string.Join(" ", command.Arguments);
            lock (_ran) _ran.Add(line);
            return Task.FromResult(new GuestCommandResult(0, null, line.Contains("count") ? $"{_count}\n" : "fine", "",
                false, TimeSpan.Zero));
        };
        File.WriteAllBytes(_folder["system.raw"], RepositoryFixture.Disk(100_000, 1));
        Run("param($h, $s, $b) Add-Fake $h -Name vms; Add-Repository $s -Name nas; Add-Fake $b -Name bench",
            _hypervisor, _bench.Store, new MemoryVMHost(_site));
        Run("Set-NataliaAppliance natalia-test -Repository nas -TestBench bench -IsolatedNetwork nowhere -SystemImage "
            + $"'{_folder["system.raw"]}'");
    }

    public void Dispose()
    {
        _session.Dispose();
        _bench.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_data_disk_is_tested_with_its_system_image_and_the_test_is_kept()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        RestoreTest test = Test("Get-NataliaRestorePoint -Latest | Test-NataliaRestore");

        Assert.Equal((RestoreTestResult.Passed, null), (test.Result, test.Reason));
        Assert.Equal((_folder["system.raw"], "bench", "nas"), (test.SystemImage, test.TestBench, test.Repository));
        Assert.Contains("/usr/bin/env natalia-cli cdr count --day 2024-06-07 --zone UTC", _ran);
        RestoreTest kept = Test("Get-NataliaRestoreTest -Appliance natalia-*");
        Assert.Equal(test with { Checks = [] }, kept with { Checks = [] });
        Assert.Equal(test.Checks, kept.Checks);
        Assert.Equal(["original"], _site.VMs.Values.Select(v => v.Name));
        Assert.Equal("restore-tested", Run("Get-NataliaAuditRecord natalia-test | Select-Object -First 1")
            .Output.Single().Properties["Event"].Value);
    }

    [Fact]
    public void A_point_that_is_not_there_is_an_error_and_those_named_after_it_are_tested()
    {
        Run("1..2 | ForEach-Object { Invoke-NataliaBackup natalia-test -CdrBaseline 20000 }");
        EngineSession.Result result = _session.Run("$p = @(Get-NataliaRestorePoint); "
            + "Test-NataliaRestore -RestorePointId $p[0].RestorePointId, ffffffff, $p[1].RestorePointId");
        Assert.Equal(["RestorePointNotFound"], result.ErrorIds);
        Assert.Equal(2, result.Output.Count);
    }

    [Fact]
    public void What_cannot_run_from_the_repository_is_refused_before_anything_is_made()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        foreach (string command in new[]
        {
            "Test-NataliaRestore natalia-test -FromRepository",
            "Test-NataliaRestore natalia-test -FromRepository -KeepOnFailure",
            "Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor bench -NewName copy -Immediate",
        })
        {
            EngineSession.Result refused = _session.Run(command);
            Assert.Equal(["CapabilityMissing"], refused.ErrorIds);
            Assert.Empty(refused.Output);
        }
        Assert.Equal(["original"], _site.VMs.Values.Select(v => v.Name));
        Assert.Empty(_ran);
    }

    [Fact]
    public void A_failed_test_writes_its_object_and_then_the_error_and_the_next_is_made_all_the_same()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20121");
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        EngineSession.Result result = _session.Run("Get-NataliaRestorePoint | Test-NataliaRestore -ThrottleLimit 1");

        Assert.Equal(["Failed", "Passed"], result.Output.Select(o => o.Properties["Result"].Value.ToString())
            .Order(StringComparer.Ordinal));
        Assert.Equal(["RestoreTestFailed"], result.ErrorIds);
        Assert.IsType<RestoreTest>(result.Errors[0].TargetObject);
        Assert.Contains("CdrCount", result.Errors[0].Exception.Message, StringComparison.Ordinal);
        Assert.Equal(2, Run("Get-NataliaRestoreTest").Output.Count);
        Assert.Single(Run("Get-NataliaRestoreTest -RestorePointId $args[0]",
            ((RestoreTest)result.Errors[0].TargetObject).RestorePointId).Output);
        Assert.Empty(Run("Get-NataliaRestoreTest -Before ([DateTime]::UtcNow.AddDays(-1))").Output);
    }

    [Fact]
    public void Without_a_baseline_nothing_is_proved_and_that_is_an_error_too()
    {
        Run("Invoke-NataliaBackup natalia-test");
        EngineSession.Result result = _session.Run("Test-NataliaRestore natalia-test");

        Assert.Equal(RestoreTestResult.NotTested, result.Output.Single().Properties["Result"].Value);
        Assert.Equal(["RestoreTestNotEvidenced"], result.ErrorIds);
        Assert.Equal("False", _session.Run("Test-NataliaRestore natalia-test -Quiet").Text.Single());
    }

    [Fact]
    public void Checks_of_ones_own_run_on_the_pipeline_thread()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        RestoreTest test = Test("""
            $wanted = 'fine'
            Test-NataliaRestore natalia-test -Check @(
                { $_.Run('/usr/bin/true').Output -eq $wanted },
                @{ Licence = {
                    [pscustomobject]@{ Result = 'Passed'; Actual = $args[0].ApplianceName; Detail = 'valid' } } },
                @{ Throws = { throw 'no licence' } }, @{ Nothing = { } }) -ErrorAction SilentlyContinue
            """);

        Assert.Equal([("Check1", CheckOutcome.Passed), ("Licence", CheckOutcome.Passed),
            ("Throws", CheckOutcome.Failed), ("Nothing", CheckOutcome.NotEvidenced)],
            test.Checks.Take(6..10).Select(c => (c.Name, c.Result)));
        Assert.Equal(("natalia-test", "valid"), (test.Checks[7].Actual, test.Checks[7].Detail));
        Assert.Equal("no licence", test.Checks[8].Detail);
    }

    [Fact]
    public void Rotation_takes_the_appliance_that_was_tested_longest_ago()
    {
        var other = new FakeHypervisor { TimeUtc = _hypervisor.TimeUtc, VMName = "natalia-other", VMId = 'e' };
        Run("param($h) Add-Fake $h -Name others", other);
        Run("Set-NataliaAppliance natalia-other -Repository nas -TestBench bench -IsolatedNetwork nowhere "
            + $"-SystemImage '{_folder["system.raw"]}'");
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000; Invoke-NataliaBackup natalia-other "
            + "-CdrBaseline 20000");

        Assert.Equal(["natalia-other", "natalia-test", "natalia-other"], Enumerable.Range(0, 3)
            .Select(_ => Test("Test-NataliaRestore -Rotate").ApplianceName));
    }

    [Fact]
    public void Rotation_passes_over_what_cannot_be_tested_and_tells_of_it()
    {
        var other = new FakeHypervisor { TimeUtc = _hypervisor.TimeUtc, VMName = "natalia-other", VMId = 'e' };
        Run("param($h, $b) Add-Fake $h -Name others; Add-Fake $b -Name away", other, new MemoryVMHost(_site));
        Run("Set-NataliaAppliance natalia-other -Repository nas -TestBench away -IsolatedNetwork nowhere "
            + $"-SystemImage '{_folder["system.raw"]}'");
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000; Invoke-NataliaBackup natalia-other "
            + "-CdrBaseline 20000; Disconnect-NataliaHypervisor away");

        for (int run = 0; run < 2; run++)
        {
            EngineSession.Result result = _session.Run("Test-NataliaRestore -Rotate");
            Assert.Equal(["HypervisorNotConnected"], result.ErrorIds);
            Assert.Equal("natalia-test", result.Output.Single().Properties["ApplianceName"].Value);
        }
    }

    [Fact]
    public void A_check_that_leaves_its_script_fails_and_the_test_goes_on()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        RestoreTest test = Test("Test-NataliaRestore natalia-test -ErrorAction SilentlyContinue -Check @{ A = { exit 1 "
            + "} }, @{ B = { break } }, @{ C = { continue } }, @{ D = { $true } }");

        Assert.Equal([("A", CheckOutcome.Failed), ("B", CheckOutcome.Failed), ("C", CheckOutcome.Failed),
            ("D", CheckOutcome.Passed)], test.Checks.Take(6..10).Select(c => (c.Name, c.Result)));
        Assert.Contains("'exit'", test.Checks[6].Detail, StringComparison.Ordinal);
        Assert.Equal("Passed", test.Checks[^1].Result.ToString());
    }

    [Fact]
    public void A_counting_command_counts_when_the_point_is_made()
    {
        Run("param($b) Add-Fake $b -Name live", new MemoryVMHost(_site));
        _hypervisor.Guests = new MemoryVMHost(_site);
        _site.VMs["100"].IsRunning = true;
        Run("Set-NataliaAppliance natalia-test -Repository nas -CdrCountCommand '/opt/count {day} {zone}' "
            + "-BusinessCalendar 'zone: Europe/Paris; weekend: none'");
        _count = 777;
        PSObject point = Run("Invoke-NataliaBackup natalia-test").Output.Single();

        // The fake freezes in 2024, and the count is of yesterday: it belongs to no such point.
        Assert.Null(point.Properties["CdrBaseline"].Value);
        _hypervisor.TimeUtc = DateTime.UtcNow;
        var baseline = (CdrBaseline)Run("Invoke-NataliaBackup natalia-test").Output.Single()
            .Properties["CdrBaseline"].Value;
        Assert.Equal((777, "Europe/Paris", true), (baseline.Count, baseline.TimeZone, baseline.IsCounted));
        Assert.Contains($"/opt/count {baseline.BusinessDay} Europe/Paris", _ran);
    }

    [Fact]
    public void Settings_are_kept_changed_one_by_one_and_taken_back()
    {
        Run("Set-NataliaAppliance natalia-test -Tolerance 1.5 -BootTimeoutMinutes 3 -AuditCommand '/bin/a', 'b c' "
            + "-RestoreTimeoutMinutes 900 -BusinessCalendar @{ TimeZone = 'Europe/Paris'; "
            + "Weekend = 'Friday', 'Saturday'; Holidays = [datetime]'2026-12-25', '01-01' }");
        RestoreTestSettings settings = Settings();

        Assert.Equal((1.5m, 3, null, 900, "bench"), (settings.Tolerance, settings.BootTimeoutMinutes,
            settings.CommandTimeoutMinutes, settings.RestoreTimeoutMinutes, settings.TestBench));
        Assert.Equal(["/bin/a", "b c"], settings.AuditCommand!);
        Assert.Equal("zone: Europe/Paris; weekend: Friday, Saturday; 2026-12-25; 01-01", settings.BusinessCalendar);
        Run("Set-NataliaAppliance natalia-test -Tolerance $null -BootTimeoutMinutes 0 -AuditCommand @() "
            + "-RestoreTimeoutMinutes 0 -BusinessCalendar ''");
        Assert.Null(Settings().RestoreTimeoutMinutes);
        Assert.Equal((null, null, null, null, "nowhere"), (Settings().Tolerance, Settings().BootTimeoutMinutes,
            Settings().AuditCommand, Settings().BusinessCalendar, Settings().IsolatedNetwork));
    }

    [Fact]
    public void Ssh_is_asked_for_by_the_host_key_and_needs_a_user_and_a_bench_that_has_it()
    {
        const string fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BrrM1gHKyhsJ4mzGTbHs3WeY";
        File.WriteAllText(_folder["key"], "the key");
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        Run($"Set-NataliaAppliance natalia-test -SshHostKey '256 {fingerprint} root@natalia (ED25519)' -SshKeyFile "
            + $"'{_folder["key"]}'");
        Assert.Equal((fingerprint, _folder["key"]), (Settings().SshHostKey, Settings().SshKeyFile));

        Assert.Equal(["CapabilityMissing"], _session.Run("Test-NataliaRestore natalia-test").ErrorIds);
        Run("param($b) Disconnect-NataliaHypervisor bench; Add-Fake $b -Name bench",
            new MemoryVMHost(_site) { HasSsh = true });
        Assert.Equal(["GuestCredentialRequired"], _session.Run("Test-NataliaRestore natalia-test").ErrorIds);
        const string credential =
            "[pscredential]::new('operator', (ConvertTo-SecureString 'of the key' -AsPlainText -Force))";
        Assert.Equal(RestoreTestResult.Passed,
            Test($"Test-NataliaRestore natalia-test -GuestCredential ({credential})").Result);
        GuestCredential login = _site.Login!;
        Assert.Equal(("operator", fingerprint, 7, 10),
            (login.UserName, login.HostKey!.Fingerprint, login.PrivateKey!.Length, login.Password!.Length));

        Run("Set-NataliaAppliance natalia-test -SshHostKey ''");
        Assert.Equal(["SshHostKeyRequired"],
            _session.Run($"Test-NataliaRestore natalia-test -GuestCredential ({credential})").ErrorIds);
        Run("Set-NataliaAppliance natalia-test -SshKeyFile ''");
        Run("Test-NataliaRestore natalia-test");
        Assert.Null(_site.Login);
    }

    [Fact]
    public void A_calendar_is_read_from_a_file()
    {
        File.WriteAllText(_folder["days.txt"], "# Holidays of the office\nzone: Europe/Paris\n2026-12-25 Noël\n");
        Run($"Set-NataliaAppliance natalia-test -BusinessCalendar '{_folder["days.txt"]}'");

        Assert.Equal("zone: Europe/Paris; weekend: Saturday, Sunday; 2026-12-25", Settings().BusinessCalendar);
    }

    [Theory]
    [InlineData("-SystemImage system.raw", "SystemImagePathInvalid")]
    [InlineData("-SystemImage /nowhere/system.raw", "SystemImageNotFound")]
    [InlineData("-BusinessCalendar 'every day'", "BusinessCalendarInvalid")]
    [InlineData("-BusinessCalendar ./days.txt", "BusinessCalendarNotFound")]
    [InlineData("-BusinessCalendar 'zone: Europe/Atlantis'", "TimeZoneNotFound")]
    [InlineData("-Tolerance 101", "ToleranceInvalid")]
    [InlineData("-Tolerance -1", "ToleranceInvalid")]
    [InlineData("-AuditCommand \"/bin/a 'b\"", "GuestCommandInvalid")]
    [InlineData("-SshHostKey MD5:16:27", "SshHostKeyInvalid")]
    [InlineData("-SshKeyFile id_ed25519", "SshKeyInvalid")]
    [InlineData("-SshKeyFile /nowhere/id_ed25519", "SshKeyInvalid")]
    [InlineData("-TestBench nobody", "HypervisorNotConnected")]
    [InlineData("-TestBench vms", "CapabilityMissing")]
    public void What_cannot_be_meant_is_an_error_before_anything_is_made(string parameters, string id)
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        int calls = 0;
        _site.OnCall = _ => calls++;

        Assert.Equal([id], _session.Run($"Set-NataliaAppliance natalia-test {parameters}").ErrorIds);
        Assert.Equal([id], _session.Run($"Test-NataliaRestore natalia-test {parameters}").ErrorIds);
        Assert.Equal(0, calls);
        Assert.Empty(Run("Get-NataliaRestoreTest").Output);
    }

    [Theory]
    [InlineData("Invoke-NataliaBackup natalia-test -CdrBaseline -1", "CdrBaselineInvalid")]
    [InlineData("Invoke-NataliaBackup natalia-* -CdrBaseline 1", "CdrBaselineInvalid")]
    [InlineData("Test-NataliaRestore natalia-test -Check 'text'", "CheckInvalid")]
    [InlineData("Test-NataliaRestore natalia-test -Check @{ Boot = { $true } }", "CheckInvalid")]
    [InlineData("Test-NataliaRestore", "ApplianceNotFound")]
    [InlineData("Get-NataliaRestorePoint | Test-NataliaRestore -Rotate", "InputRefused")]
    [InlineData("Test-NataliaRestore nobody", "RestorePointNotFound")]
    [InlineData("@() | Test-NataliaRestore", "NothingToDo")]
    public void What_is_said_wrongly_is_an_error_of_its_own(string script, string id)
    {
        Run("param($h) Add-Fake $h -Name others", new FakeHypervisor { VMName = "natalia-other", VMId = 'e' });
        Run("Invoke-NataliaBackup natalia-test -Repository nas");
        int points = Run("Get-NataliaRestorePoint").Output.Count;

        Assert.Equal([id], _session.Run(script).ErrorIds);
        Assert.Equal(points, Run("Get-NataliaRestorePoint").Output.Count);
    }

    [Fact]
    public void A_system_image_that_is_gone_by_now_is_told_before_anything_is_made()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");
        File.Delete(_folder["system.raw"]);
        int calls = 0;
        _site.OnCall = _ => calls++;

        Assert.Equal(["SystemImageNotFound"], _session.Run("Test-NataliaRestore natalia-test").ErrorIds);
        Assert.Equal(0, calls);
    }

    [Fact]
    public void What_if_makes_nothing()
    {
        Run("Invoke-NataliaBackup natalia-test -CdrBaseline 20000");

        Assert.Empty(Run("Test-NataliaRestore natalia-test -WhatIf").Output);
        Assert.Empty(_ran);
    }

    private EngineSession.Result Run(string script, params object[] arguments)
    {
        EngineSession.Result result = _session.Run(script, arguments);
        Assert.Empty(result.Errors);
        return result;
    }

    private RestoreTest Test(string script)
    {
        EngineSession.Result result = _session.Run(script);
        Assert.True(result.Output.Count == 1, string.Join("\n", result.Errors));
        return (RestoreTest)result.Output[0].BaseObject;
    }

    private RestoreTestSettings Settings() =>
        (RestoreTestSettings)Run("Get-NataliaAppliance natalia-test").Output.Single().Properties["RestoreTest"].Value;
}
