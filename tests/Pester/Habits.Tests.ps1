# Where and how people work: other cultures, strict mode, constrained language, odd paths, hardly any environment.
BeforeAll {
    . (Join-Path $PSScriptRoot common.ps1)
    $work = New-Workplace
    # The main job, from connecting to restored bytes. What differs between places is a parameter.
    $job = Join-Path $work.Root 'job.ps1'
    [IO.File]::WriteAllText($job, @'
param([string] $Manifest, [string] $Vms, [string] $Folder, [string] $Culture)
$ErrorActionPreference = 'Stop'
if ($Culture) { [cultureinfo]::CurrentCulture = [cultureinfo]::CurrentUICulture = $Culture }
Import-Module $Manifest
$password = ConvertTo-SecureString 'correct horse battery staple' -AsPlainText -Force
$null = New-Item -ItemType Directory -Force -Path $Folder
$null = Connect-NataliaHypervisor -Folder $Vms -Name exports
$null = New-NataliaRepository -Path "$Folder/repository" -Name nas -Password $password
Get-NataliaAppliance -Name natalia-paris | Set-NataliaAppliance -Repository nas -Tolerance 0.25
$point = Get-NataliaAppliance | Invoke-NataliaBackup
Set-NataliaRetention -Repository nas -Daily 7 -Weekly 4 -Monthly 3
$null = Get-NataliaRetentionPlan | Out-String
$null = Export-NataliaProfile "$Folder/profile.json"
if ((Get-NataliaAppliance).RestoreTest.Tolerance -ne 0.25) { throw 'the tolerance changed' }
if (@(Get-NataliaRestorePoint -After ([DateTime]::UtcNow.AddDays(-1))).Count -ne 1) { throw 'the point is not found by its time' }
if (-not ($point | Test-NataliaRestorePoint -Quiet)) { throw 'the point is not good' }
$null = $point | Export-NataliaDisk -Destination "$Folder/out.raw"
if ((Get-FileHash -LiteralPath "$Folder/out.raw").Hash -ne (Get-FileHash -LiteralPath "$Vms/natalia-paris/data.raw").Hash) { throw 'other bytes came back' }
$null = Export-NataliaReport -Path "$Folder/report.html"
# What people see, as a whole: the dates are those of the culture nowhere, but of the view.
$point | Out-String -Width 120
Get-NataliaAuditRecord | Out-String -Width 120
Disconnect-NataliaRepository *
Disconnect-NataliaHypervisor *
'done'
'@)
    function Invoke-Job([string] $Folder) { & $shell -NoProfile -NonInteractive -File $job $manifest $work.Vms $Folder 2>&1 }
}
AfterAll { Remove-Item -Recurse -Force -LiteralPath $work.Root -ErrorAction Ignore }

Describe 'The main job' {
    It 'works in other cultures, and shows the same' {
        $cultures = 'fr-FR', 'de-DE', 'tr-TR', 'ja-JP', 'th-TH', 'ar-SA'
        $script = "foreach (`$c in '$($cultures -join "','")') { `$c; & '$job' '$manifest' '$($work.Vms)' ('$(Join-Path $work.Root in)' + `$c) `$c }"
        # The years of Thailand's and Saudi Arabia's calendars are others; a view has the same as everywhere. A month may end meanwhile.
        $before = [DateTime]::UtcNow
        $shown = & $shell -NoProfile -NonInteractive -Command $script 2>&1
        $months = ($before, [DateTime]::UtcNow | ForEach-Object { $_.ToString('yyyy-MM', [cultureinfo]::InvariantCulture) } | Select-Object -Unique) -join '|'
        $LASTEXITCODE | Should -Be 0 -Because ($shown -join "`n")
        @($shown -eq 'done').Count | Should -Be $cultures.Count -Because ($shown -join "`n")
        @($shown -match "^($months)-\d\d \d\d:\d\d Full\b.* nas: natalia-paris").Count | Should -Be $cultures.Count -Because ($shown -join "`n")
    }

    It 'works in a path with blanks and brackets' {
        $shown = Invoke-Job (Join-Path $work.Root 'a [b] (c) `d''s $e; f')
        $LASTEXITCODE | Should -Be 0 -Because ($shown -join "`n")
    }

    It 'works in a path of more than 200 characters' {
        $shown = Invoke-Job (Join-Path $work.Root ('long-' + 'x' * 100 + '/' + 'y' * 110))
        $LASTEXITCODE | Should -Be 0 -Because ($shown -join "`n")
    }

    It 'works in strict mode' {
        $script = "Set-StrictMode -Version Latest; & '$job' '$manifest' '$($work.Vms)' '$(Join-Path $work.Root strict)'"
        $shown = & $shell -NoProfile -NonInteractive -Command $script 2>&1
        $LASTEXITCODE | Should -Be 0 -Because ($shown -join "`n")
    }

    It 'works without an environment, a home and an input' -Skip:($IsWindows -or $PSVersionTable.PSEdition -ne 'Core') {
        $natalia = [IO.Path]::GetFullPath((Join-Path $moduleRoot '../natalia/natalia'))
        $root = $env:DOTNET_ROOT
        if (-not $root) { $root = [IO.Path]::GetDirectoryName([IO.Path]::GetDirectoryName([IO.Path]::GetDirectoryName([IO.Path]::GetDirectoryName([object].Assembly.Location)))) }
        $shown = & /bin/sh -c 'exec env -i DOTNET_ROOT="$1" HOME=/nonexistent "$2" --non-interactive "$3" "$4" "$5" "$6" <&- 2>&1' sh $root $natalia $job $manifest $work.Vms (Join-Path $work.Root bare)
        $LASTEXITCODE | Should -Be 0 -Because ($shown -join "`n")
    }

    It 'works with splatting and in Start-Job' {
        $shown = Start-Job -ArgumentList $manifest, $work.Vms, (Join-Path $work.Root job) -ScriptBlock {
            $ErrorActionPreference = 'Stop'
            Import-Module $args[0]
            $there = @{ Folder = $args[1]; Name = 'exports' }
            $null = Connect-NataliaHypervisor @there
            $new = @{ Path = $args[2]; Name = 'nas'; Unencrypted = $true }
            $null = New-NataliaRepository @new
            $what = @{ Appliance = 'natalia-paris'; Repository = 'nas'; Type = 'Full' }
            Invoke-NataliaBackup @what
        } | Receive-Job -Wait -AutoRemoveJob
        $shown.ApplianceName | Should -Be natalia-paris
    }
}

Describe 'Constrained language' -Skip:($PSVersionTable.PSEdition -ne 'Core') {
    It 'takes the cmdlets of a module that was imported before' {
        # As where a policy of the system trusts the module and not the script.
        $script = @"
`$ErrorActionPreference = 'Stop'
Import-Module '$manifest'
`$null = New-NataliaRepository -Path '$(Join-Path $work.Root constrained)' -Name nas -Unencrypted
`$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'
`$null = Connect-NataliaHypervisor -Folder '$($work.Vms)' -Name exports
`$point = Invoke-NataliaBackup natalia-paris -Repository nas
if (-not (`$point | Test-NataliaRestorePoint -Quiet)) { throw 'not good' }
`$point | Format-Table | Out-String
`$point | Format-List | Out-String
Get-NataliaAppliance -Name * | Where-Object Name -like 'natalia-*' | ForEach-Object Name
"@
        $shown = & $shell -NoProfile -NonInteractive -Command $script 2>&1
        $LASTEXITCODE | Should -Be 0 -Because ($shown -join "`n")
        $shown[-1] | Should -Be natalia-paris
        ($shown -join "`n") | Should -Match 'Full'
    }
}
