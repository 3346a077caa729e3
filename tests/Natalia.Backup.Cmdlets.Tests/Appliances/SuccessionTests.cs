using System.Diagnostics;
using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Cmdlets.Tests.Schedules;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Hypervisors.Qemu.Live;
using Natalia.Backup.Hypervisors.Qemu.Machines;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>
/// A restored VM takes the place of the lost one, and an enrolment ends: on real folders, and on a simulated Hyper-V
/// host.
/// </summary>
public sealed class SuccessionTests : SuccessionRoom
{
    [Fact]
    public void A_restored_vm_goes_on_with_the_history_and_the_settings_of_the_lost_one()
    {
        string own = Lose();
        EngineSession.Result lost = Run("Get-NataliaAppliance | Invoke-NataliaBackup");
        Assert.Equal([ErrorIds.ApplianceNotFound], lost.ErrorIds);
        Assert.Contains($"-ApplianceId {Lost}", lost.Errors[0].ErrorDetails.RecommendedAction);
        Ok("Set-NataliaAppliance natalia-nice -ApplianceId $args[0]", Lost);

        Assert.Equal([$"{Lost} {own} out local SixHourly True"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.SuccessorId) $($_.Hypervisor) "
                + "$($_.Repository) $($_.Strategy) $($_.IncludeSystemDisk)\" }").Text);
        foreach (string how in new[] { "natalia-nice", $"-ApplianceId {Lost}", $"-ApplianceId {own}", Lost })
            Assert.Equal([$"{Lost} True"], Ok($"Get-NataliaAppliance {how} | ForEach-Object "
                + "{ \"$($_.ApplianceId) $($_.IsEnrolled)\" }").Text);
        // However a schedule names it.
        foreach (string who in new[] { "Get-NataliaAppliance | Invoke-NataliaBackup",
            "Invoke-NataliaBackup natalia-nice", $"Invoke-NataliaBackup {Lost}", $"Invoke-NataliaBackup {own}" })
            Assert.Equal([$"{Lost} natalia-nice"],
                Ok(who + " | ForEach-Object { \"$($_.ApplianceId) $($_.ApplianceName)\" }").Text);
        Assert.Equal(["5"], Ok("@(Get-NataliaAppliance | Get-NataliaRestorePoint).Count").Text);
        Assert.Equal([$"{Lost} 7"], Ok("Get-NataliaAppliance | Get-NataliaRetention | ForEach-Object "
            + "{ \"$($_.ApplianceId) $($_.Daily)\" }").Text);
        Assert.Equal([Lost],
            Ok("(Measure-NataliaRecovery).ApplianceId | Select-Object -Unique").Text);
        Ok("Set-NataliaAppliance natalia-nice -Strategy Daily");
        Assert.Equal([$"{Lost} {own} Daily"], Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) "
            + "$($_.SuccessorId) $($_.Strategy)\" }").Text);
        Assert.Contains("takes the place of the VM",
            One("(Get-NataliaAuditRecord | Where-Object { $_.Event -eq 'appliance-set' -and $_.Reason }).Reason"));
        Assert.Equal(["True"], Ok("Test-NataliaAudit -Quiet").Text);
        // What is said of the VM reaches it, also where the lost one is back.
        Describe("vms", "natalia-nice", "4711");
        Assert.Equal(["out"], Ok("(Get-NataliaAppliance).Hypervisor").Text);
        Ok("Get-NataliaAppliance | Export-NataliaApplianceConfiguration -Destination $args[0]",
            Folder["configuration.json"]);
        Assert.Contains(own, File.ReadAllText(Folder["configuration.json"]));
    }

    [Fact]
    public void Two_vms_never_hold_one_id()
    {
        string own = Restore("copy");
        Assert.Equal([ErrorIds.ApplianceStillExists],
            Run($"Set-NataliaAppliance copy -ApplianceId {Lost}").ErrorIds);
        Assert.Equal(["vms"], Ok("(Get-NataliaAppliance).Hypervisor").Text);
        Ok($"Set-NataliaAppliance copy -ApplianceId {Lost} -Force -WhatIf");
        Assert.Equal(["vms"], Ok("(Get-NataliaAppliance).Hypervisor").Text);

        Ok($"Set-NataliaAppliance copy -ApplianceId {Lost} -Force");
        Assert.Equal([$"{Lost} copy"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.Name)\" }").Text);
        foreach (string old in new[] { "Invoke-NataliaBackup natalia-nice",
            $"Invoke-NataliaBackup natalia-nice -ApplianceId {Lost} -Repository local",
            "Set-NataliaAppliance natalia-nice -Strategy Daily" })
            Assert.Equal([ErrorIds.ApplianceReplaced], Run(old).ErrorIds);
        // The appliance's id means the VM that stands for it.
        Assert.Equal(["copy"], Ok($"(Invoke-NataliaBackup {Lost}).ApplianceName").Text);
        Assert.Equal(["copy"], Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).ApplianceName").Text);

        Assert.Equal([ErrorIds.ApplianceStillExists],
            Run($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}").ErrorIds);
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Force");
        Assert.Equal([$"{Lost}  natalia-nice"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.SuccessorId) $($_.Name)\" }").Text);
        // The copy was in the appliance's place, and is not any more; what becomes of it has to be said.
        EngineSession.Result copy = Run("Invoke-NataliaBackup copy");
        Assert.Equal([ErrorIds.ApplianceReplaced], copy.ErrorIds);
        Ok(Cures(copy)[1]);
        Assert.Equal([own], Ok("(Invoke-NataliaBackup copy).ApplianceId").Text);
    }

    [Fact]
    public void A_vm_that_was_enrolled_on_its_own_is_one_appliance_afterwards()
    {
        string own = Lose();
        Ok("Set-NataliaAppliance natalia-nice -Repository local; Invoke-NataliaBackup natalia-nice");
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}");
        Assert.Equal([Lost], Ok("(Get-NataliaAppliance).ApplianceId").Text);
        Assert.Equal([Lost], Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).ApplianceId").Text);
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
        Assert.Equal(["2"], Ok("@(Get-NataliaRestorePoint -ApplianceId $args[0]).Count", Lost).Text);
    }

    [Fact]
    public void An_enrolment_in_two_repositories_ends_in_the_one_that_is_named()
    {
        Ok("New-NataliaRepository -Name second -Path $args[0] -Unencrypted; "
            + "Set-NataliaAppliance natalia-nice -Repository second", Folder["second"]);
        Assert.Equal([ErrorIds.RepositoryAmbiguous],
            Run("Unregister-NataliaAppliance natalia-nice -Confirm:$false").ErrorIds);
        Lose();
        EngineSession.Result taken = Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Repository local");
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
        string script = string.Format(System.Globalization.CultureInfo.InvariantCulture, change, Lost);
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
        using TemporaryFolder copy = Copy();
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
    }

    [Fact]
    public void Schedules_that_name_an_appliance_are_found()
    {
        Assert.Equal(["natalia-backup-nightly"], NamingSchedules.Of(
            [Sample.Schedule with { Appliances = ["NATALIA-nice"] },
                Sample.Schedule with { Name = "all", Appliances = [] },
                Sample.Schedule with { Name = "pattern", Appliances = ["natalia-*"] }], ["natalia-nice", Lost]));
    }

    [Fact]
    public void A_vm_that_hyper_v_restored_reads_everything_once_and_is_tracked_from_then_on()
    {
        using HyperVRoom room = LoseOnHyperV(out string lost);

        string[] made = [.. room.Run("1, 2 | ForEach-Object { Get-NataliaAppliance | Invoke-NataliaBackup -Type "
            + "Incremental } | ForEach-Object { \"$($_.ApplianceId) $($_.Type) $($_.Reason)\" }").Text];
        Assert.StartsWith($"{lost} Full ", made[0]);
        Assert.Contains("another VM", made[0]);
        Assert.StartsWith($"{lost} Incremental", made[1]);
    }

    /// <summary>On a simulated Hyper-V host: what is left on VMs, by the ids of the histories that it is of.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_history_left_on_a_vm_goes_when_the_vm_does_not_go_on_with_it(bool isStuck)
    {
        using HyperVRoom room = EnrollOnHyperV(out string lost);
        room.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor hv -NewName restored "
            + "-Network @{ LAN = 'LAN' }");
        string own = room.Run("(Get-NataliaAppliance -Name restored).ApplianceId").Text.Single();
        room.Run("Set-NataliaAppliance restored -Repository nas -DataDisk scsi0:1 -IncludeSystemDisk; "
            + "Invoke-NataliaBackup restored");
        SimMachine restored = room.Host.Machines.Single(m => m != room.Machine);
        Assert.Single(room.Machine.References);
        string former = Assert.Single(restored.References).Id;

        if (isStuck) room.Host.Faults["DestroyReferencePoint"] = new SimFault { Message = "Busy.", Times = 1 };
        EngineSession.Result taken = room.Run($"Set-NataliaAppliance restored -ApplianceId {lost} -Force");
        if (isStuck)
        {
            Assert.Contains($"a reference point of its history {own} in 'nas'", taken.Warnings[0]);
            Assert.Contains("The next backup tries again.", taken.Warnings[0]);
            Assert.Equal([former], restored.References.Select(r => r.Id));
        }
        else
        {
            Assert.Empty(taken.Warnings);
            Assert.Empty(restored.References);
            Assert.Empty(room.Machine.References);
        }
        room.Run("Get-NataliaAppliance | Invoke-NataliaBackup");
        Assert.NotEqual(former, Assert.Single(restored.References).Id);

        Assert.Empty(room.Run("Unregister-NataliaAppliance restored -Confirm:$false").Warnings);
        Assert.Empty(restored.References);
        Assert.DoesNotContain("natalia", restored.Notes, StringComparison.Ordinal);
    }

    [Fact]
    public void An_enrolment_that_ends_where_nobody_shows_its_vm_tells_what_may_stay_on_it()
    {
        using var room = new HyperVRoom(RepositoryFixture.Disk(300 * 512, 1));
        room.Run("Set-NataliaAppliance natalia-01 -Repository nas; Invoke-NataliaBackup natalia-01; "
            + "Disconnect-NataliaHypervisor hv");
        string warning = Assert.Single(room.Run("Unregister-NataliaAppliance natalia-01 -Confirm:$false").Warnings);
        Assert.Contains("what backups left on it for the next incremental stays", warning);
    }
    [QemuFact]
    public void An_enrolment_that_ends_tells_what_may_be_in_the_images_of_a_vm_that_is_switched_off()
    {
        var machine = new Machine
        {
            Folder = Directory.CreateDirectory(Folder["qemu/off"]).FullName,
            Id = Guid.NewGuid().ToString(),
            Name = "natalia-off",
            Disks = [new MachineDisk("data", "data.qcow2", DiskRole.Data, ImageFormat.Qcow2)],
        };
        machine.Write();
        using (Process made = Process.Start("qemu-img",
            ["create", "-q", "-f", "qcow2", Folder["qemu/off/data.qcow2"], "1M"]))
            made.WaitForExit();
        Ok("Connect-NataliaHypervisor -Qemu $args[0] -Name qemu; Set-NataliaAppliance natalia-off -Repository local",
            Folder["qemu"]);
        string id = One("(Get-NataliaAppliance natalia-off).ApplianceId");
        string repositoryId = One("(Get-NataliaRepository).RepositoryId");
        foreach ((char run, string history) in new[] { ('1', id), ('2', Lost) })
            new BackupNote
            {
                RunId = new string(run, 32),
                RepositoryId = repositoryId,
                HistoryId = history,
                CreatedUtc = new DateTime(2026, 11, 1, 0, 0, 0, DateTimeKind.Utc),
                Disks = ["data"],
            }.Write(machine);

        string warning = Assert.Single(Ok("Unregister-NataliaAppliance natalia-off -Confirm:$false").Warnings);
        Assert.Contains($"a bitmap of changes of its history {id} in 'local' (2026-11-01 00:00 UTC) may be there, and "
            + "cannot be removed as long as it is switched off.", warning);
    }
}
