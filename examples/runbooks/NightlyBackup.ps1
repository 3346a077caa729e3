<#
.SYNOPSIS
Backs up every enrolled appliance, copies new points to a second place, and applies retention.
.DESCRIPTION
For Azure Automation on a Hybrid Worker, for a scheduled task, and for a systemd timer or cron; Windows PowerShell 5.1 and PowerShell 7.4 or newer.
Everything is tried, whatever fails before; what failed ends the script with an error at its end, so that the job counts as failed, and the exit code is 1.
Register-NataliaSchedule makes a task or timer that does the same; this is for whoever wants to change it.
.PARAMETER ProfilePath
What Export-NataliaProfile wrote: connections, and the names of their secrets.
.PARAMETER CopyTo
Repositories of the profile that new points are copied to. Azure Automation takes a list as JSON: ['offsite'].
.PARAMETER Full
Reads everything. Run it so once a day; left out, only what changed is read where the hypervisor knows it.
.EXAMPLE
powershell.exe -NoProfile -NonInteractive -File C:\Scripts\NightlyBackup.ps1 -ProfilePath C:\ProgramData\natalia.json -CopyTo offsite -Full
#>
param([Parameter(Mandatory = $true)] [string] $ProfilePath, [string[]] $CopyTo = @(), [switch] $Full)
$ErrorActionPreference = 'Stop'
if (-not (Get-Command Invoke-NataliaBackup -ErrorAction Ignore)) { Import-Module Natalia.Backup }
$failures = New-Object System.Collections.Generic.List[string]
# Errors of a cmdlet come when the rest of its work is done. None of them keeps the next step from being tried.
function Step([string] $What, [scriptblock] $Do) {
    Write-Output "$([DateTime]::UtcNow.ToString('s'))Z $What"
    $ErrorActionPreference = 'Continue'
    try {
        & $Do 2>&1 | ForEach-Object {
            if ($_ -is [Management.Automation.ErrorRecord]) { Fail $What $_ } else { "$_" }
        }
    }
    catch { Fail $What $_ }
}
# The error's id, what happened, and what to do about it.
function Fail([string] $What, [Management.Automation.ErrorRecord] $Failure) {
    $failures.Add("${What}: $($Failure.Exception.Message)")
    $advice = if ($Failure.ErrorDetails) { $Failure.ErrorDetails.RecommendedAction }
    Write-Output "FAILED $(@($Failure.FullyQualifiedErrorId -split ',')[0]): $("$($Failure.Exception.Message) $advice".TrimEnd())"
}
$connect = @{ Path = $ProfilePath }
# In Azure Automation the credentials are assets of the account; elsewhere Get-Secret is asked.
if (Get-Command Get-AutomationPSCredential -ErrorAction Ignore) { $connect.SecretResolver = { Get-AutomationPSCredential -Name $args[0] } }
$imported = Import-NataliaProfile @connect
foreach ($name in $imported.NotConnected) { $failures.Add("'$name' was not connected") }

$type = if ($Full) { 'Full' } else { 'Auto' }
# What does not answer, such as one host of a cluster, keeps nothing else from being backed up.
$appliances = @(Get-NataliaAppliance -ErrorAction SilentlyContinue -ErrorVariable troubles)
foreach ($trouble in $troubles) { $failures.Add("$trouble") }
Step "Backup ($type)" { $appliances | Invoke-NataliaBackup -Type $type }
$before = $failures.Count
# A storage that keeps points of its hypervisor's own, such as Proxmox VE's, has nothing that can be copied.
$native = @(Get-NataliaRepository -ErrorAction SilentlyContinue | Where-Object { $_.RepositoryKind -ne 'Natalia' } | ForEach-Object { $_.Name })
if ($CopyTo) { foreach ($one in @($appliances | ForEach-Object { $_.Repository } | Select-Object -Unique)) { if ($native -contains $one) { Write-Output "Points in $one are not copied: they are the storage's own, and a sync job of its backup server gives them a second place." } } }
foreach ($destination in $CopyTo) {
    $copied = @($appliances | Where-Object { $_.Repository -ne $destination -and $native -notcontains $_.Repository })
    if (-not $copied) { continue }
    Step "Copy to $destination" {
        $copied | ForEach-Object { Get-NataliaRestorePoint -ApplianceId $_.ApplianceId -Repository $_.Repository } |
            Copy-NataliaRestorePoint -Destination $destination
    }
}
# What is removed before it was copied has no second place, and never gets one.
if ($failures.Count -gt $before) { Write-Output 'Retention is left out: not every point was copied. Nothing is removed until a run copies them all.' }
else {
    Step 'Retention' { $appliances | Invoke-NataliaRetention }
    foreach ($destination in $CopyTo) { Step "Retention in $destination" { Invoke-NataliaRetention -Repository $destination } }
}
if ($Full) { foreach ($one in @(Get-NataliaRepository -ErrorAction SilentlyContinue)) { if ($one.RepositoryKind -eq 'Natalia') { Step "Space in $($one.Name)" { Optimize-NataliaRepository -Repository $one.Name } } } }

if ($failures.Count -gt 0) { throw "The backup was not whole: $($failures -join '; ')" }
Write-Output 'Everything was done.'
