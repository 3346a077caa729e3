using Natalia.Backup.Cmdlets.Tests.RestoreTests;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>
/// Backups into one repository, beside another one that does not answer: nothing is asked of it that is waited for
/// long, and what it may know is not gambled on.
/// </summary>
public sealed class SilentRepositoryTests : SuccessionRoom
{
    private readonly TaskCompletionSource _never = new();
    private bool _isSilent;

    public SilentRepositoryTests()
    {
        Ok("$null = New-NataliaRepository -Name made -Path $args[0] -Unencrypted; Disconnect-NataliaRepository made",
            Folder["second"]);
        var store = new HookStore(FolderStore.Open(Folder["second"], create: false))
        {
            Before = _ => _isSilent ? _never.Task : Task.CompletedTask,
        };
        Ok("param($s) $null = Add-Repository $s -Name second -Patience 0.2", store);
    }

    [Fact]
    public void A_backup_that_names_its_repository_is_not_held_up_and_tells_what_it_does_not_know()
    {
        _isSilent = true;
        EngineSession.Result made = Ok("Invoke-NataliaBackup natalia-nice -Repository local");
        Assert.Equal([Lost], Values(made, "ApplianceId"));
        Assert.Contains("in 'second': It did not answer within 0.2 seconds.", Assert.Single(made.Warnings));
        _isSilent = false;
        Assert.Empty(Ok("Invoke-NataliaBackup natalia-nice -Repository local").Warnings);
    }

    /// <summary>
    /// It may have said since that the old VM stands for the appliance again, in this session or on another machine.
    /// </summary>
    [Fact]
    public void What_a_silent_repository_said_earlier_does_not_count()
    {
        Ok("Set-NataliaAppliance natalia-nice -Repository second");
        Ok("Unregister-NataliaAppliance natalia-nice -Repository local -Confirm:$false");
        Restore("copy");
        Ok($"Set-NataliaAppliance copy -ApplianceId {Lost} -Repository second -Force");
        Ok("$null = Get-NataliaAppliance -Name *");
        Ok($"Set-NataliaAppliance {Lost} -ApplianceId {Lost} -Repository second -Force");
        _isSilent = true;
        Assert.Equal([Lost], Values(Ok("Invoke-NataliaBackup natalia-nice -Repository local"), "ApplianceId"));
        // By itself the other one is an appliance of its own.
        Assert.DoesNotContain(Lost, Values(Run("Invoke-NataliaBackup copy -Repository local"), "ApplianceId"));
    }

    [Fact]
    public void An_end_that_is_recorded_does_not_wait_for_a_repository_that_may_hold_copies()
    {
        Ok("New-NataliaRepository -Name copies -Path $args[0] -Unencrypted; "
            + "Get-NataliaRestorePoint -Repository local | Copy-NataliaRestorePoint -Destination copies",
            Folder["copies"]);
        _isSilent = true;
        EngineSession.Result ended = Ok(
            "Unregister-NataliaAppliance natalia-nice -Repository local -Confirm:$false -Verbose");
        // What answers is told all the same.
        Assert.Contains("'copies'", Assert.Single(ended.Warnings));
        _isSilent = false;
    }

    [Fact]
    public void Of_two_vms_none_goes_into_a_history_while_the_one_that_knows_is_silent()
    {
        // The first repository knows no VM, and its newest point is of the successor, which the second one knows.
        using var room = new HyperVRoom(RepositoryFixture.Disk(300 * 512, 1), RepositoryFixture.Disk(500 * 512, 2));
        room.Run("$null = New-NataliaRepository -Name second -Path $args[0] -Unencrypted; Set-NataliaAppliance "
            + "natalia-01 -Repository second -DataDisk scsi0:1 -IncludeSystemDisk; Invoke-NataliaBackup natalia-01",
            Folder["third"]);
        string lost = room.Run("(Get-NataliaAppliance).ApplianceId").Text.Single();
        room.Run("Get-NataliaRestorePoint -Latest | Restore-NataliaAppliance -Hypervisor hv -NewName restored "
            + "-Network @{ LAN = 'LAN' }");
        room.Run($"Set-NataliaAppliance restored -ApplianceId {lost} -Repository second -Force; "
            + "Invoke-NataliaBackup restored -Repository nas -DataDisk scsi0:1; "
            + "Disconnect-NataliaRepository second");
        var store = new HookStore(FolderStore.Open(Folder["third"], create: false))
        {
            Before = _ => _isSilent ? _never.Task : Task.CompletedTask,
        };
        room.Run("param($s) $null = Add-Repository $s -Name second -Patience 0.2", store);

        const string script = "Invoke-NataliaBackup natalia-01 -Repository nas -DataDisk scsi0:1";
        _isSilent = true;
        EngineSession.Result old = room.Session.Run(script);
        Assert.Equal([ErrorIds.SuccessionUnknown], old.ErrorIds);
        Assert.Contains("'second'", old.Errors[0].ToString());
        Assert.Empty(old.Output);
        _isSilent = false;
        Assert.Equal([ErrorIds.ApplianceReplaced], room.Session.Run(script).ErrorIds);
        // Since then another machine may have said something else.
        _isSilent = true;
        Assert.Equal([ErrorIds.SuccessionUnknown], room.Session.Run(script).ErrorIds);
        _isSilent = false;
    }

    private static IReadOnlyList<object?> Values(EngineSession.Result result, string property) =>
        [.. result.Output.Select(o => o.Properties[property].Value)];
}
