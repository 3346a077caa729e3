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
        [IO.File]::WriteAllBytes("$Folder/vms/natalia-paris/data.raw", [byte[]]::new(65536))
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
        """;

    [RealPowerShellFact]
    public async Task A_removal_that_nobody_can_confirm_says_how_to_say_yes_and_removes_nothing()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["script.ps1"], Script);

        RealPowerShell.Result run = await RealPowerShell.RunAsync("-File", folder["script.ps1"],
            BuildLayout.Manifest, folder.Path);

        Assert.True(run.ExitCode == 0, run.Error + run.Output);
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string told = lines.Single(l => l.Contains('|'));
        Assert.StartsWith("NotConfirmed,Natalia.Backup.Commands.RemoveNataliaRestorePointCommand | InvalidOperation | "
            + "Say -Confirm:$false", told, StringComparison.Ordinal);
        Assert.Contains("nobody is here", told, StringComparison.Ordinal);
        Assert.Equal(["2", "1"], lines.Where(l => l.Length == 1));
    }
}
