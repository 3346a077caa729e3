using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Cmdlets.Tests.Schedules;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>
/// A restored VM takes the place of the lost one, and an enrolment ends: on real folders, and on a simulated Hyper-V
/// host.
/// </summary>
public sealed class SuccessionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly EngineSession _session = new();
    private readonly string _lost;

    public SuccessionTests()
    {
        Directory.CreateDirectory(_folder["vms"]);
        Directory.CreateDirectory(_folder["out"]);
        Describe("vms", "natalia-nice", "4711");
        Ok("Connect-NataliaHypervisor -Folder $args[0] -Name vms; "
            + "Connect-NataliaHypervisor -Folder $args[1] -Name out; "
            + "New-NataliaRepository -Name local -Path $args[2] -Unencrypted",
            _folder["vms"], _folder["out"], _folder["repository"]);
        Ok("Set-NataliaAppliance natalia-nice -Repository local -IncludeSystemDisk -Strategy SixHourly; "
            + "Set-NataliaRetention natalia-nice -Daily 7 -Repository local -Confirm:$false; "
            + "Invoke-NataliaBackup natalia-nice");
        _lost = One("(Get-NataliaAppliance).ApplianceId");
    }

    public void Dispose()
    {
        _session.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_restored_vm_goes_on_with_the_history_and_the_settings_of_the_lost_one()
    {
        string own = Lose();
        EngineSession.Result lost = Run("Get-NataliaAppliance | Invoke-NataliaBackup");
        Assert.Equal([ErrorIds.ApplianceNotFound], lost.ErrorIds);
        Assert.Contains($"-ApplianceId {_lost}", lost.Errors[0].ErrorDetails.RecommendedAction);
        Ok("Set-NataliaAppliance natalia-nice -ApplianceId $args[0]", _lost);

        Assert.Equal([$"{_lost} {own} out local SixHourly True"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.SuccessorId) $($_.Hypervisor) "
                + "$($_.Repository) $($_.Strategy) $($_.IncludeSystemDisk)\" }").Text);
        foreach (string how in new[] { "natalia-nice", $"-ApplianceId {_lost}", $"-ApplianceId {own}", _lost })
            Assert.Equal([$"{_lost} True"], Ok($"Get-NataliaAppliance {how} | ForEach-Object "
                + "{ \"$($_.ApplianceId) $($_.IsEnrolled)\" }").Text);
        // However a schedule names it.
        foreach (string who in new[] { "Get-NataliaAppliance | Invoke-NataliaBackup",
            "Invoke-NataliaBackup natalia-nice", $"Invoke-NataliaBackup {_lost}", $"Invoke-NataliaBackup {own}" })
            Assert.Equal([$"{_lost} natalia-nice"],
                Ok(who + " | ForEach-Object { \"$($_.ApplianceId) $($_.ApplianceName)\" }").Text);
        Assert.Equal(["5"], Ok("@(Get-NataliaAppliance | Get-NataliaRestorePoint).Count").Text);
        Assert.Equal([$"{_lost} Daily"], Ok("Get-NataliaAppliance | Get-NataliaRetentionPlan | ForEach-Object "
            + "{ \"$($_.ApplianceId) Daily\" } | Select-Object -Unique").Text);
        Assert.Equal([_lost],
            Ok("(Measure-NataliaRecovery).ApplianceId | Select-Object -Unique").Text);
        Ok("Set-NataliaAppliance natalia-nice -Strategy Daily");
        Assert.Equal([$"{_lost} {own} Daily"], Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) "
            + "$($_.SuccessorId) $($_.Strategy)\" }").Text);
        Assert.Contains("takes the place of the VM",
            One("(Get-NataliaAuditRecord | Where-Object { $_.Event -eq 'appliance-set' -and $_.Reason }).Reason"));
        Assert.Equal(["True"], Ok("Test-NataliaAudit -Quiet").Text);
        // What is said of the VM reaches it, also where the lost one is back.
        Describe("vms", "natalia-nice", "4711");
        Assert.Equal(["out"], Ok("(Get-NataliaAppliance).Hypervisor").Text);
        Ok("Get-NataliaAppliance | Export-NataliaApplianceConfiguration -Destination $args[0]",
            _folder["configuration.json"]);
        Assert.Contains(own, File.ReadAllText(_folder["configuration.json"]));
    }

    [Fact]
    public void Two_vms_never_hold_one_id()
    {
        string own = Restore("copy");
        Assert.Equal([ErrorIds.ApplianceStillExists],
            Run($"Set-NataliaAppliance copy -ApplianceId {_lost}").ErrorIds);
        Assert.Equal(["vms"], Ok("(Get-NataliaAppliance).Hypervisor").Text);
        Ok($"Set-NataliaAppliance copy -ApplianceId {_lost} -Force -WhatIf");
        Assert.Equal(["vms"], Ok("(Get-NataliaAppliance).Hypervisor").Text);

        Ok($"Set-NataliaAppliance copy -ApplianceId {_lost} -Force");
        Assert.Equal([$"{_lost} copy"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.Name)\" }").Text);
        foreach (string old in new[] { "Invoke-NataliaBackup natalia-nice",
            $"Invoke-NataliaBackup natalia-nice -ApplianceId {_lost} -Repository local",
            "Set-NataliaAppliance natalia-nice -Strategy Daily" })
            Assert.Equal([ErrorIds.ApplianceReplaced], Run(old).ErrorIds);
        // The appliance's id means the VM that stands for it.
        Assert.Equal(["copy"], Ok($"(Invoke-NataliaBackup {_lost}).ApplianceName").Text);
        Assert.Equal(["copy"], Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).ApplianceName").Text);

        Assert.Equal([ErrorIds.ApplianceStillExists],
            Run($"Set-NataliaAppliance natalia-nice -ApplianceId {_lost}").ErrorIds);
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {_lost} -Force");
        Assert.Equal([$"{_lost}  natalia-nice"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.SuccessorId) $($_.Name)\" }").Text);
        Assert.Equal([own], Ok("(Invoke-NataliaBackup copy).ApplianceId").Text);
    }

    [Fact]
    public void A_vm_that_was_enrolled_on_its_own_is_one_appliance_afterwards()
    {
        string own = Lose();
        Ok("Set-NataliaAppliance natalia-nice -Repository local; Invoke-NataliaBackup natalia-nice");
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {_lost}");
        Assert.Equal([_lost], Ok("(Get-NataliaAppliance).ApplianceId").Text);
        Assert.Equal([_lost], Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).ApplianceId").Text);
        // What it has of its own stays.
        Assert.Equal(["1"], Ok($"@(Get-NataliaRestorePoint -ApplianceId {own}).Count").Text);
        Assert.Equal(["enrolment-ended"], Ok($"(Get-NataliaAuditRecord -Appliance {own} | "
            + "Where-Object Event -like 'enrolment*').Event").Text);

        Describe("vms", "natalia-lyon", "4712");
        Ok("Set-NataliaAppliance natalia-lyon -Repository local; Invoke-NataliaBackup natalia-lyon");
        string lyon = One("(Get-NataliaAppliance -Name natalia-lyon).ApplianceId");
        foreach (string vm in new[] { "natalia-nice", "natalia-*" })
            Assert.Equal([ErrorIds.ApplianceAmbiguous],
                Run($"Set-NataliaAppliance {vm} -ApplianceId {lyon}").ErrorIds);
        Assert.Equal([ErrorIds.ApplianceNotFound],
            Run($"Set-NataliaAppliance natalia-nice -ApplianceId {new string('a', 32)}").ErrorIds);
        Assert.Equal([ErrorIds.ApplianceNotFound], Run("Set-NataliaAppliance natalia-nice -ApplianceId nice").ErrorIds);
    }

    [Fact]
    public void An_enrolment_ends_and_its_points_stay()
    {
        Ok("Unregister-NataliaAppliance natalia-nice -WhatIf");
        Assert.Equal(["natalia-nice"], Ok("Get-NataliaAppliance").Text);
        Ok("Get-NataliaAppliance | Unregister-NataliaAppliance -Reason 'The site was closed' -Confirm:$false");
        Assert.Equal([ErrorIds.NothingEnrolled], Run("Get-NataliaAppliance").ErrorIds);
        Assert.Equal([ErrorIds.ApplianceNotFound],
            Run("Unregister-NataliaAppliance natalia-nice -Confirm:$false").ErrorIds);
        Assert.Equal(["1"], Ok("@(Get-NataliaRestorePoint -Appliance natalia-nice).Count").Text);
        Assert.Equal(["7"], Ok("(Get-NataliaRetention natalia-nice).Daily").Text);
        Assert.Equal(["The site was closed"],
            Ok("(Get-NataliaAuditRecord | Where-Object Event -eq enrolment-ended).Reason").Text);
        Assert.Equal(["True"], Ok("Test-NataliaAudit -Quiet").Text);
        Ok("Set-NataliaAppliance natalia-nice -Repository local; Get-NataliaAppliance | Invoke-NataliaBackup");
        Assert.Equal(["2"], Ok("@(Get-NataliaRestorePoint -ApplianceId $args[0]).Count", _lost).Text);
    }

    [Fact]
    public void An_enrolment_in_two_repositories_ends_in_the_one_that_is_named()
    {
        Ok("New-NataliaRepository -Name second -Path $args[0] -Unencrypted; "
            + "Set-NataliaAppliance natalia-nice -Repository second", _folder["second"]);
        Assert.Equal([ErrorIds.RepositoryAmbiguous],
            Run("Unregister-NataliaAppliance natalia-nice -Confirm:$false").ErrorIds);
        Lose();
        EngineSession.Result taken = Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {_lost} -Repository local");
        Assert.Contains("'second'", Assert.Single(taken.Warnings));
        Ok("Unregister-NataliaAppliance natalia-nice -Repository second -Confirm:$false");
        Assert.Equal(["local"], Ok("(Get-NataliaAppliance).Repository").Text);
    }

    [Theory]
    [InlineData("Set-NataliaAppliance natalia-nice -ApplianceId {0} -Repository local")]
    [InlineData("Unregister-NataliaAppliance -ApplianceId {0} -Repository local -Confirm:$false")]
    public void A_change_that_dies_leaves_the_state_before_or_the_state_after(string change)
    {
        string own = Lose();
        // Enrolled on its own as well, so that a takeover has two records to write.
        Ok("Set-NataliaAppliance natalia-nice -Repository local");
        string script = string.Format(System.Globalization.CultureInfo.InvariantCulture, change, _lost);
        Assert.Contains(own, One("(Get-NataliaAppliance | Where-Object Hypervisor).ApplianceId"));
        string before = Try(script, Fault.None, 0, isWhatIf: true).State;
        (string after, int operations, _) = Try(script, Fault.None, -1);
        Assert.NotEqual(before, after);
        HashSet<string> seen = [];
        foreach (Fault fault in new[] { Fault.CrashBefore, Fault.CrashAfter, Fault.FailBefore, Fault.Tear })
            for (int at = 0; at < operations; at++)
            {
                (string state, _, bool failed) = Try(script, fault, at);
                Assert.Contains(state, new[] { before, after });
                if (!failed) Assert.Equal(after, state);
                seen.Add(state);
            }
        Assert.Equal(2, seen.Count);
    }

    /// <summary>Does something in a copy of the repository, with one write that goes wrong.</summary>
    private (string State, int Writes, bool HasFailed) Try(string script, Fault fault, int at, bool isWhatIf = false)
    {
        using var copy = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(_folder["repository"], "*", SearchOption.AllDirectories))
        {
            string to = copy[Path.GetRelativePath(_folder["repository"], file)];
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        int writes;
        bool hasFailed;
        using (var session = new EngineSession())
        using (FolderStore inner = FolderStore.Open(copy.Path, create: false))
        using (var store = new FaultStore(inner, fault, at, writesOnly: true))
        {
            Connect(session);
            Assert.Empty(session.Run("param($s) $null = Add-Repository $s -Name local", store).Errors);
            hasFailed = session.Run(script + (isWhatIf ? " -WhatIf" : "")).Errors.Count > 0;
            writes = store.Operations;
        }
        using (var session = new EngineSession())
        {
            Connect(session);
            Assert.Empty(session.Run("Connect-NataliaRepository -Path $args[0] -Name local -Unencrypted",
                copy.Path).Errors);
            return (string.Join(" ", session.Run("Get-NataliaAppliance -ErrorAction Ignore | ForEach-Object "
                + "{ \"$($_.ApplianceId)/$($_.SuccessorId)\" }").Text), writes, hasFailed);
        }

        void Connect(EngineSession session) => session.Run("Connect-NataliaHypervisor -Folder $args[0] -Name vms; "
            + "Connect-NataliaHypervisor -Folder $args[1] -Name out", _folder["vms"], _folder["out"]);
    }

    [Fact]
    public void Schedules_that_name_an_appliance_are_found()
    {
        Assert.Equal(["natalia-backup-nightly"], NamingSchedules.Of(
            [Sample.Schedule with { Appliances = ["NATALIA-nice"] },
                Sample.Schedule with { Name = "all", Appliances = [] },
                Sample.Schedule with { Name = "pattern", Appliances = ["natalia-*"] }], ["natalia-nice", _lost]));
    }

    [Fact]
    public void A_vm_that_hyper_v_restored_reads_everything_once_and_is_tracked_from_then_on()
    {
        using var room = new HyperVRoom(RepositoryFixture.Disk(300 * 512, 1), RepositoryFixture.Disk(500 * 512, 2));
        room.Run("Set-NataliaAppliance natalia-01 -Repository nas -DataDisk scsi0:1 -IncludeSystemDisk; "
            + "Invoke-NataliaBackup natalia-01");
        string lost = room.Run("(Get-NataliaAppliance).ApplianceId").Text.Single();
        room.Host.Machines.Remove(room.Machine);
        room.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor hv");
        string own = room.Run("(Get-NataliaAppliance -Name natalia-01).ApplianceId").Text.Single();
        Assert.NotEqual(lost, own);
        room.Run($"Set-NataliaAppliance natalia-01 -ApplianceId {lost}");

        string[] made = [.. room.Run("1, 2 | ForEach-Object { Get-NataliaAppliance | Invoke-NataliaBackup -Type "
            + "Incremental } | ForEach-Object { \"$($_.ApplianceId) $($_.Type) $($_.Reason)\" }").Text];
        Assert.StartsWith($"{lost} Full ", made[0]);
        Assert.Contains("another VM", made[0]);
        Assert.StartsWith($"{lost} Incremental", made[1]);
    }

    /// <summary>The VM is lost, and its newest point becomes another one.</summary>
    /// <returns>The id that the new one has by itself.</returns>
    private string Lose()
    {
        Directory.Delete(_folder["vms/natalia-nice"], true);
        return Restore("natalia-nice");
    }

    private string Restore(string name)
    {
        string own = One("(Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out -NewName "
            + $"{name} -Network @{{ voice = 'lab' }}).ApplianceId");
        Assert.NotEqual(_lost, own);
        return own;
    }

    private void Describe(string hypervisor, string name, string id)
    {
        string folder = _folder[$"{hypervisor}/{name}"];
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, "system.raw"), RepositoryFixture.Disk(60_416, 1));
        File.WriteAllBytes(Path.Combine(folder, "data.raw"), RepositoryFixture.Disk(200_192, 2));
        File.WriteAllText(Path.Combine(folder, "vm.json"), $$"""
            { "id": "{{id}}", "name": "{{name}}", "networks": [ { "name": "voice" } ],
              "disks": [ { "id": "system", "path": "system.raw", "role": "System", "format": "raw" },
                         { "id": "data", "path": "data.raw", "role": "Data", "format": "raw" } ] }
            """);
    }

    private string One(string script, params object?[] arguments) => Assert.Single(Ok(script, arguments).Text);

    private EngineSession.Result Run(string script, params object?[] arguments) => _session.Run(script, arguments);

    private EngineSession.Result Ok(string script, params object?[] arguments)
    {
        EngineSession.Result result = Run(script, arguments);
        Assert.Empty(result.Errors.Select(e => $"{e.FullyQualifiedErrorId}: {e}"));
        return result;
    }
}
