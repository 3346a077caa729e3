BeforeAll {
    . (Join-Path $PSScriptRoot 'common.ps1')
    $work = New-Workplace -Name natalia-paris, natalia-lyon
    $null = New-NataliaRepository -Name nas -Path $work.Repository -Password $work.Password
    $null = Connect-NataliaHypervisor -Folder $work.Vms -Name folder
    $points = @(Get-NataliaAppliance -Name natalia-* -Hypervisor folder | Invoke-NataliaBackup -Repository nas)
}

AfterAll {
    Disconnect-NataliaRepository -Repository nas
    Disconnect-NataliaHypervisor -Hypervisor folder
    Remove-Item -LiteralPath $work.Root -Recurse -Force
}

Describe 'Jobs' {
    BeforeAll {
        $inside = {
            param($manifest, $path, $password)
            $ErrorActionPreference = 'Stop'
            Import-Module $manifest
            $null = Connect-NataliaRepository -Name nas -Path $path -Password $password
            Get-NataliaRestorePoint | Test-NataliaRestorePoint
        }
    }

    It 'work in a process of their own, and what they return says what it said there' {
        $results = @(Start-Job -ScriptBlock $inside -ArgumentList $manifest, $work.Repository, $work.Password | Receive-Job -Wait -AutoRemoveJob)
        $results | Should -HaveCount 2
        $results.Result | ForEach-Object { "$_" } | Should -Be 'Passed', 'Passed'
    }

    It 'return points that cmdlets take' {
        $copies = Start-Job -ArgumentList $manifest, $work.Repository, $work.Password -ScriptBlock {
            param($manifest, $path, $password)
            Import-Module $manifest
            $null = Connect-NataliaRepository -Path $path -Password $password
            Get-NataliaRestorePoint
        } | Receive-Job -Wait -AutoRemoveJob
        ($copies | Test-NataliaRestorePoint -Repository nas).Result | Should -Be 'Passed', 'Passed'
    }

    It 'work in threads of this process' -Skip:(-not (Get-Command Start-ThreadJob -ErrorAction Ignore)) {
        $results = @(Start-ThreadJob -ScriptBlock $inside -ArgumentList $manifest, $work.Repository, $work.Password | Receive-Job -Wait -AutoRemoveJob)
        $results.Result | Should -Be 'Passed', 'Passed'
    }

    It 'work side by side in ForEach-Object -Parallel' -Skip:($PSVersionTable.PSEdition -ne 'Core') {
        $path = $work.Repository; $password = $work.Password
        $results = @($points.RestorePointId | ForEach-Object -Parallel {
                $ErrorActionPreference = 'Stop'
                Import-Module $using:manifest
                $null = Connect-NataliaRepository -Path $using:path -Password $using:password
                Get-NataliaRestorePoint | Where-Object RestorePointId -EQ $_ | Test-NataliaRestorePoint
            })
        $results.Result | Should -Be 'Passed', 'Passed'
    }
}

Describe 'A point in a file' {
    It 'comes back from Export-Clixml as something that cmdlets take' {
        $file = Join-Path $work.Root 'points.xml'
        $points | Export-Clixml -LiteralPath $file
        $back = @(Import-Clixml -LiteralPath $file)
        $back.RestorePointId | Should -Be $points.RestorePointId
        $back[0].TimeUtc.Kind | Should -Be 'Utc'
        ($back | Test-NataliaRestorePoint -Repository nas).Result | Should -Be 'Passed', 'Passed'
    }

    It 'becomes JSON that another program understands' {
        $back = $points | ConvertTo-Json -Depth 4 | ConvertFrom-Json
        $back.RestorePointId | Should -Be $points.RestorePointId
    }
}

Describe 'A runbook' {
    It 'that stops at errors ends with <Code> when <What>' -ForEach @(
        @{ What = 'all is well'; Name = 'natalia-paris'; Code = 0 }
        @{ What = 'there is no such appliance'; Name = 'natalia-oslo'; Code = 1 }
    ) {
        $script = Join-Path $work.Root 'runbook.ps1'
        Set-Content -LiteralPath $script -Value @'
param($Manifest, $Vms, $Repository, $Name)
$ErrorActionPreference = 'Stop'
Import-Module $Manifest
$password = [Net.NetworkCredential]::new('', 'correct horse battery staple').SecurePassword
$null = Connect-NataliaHypervisor -Folder $Vms
$null = Connect-NataliaRepository -Path $Repository -Password $password
Get-NataliaAppliance -Name $Name | Invoke-NataliaBackup | ForEach-Object Appliance
'the end'
'@
        $output = @(& $shell -NoProfile -NonInteractive -File $script $manifest $work.Vms $work.Repository $Name 2>&1)
        $LASTEXITCODE | Should -Be $Code
        ($output[-1] -eq 'the end') | Should -Be ($Code -eq 0)
    }
}

Describe 'The packed zip' {
    It 'is imported from where it was unpacked' {
        $zip = Join-Path $work.Root 'Natalia.Backup.zip'
        Compress-Archive -Path $moduleRoot -DestinationPath $zip
        $there = Join-Path $work.Root 'Modules'
        Expand-Archive -LiteralPath $zip -DestinationPath $there
        $code = '$env:PSModulePath = $args[0] + [IO.Path]::PathSeparator + $env:PSModulePath; (Get-Command Get-NataliaRestorePoint).Module.ModuleBase'
        & $shell -NoProfile -NonInteractive -Command "& { $code } '$there'" | Should -Be (Join-Path $there 'Natalia.Backup')
    }
}

Describe 'Beside a module with an older AWSSDK' {
    It 'both work, whichever comes first: <First>' -Skip:(-not $env:NATALIA_OLDER_AWS -and $env:NATALIA_REQUIRE_REAL -ne '1') -ForEach @(@{ First = 'other' }, @{ First = 'ours' }) {
        $other = New-Item -ItemType Directory -Force -Path (Join-Path $work.Root 'Other.Aws')
        Copy-Item -LiteralPath $env:NATALIA_OLDER_AWS -Destination $other
        Set-Content -LiteralPath (Join-Path $other 'Other.Aws.psm1') -Value @'
Add-Type -Path (Join-Path $PSScriptRoot 'AWSSDK.Core.dll')
function Get-OtherAws { [Amazon.RegionEndpoint]::EUWest1.SystemName + ' ' + [Amazon.RegionEndpoint].Assembly.GetName().Version }
'@
        # A bucket that is not there is told by the SDK of this module; nothing listens on the port.
        $code = @'
param($First, $Other, $Manifest)
$ErrorActionPreference = 'Stop'
foreach ($one in $(if ($First -eq 'other') { $Other, $Manifest } else { $Manifest, $Other })) { Import-Module $one }
$keys = [pscredential]::new('key', [Net.NetworkCredential]::new('', 'secret').SecurePassword)
$failed = $null
try { $null = Connect-NataliaRepository -Bucket none -Endpoint http://127.0.0.1:9 -Region eu-west-1 -Credential $keys -Password $keys.Password }
catch { $failed = $_ }
"$(Get-OtherAws) $($failed.FullyQualifiedErrorId.Split(',')[0])"
'@
        $script = Join-Path $work.Root 'beside.ps1'
        Set-Content -LiteralPath $script -Value $code
        & $shell -NoProfile -NonInteractive -File $script $First (Join-Path $other 'Other.Aws.psm1') $manifest |
            Should -BeLike 'eu-west-1 3.3.0.0 Store*'
    }
}
