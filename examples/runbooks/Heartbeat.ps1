<#
.SYNOPSIS
The heartbeat: fails when a backup of the last days is missing, also when the task for it never started.
.DESCRIPTION
Run it on another machine than the one that makes the backups, so that the alert does not fail with what it watches. A task that never started leaves no error
behind; the age of the newest restore point finds it. Windows PowerShell 5.1 and PowerShell 7.4 or newer; Azure Automation on a Hybrid Worker, tasks, timers, and
checks of Nagios, Icinga or Zabbix: one line per objective, and exit code 0 (all is met), 2 (something was missed) or 3 (nobody can tell, as in the first days).
.PARAMETER ProfilePath
What Export-NataliaProfile wrote.
.PARAMETER PeriodDays
How far back it looks.
.PARAMETER Objective
What is watched: Schedule and Rpo, or more of what Measure-NataliaRecovery knows.
.EXAMPLE
natalia Heartbeat.ps1 -ProfilePath /etc/natalia/profile.json
#>
param([Parameter(Mandatory = $true)] [string] $ProfilePath, [int] $PeriodDays = 2, [string[]] $Objective = @('Schedule', 'Rpo'))
$ErrorActionPreference = 'Stop'
try {
    if (-not (Get-Command Measure-NataliaRecovery -ErrorAction Ignore)) { Import-Module Natalia.Backup }
    $connect = @{ Path = $ProfilePath; WarningAction = 'SilentlyContinue' }
    if (Get-Command Get-AutomationPSCredential -ErrorAction Ignore) { $connect.SecretResolver = { Get-AutomationPSCredential -Name $args[0] } }
    $imported = Import-NataliaProfile @connect
    $rows = @(Measure-NataliaRecovery -Objective $Objective -PeriodDays $PeriodDays -ErrorAction SilentlyContinue -ErrorVariable troubles)
    $unknown = @($troubles | ForEach-Object { "$_" }) + @($imported.NotConnected | ForEach-Object { "'$_' was not connected" })
}
catch { $rows = @(); $unknown = @($_.Exception.Message) }
foreach ($row in $rows) { Write-Output "$($row.Verdict) $($row.ApplianceName) $($row.Objective): now $($row.Now), target $($row.Target). $($row.Reason)" }
foreach ($text in $unknown) { Write-Output "UNKNOWN $text" }
$bad = @($rows | Where-Object { "$($_.Verdict)" -eq 'Missed' })
$open = @($rows | Where-Object { "$($_.Verdict)" -eq 'NotEvidenced' })
$text = if ($bad) { "A backup is missing: $(@($bad | ForEach-Object { "$($_.ApplianceName) $($_.Objective)" }) -join ', ')." }
elseif ($open -or $unknown -or -not $rows) { 'Whether every backup was made is not known.' }
if (-not $text) { Write-Output 'OK'; return }
# A job of Azure Automation fails by an error, and a check of a monitoring system by its exit code.
if (Get-Command Get-AutomationPSCredential -ErrorAction Ignore) { throw $text }
Write-Output $text
if ($bad) { exit 2 } else { exit 3 }
