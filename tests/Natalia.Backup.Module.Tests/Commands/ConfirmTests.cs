using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>Questions where nobody is there to answer.</summary>
public sealed class ConfirmTests
{
    private const string Script =
        """
        param($Manifest, $Folder)
        $ErrorActionPreference = 'Stop'
        Import-Module $Manifest
        $null = New-Item -ItemType Directory "$Folder/vms/natalia-paris"
        $disk = [byte[]]::new(65536)
        $null = New-Item -ItemType Directory "$Folder/vms/fresh"
        [IO.File]::WriteAllBytes("$Folder/vms/fresh/data.raw", $disk)
        $disk[0] = 7
        [IO.File]::WriteAllBytes("$Folder/vms/natalia-paris/data.raw", $disk)
        $null = Connect-NataliaHypervisor "$Folder/vms"
        $null = New-NataliaRepository -Path "$Folder/nas" -Name nas -Unencrypted
        $first = Invoke-NataliaBackup natalia-paris
        $null = Invoke-NataliaBackup natalia-paris -Type Full
        try { $first | Remove-NataliaRestorePoint; 'removed' }
        catch { "$($_.FullyQualifiedErrorId) | $($_.CategoryInfo.Category) | $($_.ErrorDetails.RecommendedAction) | $_" }
        @(Get-NataliaRestorePoint -Repository nas).Count
        $first | Remove-NataliaRestorePoint -WhatIf
        $first | Remove-NataliaRestorePoint -Confirm:$false
        @(Get-NataliaRestorePoint -Repository nas).Count
        try { Get-NataliaRestorePoint | Restore-NataliaAppliance -TargetAppliance fresh; 'replaced' }
        catch { "$($_.FullyQualifiedErrorId) | $_" }
        [IO.File]::ReadAllBytes("$Folder/vms/fresh/data.raw")[0]
        $null = Get-NataliaRestorePoint | Restore-NataliaAppliance -TargetAppliance fresh -Confirm:$false
        [IO.File]::ReadAllBytes("$Folder/vms/fresh/data.raw")[0]
        """;

    [RealPowerShellFact]
    public async Task What_nobody_can_confirm_says_how_to_say_yes_and_changes_nothing()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["script.ps1"], Script);

        RealPowerShell.Result run = await RealPowerShell.RunAsync("-File", folder["script.ps1"],
            BuildLayout.Manifest, folder.Path);

        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] all = [.. lines.Where(l => l.Contains('|'))];
        Assert.StartsWith("NotConfirmed,Natalia.Backup.Commands.RestoreNataliaApplianceCommand | ", all[1],
            StringComparison.Ordinal);
        string told = all[0];
        Assert.StartsWith("NotConfirmed,Natalia.Backup.Commands.RemoveNataliaRestorePointCommand | InvalidOperation | "
            + "Say -Confirm:$false", told, StringComparison.Ordinal);
        Assert.Contains("nobody is here", told, StringComparison.Ordinal);
        Assert.Equal(["2", "1", "0", "7"], lines.Where(l => l.Length == 1));
    }
}
