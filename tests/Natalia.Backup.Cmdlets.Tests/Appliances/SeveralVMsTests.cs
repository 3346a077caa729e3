using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Cmdlets.Tests.Schedules;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Operations.Schedules.Systemd;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>
/// Old and new VMs of one appliance beside each other, in several repositories: one history never holds two of them,
/// and what a message tells the user to say works.
/// </summary>
public sealed class SeveralVMsTests : SuccessionRoom
{
    [Fact]
    public void An_older_point_is_not_built_on_the_networks_of_the_living_successor()
    {
        Directory.Delete(Folder["vms/natalia-nice"], true);
        Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out");
        Ok("Set-NataliaAppliance natalia-nice -ApplianceId $args[0]; Invoke-NataliaBackup natalia-nice", Lost);
        foreach (string which in new[] { "-First 1", "-Last 1" })
            Assert.Equal([ErrorIds.NetworkChoiceRequired],
                Run("Get-NataliaRestorePoint | Sort-Object TimeUtc | Select-Object " + which
                    + " | Restore-NataliaAppliance -Hypervisor out -NewName again").ErrorIds);
        Assert.Equal(["natalia-nice"], Directory.GetDirectories(Folder["out"]).Select(Path.GetFileName)
            .Where(n => n![0] != '.'));
    }

    [Fact]
    public void A_repository_that_does_not_know_the_successor_gets_points_of_neither_vm()
    {
        Second();
        string own = Lose();
        EngineSession.Result taken = Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Repository local");
        Assert.Contains("'second'", Assert.Single(taken.Warnings));
        int before = Count(Lost, "second");
        // By name it goes where it can, and says where it does not.
        EngineSession.Result told = Ok("Invoke-NataliaBackup natalia-nice");
        Assert.Contains("'second'", Assert.Single(told.Warnings));
        Assert.Equal(["local"], Ok("(Invoke-NataliaBackup natalia-nice).Repository").Text);
        foreach (string script in new[] { "Invoke-NataliaBackup natalia-nice -Repository second",
            "Set-NataliaAppliance natalia-nice -Repository second" })
            Assert.Equal([ErrorIds.ApplianceReplaced], Run(script).ErrorIds);
        // The lost one is back: what a schedule runs.
        Describe("vms", "natalia-nice", "4711");
        EngineSession.Result night = Run("Get-NataliaAppliance | Invoke-NataliaBackup");
        Assert.Equal([ErrorIds.ApplianceReplaced], night.ErrorIds);
        Assert.Equal(["local"], night.Output.Select(p => p.Properties["Repository"].Value));
        Assert.Equal([ErrorIds.ApplianceReplaced],
            Run("Invoke-NataliaBackup natalia-nice -Hypervisor vms -Repository second").ErrorIds);
        Assert.Equal((before, 0), (Count(Lost, "second"), Count(own, "second")));
        // The warning's own line.
        Ok(Cures(told)[0]);
        Assert.Equal(["local", "second"],
            Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).Repository | Sort-Object").Text);
        Assert.Equal(before + 1, Count(Lost, "second"));
    }

    [Fact]
    public void A_drill_that_is_over_in_another_repository_stops_no_night()
    {
        Ok("New-NataliaRepository -Name offsite -Path $args[0] -Unencrypted; "
            + "Get-NataliaRestorePoint -Repository local | Copy-NataliaRestorePoint offsite; "
            + "Disconnect-NataliaRepository local", Folder["offsite"]);
        Ok("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor out -NewName drill "
            + "-Network @{ voice = 'lab' }; Set-NataliaAppliance drill -ApplianceId $args[0] -Force; "
            + "Invoke-NataliaBackup drill; Unregister-NataliaAppliance drill", Lost);
        Directory.Delete(Folder["out/drill"], true);
        Ok("Connect-NataliaRepository -Name local -Path $args[0] -Unencrypted", Folder["repository"]);
        foreach (string night in new[] { "Get-NataliaAppliance | Invoke-NataliaBackup",
            "Invoke-NataliaBackup natalia-nice", "Invoke-NataliaBackup natalia-nice -Repository local" })
        {
            EngineSession.Result result = Ok(night);
            Assert.Empty(result.Warnings);
            Assert.Equal(["local"], result.Output.Select(p => p.Properties["Repository"].Value));
        }
        Ok("Set-NataliaAppliance natalia-nice -Strategy Daily -Repository local");
        Assert.Equal(["local"], Ok("(Get-NataliaAppliance | Where-Object IsEnrolled).Repository").Text);
    }

    [Fact]
    public void A_single_backup_goes_into_the_old_history_once_the_last_vm_is_gone()
    {
        Lose();
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Repository local");
        Restore("third");
        string script = $"(Invoke-NataliaBackup third -ApplianceId {Lost} -Repository local).ApplianceId";
        Assert.Equal([ErrorIds.ApplianceStillExists], Run(script).ErrorIds);
        Directory.Delete(Folder["out/natalia-nice"], true);
        Assert.Equal([Lost], Ok(script).Text);
    }

    [Fact]
    public void A_repository_without_an_enrolment_goes_on_under_the_appliances_id()
    {
        string own = Lose();
        Ok("New-NataliaRepository -Name third -Path $args[0] -Unencrypted", Folder["third"]);
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Repository local");
        Describe("vms", "natalia-nice", "4711");
        // Both are piped in, and only one stands for the appliance.
        Assert.Equal([$"{Lost} natalia-nice"],
            Ok("Get-NataliaAppliance -Name natalia-nice | Invoke-NataliaBackup -Repository third -ErrorAction Ignore | "
                + "ForEach-Object { \"$($_.ApplianceId) $($_.ApplianceName)\" }").Text);
        Ok("Set-NataliaAppliance natalia-nice -Repository third");
        Assert.Equal([$"local {Lost} {own}", $"third {Lost} {own}"], Ok("Get-NataliaAppliance | ForEach-Object "
            + "{ \"$($_.Repository) $($_.ApplianceId) $($_.SuccessorId)\" } | Sort-Object").Text);
    }

    [Fact]
    public void What_is_written_is_not_told_as_failed_where_another_repository_is_dead()
    {
        Second();
        string own = Lose();
        Directory.Delete(Folder["second"], true);
        EngineSession.Result taken = Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Repository local "
            + "-PassThru");
        Assert.Contains("'second'", Assert.Single(taken.Warnings));
        Assert.Equal(own, taken.Output.Single().Properties["SuccessorId"].Value);
    }

    [Fact]
    public void An_enrolment_that_could_not_be_ended_is_told_and_ended_by_the_same_command()
    {
        string own = Lose();
        Ok("Set-NataliaAppliance natalia-nice -Repository local");
        string script = $"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Repository local";
        bool wasSeen = false;
        for (int at = 0; !wasSeen; at++)
        {
            Assert.True(at < 40);
            using TemporaryFolder copy = Copy();
            using (var session = new EngineSession())
            using (FolderStore inner = FolderStore.Open(copy.Path, create: false))
            using (var store = new FaultStore(inner, Fault.FailBefore, at, writesOnly: true))
            {
                Connect(session);
                session.Run("param($s) $null = Add-Repository $s -Name local", store);
                EngineSession.Result first = session.Run(script);
                if (!first.Warnings.Any(w => w.Contains("could not be ended"))) continue;
                wasSeen = true;
                Assert.Empty(first.Errors);
                Assert.Empty(Ended(session));
                EngineSession.Result again = session.Run(script);
                Assert.Empty(again.Errors);
                Assert.Empty(again.Warnings);
                Assert.Equal(["enrolment-ended"], Ended(session));
                session.Run($"Unregister-NataliaAppliance -ApplianceId {Lost} -Confirm:$false");
                Assert.Equal([ErrorIds.NothingEnrolled], session.Run("Get-NataliaAppliance").ErrorIds);
            }
        }

        IReadOnlyList<string> Ended(EngineSession session) => session.Run($"Get-NataliaAuditRecord -Appliance {own} | "
            + "Where-Object Event -like 'enrolment*' | ForEach-Object Event").Text;
    }

    [Fact]
    public void An_ended_enrolment_that_is_taken_up_again_goes_on_with_its_history()
    {
        string own = Lose();
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}; Unregister-NataliaAppliance natalia-nice "
            + "-Confirm:$false");
        Assert.Equal([Lost], Ok("(Invoke-NataliaBackup natalia-nice -Repository local).ApplianceId").Text);
        Ok("Set-NataliaAppliance natalia-nice -Repository local");
        Assert.Equal([$"{Lost} {own}"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.SuccessorId)\" }").Text);
        Assert.Equal([Lost], Ok("(Get-NataliaAppliance | Invoke-NataliaBackup).ApplianceId").Text);
        Assert.Equal(0, Count(own, "local"));
    }

    [Fact]
    public void Where_both_vms_have_one_name_a_name_means_the_one_that_stands_and_an_id_the_vm()
    {
        string own = Lose();
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}");
        Describe("vms", "natalia-nice", "4711");
        Ok("Set-NataliaAppliance natalia-nice -Strategy Daily");
        Assert.Equal([$"{own} Daily"], Standing());
        Ok($"Set-NataliaAppliance -ApplianceId {Lost} -Strategy SixHourly");
        Assert.Equal([$"{own} SixHourly"], Standing());
        EngineSession.Result several = Run($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost} -Force");
        Assert.Equal([ErrorIds.ApplianceAmbiguous], several.ErrorIds);
        Assert.Contains(own, several.Errors[0].ToString());
        EngineSession.Result old = Run("Invoke-NataliaBackup natalia-nice -Hypervisor vms");
        Assert.Equal([ErrorIds.ApplianceReplaced], old.ErrorIds);
        Ok(Cures(old)[0]);
        Assert.Equal([" SixHourly"], Standing());
        EngineSession.Result successor = Run("Invoke-NataliaBackup natalia-nice -Hypervisor out");
        Assert.Equal([ErrorIds.ApplianceReplaced], successor.ErrorIds);
        Ok(Cures(successor)[0]);
        Assert.Equal([$"{own} SixHourly"], Standing());
        Assert.Equal([Lost], Ok("(Invoke-NataliaBackup natalia-nice).ApplianceId").Text);

        IReadOnlyList<string> Standing() => Ok("Get-NataliaAppliance | ForEach-Object "
            + "{ \"$($_.SuccessorId) $($_.Strategy)\" }").Text;
    }

    [Fact]
    public void A_successor_that_was_replaced_in_its_turn_is_not_forgotten()
    {
        string second = Lose();
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}");
        Directory.Move(Folder["out/natalia-nice"], Folder["away"]);
        string third = One("(Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor vms -NewName "
            + "natalia-nice).ApplianceId");
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}");
        Directory.Move(Folder["away"], Folder["out/natalia-nice"]);

        Assert.Equal([Lost], Ok("(Invoke-NataliaBackup natalia-nice).ApplianceId").Text);
        EngineSession.Result all = Run("Invoke-NataliaBackup natalia-*");
        Assert.Equal([ErrorIds.ApplianceReplaced], all.ErrorIds);
        Assert.Equal([Lost], all.Output.Select(p => p.Properties["ApplianceId"].Value));
        Directory.Move(Folder["vms/natalia-nice"], Folder["away"]);
        foreach (string script in new[] { "Invoke-NataliaBackup natalia-nice",
            "Set-NataliaAppliance natalia-nice -Strategy Daily" })
            Assert.Equal([ErrorIds.ApplianceReplaced], Run(script).ErrorIds);
        Assert.Equal([$"{Lost} {third}"],
            Ok("Get-NataliaAppliance | ForEach-Object { \"$($_.ApplianceId) $($_.SuccessorId)\" }").Text);
        Assert.Equal(0, Count(second, "local"));
    }

    [Fact]
    public void A_copy_does_not_go_on_with_the_history_of_a_living_vm()
    {
        string own = Restore("copy");
        EngineSession.Result copy = Run($"Invoke-NataliaBackup copy -ApplianceId {Lost}");
        Assert.Equal([ErrorIds.ApplianceStillExists], copy.ErrorIds);
        Assert.Equal(1, Count(Lost, "local"));
        Ok(Cures(copy)[0]);
        Assert.Equal([own], Ok("(Get-NataliaAppliance).SuccessorId").Text);
        // Of one that is gone it goes on.
        Directory.Delete(Folder["out/copy"], true);
        Directory.Delete(Folder["vms/natalia-nice"], true);
        Ok("Unregister-NataliaAppliance copy -Confirm:$false");
        Restore("other");
        Assert.Equal([Lost],
            Ok($"(Invoke-NataliaBackup other -ApplianceId {Lost} -Repository local).ApplianceId").Text);
    }

    [Fact]
    public void An_ended_enrolment_is_measured_only_where_it_is_named()
    {
        string own = Lose();
        Ok("Set-NataliaAppliance natalia-nice -Repository local; Invoke-NataliaBackup natalia-nice");
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}");
        Assert.Equal([Lost], Ok("(Measure-NataliaRecovery).ApplianceId | Select-Object -Unique").Text);
        Assert.Equal([own], Ok($"(Measure-NataliaRecovery {own}).ApplianceId | Select-Object -Unique").Text);
        Ok("Unregister-NataliaAppliance natalia-nice -Confirm:$false");
        Assert.Empty(Run("Measure-NataliaRecovery").Output);
        Assert.Equal([Lost], Ok($"(Measure-NataliaRecovery {Lost}).ApplianceId | Select-Object -Unique").Text);
    }

    [Fact]
    public void A_closed_site_is_not_measured_where_its_copies_alone_are_read_once_they_are_told()
    {
        Ok("New-NataliaRepository -Name copies -Path $args[0] -Unencrypted; "
            + "Get-NataliaRestorePoint | Copy-NataliaRestorePoint -Destination copies", Folder["copies"]);
        EngineSession.Result ended = Ok("Unregister-NataliaAppliance natalia-nice -Reason closed -Confirm:$false");
        Assert.Contains("'copies'", Assert.Single(ended.Warnings));
        Assert.NotEmpty(Ok("Measure-NataliaRecovery -Repository copies").Output);
        Ok(Cures(ended)[0] + " -Reason closed -Confirm:$false");
        Assert.Empty(Run("Measure-NataliaRecovery -Repository copies").Output);
        Assert.Equal([Lost], Ok($"(Measure-NataliaRecovery {Lost} -Repository copies).ApplianceId | "
            + "Select-Object -Unique").Text);
        Assert.Equal(["True"], Ok("Test-NataliaAudit copies -Quiet").Text);
        Assert.Equal([ErrorIds.ApplianceNotFound],
            Run(Cures(ended)[0] + " -Reason closed -Confirm:$false").ErrorIds);
        // The appliance goes on somewhere: its copies tell of it.
        Ok("Set-NataliaAppliance natalia-nice -Repository local; Invoke-NataliaBackup natalia-nice "
            + "-Repository local; Get-NataliaRestorePoint -Repository local | "
            + "Copy-NataliaRestorePoint -Destination copies");
        Assert.NotEmpty(Ok("Measure-NataliaRecovery -Repository copies").Output);
        // It ends for good: they are told again, by the same command.
        EngineSession.Result again = Ok("Unregister-NataliaAppliance natalia-nice -Reason closed -Confirm:$false");
        Assert.Equal(Cures(ended), Cures(again));
        Ok(Cures(again)[0] + " -Reason closed -Confirm:$false");
        Assert.Empty(Run("Measure-NataliaRecovery -Repository copies").Output);
    }

    [Fact]
    public void Where_hyper_v_shows_the_lost_vm_again_the_living_one_is_measured()
    {
        using HyperVRoom room = LoseOnHyperV(out _);
        const string script = "Measure-NataliaRecovery | ForEach-Object "
            + "{ \"$($_.Objective) $($_.Verdict) $($_.Reason)\" } | Where-Object { $_ -like 'OffHost*' }";
        string alone = room.Run(script).Text.Single();
        Assert.DoesNotContain("not connected", alone);
        room.Host.Machines.Add(room.Machine);
        Assert.Equal(alone, room.Run(script).Text.Single());
    }

    [Fact]
    public void A_schedule_that_names_the_appliance_or_its_vm_by_id_is_found_and_measured()
    {
        if (!OperatingSystem.IsLinux()) return;
        string own = Lose();
        Ok($"Set-NataliaAppliance natalia-nice -ApplianceId {Lost}; Export-NataliaProfile $args[0]",
            Folder["profile.json"]);
        Directory.CreateDirectory(Folder["units"]);
        foreach ((string name, string id) in new[] { ("old", Lost), ("new", own) })
            foreach (KeyValuePair<string, string> file in UnitFiles.Create(Sample.Schedule with
            {
                Name = name,
                ProfilePath = Folder["profile.json"],
                Appliances = [id],
                CopyTo = [],
            }, true, new Dictionary<string, string>()))
                File.WriteAllText(Folder["units/" + file.Key], file.Value);
        foreach (string how in new[] { "Get-NataliaSchedule natalia-nice", "Get-NataliaAppliance | Get-NataliaSchedule",
            $"Get-NataliaSchedule -ApplianceId {Lost}" })
            Assert.Equal(["natalia-backup-new False", "natalia-backup-old False"], Ok(how + " -UnitFolder $args[0] | ForEach-Object "
                + "{ \"$($_.ScheduleId) $($_.IsOverdue)\" } | Sort-Object", Folder["units"]).Text);
    }

    private void Second() => Ok("New-NataliaRepository -Name second -Path $args[0] -Unencrypted; "
        + "Set-NataliaAppliance natalia-nice -Repository second -IncludeSystemDisk; "
        + "Invoke-NataliaBackup natalia-nice -Repository second",
        Folder["second"]);

    private int Count(string id, string repository) => int.Parse(One(
        $"@(Get-NataliaRestorePoint -ApplianceId {id} -Repository {repository} -ErrorAction Ignore).Count"),
        System.Globalization.CultureInfo.InvariantCulture);
}
