BeforeDiscovery {
    $windows = [Environment]::OSVersion.Platform -eq 'Win32NT'
    $linux = -not $windows -and (Test-Path /proc)
    $admin = $windows -and ([Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()).IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

BeforeAll {
    . (Join-Path $PSScriptRoot 'common.ps1')
    $place = New-Workplace
    $null = Connect-NataliaHypervisor -Folder $place.Vms -Name pester-vms
    $null = New-NataliaRepository -Path $place.Repository -Name pester-open -Unencrypted
    $null = Get-NataliaAppliance -Name natalia-paris -Hypervisor pester-vms | Set-NataliaAppliance -Repository pester-open
    $profilePath = Join-Path $place.Root 'natalia.json'
    $null = Export-NataliaProfile $profilePath -Hypervisor pester-vms -Repository pester-open
    $units = Join-Path $place.Root 'units'
}

AfterAll {
    Disconnect-NataliaRepository pester-open
    Disconnect-NataliaHypervisor pester-vms
    Remove-Item -LiteralPath $place.Root -Recurse -Force
}

Describe 'A schedule' {
    It 'on Linux is a timer that starts this PowerShell, and backs up when it is started' -Skip:(-not $linux) {
        $made = Register-NataliaSchedule -ProfilePath $profilePath -UnitFolder $units -Name pester -WarningAction SilentlyContinue
        $made.ScheduleId | Should -Be 'natalia-backup-pester'
        $made.Program | Should -Be (Get-Process -Id $PID).Path
        (Register-NataliaSchedule -ProfilePath $profilePath -UnitFolder $units -Name pester -WarningAction SilentlyContinue).WasChanged | Should -BeFalse
        (Get-NataliaSchedule -UnitFolder $units).IsOverdue | Should -BeTrue

        $line = (Get-Content (Join-Path $units 'natalia-backup-pester.service') | Where-Object { $_ -like 'ExecStart=*' }).Substring('ExecStart='.Length)
        $output = & /usr/bin/env -i PATH=/usr/bin:/bin /bin/sh -c $line
        $LASTEXITCODE | Should -Be 0 -Because ($output -join "`n")
        (Get-NataliaSchedule -UnitFolder $units).IsOverdue | Should -BeFalse
        Get-NataliaSchedule -UnitFolder $units | Unregister-NataliaSchedule
        Get-ChildItem $units -File -Recurse | Should -BeNullOrEmpty
    }

    It 'on Windows is a task of the Task Scheduler' -Skip:(-not $admin) {
        try {
            $made = Register-NataliaSchedule -ProfilePath $profilePath -Name pester -QuarterlyRestoreTest -WarningAction SilentlyContinue
            $made.Account | Should -Be 'SYSTEM'
            @($made.NextRunsUtc).Count | Should -Be 1
            (Register-NataliaSchedule -ProfilePath $profilePath -Name pester -QuarterlyRestoreTest -WarningAction SilentlyContinue).WasChanged | Should -BeFalse
            (Get-ScheduledTask -TaskPath '\Natalia.Backup\' -TaskName 'natalia-backup-pester').Principal.UserId | Should -BeIn 'SYSTEM', 'S-1-5-18'
            "$((Get-NataliaSchedule | Where-Object ScheduleId -EQ natalia-backup-pester).LastResult)" | Should -Be 'NeverRan'
        }
        finally { Get-NataliaSchedule | Where-Object ScheduleId -EQ natalia-backup-pester | Unregister-NataliaSchedule }
        Get-ScheduledTask -TaskPath '\Natalia.Backup\' -ErrorAction Ignore | Where-Object TaskName -Like 'natalia-backup-pester*' | Should -BeNullOrEmpty
    }
}
