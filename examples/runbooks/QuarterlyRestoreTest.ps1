<#
.SYNOPSIS
Tests the restore of every enrolled appliance, and writes down what was attained.
.DESCRIPTION
For once a quarter. Each appliance is restored into an isolated VM, checked inside, and destroyed; one after another. Then RPO, RTO and the other objectives of the
last quarter are written into a report, with the records that they rest on. Azure Automation on a Hybrid Worker, scheduled tasks, systemd timers; Windows PowerShell 5.1
and PowerShell 7.4 or newer. A test that did not pass ends the script with an error at its end.
.PARAMETER ProfilePath
What Export-NataliaProfile wrote. One of its hypervisors must be able to start test VMs.
.PARAMETER ReportFolder
Where the files go: restore-tests-DATE.json, and the report, recovery-DATE.html.
.PARAMETER TestBench
The hypervisor of the profile that runs the test VMs; left out, the only one that can.
.PARAMETER SystemImage
The system disk that the test VMs boot from, for points that hold the data disk alone; left out, each appliance's own setting.
.EXAMPLE
powershell.exe -NoProfile -NonInteractive -File C:\Scripts\QuarterlyRestoreTest.ps1 -ProfilePath C:\ProgramData\natalia.json -ReportFolder \\nas\reports
#>
param([Parameter(Mandatory = $true)] [string] $ProfilePath, [Parameter(Mandatory = $true)] [string] $ReportFolder, [string] $TestBench, [string] $SystemImage)
$ErrorActionPreference = 'Stop'
if (-not (Get-Command Test-NataliaRestore -ErrorAction Ignore)) { Import-Module Natalia.Backup }
$failures = New-Object System.Collections.Generic.List[string]
$connect = @{ Path = $ProfilePath }; $how = @{ ThrottleLimit = 1 }
if (Get-Command Get-AutomationPSCredential -ErrorAction Ignore) {
    $connect.SecretResolver = { Get-AutomationPSCredential -Name $args[0] }; $how.SecretResolver = $connect.SecretResolver
}
if ($TestBench) { $how.TestBench = $TestBench }
if ($SystemImage) { $how.SystemImage = $SystemImage }
$imported = Import-NataliaProfile @connect
foreach ($name in $imported.NotConnected) { $failures.Add("'$name' was not connected") }
$null = New-Item -ItemType Directory -Force -Path $ReportFolder
$stamp = [DateTime]::UtcNow.ToString('yyyyMMddTHHmmssZ')

# A test that did not pass writes its object first, and its error when all are done.
$tests = @(Get-NataliaAppliance -ErrorAction SilentlyContinue -ErrorVariable unlisted | Test-NataliaRestore @how -ErrorAction SilentlyContinue -ErrorVariable troubles)
foreach ($trouble in @($unlisted) + @($troubles)) { $failures.Add("$trouble") }
function Format-Time($Time) { if ($null -eq $Time) { 'none' } else { '{0:00}:{1:mm\:ss}' -f [Math]::Floor($Time.TotalHours), $Time } }
foreach ($test in $tests) {
    $times = 'restore {0}, boot {1}, checks {2} (hours:minutes:seconds)' -f (Format-Time $test.RestoreDuration), (Format-Time $test.BootDuration), (Format-Time $test.ChecksDuration)
    Write-Output "$($test.Result) $($test.ApplianceName): $times. $($test.Reason)"
}
# In PowerShell 7 results are words, as Passed; Windows PowerShell writes their numbers.
$json = @{ Depth = 6 }
if ((Get-Command ConvertTo-Json).Parameters.ContainsKey('EnumsAsStrings')) { $json.EnumsAsStrings = $true }
ConvertTo-Json -InputObject $tests @json | Set-Content -Encoding UTF8 -LiteralPath (Join-Path $ReportFolder "restore-tests-$stamp.json")

$rows = @(Measure-NataliaRecovery -ErrorAction SilentlyContinue -ErrorVariable troubles)
foreach ($trouble in $troubles) { $failures.Add("$trouble") }
foreach ($row in $rows) { Write-Output "$($row.Verdict) $($row.ApplianceName) $($row.Objective): attained $($row.Attained), target $($row.Target). $($row.Reason)" }
$null = Export-NataliaReport -Path (Join-Path $ReportFolder "recovery-$stamp.html") -ErrorAction SilentlyContinue -ErrorVariable troubles
foreach ($trouble in $troubles) { $failures.Add("$trouble") }

if ($failures.Count -gt 0) { throw "The restore tests did not prove everything: $($failures -join '; ')" }
Write-Output 'Every restore test passed.'
