@{
    RootModule             = 'Natalia.Backup.psm1'
    ModuleVersion          = '0.1.0'
    GUID                   = '97d626ed-e883-4139-8849-3c2cbc855d80'
    Author                 = 'Natalia'
    CompanyName            = 'Natalia'
    Copyright              = '(c) Natalia. All rights reserved.'
    Description            = 'Backs up the Natalia appliance from PowerShell and proves that it worked: full and incremental restore points of its data disk, encrypted and verified, with retention, restore tests, copies off site and an audit log.'

    # 5.1, or 7.4 and newer: the root module checks the second, which a manifest cannot say.
    PowerShellVersion      = '5.1'
    CompatiblePSEditions   = @('Desktop', 'Core')
    DotNetFrameworkVersion = '4.7.2'
    CLRVersion             = '4.0'

    RequiredModules        = @()
    RequiredAssemblies     = @()
    FormatsToProcess       = @('Natalia.Backup.Format.ps1xml', 'Natalia.Backup.Retention.Format.ps1xml', 'Natalia.Backup.Native.Format.ps1xml', 'Natalia.Backup.Upkeep.Format.ps1xml', 'Natalia.Backup.RestoreTest.Format.ps1xml', 'Natalia.Backup.Recovery.Format.ps1xml', 'Natalia.Backup.Report.Format.ps1xml')

    CmdletsToExport        = @(
        'Connect-NataliaHypervisor'
        'Get-NataliaHypervisor'
        'Disconnect-NataliaHypervisor'
        'Get-NataliaAppliance'
        'Set-NataliaAppliance'
        'Unregister-NataliaAppliance'
        'Export-NataliaApplianceConfiguration'
        'New-NataliaRepository'
        'Connect-NataliaRepository'
        'Get-NataliaRepository'
        'Disconnect-NataliaRepository'
        'Test-NataliaRepository'
        'Optimize-NataliaRepository'
        'Repair-NataliaRepository'
        'Add-NataliaRepositoryKey'
        'Get-NataliaRepositoryKey'
        'Remove-NataliaRepositoryKey'
        'Export-NataliaProfile'
        'Import-NataliaProfile'
        'Invoke-NataliaBackup'
        'Get-NataliaRestorePoint'
        'Test-NataliaRestore'
        'Get-NataliaRestoreTest'
        'Measure-NataliaRecovery'
        'Export-NataliaReport'
        'Test-NataliaReport'
        'Get-NataliaDiagnostic'
        'Test-NataliaRestorePoint'
        'Copy-NataliaRestorePoint'
        'Remove-NataliaRestorePoint'
        'Protect-NataliaRestorePoint'
        'Unprotect-NataliaRestorePoint'
        'Set-NataliaRetention'
        'Get-NataliaRetention'
        'Invoke-NataliaRetention'
        'Get-NataliaRetentionPlan'
        'Export-NataliaDisk'
        'Mount-NataliaRestorePoint'
        'Get-NataliaMount'
        'Dismount-NataliaRestorePoint'
        'Restore-NataliaAppliance'
        'Test-NataliaPrerequisite'
        'Invoke-NataliaSnapshot'
        'Get-NataliaSnapshot'
        'Remove-NataliaSnapshot'
        'Register-NataliaSchedule'
        'Get-NataliaSchedule'
        'Unregister-NataliaSchedule'
        'Set-NataliaReplication'
        'Get-NataliaReplication'
        'Remove-NataliaReplication'
        'Get-NataliaAuditRecord'
        'Test-NataliaAudit'
    )
    FunctionsToExport      = @()
    AliasesToExport        = @()
    VariablesToExport      = @()

    PrivateData            = @{
        PSData = @{
            Tags = @('PSEdition_Desktop', 'PSEdition_Core', 'Windows', 'Linux', 'Backup', 'Restore', 'Retention', 'Proxmox', 'Appliance')
        }
    }
}
