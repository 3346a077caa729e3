# natalia benchmarks/measure.ps1 FOLDER [DAYS]
# Measures recovery of every appliance of a repository that `fleet` made, in a fresh session: how long it takes, how many
# rows there are, and the largest working set of the process. Run it twice: the first run also reads the disk.
param([Parameter(Mandatory)] [string] $Folder, [int] $Days = 92)
$ErrorActionPreference = 'Stop'
$null = Connect-NataliaRepository -Path $Folder -Name fleet -Unencrypted
$before = [System.Diagnostics.Process]::GetCurrentProcess().TotalProcessorTime
$watch = [System.Diagnostics.Stopwatch]::StartNew()
$rows = Measure-NataliaRecovery -PeriodDays $Days -WarningAction SilentlyContinue
$seconds = $watch.Elapsed.TotalSeconds
$process = [System.Diagnostics.Process]::GetCurrentProcess()
$verdicts = ($rows | Group-Object Verdict -NoElement | ForEach-Object { "$($_.Name) $($_.Count)" }) -join ', '
'{0} appliances, {1} rows ({2}); period {3} days; {4:0.0} s, {5:0.0} s of processor time; peak working set {6:0} MiB' -f @($rows.ApplianceId | Sort-Object -Unique).Count,
    $rows.Count, $verdicts, $Days, $seconds, ($process.TotalProcessorTime - $before).TotalSeconds, ($process.PeakWorkingSet64 / 1MB)
