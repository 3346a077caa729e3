# One step of compare.sh, in a process of its own so that its time and memory can be measured.
param([string] $Step, [string] $Work, [string] $Repository, [string] $Type)
$ErrorActionPreference = 'Stop'
# What every step takes before it begins.
if ($Step -eq 'start') { return }
$password = [Net.NetworkCredential]::new('', 'benchmark').SecurePassword
if ($Step -eq 'init') {
    $null = New-NataliaRepository -Name bench -Path $Repository -Password $password
    return
}
$null = Connect-NataliaRepository -Name bench -Path $Repository -Password $password
switch ($Step) {
    { $_ -in 'full', 'incremental' } {
        $null = Connect-NataliaHypervisor -Folder ([IO.Path]::Combine($Work, 'vms'))
        $point = Get-NataliaAppliance -Name benchmark | Invoke-NataliaBackup -Repository bench -Type $Step
        [string] $point.Type
        "read $($point.ReadBytes), stored $($point.StoredBytes), $($point.Duration) $($point.Reason)"
    }
    'prompt' {
        $null = Connect-NataliaHypervisor -Folder ([IO.Path]::Combine($Work, 'vms'))
        $null = Get-NataliaAppliance -Name benchmark | Invoke-NataliaBackup -Repository bench -Type Incremental
        $into = 'bench'
        if ($Type -eq 'new') {
            $into = 'fresh'
            $null = New-NataliaRepository -Name fresh -Path "$Repository-fresh" -Password $password
        }
        else { bash ([IO.Path]::Combine($Work, 'swap.sh')) }
        $image = [IO.Path]::Combine($Work, 'restored.raw')
        # What is compiled at its first use was used before, as by the backup.
        if ($Type -eq 'restore') { $null = Get-NataliaRestorePoint -Repository bench -Latest | Export-NataliaDisk -Format raw -Destination $image; Remove-Item $image; sync }
        if ($Type -eq 'verify') { $null = Get-NataliaRestorePoint -Repository bench -Latest | Test-NataliaRestorePoint }
        $watch = [Diagnostics.Stopwatch]::StartNew()
        if ($Type -eq 'restore') { $result = Get-NataliaRestorePoint -Repository bench -Latest | Export-NataliaDisk -Format raw -Destination $image }
        elseif ($Type -eq 'verify') { $result = Get-NataliaRestorePoint -Repository bench -Latest | Test-NataliaRestorePoint }
        else { $result = Get-NataliaAppliance -Name benchmark | Invoke-NataliaBackup -Repository $into -Type ($Type -eq 'incremental' ? 'Incremental' : 'Full') }
        'seconds ' + $watch.Elapsed.TotalSeconds.ToString('0.000', [cultureinfo]::InvariantCulture)
        if ($Type -eq 'incremental' -and $result.Type -ne 'Incremental') { throw "The changes were not used: $($result.Reason)" }
        if ($Type -eq 'verify' -and $result.Result -ne 'Passed') { throw "$result $($result.Detail)" }
    }
    'restore' {
        $format = $Type ? $Type.ToLowerInvariant() : 'raw'
        $null = Get-NataliaRestorePoint -Repository bench -Latest | Export-NataliaDisk -Format $format -Destination ([IO.Path]::Combine($Work, "restored.$format"))
    }
    'verify' {
        $check = Get-NataliaRestorePoint -Repository bench -Latest | Test-NataliaRestorePoint
        if ($check.Result -ne 'Passed') { throw "$check $($check.Detail)" }
    }
    'scrub' {
        foreach ($check in Test-NataliaRepository -Repository bench -Full) { if ($check.Result -eq 'Failed') { throw "$check $($check.Detail)" } }
    }
    default { throw "There is no step '$Step'." }
}
